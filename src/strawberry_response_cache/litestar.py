"""Strawberry's controller for Litestar; it sends stored responses as they are."""

from collections.abc import Callable
from typing import TypeVar, cast

from strawberry.litestar import make_graphql_controller as _make_graphql_controller
from typing_extensions import ParamSpec

from strawberry_response_cache.http.views import AsyncStoredResponses

__all__ = ["make_graphql_controller"]

P = ParamSpec("P")
C = TypeVar("C", bound=type)


def _sending_stored_responses(make: Callable[P, C]) -> Callable[P, C]:
    def make_graphql_controller(*args: P.args, **named: P.kwargs) -> C:
        """Make `strawberry.litestar`'s controller, which sends a stored response as it is.

        Its arguments are Strawberry's.
        """
        controller = make(*args, **named)
        return cast("C", type(controller.__name__, (AsyncStoredResponses, controller), {}))

    return make_graphql_controller


make_graphql_controller = _sending_stored_responses(_make_graphql_controller)
