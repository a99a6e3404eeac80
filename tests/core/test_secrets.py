"""A secret, wherever it is put, shows up in no error, no log record and no repr of the core."""

import asyncio
import gc
import logging
import string
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strawberry_response_cache.core import CacheSettings, RedisHandle, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import living
from tests.core.logs import LOGGER
from tests.servers.ports import reserved_port

CORE = "strawberry_response_cache.core"

SECRETS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", " ", "\n", "\x00", "é", "a:"]),
    # What is looked for: long enough to stand nowhere by chance, and the same in a repr.
    st.text(string.ascii_letters + string.digits, min_size=14, max_size=20).map("Zq{}qZ".format),
    st.sampled_from(["", " ", "\n", "\x7f", "{", "'", "@", "/", "%"]),
)


class Records(logging.Handler):
    """Everything that is logged meanwhile, text and extra."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(f"{record.getMessage()} {vars(record)}")


@pytest.fixture
def records() -> Iterator[Records]:
    handler = Records()
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class Holder:
    """An object that shows what it holds."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"Holder({self.secret})"

    __str__ = __repr__


class Broken:
    """A lazy object that raises with the secret in its text."""

    def __init__(self, secret: str) -> None:
        object.__setattr__(self, "_secret", secret)

    @property
    def __class__(self) -> Any:
        raise LookupError(object.__getattribute__(self, "_secret"))

    @__class__.setter
    def __class__(self, _: Any) -> None:
        raise AssertionError


Way = Callable[[Any, Any], object]
"""Puts a secret somewhere; whatever a type checker would say of it."""


def loads(value: object) -> Callable[[], Awaitable[object]]:
    async def load() -> object:
        return value

    return load


def from_url(url: str, _: object, secret: str) -> RedisHandle:
    return RedisHandle.from_url(url.replace("SECRET", secret))


def from_environment(name: str, _: object, secret: str) -> ResponseCache:
    variables = {"RESPONSE_CACHE_URL": "memory://", "RESPONSE_CACHE_PREFIX": "p"}
    # No prefix may hold a space, and no number and no URL.
    return ResponseCache.from_environment({**variables, f"RESPONSE_CACHE_{name}": f"{secret} !"})


async def load_too_few(keys: list[Any]) -> list[Any]:
    return []


async def function(*args: Any, **kwargs: Any) -> str:
    return "value"


PLACES: dict[str, Way] = {
    "tenant": lambda c, s: c.for_tenant(s).remember(["a"], 60, loads(1), tags=["t"]),
    "tenant's type": lambda c, s: c.for_tenant(Holder(s)),
    "broken tenant": lambda c, s: c.for_tenant(Broken(s)),
    "part": lambda c, s: c.remember([s], 60, loads(1)),
    "part's type": lambda c, s: c.remember([Holder(s)], 60, loads(1)),
    "broken part": lambda c, s: c.remember([Broken(s)], 60, loads(1)),
    "bare parts": lambda c, s: c.remember(s, 60, loads(1)),
    "set of parts": lambda c, s: c.remember({s}, 60, loads(1)),
    "tag": lambda c, s: c.remember(["a"], 60, loads(1), tags=[s]),
    "tag's type": lambda c, s: c.remember(["a"], 60, loads(1), tags=[Holder(s)]),
    "bare tags": lambda c, s: c.remember(["a"], 60, loads(1), tags=s),
    "tag of the value": lambda c, s: c.remember(["a"], 60, loads(1), tags=lambda _: s),
    "value": lambda c, s: c.remember(["a"], 60, loads({"k": [s]})),
    "value that is a tuple": lambda c, s: c.remember(["a"], 60, loads((s,))),
    "value that is a key": lambda c, s: c.remember(["a"], 60, loads({Holder(s): 1})),
    "value of a type": lambda c, s: c.remember(["a"], 60, loads(s), as_type=int),
    "value of another type": lambda c, s: c.remember(["a"], 60, loads(Holder(s)), as_type=str),
    "value with a surrogate": lambda c, s: c.remember(["a"], 60, loads(f"{s}\ud800")),
    "type": lambda c, s: c.remember(["a"], 60, loads(1), as_type=s),
    "type's instance": lambda c, s: c.remember(["a"], 60, loads(1), as_type=Holder(s)),
    "ttl": lambda c, s: c.remember(["a"], s, loads(1)),
    "ttl of the value": lambda c, s: c.remember(["a"], lambda _: s, loads(1)),
    "stale": lambda c, s: c.remember(["a"], 60, loads(1), stale=s),
    "generator": lambda c, s: c.remember(["a"], 60, s),
    "plain generator": lambda c, s: c.remember(["a"], 60, lambda: s),
    "cacheable": lambda c, s: c.remember(["a"], 60, loads(1), cacheable=s),
    "broken cacheable": lambda c, s: c.remember(["a"], 60, loads(1), cacheable=Broken(s)),
    "broken generator": lambda c, s: c.remember(["a"], 60, Broken(s)),
    "broken ttl": lambda c, s: c.remember(["a"], Broken(s), loads(1)),
    "broken tags": lambda c, s: c.remember(["a"], 60, loads(1), tags=Broken(s)),
    "broken keys of many": lambda c, s: c.remember_many(Broken(s), 60, load_too_few),
    "broken invalidated tag": lambda c, s: c.invalidate(Broken(s)),
    "key of many": lambda c, s: c.remember_many([[s]], 60, load_too_few),
    "type of a key of many": lambda c, s: c.remember_many([Holder(s)], 60, load_too_few),
    "bare keys of many": lambda c, s: c.remember_many(s, 60, load_too_few),
    "loader of many": lambda c, s: c.remember_many([["a"]], 60, s),
    "argument": lambda c, s: c.cached(ttl=60)(function)(s, name=[s, {"k": s}]),
    "argument's type": lambda c, s: c.cached(ttl=60)(function)(Holder(s)),
    "broken argument": lambda c, s: c.cached(ttl=60)(function)(Broken(s)),
    "key of an argument": lambda c, s: c.cached(ttl=60)(function)({Holder(s): s}),
    "key function": lambda c, s: c.cached(ttl=60, key=lambda *_: s)(function)(s),
    "cached": lambda c, s: c.cached(s),
    "cached's ttl": lambda c, s: c.cached(ttl=s),
    "what is cached": lambda c, s: c.cached(ttl=60)(Holder(s)),
    "invalidated tag": lambda c, s: c.invalidate(s),
    "queued tag": lambda c, s: c.invalidate(s, queued=True),
    "tenant's invalidation": lambda c, s: c.for_tenant(s).clear(),
    "type of an invalidated tag": lambda c, s: c.invalidate(Holder(s)),
    "forgotten part": lambda c, s: c.forget([s]),
    "prefix": lambda c, s: ResponseCache.from_url("memory://", prefix=f"{s} "),
    "cache": lambda c, s: ResponseCache(s, prefix="p"),
    "settings": lambda c, s: ResponseCache(tenant_of(c).engine.handle, prefix="p", settings=s),
    "telemetry": lambda c, s: ResponseCache(tenant_of(c).engine.handle, prefix="p", telemetry=s),
    "setting": lambda c, s: CacheSettings(lease=s),
    "variable": lambda c, s: CacheSettings.from_environment({"RESPONSE_CACHE_LEASE": s}),
    **{
        f"variable {name}": partial(from_environment, name)
        for name in ("URL", "PREFIX", "LEASE", "STRICT", "LOCAL_BYTES")
    },
    "client": lambda c, s: RedisHandle(s),
    **{
        f"URL {url}": partial(from_url, url)
        for url in (
            "SECRET",
            "SECRET://host",
            "SECRET@redis://host",
            "redis://SECRET@host",
            "redis://user:SECRET@host",
            "redis://user:SECRET@host:port",
            "redis://user:SECRET@host:99999",
            "redis://host:SECRET",
            "redis://[SECRET",
            "redis://host/SECRET",
            "redis://:SECRET@host/one",
            "redis://host/0?password=SECRET",
            "redis://host/0?SECRET=1",
            "redis://host/0?socket_timeout=SECRET",
            "redis://host/0?db=SECRET",
            "redis://:SECRET@one,two",
            "rediss://:SECRET@host?ssl_cert_reqs=SECRET",
            "unix://:SECRET@/run/redis.sock",
            "unix://:SECRET@run/redis.sock",
            "redis+cluster://:SECRET@host/SECRET",
            "redis+cluster://:SECRET@host:SECRET",
            "redis+cluster://:SECRET@",
            "redis+sentinel://:SECRET@host",
            "redis+sentinel://:SECRET@host/service/SECRET",
            "redis+sentinel://:SECRET@host/service?SECRET=1",
        )
    },
}


