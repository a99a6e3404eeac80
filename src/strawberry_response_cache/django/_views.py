"""Strawberry's views for Django; stored responses are sent as they are, with headers for caches."""

from cross_web import HTTPException
from django.http import HttpResponse, HttpResponseNotModified
from strawberry.django.views import AsyncGraphQLView as _AsyncGraphQLView
from strawberry.django.views import GraphQLView as _GraphQLView
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.views import AsyncCachingView, CachingView

_OF_CONTENT = frozenset({"content-length", "content-type"})


class _DjangoView:
    def refusal(self, error: HTTPException) -> HttpResponse:
        """Return the reason of a refusal as plain text, as Strawberry's view does."""
        return HttpResponse(
            content=error.reason.encode(), status=error.status_code, content_type="text/plain"
        )

    def not_modified(self, response: HttpResponse) -> HttpResponse:
        """Return a response with status 304, without content and without the headers that describe content."""
        made = HttpResponseNotModified()
        for name, value in response.items():
            if name.lower() not in _OF_CONTENT:
                made[name] = value
        made.cookies.update(response.cookies)
        return made


class GraphQLView(_DjangoView, CachingView, _GraphQLView[Context, RootValue]):
    """Strawberry's ``GraphQLView`` for Django, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from django.urls import path
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> urlpatterns = [path("graphql", GraphQLView.as_view(schema=strawberry.Schema(Query)))]
    """


class AsyncGraphQLView(_DjangoView, AsyncCachingView, _AsyncGraphQLView[Context, RootValue]):
    """Strawberry's ``AsyncGraphQLView`` for Django, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from django.urls import path
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> urlpatterns = [path("graphql", AsyncGraphQLView.as_view(schema=strawberry.Schema(Query)))]
    """
