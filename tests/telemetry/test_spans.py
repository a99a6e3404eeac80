"""Spans: one for each call that leaves the process, and only under a recorded parent."""

import ast
import asyncio
import contextvars
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import strawberry
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from strawberry_response_cache import (
    CacheScope,
    CacheStoreError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
    restrict_cache,
    telemetry,
)
from strawberry_response_cache.core._observer import (
    Concluded,
    Invalidated,
    LookedUp,
    PutIn,
    Subject,
)
from strawberry_response_cache.telemetry import OpenTelemetry
from tests.conftest import Eventually, driver_of
from tests.core.test_refreshes import make_dear_at

DOCS = Path(__file__).parents[2] / "docs/production/telemetry.md"
SECRET = "s3cret-0f-a-user"


class Recorder:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def attributes(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and attributes, without what differs from run to run."""
        return [
            (
                span.name,
                {
                    name: value
                    for name, value in (span.attributes or {}).items()
                    if name not in {telemetry.AGE, telemetry.TTL}
                },
            )
            for span in self.spans()
        ]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.provider.shutdown()


def unhurried(url: str, observer: OpenTelemetry, **settings: Any) -> ResponseCache:
    """Return a cache that waits long for its server."""
    return ResponseCache.from_url(
        url, prefix="test", telemetry=observer, read_deadline=20, connect_deadline=20, **settings
    )


@pytest.fixture
async def traced(url: str, recorder: Recorder) -> Any:
    observer = OpenTelemetry(tracer_provider=recorder.provider)
    async with unhurried(url, observer) as cache:
        yield cache


async def one() -> int:
    return 1


async def test_a_miss_has_a_get_and_a_put_span_and_a_hit_has_a_get_span(
    traced: ResponseCache, recorder: Recorder
) -> None:
    with recorder.tracer.start_as_current_span("request"):
        await traced.remember([SECRET], 60, one, tags=[SECRET])
        await traced.remember([SECRET], 60, one)
    about = {telemetry.NAME: "test", telemetry.SCOPE: "value"}
    assert recorder.attributes() == [
        (telemetry.GET, {**about, telemetry.RESULT: "miss"}),
        (telemetry.PUT, {**about, telemetry.ITEM_SIZE: 1, telemetry.TAG_COUNT: 1}),
        (
            telemetry.GET,
            {
                **about,
                telemetry.RESULT: "hit",
                telemetry.TIER: "redis",
                telemetry.ITEM_SIZE: 1,
            },
        ),
        ("request", {}),
    ]
    *calls, parent = recorder.spans()
    for span in calls:
        assert span.parent is not None
        assert span.parent.span_id == parent.context.span_id
        assert span.kind is trace.SpanKind.INTERNAL
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
        assert span.events == ()
    told: list[dict[str, Any]] = [dict(each.attributes or {}) for each in calls]
    _, put, hit = told
    assert (put[telemetry.TTL], telemetry.AGE in put) == (60, False)
    # What is left of the ttl, and for how long it has been stored, in seconds.
    assert 0 <= hit[telemetry.AGE] < 30 < hit[telemetry.TTL] <= 60
    assert hit[telemetry.AGE] + hit[telemetry.TTL] == pytest.approx(60, abs=0.01)


def test_remember_sync_makes_the_spans_that_remember_makes(recorder: Recorder, url: str) -> None:
    observer = OpenTelemetry(tracer_provider=recorder.provider)
    with (
        unhurried(url, observer) as cache,
        recorder.tracer.start_as_current_span("request"),
    ):
        cache.remember_sync(["a"], 60, lambda: 1)
        cache.remember_sync(["a"], 60, lambda: 1)
    names = [span.name for span in recorder.spans()]
    assert names == [telemetry.GET, telemetry.PUT, telemetry.GET, "request"]


async def test_without_a_recorded_parent_there_is_no_span(
    traced: ResponseCache, recorder: Recorder
) -> None:
    async def load(keys: list[list[str]]) -> list[int]:
        return [1 for _ in keys]

    for _ in range(2):  # a miss, and a hit
        await traced.remember(["a"], 60, one)
        await traced.remember_many([["b"], ["c"]], 60, load)
        traced.remember_sync(["d"], 60, lambda: 1)
        traced.remember_many_sync([["e"], ["f"]], 60, lambda keys: [1 for _ in keys])
    await traced.invalidate("t")
    traced.invalidate_sync("t")
    assert recorder.spans() == []


async def test_a_call_with_a_ttl_of_zero_has_no_span(
    traced: ResponseCache, recorder: Recorder
) -> None:
    with recorder.tracer.start_as_current_span("request"):
        await traced.remember(["a"], 0, one)
    assert [span.name for span in recorder.spans()] == ["request"]


async def test_each_kind_of_invalidation_has_a_span(
    traced: ResponseCache, recorder: Recorder
) -> None:
    with recorder.tracer.start_as_current_span("request"):
        await traced.invalidate("a", "b")
        await traced.forget(["a"])
        await traced.clear()
    about = {telemetry.NAME: "test", telemetry.SCOPE: "value"}
    assert recorder.attributes()[:-1] == [
        (
            telemetry.INVALIDATE,
            {**about, telemetry.INVALIDATE_KIND: kind, telemetry.TAG_COUNT: count},
        )
        for kind, count in (("tags", 2), ("key", 0), ("clear", 0))
    ]


@pytest.mark.parametrize("way", ["execute", "execute_sync", "stream"])
async def test_the_invalidation_of_a_mutation_is_one_span_below_the_request(
    traced: ResponseCache, recorder: Recorder, way: str
) -> None:
    @strawberry.type
    class Query:
        x: int = 1

    @strawberry.type
    class Mutation:
        @invalidates("a", "b:{args.of}")
        @strawberry.mutation
        def change(self, of: str) -> bool:
            return True

    extension = ResponseCacheExtension(traced, tenant=None)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    query = 'mutation { change(of: "s3cret") }'
    with recorder.tracer.start_as_current_span("request"):
        if way == "execute":
            await schema.execute(query)
        elif way == "execute_sync":
            schema.execute_sync(query)
        else:
            stream: Any = await schema.stream(query)
            assert [frame.data async for frame in stream] == [{"change": True}]
    [(_, attributes)] = [each for each in recorder.attributes() if each[0] == telemetry.INVALIDATE]
    assert attributes[telemetry.INVALIDATE_KIND] == "tags"
    assert attributes[telemetry.TAG_COUNT] == 2
    assert "s3cret" not in str(attributes)


async def test_a_failed_call_names_the_error_and_nothing_else(recorder: Recorder) -> None:
    observer = OpenTelemetry(tracer_provider=recorder.provider)
    async with ResponseCache.from_url(
        f"redis://:{SECRET}@127.0.0.1:1", prefix="test", telemetry=observer
    ) as cache:
        with recorder.tracer.start_as_current_span("request"):
            assert (await cache.remember([SECRET], 60, one)).value == 1
    get = recorder.spans()[0]
    assert get.name == telemetry.GET
    assert get.status.status_code is trace.StatusCode.ERROR
    assert get.status.description is None
    assert (get.attributes or {})[telemetry.ERROR_TYPE] == "redis.exceptions.ConnectionError"
    assert SECRET not in recorder.spans()[0].to_json()


async def until_asked(cache: ResponseCache) -> None:
    """Wait until something is looked up; it is not answered within the same turn of the loop."""
    while not driver_of(cache).lookups._batches:
        await asyncio.sleep(0)


async def test_cancelling_a_caller_ends_its_span(
    traced: ResponseCache, recorder: Recorder, eventually: Callable[[Callable[[], object]], Any]
) -> None:
    with recorder.tracer.start_as_current_span("request"):
        task = asyncio.create_task(traced.remember(["a"], 60, one))
        await until_asked(traced)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(recorder.spans)
    assert recorder.spans()[0].name == telemetry.GET


@strawberry.type
class Query:
    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, name: str) -> str:
        return name

    @strawberry.field
    def plain(self) -> int:
        return 1


async def test_the_spans_of_an_operation_say_its_type_its_name_and_its_cache_status(
    traced: ResponseCache, recorder: Recorder
) -> None:
    extension = ResponseCacheExtension(traced, tenant=lambda _: SECRET, session=lambda _: SECRET)
    schema = strawberry.Schema(Query, extensions=[extension])
    query = "query Me($name: String!) { me(name: $name) }"
    for request in ("first", "second"):
        with recorder.tracer.start_as_current_span(request):
            await schema.execute(query, {"name": SECRET}, context_value=SECRET)
    with recorder.tracer.start_as_current_span("third"):
        await schema.execute("{ plain }")
    about = {
        telemetry.NAME: "test",
        telemetry.SCOPE: "operation",
        telemetry.VISIBILITY: "private",
        telemetry.GRAPHQL_OPERATION_TYPE: "query",
        telemetry.GRAPHQL_OPERATION_NAME: "Me",
    }
    size = len(f'{{"data":{{"me":"{SECRET}"}}}}')
    assert recorder.attributes() == [
        (telemetry.GET, {**about, telemetry.RESULT: "miss"}),
        (telemetry.PUT, {**about, telemetry.ITEM_SIZE: size, telemetry.TAG_COUNT: 0}),
        ("first", {telemetry.STATUS: "miss"}),
        (
            telemetry.GET,
            {
                **about,
                telemetry.RESULT: "hit",
                telemetry.TIER: "redis",
                telemetry.ITEM_SIZE: size,
            },
        ),
        ("second", {telemetry.STATUS: "hit"}),
        ("third", {telemetry.STATUS: "bypass", telemetry.REASON: "root_without_hint"}),
    ]
    assert SECRET not in "".join(span.to_json() for span in recorder.spans())


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_a_hit_in_local_memory_has_no_span_and_its_operation_says_that_it_was_a_hit(
    url: str, recorder: Recorder, way: str
) -> None:
    async with unhurried(
        url,
        OpenTelemetry(tracer_provider=recorder.provider),
        local_bytes=100_000,
        local_max_lag=60,
        early_refresh=0,
    ) as cache:
        extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: SECRET)
        schema = strawberry.Schema(Query, extensions=[extension])

        async def ask() -> None:
            if way == "execute":
                result = await schema.execute('{ me(name: "Ann") }')
            else:
                result = schema.execute_sync('{ me(name: "Ann") }')
            assert result.data == {"me": "Ann"}

        while not cache.statistics().operations.local_hits:  # until its messages arrive
            await ask()
        with recorder.tracer.start_as_current_span("request"):
            await ask()
    assert recorder.attributes() == [("request", {telemetry.STATUS: "hit"})]


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_the_span_of_a_field_names_the_field_and_the_operation(
    traced: ResponseCache, recorder: Recorder, way: str
) -> None:
    extension = ResponseCacheExtension(traced, tenant=None, session=lambda _: SECRET)
    schema = strawberry.Schema(Query, extensions=[extension])
    query = "query Both($name: String!) { plain me(name: $name) }"
    with recorder.tracer.start_as_current_span("request"):
        if way == "execute":
            await schema.execute(query, {"name": "Ann"})
        else:
            schema.execute_sync(query, {"name": "Ann"})
    about = {
        telemetry.NAME: "test",
        telemetry.SCOPE: "field",
        telemetry.FIELD: "Query.me",
        telemetry.VISIBILITY: "private",
        telemetry.GRAPHQL_OPERATION_TYPE: "query",
        telemetry.GRAPHQL_OPERATION_NAME: "Both",
    }
    of_one = {telemetry.FIELD, telemetry.VISIBILITY}
    together = {name: value for name, value in about.items() if name not in of_one}
    assert recorder.attributes() == [
        # All root fields are looked up together, before the first resolver.
        (telemetry.GET, {**together, telemetry.RESULT: "miss"}),
        (telemetry.GET, {**about, telemetry.RESULT: "miss"}),
        (telemetry.PUT, {**about, telemetry.ITEM_SIZE: len('"Ann"'), telemetry.TAG_COUNT: 0}),
        ("request", {telemetry.STATUS: "bypass", telemetry.REASON: "root_without_hint"}),
    ]


@strawberry.type
class Turning:
    @cache_control(ttl=60)
    @strawberry.field
    def draft(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return str(info.context)

    @cache_control(ttl=600, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> str:
        return str(info.context)

    @cache_control(ttl=600)
    @strawberry.field
    def open(self) -> str:
        return "open"

    @strawberry.field
    def plain(self) -> int:
        return 1


def visibilities(recorder: Recorder) -> list[tuple[str, str | None, str | None]]:
    """What the spans say: the call, of which field, and for whom."""
    said = [
        (name, about.get(telemetry.FIELD), about.get(telemetry.VISIBILITY))
        for name, about in recorder.attributes()
        if name.startswith(telemetry.NAMESPACE)
    ]
    recorder.exporter.clear()
    return said


GET, PUT = telemetry.GET, telemetry.PUT


async def test_the_span_of_a_diverted_value_tells_its_size_and_not_that_of_its_marker(
    traced: ResponseCache, recorder: Recorder
) -> None:
    extension = ResponseCacheExtension(traced, tenant=None, session=lambda user: user)
    schema = strawberry.Schema(Turning, extensions=[extension])
    with recorder.tracer.start_as_current_span("request"):
        await schema.execute("{ draft }", context_value="alice")
    (put,) = [about for name, about in recorder.attributes() if name == PUT]
    assert put[telemetry.ITEM_SIZE] == len('{"data":{"draft":"alice"}}')


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_the_span_of_an_entry_kept_for_a_session_says_private(
    traced: ResponseCache, recorder: Recorder, way: str
) -> None:
    extension = ResponseCacheExtension(traced, tenant=None, session=lambda user: user)
    schema = strawberry.Schema(Turning, extensions=[extension])

    async def ask(query: str, user: str) -> list[tuple[str, str | None, str | None]]:
        with recorder.tracer.start_as_current_span("request"):
            if way == "execute":
                result = await schema.execute(query, context_value=user)
            else:
                result = schema.execute_sync(query, context_value=user)
        assert result.errors is None
        return visibilities(recorder)

    for query, field in (("{ draft }", None), ("{ plain draft }", "Turning.draft")):
        await ask(query, "alice")  # it turns PRIVATE while it runs
        said = await ask(query, "bob")
        assert (PUT, field, "private") in said
        assert (PUT, field, "public") not in said
        assert said[-2:] == [(GET, field, "private"), (PUT, field, "private")]
        assert (await ask(query, "bob"))[-1] == (GET, field, "private")
    for query, field in (("{ mine }", None), ("{ plain mine }", "Turning.mine")):
        said = [each for each in await ask(query, "alice") if each[1] == field]
        assert said[-2:] == [(GET, field, "private"), (PUT, field, "private")]
    for query, field in (("{ open }", None), ("{ plain open }", "Turning.open")):
        said = [each for each in await ask(query, "alice") if each[1] == field]
        assert said[-2:] == [(GET, field, "public"), (PUT, field, "public")]


@pytest.mark.combined
@pytest.mark.parametrize("several", [False, True], ids=["one key", "several keys"])
@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_the_lookup_before_an_early_refresh_is_a_hit_and_that_of_a_stale_entry_is_stale(
    url: str, recorder: Recorder, raw_of: Any, synchronous: bool, several: bool
) -> None:
    keys = [["a"], ["b"]]

    async def load(_: list[list[str]]) -> list[int]:
        return [1, 1]

    async with unhurried(
        url,
        OpenTelemetry(tracer_provider=recorder.provider),
        early_refresh=100,
    ) as cache:

        async def ask() -> None:
            if several and synchronous:
                cache.remember_many_sync(keys, 600, lambda _: [1, 1], stale=600)
            elif several:
                await cache.remember_many(keys, 600, load, stale=600)
            elif synchronous:
                cache.remember_sync(["a"], 600, lambda: 1, stale=600)
            else:
                await cache.remember(["a"], 600, one, stale=600)

        for expected in ("hit", "stale"):
            await cache.clear()
            await ask()
            raw = raw_of(cache)
            for key in raw.keys("*:e:*"):
                make_dear_at(raw, key, cost_ms=10**9)
                if expected == "stale":
                    raw.pexpire(key, 300_000)
            recorder.exporter.clear()
            with recorder.tracer.start_as_current_span("request"):
                await ask()
            about = dict(recorder.attributes())
            assert about[telemetry.GET].get(telemetry.BATCH_SIZE) == (2 if several else None)
            assert about[telemetry.GET][telemetry.RESULT] == expected
            assert telemetry.PUT in about, "it was refreshed"


@pytest.mark.usefixtures("tried_once")
@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_a_write_that_redis_refuses_has_a_failed_span(
    valkey_url: str, raw_valkey: Any, recorder: Recorder, synchronous: bool
) -> None:
    async with unhurried(
        valkey_url, OpenTelemetry(tracer_provider=recorder.provider), invalidate_deadline=20
    ) as cache:

        def refuse() -> int:
            raw_valkey.execute_command("REPLICAOF", "127.0.0.1", "1")
            return 1

        async def refuse_later() -> int:
            return refuse()

        try:
            with recorder.tracer.start_as_current_span("request"):
                if synchronous:
                    cache.remember_sync(["a"], 60, refuse)
                else:
                    await cache.remember(["a"], 60, refuse_later)
                with pytest.raises(CacheStoreError):
                    await cache.invalidate("t")
        finally:
            raw_valkey.execute_command("REPLICAOF", "NO", "ONE")
        said = dict(recorder.attributes())
        assert telemetry.ERROR_TYPE not in said[telemetry.GET]
        for name in (telemetry.PUT, telemetry.INVALIDATE):
            assert said[name][telemetry.ERROR_TYPE] == "redis.exceptions.ReadOnlyError"


def test_the_documented_attributes_of_spans_are_those_of_the_code(recorder: Recorder) -> None:
    """Each span is made with all attributes that it can have."""
    subject = Subject("test", "field", "private", "query", "Me", "Query.me")
    observer = OpenTelemetry(tracer_provider=recorder.provider)
    error = "LookupError"
    with recorder.tracer.start_as_current_span("the request"):
        observer.looked_up(LookedUp(subject, 1, 2, "hit", 1.0, 1.0, 1, error, 2))
        observer.put_in(PutIn(subject, 1, 2, 1.0, 1, 1, error))
        observer.invalidated(Invalidated(Subject("test"), 1, 2, "tags", 1, error))
        context = contextvars.copy_context()
        ended = context.run(observer.refreshing, subject)
        context.run(ended, error)
        observer.concluded(Concluded("bypass", "mutation"))
    found: dict[str, set[str]] = {}
    for span in recorder.spans():
        for name in span.attributes or {}:
            found.setdefault(name, set()).add(span.name.rpartition(".")[2])
    page = DOCS.read_text("utf-8").partition("## Spans")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| ((?:\w+|the request)(?:, \w+)*) \|", page, re.MULTILINE)
    documented = {
        name: set(spans.split(", "))
        for names, spans in rows
        for name in re.findall("`(.+?)`", names)
    }
    assert documented == found
    names = {value for name, value in vars(telemetry).items() if name.isupper() and value in found}
    assert names == set(found), "each has a constant"


def test_one_package_imports_opentelemetry_and_only_its_api() -> None:
    # Read from the sources: redis-py imports an SDK that is installed, whatever we do.
    package = Path(telemetry.__file__).parents[1]
    imports = {
        (path.relative_to(package).parts[0], name)
        for path in package.rglob("*.py")
        if "opentelemetry" in (text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        for name in _imported(node)
        if name.startswith("opentelemetry")
    }
    assert imports == {
        ("telemetry", "opentelemetry"),
        ("telemetry", "opentelemetry.context"),
        ("telemetry", "opentelemetry.metrics"),
        ("telemetry", "opentelemetry.util.types"),
    }


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


async def test_telemetry_that_fails_fails_no_request(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise RuntimeError(SECRET)

    provider = TracerProvider()
    provider.add_span_processor(Failing())
    tracer = provider.get_tracer("test")
    watched = OpenTelemetry(tracer_provider=provider)

    async def generate() -> str:
        return "v"

    async with ResponseCache.from_url(
        valkey_url, prefix="failing", telemetry=watched, read_deadline=20, connect_deadline=20
    ) as cache:

        async def traced(key: str) -> str:
            with trace.use_span(tracer.start_span("request")):
                return (await cache.remember([key], 60, generate)).value

        async def plain(key: str) -> str:
            return (await cache.remember([key], 60, generate)).value

        async with asyncio.timeout(60):
            values = await asyncio.gather(
                *(each(name) for name in "abc" for each in (traced, plain))
            )
            assert values == ["v"] * 6
        with trace.use_span(tracer.start_span("request")):
            assert cache.remember_sync(["d"], 60, lambda: "v").value == "v"
            await cache.invalidate("t")
    assert "Telemetry failed (RuntimeError, cache 'failing')" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("way", ["async", "sync", "async, failing", "sync, failing"])
async def test_a_background_refresh_is_a_root_span_linked_to_its_request(
    url: str, recorder: Recorder, raw_of: Any, eventually: Eventually, way: str
) -> None:
    async with unhurried(
        url,
        OpenTelemetry(tracer_provider=recorder.provider),
        early_refresh=0,
    ) as cache:
        fails = way.endswith("failing")

        def generate() -> int:
            if fails and recorder.exporter.get_finished_spans():
                raise LookupError(SECRET)
            return 1

        async def generate_later() -> int:
            return generate()

        async def ask() -> None:
            if way.startswith("sync"):
                cache.remember_sync(["a"], 600, generate, stale=600, background=True)
            else:
                await cache.remember(["a"], 600, generate_later, stale=600, background=True)

        await ask()
        raw = raw_of(cache)
        (key,) = raw.keys("*:e:*")
        raw.pexpire(key, 300_000)
        with recorder.tracer.start_as_current_span("request"):
            await ask()
        await eventually(lambda: telemetry.REFRESH in {span.name for span in recorder.spans()})
    spans = {span.name: span for span in recorder.spans()}
    request, refresh = spans["request"], spans[telemetry.REFRESH]
    assert refresh.parent is None
    assert refresh.context.trace_id != request.context.trace_id
    assert [link.context.span_id for link in refresh.links] == [request.context.span_id]
    about: dict[str, Any] = {telemetry.NAME: "test", telemetry.SCOPE: "value"}
    if fails:
        about[telemetry.ERROR_TYPE] = "LookupError"
        assert refresh.status.status_code is trace.StatusCode.ERROR
        assert SECRET not in refresh.to_json()
    else:
        put = spans[telemetry.PUT]
        assert put.parent is not None
        assert put.parent.span_id == refresh.context.span_id
    assert dict(refresh.attributes or {}) == about
    assert refresh.events == ()


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_entries_that_are_looked_up_together_have_one_span(
    traced: ResponseCache, recorder: Recorder, synchronous: bool
) -> None:
    async def load(keys: list[list[str]]) -> list[int]:
        return [1 for _ in keys]

    async def ask(*keys: str) -> dict[str, Any]:
        recorder.exporter.clear()
        calls = traced.statistics().store["get"].calls
        with recorder.tracer.start_as_current_span("request"):
            parts = [[key] for key in keys]
            if synchronous:
                traced.remember_many_sync(parts, 60, lambda keys: [1 for _ in keys])
            else:
                await traced.remember_many(parts, 60, load)
        assert traced.statistics().store["get"].calls == calls + 1
        (attributes,) = [about for name, about in recorder.attributes() if name == telemetry.GET]
        return attributes

    about = {telemetry.NAME: "test", telemetry.SCOPE: "value"}
    missed = {**about, telemetry.RESULT: "miss", telemetry.BATCH_SIZE: 2, telemetry.ITEM_SIZE: 0}
    found = {telemetry.RESULT: "hit", telemetry.TIER: "redis"}
    assert await ask("a", "b") == missed
    assert await ask("a", "b") == {
        **missed,
        **found,
        telemetry.ITEM_SIZE: 2,
    }
    assert await ask("a", "b", "c") == {
        **missed,
        telemetry.BATCH_SIZE: 3,
        telemetry.ITEM_SIZE: 2,
    }
    assert await ask("a") == {**about, **found, telemetry.ITEM_SIZE: 1}


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_fields_of_a_list_that_are_looked_up_together_have_one_span(
    traced: ResponseCache, recorder: Recorder, way: str
) -> None:
    @strawberry.type
    class Book:
        id: strawberry.ID

        @cache_control(ttl=60)
        @strawberry.field
        def price(self) -> int:
            return 1

    @strawberry.type
    class Query:
        @strawberry.field
        def books(self) -> list[Book]:
            return [Book(id=strawberry.ID(str(number))) for number in range(3)]

    extension = ResponseCacheExtension(traced, tenant=None)
    schema = strawberry.Schema(Query, extensions=[extension])
    for result in ("miss", "hit"):
        recorder.exporter.clear()
        with recorder.tracer.start_as_current_span("request"):
            if way == "execute":
                await schema.execute("query Books { books { price } }")
            else:
                schema.execute_sync("query Books { books { price } }")
        batches = [
            about
            for name, about in recorder.attributes()
            if name == telemetry.GET and telemetry.BATCH_SIZE in about
        ]
        assert [(each[telemetry.BATCH_SIZE], each[telemetry.RESULT]) for each in batches] == [
            (3, result)
        ]


async def test_a_cancelled_caller_of_several_keys_leaves_one_ended_span(
    traced: ResponseCache, recorder: Recorder, eventually: Eventually
) -> None:
    async def load(keys: list[list[str]]) -> list[int]:
        return [1 for _ in keys]

    with recorder.tracer.start_as_current_span("request"):
        task = asyncio.create_task(traced.remember_many([["a"], ["b"]], 60, load))
        await until_asked(traced)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(recorder.spans)
    assert recorder.spans()[0].name == telemetry.GET
    assert (recorder.spans()[0].attributes or {})[telemetry.BATCH_SIZE] == 2


@pytest.mark.parametrize("synchronous", [False, True], ids=["async", "sync"])
async def test_telemetry_that_fails_prevents_no_refresh(
    url: str,
    raw_of: Any,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    synchronous: bool,
) -> None:
    class Failing(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if span.name != "request":
                raise RuntimeError(SECRET)

    provider = TracerProvider()
    provider.add_span_processor(Failing())
    async with unhurried(
        url,
        OpenTelemetry(tracer_provider=provider),
        early_refresh=0,
    ) as cache:

        async def ask() -> None:
            if synchronous:
                cache.remember_sync(["a"], 600, lambda: 1, stale=600, background=True)
            else:
                await cache.remember(["a"], 600, one, stale=600, background=True)

        await ask()
        raw = raw_of(cache)
        (key,) = raw.keys("*:e:*")
        raw.pexpire(key, 300_000)
        with provider.get_tracer("test").start_as_current_span("request"):
            await ask()
        await eventually(lambda: cache.statistics().store["put"].calls == 2)
    assert "Telemetry failed (RuntimeError, cache 'test')" in caplog.text
    assert SECRET not in caplog.text


async def test_the_span_of_a_refresh_whose_thread_cannot_start_ends(
    url: str, recorder: Recorder, raw_of: Any
) -> None:
    observer = OpenTelemetry(tracer_provider=recorder.provider)
    async with unhurried(url, observer, early_refresh=0) as cache:

        def ask() -> int:
            return cache.remember_sync(["a"], 600, lambda: 1, stale=600, background=True).value

        ask()
        raw = raw_of(cache)
        (key,) = raw.keys("*:e:*")
        raw.pexpire(key, 300_000)
        driver_of(cache, synchronous=True)._background.shutdown()  # as where the interpreter ends
        with recorder.tracer.start_as_current_span("request"):
            assert ask() == 1
    assert telemetry.REFRESH in {span.name for span in recorder.spans()}