def texts_of(error: BaseException | None) -> Iterator[str]:
    """Everything that is printed of an error, with what it is said to come from."""
    while error is not None:
        yield f"{error} {error!r} {error.args} {getattr(error, '__notes__', '')} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


class Older(list[object]):
    """Objects of earlier tests. Hypothesis shows the arguments of a test, and refuses very long ones."""

    def __repr__(self) -> str:
        return f"<{len(self)} older objects>"


@pytest.fixture(scope="module")
def older_core(older: list[object]) -> Older:
    """The objects of the core that lived before these tests."""
    return Older(each for each in older if type(each).__module__.startswith(CORE))


async def told_by(
    way: Way, cache: ResponseCache, secret: str, records: Records, older_core: list[object]
) -> list[str]:
    """Return all that was told, and the reprs of every object of the core that lives now."""
    told: list[str] = []
    kept: object = None
    try:
        kept = way(cache, secret)
        if isinstance(kept, Awaitable):
            kept = await kept
    except Exception as error:  # noqa: BLE001 - whatever it is, it tells nothing
        told += texts_of(error)
    await asyncio.sleep(0)
    gc.collect()  # what a constructor that raised leaves behind has no repr
    told += [repr(kept) if not isinstance(kept, str | list) else ""]
    told += [*map(repr, older_core), *map(repr, living(CORE)), *records.told]
    records.told.clear()
    return told


IN_THE_STORE = (
    *("tenant", "part", "tag", "value", "key of many", "argument", "key function"),
    *("invalidated tag", "queued tag", "tenant's invalidation", "forgotten part"),
)
FEW = max(1, settings().max_examples // 30)


@pytest.mark.parametrize(
    ("place", "store"),
    [*((place, "memory") for place in PLACES), *((place, "away") for place in IN_THE_STORE)],
)
@settings(
    max_examples=FEW,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(SECRETS)
def test_no_error_log_or_repr_shows_a_secret(
    records: Records, older_core: list[object], store: str, place: str, secret: str
) -> None:
    async def run(port: int) -> list[str]:
        url = f"redis://user:{quote(secret, safe='')}@127.0.0.1:{port}"
        options: dict[str, Any] = {"invalidate_deadline": 0.02, "connect_deadline": 1}
        cache = ResponseCache.from_url(
            "memory://" if store == "memory" else url, prefix="test", telemetry=False, **options
        )
        told = await told_by(PLACES[place], cache, secret, records, older_core)
        await cache.aclose()
        return [*told, *records.told]

    core = secret[secret.index("Zq") : secret.rindex("qZ") + 2]
    with reserved_port() as port:
        texts = asyncio.run(run(port))
    found = [text for text in texts if core in text or core.lower() in text.lower()]
    assert not found, found[:3]
