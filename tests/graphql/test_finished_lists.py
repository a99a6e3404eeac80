"""Which lists are finished: all their items are there, and none of them is awaited."""

import asyncio
from collections import OrderedDict, UserList, deque
from collections.abc import AsyncIterator, Callable, Iterator
from types import coroutine
from typing import Any

import pytest
from django.db.models import QuerySet
from graphql import GraphQLInt, GraphQLList, GraphQLNonNull

from strawberry_response_cache.graphql.execution.fields.finished_lists import is_finished


class Plain(list[int]):
    """A list with more methods."""


class Walks(list[int]):
    """A list with an iteration of its own."""

    def __iter__(self) -> Iterator[int]:
        return iter(())


class WalksLater(list[int]):
    """A list with an asynchronous iteration."""

    async def __aiter__(self) -> AsyncIterator[int]:
        yield 1


class Awaited:
    """What is awaited and no coroutine."""

    def __await__(self) -> Iterator[int]:
        yield 1


async def later() -> int:
    return 1


@coroutine
def generated() -> Iterator[int]:
    yield 1


FINISHED: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "list of one's own": Plain,
    "tuple": tuple,
    "deque": deque,
    "set": set,
    "frozenset": frozenset,
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": lambda items: dict(enumerate(items)).values(),
    "query set": lambda _: QuerySet(),
}
UNFINISHED: dict[str, Callable[[list[Any]], Any]] = {
    "iterator": iter,
    "generator": lambda items: (each for each in items),
    "map": lambda items: map(id, items),
    "dict": dict.fromkeys,
    "ordered values": lambda items: OrderedDict(enumerate(items)).values(),
    "user list": UserList,
    "list that walks": Walks,
    "list that walks later": WalksLater,
    "text": str,
    "number": len,
}
ITEM, ITEMS = GraphQLInt, GraphQLList(GraphQLInt)
NESTED = [
    GraphQLList(ITEMS),
    GraphQLList(GraphQLNonNull(ITEMS)),
    GraphQLNonNull(GraphQLList(ITEMS)),
    GraphQLNonNull(GraphQLList(GraphQLNonNull(ITEMS))),
]


@pytest.mark.parametrize(
    ("make", "expected"),
    [(each, True) for each in FINISHED.values()] + [(each, False) for each in UNFINISHED.values()],
    ids=[*FINISHED, *UNFINISHED],
)
def test_a_known_collection_is_finished_and_any_other_iterable_is_not(
    make: Callable[[list[Any]], Any], *, expected: bool
) -> None:
    assert is_finished(ITEMS, make([1, 2])) is expected
    assert is_finished(GraphQLNonNull(ITEMS), make([1, 2])) is expected
    assert is_finished(GraphQLList(GraphQLNonNull(ITEM)), make([1, 2])) is expected
    for kind in NESTED:
        assert is_finished(kind, [[1], make([1, 2])]) is expected
        assert is_finished(kind, [[1], None, [2]])


def test_the_pairs_of_a_dict_are_finished() -> None:
    assert is_finished(GraphQLList(ITEMS), {1: 2}.items())
    assert is_finished(ITEMS, {1: 2}.items())


@pytest.mark.parametrize("kind", ["coroutine", "generator", "future", "awaitable"])
async def test_a_list_with_an_item_that_is_awaited_is_not_finished(kind: str) -> None:
    item: Any = {
        "coroutine": later,
        "generator": generated,
        "future": asyncio.get_running_loop().create_future,
        "awaitable": Awaited,
    }[kind]()
    try:
        assert not is_finished(ITEMS, [1, item])
        assert not is_finished(ITEMS, (item, 1))
        for nested in NESTED:
            assert not is_finished(nested, [[1], [item]])
    finally:
        if kind in {"coroutine", "generator"}:
            item.close()
