"""Strawberry's views for Flask; stored responses are sent as they are, with headers for caches."""

from typing import Any

from cross_web import HTTPException
from flask import Response, make_response
from strawberry.flask.views import AsyncGraphQLView as _AsyncGraphQLView
from strawberry.flask.views import GraphQLView as _GraphQLView
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncCachingView, CachingView
from strawberry_response_cache.http.werkzeug import WerkzeugView

__all__ = ["AsyncGraphQLView", "GraphQLView"]


class _FlaskView(WerkzeugView):
    def refusal(self, error: HTTPException) -> Response:
        """Return the reason of a refusal as plain text, as Strawberry's view does."""
        return Response(error.reason, status=error.status_code, content_type="text/plain")


class GraphQLView(_FlaskView, CachingView, _GraphQLView[Context, RootValue]):
    """`strawberry.flask.views.GraphQLView`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from flask import Flask
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> application = Flask("shop")
        >>> view = GraphQLView.as_view("graphql", schema=schema)
        >>> application.add_url_rule("/graphql", view_func=view)
    """

    def render_graphql_ide(self, request: Any) -> Response:  # noqa: ANN401 - handed on
        """Return the page of GraphiQL as a response, which has headers."""
        return make_response(super().render_graphql_ide(request))


class AsyncGraphQLView(_FlaskView, AsyncCachingView, _AsyncGraphQLView[Context, RootValue]):
    """`strawberry.flask.views.AsyncGraphQLView`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from flask import Flask
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> application = Flask("shop")
        >>> view = AsyncGraphQLView.as_view("graphql", schema=schema)
        >>> application.add_url_rule("/graphql", view_func=view)
    """
