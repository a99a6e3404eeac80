"""`Cacheable`: a view-model that defines its key, its ttl and how its value is generated."""

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

import pydantic
import pytest

from strawberry_response_cache.core import (
    Cacheable,
    CachedResponse,
    CacheStatus,
    ResponseCache,
)


class Plain(Cacheable[list[int]]):
    ttl = 30

    def __init__(self, number: int) -> None:
        self.number = number
        self.runs = 0

    def cache_key_parts(self) -> list[str]:
        return ["plain", str(self.number)]

    async def generate(self) -> list[int]:
        self.runs += 1
        return [self.number]


@dataclasses.dataclass
class Page(Cacheable[list[int]]):
    number: int
    ttl: int = 30

    def cache_key_parts(self) -> tuple[str, ...]:
        return ("page", str(self.number))

    async def generate(self) -> list[int]:
        return [self.number]

    def cache_tags(self, value: list[int]) -> Iterable[str]:
        return [f"Page:{number}" for number in value]


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen(Cacheable[str]):
    number: int

    @property
    def ttl(self) -> datetime.timedelta:  # type: ignore[override] # documented: "or a property"
        return datetime.timedelta(minutes=self.number)

    def cache_key_parts(self) -> list[str]:
        return ["frozen", str(self.number)]

    async def generate(self) -> str:
        return "value"


class Model(pydantic.BaseModel, Cacheable[datetime.date]):
    number: int
    ttl: int = 30

    def cache_key_parts(self) -> list[str]:
        return ["model", str(self.number)]

    async def generate(self) -> datetime.date:
        return datetime.date(2026, 1, self.number)

    def as_type(self) -> object:
        return datetime.date


async def twice(view: Cacheable[Any], cache: ResponseCache) -> tuple[CachedResponse[object], ...]:
    """Ask for a view-model's value two times."""
    return await view.into_cached(cache), await view.into_cached(cache)


@pytest.mark.parametrize(
    ("view", "value"),
    [
        (Plain(1), [1]),
        (Page(2), [2]),
        (Frozen(3), "value"),
        (Model(number=4), datetime.date(2026, 1, 4)),
    ],
    ids=["class", "dataclass", "frozen dataclass", "pydantic model"],
)
async def test_any_kind_of_class_can_be_cacheable(
    cache: ResponseCache, view: Cacheable[object], value: object
) -> None:
    first, second = await twice(view, cache)

    assert (first.status, first.value) == (CacheStatus.MISS, value)
    assert (second.status, second.value) == (CacheStatus.HIT, value)


async def test_the_ttl_of_a_cacheable_may_be_a_property(cache: ResponseCache) -> None:
    assert (await Frozen(3).into_cached(cache)).ttl == 180


async def test_the_key_parts_of_a_cacheable_are_its_key(cache: ResponseCache) -> None:
    views = [Page(1), Page(2), Page(1)]

    responses = [await view.into_cached(cache) for view in views]

    assert [response.value for response in responses] == [[1], [2], [1]]
    assert [response.status for response in responses] == ["miss", "miss", "hit"]


async def test_a_lifetime_of_zero_caches_nothing(cache: ResponseCache) -> None:
    first, second = await twice(Page(1, ttl=0), cache)

    assert (first.status, second.status) == (CacheStatus.BYPASS, CacheStatus.BYPASS)


async def test_the_tags_of_a_cacheable_invalidate_it(cache: ResponseCache) -> None:
    await Page(1).into_cached(cache)
    await Page(2).into_cached(cache)

    await cache.invalidate("Page:1")

    assert (await Page(1).into_cached(cache)).status is CacheStatus.MISS
    assert (await Page(2).into_cached(cache)).status is CacheStatus.HIT


def test_a_subclass_without_a_required_method_cannot_be_instantiated() -> None:
    class Nothing(Cacheable[int]):
        ttl = 1

    with pytest.raises(TypeError, match="abstract methods"):
        Nothing()  # type: ignore[abstract] # what is tested
