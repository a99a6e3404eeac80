"""Fields that fail by chance: whoever asks gets what the schema without a cache says, and nothing older."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
import strawberry
from hypothesis import given
from hypothesis import strategies as st

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from tests.conftest import UNHURRIED

FIELDS = ["open", "mine", "local", "turning", "lasting"]
USERS = [None, "ann", "bob"]


@dataclass
class World:
    """What is true: the versions of the fields, and which fail."""

    versions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    down: set[str] = field(default_factory=set)


def _value(info: strawberry.Info, name: str, *whose: Any) -> str | None:
    world: World = info.context["world"]
    if name in world.down:
        raise ConnectionError(name)
    return " ".join(map(str, (name, world.versions[name], *whose)))


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["open"])
    @strawberry.field
    def open(self, info: strawberry.Info) -> str | None:
        return _value(info, "open")

    @cache_control(ttl=60, scope=CacheScope.PRIVATE, tags=["mine"])
    @strawberry.field
    def mine(self, info: strawberry.Info) -> str | None:
        return _value(info, "mine", info.context["user"])

    @cache_control(ttl=60, vary=["language"], tags=["local"])
    @strawberry.field
    def local(self, info: strawberry.Info) -> str | None:
        return _value(info, "local", info.context["language"])

    @cache_control(ttl=60, tags=["turning"])
    @strawberry.field
    def turning(self, info: strawberry.Info) -> str | None:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return _value(info, "turning", info.context["user"])

    @cache_control(ttl=3600, tags=["lasting"])
    @strawberry.field
    def lasting(self, info: strawberry.Info) -> str | None:
        return _value(info, "lasting")


asked = st.tuples(
    st.just("ask"),
    st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4).map(tuple),
    st.sampled_from(USERS),
    st.sampled_from(["de", "en"]),
    st.sampled_from([0, 1]),
    st.booleans(),
)
steps = st.lists(
    st.one_of(
        asked,
        asked,
        st.tuples(st.just("turn"), st.sampled_from(FIELDS)),
        st.tuples(st.just("change"), st.sampled_from(FIELDS), st.sampled_from([0, 1])),
        st.tuples(st.just("end"), st.integers(0, 20)),
    ),
    max_size=25,
)


class Play:
    """Two workers on one server, and the schema without a cache."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.caches = [
            ResponseCache.from_url(url, prefix="chance", telemetry=False, **UNHURRIED)
            for _ in range(2)
        ]
        self._schemas = [
            strawberry.Schema(Query, extensions=[self._extension(each)]) for each in self.caches
        ]
        self._plain = strawberry.Schema(Query)
        self._raw = redis.Redis.from_url(url)
        self._world = World()

    @staticmethod
    def _extension(cache: ResponseCache) -> ResponseCacheExtension:
        return ResponseCacheExtension(
            cache,
            tenant=None,
            session=lambda context: context["user"],
            vary={"language": lambda context: context["language"]},
        )

    def close(self) -> None:
        self._raw.close()
        for each in self.caches:
            self._loop.run_until_complete(each.aclose())

    def play(self, taken: list[Any]) -> None:
        self._world = World()
        self.caches[0].clear_sync()
        for name, *step in taken:
            getattr(self, f"_{name}")(*step)

    def _turn(self, name: str) -> None:
        self._world.down ^= {name}

    def _change(self, name: str, worker: int) -> None:
        self._world.versions[name] += 1
        self.caches[worker].invalidate_sync(name)

    def _end(self, number: int) -> None:
        """The life of some entry or marker ends."""
        keys = sorted(self._raw.keys("*chance*:e:*"))
        if keys:
            self._raw.delete(keys[number % len(keys)])

    def _ask(
        self, fields: tuple[str, ...], user: str | None, language: str, worker: int, later: bool
    ) -> None:
        query = "{ " + " ".join(f"f{at}: {name}" for at, name in enumerate(fields)) + " }"
        context = {"user": user, "language": language, "world": self._world}
        expected: Any = self._plain.execute_sync(query, context_value=context)
        if later:
            run = self._schemas[worker].execute(query, context_value=context)
            result: Any = self._loop.run_until_complete(run)
        else:
            result = self._schemas[worker].execute_sync(query, context_value=context)
        whole = World(self._world.versions)
        true: Any = self._plain.execute_sync(query, context_value=context | {"world": whole})
        failed = {error.path[0] for error in result.errors or ()}
        assert failed <= {error.path[0] for error in expected.errors or ()}
        for key, value in result.data.items():
            assert value == (expected.data[key] if key in failed else true.data[key])
        assert list(result.data) == list(true.data)


@pytest.fixture(scope="module")
def playing(quick_url: str) -> Iterator[Play]:
    loop = asyncio.new_event_loop()
    play = Play(quick_url, loop)
    yield play
    play.close()
    loop.close()


@given(taken=steps)
def test_each_requester_gets_their_own_current_data_whatever_fails(
    playing: Play, taken: list[Any]
) -> None:
    playing.play(taken)
