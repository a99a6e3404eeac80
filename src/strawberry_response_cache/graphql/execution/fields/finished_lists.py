"""Which lists have all their items when the execution begins to complete them.

A generator runs code of its resolver between its items, and that code may call `restrict_cache`. So fields below a list
have entries of their own only if the list is known to be finished.
"""

from collections import deque
from types import CoroutineType, GeneratorType
from typing import Any, Final

from graphql import GraphQLList, GraphQLNonNull

from strawberry_response_cache.graphql._compat.django_fields import is_query_set

_COLLECTIONS: Final[tuple[Any, ...]] = (
    list,
    tuple,
    set,
    frozenset,
    deque,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
_ITERATIONS: Final = frozenset(each.__iter__ for each in _COLLECTIONS)
"""The iteration methods of Python's collections; a subclass may have its own, which is not in this set."""


def is_finished(kind: Any, result: object) -> bool:  # noqa: ANN401 - graphql-core's
    """Return whether all items of a list, and of lists in it, are known to exist already."""
    here = type(result)
    if is_query_set(here):
        return True
    if getattr(here, "__iter__", None) not in _ITERATIONS or hasattr(here, "__aiter__"):
        return False
    items: Any = result
    item = _without_non_null(_without_non_null(kind).of_type)
    if isinstance(item, GraphQLList):
        return all(each is None or is_finished(item, each) for each in items)
    return not any(map(_comes_later, set(map(type, items))))


def _comes_later(kind: type) -> bool:
    """Return whether graphql-core awaits objects of a class."""
    return issubclass(kind, CoroutineType | GeneratorType) or hasattr(kind, "__await__")


def _without_non_null(kind: Any) -> Any:  # noqa: ANN401 - graphql-core's
    return kind.of_type if isinstance(kind, GraphQLNonNull) else kind
