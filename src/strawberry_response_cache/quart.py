"""Strawberry's view for Quart; stored responses are sent as they are, with headers for caches."""

from cross_web import HTTPException
from quart import Response
from strawberry.http.typevars import Context, RootValue
from strawberry.quart.views import GraphQLView as _GraphQLView

from strawberry_response_cache.http.views import AsyncCachingView
from strawberry_response_cache.http.werkzeug import WerkzeugView

__all__ = ["GraphQLView"]


class GraphQLView(WerkzeugView, AsyncCachingView, _GraphQLView[Context, RootValue]):
    """`strawberry.quart.views.GraphQLView`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from quart import Quart
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> application = Quart("shop")
        >>> view = GraphQLView.as_view("graphql", schema=schema)
        >>> application.add_url_rule("/graphql", view_func=view)
    """

    def refusal(self, error: HTTPException) -> Response:
        """Return the reason of a refusal as plain text, as Strawberry's view does."""
        return Response(error.reason, status=error.status_code, content_type="text/plain")
