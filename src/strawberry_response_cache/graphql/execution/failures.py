"""Which errors of an execution allow serving the stale value instead."""

from collections.abc import Iterable, Iterator

from graphql import GraphQLError

from strawberry_response_cache.core.protocol import Unavailable, failure

_DJANGOS = ("django.core.exceptions", "PermissionDenied")


def failure_of(errors: Iterable[GraphQLError]) -> Unavailable | None:
    """Return the first failure, for the log; None if a stale value must not replace the errors.

    A resolver raises a `GraphQLError` for the client to read, and a `PermissionError` to refuse this request. A
    stale value replaces neither.

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
    """Yield an error, its causes and contexts, and the members of exception groups among them."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += (current.__cause__, current.__context__)
        if isinstance(current, BaseExceptionGroup):
            pending += current.exceptions


def _is_answer(error: BaseException) -> bool:
    return isinstance(error, GraphQLError | PermissionError) or any(
        (kind.__module__, kind.__qualname__) == _DJANGOS for kind in type(error).__mro__
    )
