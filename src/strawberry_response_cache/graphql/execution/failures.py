"""Which errors of an execution allow serving the stale value instead."""

from collections.abc import Iterable, Iterator

from graphql import GraphQLError

from strawberry_response_cache.core.protocol import Unavailable, failure

_DJANGOS = ("django.core.exceptions", "PermissionDenied")


def failure_of(errors: Iterable[GraphQLError]) -> Unavailable | None:
    """Return what went wrong, for the log; None if one of the errors is an answer to this request.

    A resolver that raises a `GraphQLError` means the client to read it, and one that refuses access
    decides for this request: neither is replaced by a value from before.

    Args:
        errors: The errors of one execution.
    """
    first: Unavailable | None = None
    for error in errors:
        original = error.original_error
        if original is None or any(map(_is_answer, _chain(original))):
            return None
        first = first or failure(original)
    return first


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        wrapped = current.original_error if isinstance(current, GraphQLError) else None
        current = wrapped or current.__cause__


def _is_answer(error: BaseException) -> bool:
    return isinstance(error, GraphQLError | PermissionError) or any(
        (kind.__module__, kind.__qualname__) == _DJANGOS for kind in type(error).__mro__
    )
