"""Strawberry's controller for Litestar; stored responses are sent as they are, with headers for caches."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from cross_web import HTTPException
from litestar import MediaType, Response
from strawberry.litestar import make_graphql_controller as _make_graphql_controller
from typing_extensions import ParamSpec

from strawberry_response_cache.http.views import AsyncCachingView

__all__ = ["make_graphql_controller"]

P = ParamSpec("P")
C = TypeVar("C", bound=type)


class _LitestarView(AsyncCachingView):
    def refusal(self, error: HTTPException) -> Response[str]:
        """Return the reason of a refusal as plain text, as Strawberry's controller does."""
        return Response(error.reason, status_code=error.status_code, media_type=MediaType.TEXT)

    def not_modified(self, response: Response[Any]) -> Response[None]:
        """Return a response with status 304, with the headers of a response and without its content."""
        return Response(
            None,
            status_code=304,
            headers=response.headers,
            cookies=response.cookies,
            background=response.background,
        )


def _caching(make: Callable[P, C]) -> Callable[P, C]:
    def make_graphql_controller(*args: P.args, **named: P.kwargs) -> C:
        """Make `strawberry.litestar`'s controller; it sends a stored response as it is, with headers for caches.

        Its arguments are Strawberry's.

        Returns:
            The controller.

        Example:
            >>> import strawberry
            >>> from litestar import Litestar
            >>> @strawberry.type
            ... class Query:
            ...     ok: bool = True
            >>> controller = make_graphql_controller(strawberry.Schema(Query), path="/graphql")
            >>> application = Litestar([controller], logging_config=None)
        """
        controller = make(*args, **named)
        return cast("C", type(controller.__name__, (_LitestarView, controller), {}))

    return make_graphql_controller


make_graphql_controller = _caching(_make_graphql_controller)
