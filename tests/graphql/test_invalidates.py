"""`@invalidates`: which tags a mutation invalidates that succeeds, that raises and that changes what it receives."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from tests.core.logs import facts_of, ours


class Refuses(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return bool(kwargs["names"] != ["forbidden"])


@strawberry.type
class Got:
    name: str
    weight: strawberry.Private[float] = 0.5


class Doubles(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return Got(name=2 * next_(source, info, **kwargs).name)

    async def resolve_async(
        self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        return Got(name=2 * (await next_(source, info, **kwargs)).name)


@strawberry.type
class Query:
    here: bool = strawberry.field(default=True, directives=[cache_control(ttl=60)])


def change(names: list[str]) -> Got:
    names.append("later")
    if "failing" in names:
        raise LookupError
    return Got(name="got")


async def change_async(names: list[str]) -> Got:
    return change(names)


Change = Callable[[str], Any]


class World:
    """A schema with one mutation, and what it invalidated."""

    def __init__(self, face: Any, *tags: str, cached: bool = True) -> None:
        self.told: set[str] = set()
        self._face = face
        resolver: Any = change if face.synchronous else change_async
        field: Any = strawberry.mutation(
            resolver=resolver, permission_classes=[Refuses], extensions=[Doubles()]
        )
        mutation = strawberry.type(
            type("Mutation", (), {"__annotations__": {}, "change": invalidates(*tags)(field)})
        )
        self.cache = ResponseCache.from_url(
            "memory://", prefix="told", telemetry=False, on_invalidate=self._tell
        )
        extension = ResponseCacheExtension(self.cache, tenant=None, invalidate_on_mutation=None)
        self.schema = strawberry.Schema(Query, mutation, extensions=[extension] if cached else [])

    def _tell(self, tags: tuple[str, ...]) -> None:
        self.told |= {*tags}

    async def change(self, *names: str) -> Any:
        """Change with these names; return the result."""
        listed = ", ".join(f'"{name}"' for name in names)
        query = f"mutation {{ change(names: [{listed}]) {{ name }} }}"
        if self._face.synchronous:
            result = self.schema.execute_sync(query)
        else:
            result = await self.schema.execute(query)
        await self.cache.aclose()
        return result


TAGS = ("of:{args.names}", "result:{result.name}", "both:{args.names} is {result.name}", "always")


async def test_tags_are_filled_from_the_arguments_and_the_result(face: Any) -> None:
    world = World(face, *TAGS)
    result = await world.change("a", "b")
    assert (result.errors, result.data) == (None, {"change": {"name": "gotgot"}})
    assert world.told == {"of:a", "of:b", "result:got", "both:a is got", "both:b is got", "always"}


async def test_a_mutation_that_raises_invalidates_the_tags_that_need_no_result(
    face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(face, *TAGS)
    result = await world.change("failing")
    assert isinstance(result.errors[0].original_error, LookupError)
    assert world.told == {"of:failing", "always"}
    assert ours(caplog.records) == []


async def test_a_mutation_that_a_permission_refuses_invalidates_nothing(face: Any) -> None:
    world = World(face, *TAGS)
    result = await world.change("forbidden")
    assert [error.message for error in result.errors] == ["no"]
    assert world.told == set()


async def test_a_mutation_with_invalidates_runs_without_the_extension(
    face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    result = await World(face, *TAGS, cached=False).change("a")
    assert (result.errors, result.data) == (None, {"change": {"name": "gotgot"}})
    assert ours(caplog.records) == []


@pytest.mark.combined
@pytest.mark.parametrize(
    ("tag", "names", "told", "level", "consequence"),
    [
        (
            "of:{result.weight}",
            ["a"],
            {"of", "of:*"},
            logging.ERROR,
            "whatever it may have named is invalidated",
        ),
        ("{result.weight}", ["a"], {"*"}, logging.ERROR, "the whole tenant is invalidated"),
        (
            "of:{args.names}",
            [str(number) for number in range(1_001)],
            {"of", "of:*"},
            logging.WARNING,
            "whatever it may have named is invalidated",
        ),
    ],
    ids=["of a family", "of none", "too many"],
)
async def test_a_tag_that_cannot_be_filled_invalidates_every_tag_that_it_may_stand_for(
    face: Any,
    caplog: pytest.LogCaptureFixture,
    tag: str,
    names: list[str],
    told: set[str],
    level: int,
    consequence: str,
) -> None:
    world = World(face, tag)
    assert (await world.change(*names)).errors is None
    assert world.told == told
    (record,) = ours(caplog.records)
    assert (record.levelno, record.getMessage().rpartition("; ")[2]) == (level, f"{consequence}.")
    assert facts_of(record)["response_cache.failures"] == 1


def test_invalidates_without_tags_or_below_the_mutation_decorator_is_refused() -> None:
    with pytest.raises(CacheConfigurationError, match="invalidates needs tags"):
        invalidates()
    for below, name in ((change_async, "change_async"), (partial(change), "change")):
        with pytest.raises(TypeError, match="must stand above") as raised:
            invalidates("a")(below)
        assert f"def {name}(self)" in str(raised.value)
