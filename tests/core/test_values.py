"""A value comes back from the cache as it was, or is refused."""

import dataclasses
import enum
from collections.abc import Callable, Iterable
from typing import Any

import pydantic
import pytest

from strawberry_response_cache.core import CacheSerializationError, CacheStatus, ResponseCache


class Base(pydantic.BaseModel):
    id: int


class Derived(Base):
    level: int = 0


class Hiding(pydantic.BaseModel):
    note: str = pydantic.Field(default="", exclude=True)


class Cat(pydantic.BaseModel):
    name: str


class Dog(pydantic.BaseModel):
    name: str


@dataclasses.dataclass
class Pair:
    left: Base
    right: dict[str, list[Base]]


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("as_type", "value"),
    [
        (Base, Derived(id=1, level=7)),
        (list[Base], [Base(id=1), Derived(id=2)]),
        (Hiding, Hiding(note="kept?")),
        (Cat | Dog, Dog(name="Rex")),
        (Pair, Pair(Base(id=1), {"a": [Derived(id=2)]})),
    ],
)
async def test_a_value_that_as_type_would_change_is_refused(
    memory_cache: ResponseCache, face: Any, as_type: Any, value: object
) -> None:
    with pytest.raises(CacheSerializationError):
        await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=as_type)


@pytest.mark.parametrize(
    ("as_type", "value"),
    [
        (Hiding, Hiding()),
        (Pair, Pair(Base(id=1), {"a": [Base(id=2)]})),
        (list[float], [1, 2.5]),
        (dict[int, Base], {1: Base(id=1)}),
    ],
)
async def test_a_value_that_as_type_restores_is_stored(
    memory_cache: ResponseCache, face: Any, as_type: Any, value: object
) -> None:
    await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=as_type)
    again = await face.remember(memory_cache, ["a"], 60, lambda: None, as_type=as_type)
    assert (again.status, repr(again.value)) in {
        (CacheStatus.HIT, repr(value)),
        (CacheStatus.HIT, "[1.0, 2.5]"),
    }


@pytest.mark.parametrize(
    ("value", "as_type"),
    [(Colour.RED, str), ({"a": Colour.RED}, dict[str, Any]), (True, int), ([True], list[int])],
)
async def test_a_value_that_only_equals_what_would_come_back_is_refused(
    memory_cache: ResponseCache, face: Any, value: object, as_type: Any
) -> None:
    with pytest.raises(CacheSerializationError, match="does not give back unchanged"):
        await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=as_type)


@pytest.mark.parametrize("value", [Colour.RED, True, 1])
async def test_enums_and_bools_come_back_with_their_own_type(
    memory_cache: ResponseCache, face: Any, value: object
) -> None:
    for _ in range(2):
        response = await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=type(value))
        assert response.value is value
    assert response.status is CacheStatus.HIT


async def test_unions_of_the_same_members_are_told_apart_by_their_order(
    memory_cache: ResponseCache, face: Any
) -> None:
    for name, as_type, value in (("a", Cat | Dog, Cat(name="x")), ("b", Dog | Cat, Dog(name="x"))):
        for _ in range(2):
            response = await face.remember(
                memory_cache, [name], 60, lambda value=value: value, as_type=as_type
            )
            assert type(response.value) is type(value)


async def test_an_iterator_is_returned_unread_and_not_stored(
    new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    cache = new_cache("memory://", strict=False)
    response = await face.remember(cache, ["a"], 60, lambda: iter([1, 2]), as_type=Iterable[int])
    assert list(response.value) == [1, 2]
    with pytest.raises(
        CacheSerializationError, match=r"which can be read only once. Return a list"
    ):
        await face.remember(
            new_cache("memory://"), ["a"], 60, lambda: iter([1, 2]), as_type=Iterable[int]
        )
