"""No secret of requests, users or servers appears in a span, metric, log line, repr or error of this package."""

import asyncio
import base64
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import strawberry
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate_sync,
    invalidates,
    restrict_cache,
)
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.telemetry import OpenTelemetry
from tests.graphql.generated import EXAMPLES, IS_QUICK
from tests.servers.ports import reserved_port
from tests.telemetry.metrics import Meters

MARK: Final = "plugh"
FAULTY: Final = (
    *("tenant", "session", "locale", "verify", "cacheable", "debug", "enabled"),
    *("notes", "copies", "mine", "shelf", "change", "on_commit"),
)
"""What raises an error that tells the secret."""


class Told:
    """Everything that is told to operators, and what raises it."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.texts: list[str] = []

    def error(self, error: BaseException) -> None:
        """Take what a caller of this package would see of an error of ours."""
        if type(error).__module__.startswith("strawberry_response_cache"):
            self.texts += [str(error), repr(error), repr(vars(error))]
            self.texts += traceback.format_exception_only(error)
            chained = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
            if chained is not None:
                self.texts += [str(chained), repr(chained)]

    @contextmanager
    def raised(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            self.error(error)

    def leaks(self) -> list[str]:
        encoded = base64.b64encode(self.secret.encode()).decode().rstrip("=")
        forms = {self.secret, quote(self.secret), MARK, ascii(self.secret)[1:-1], encoded[:-2]}
        return [text for text in self.texts if any(form in text for form in forms)]


class Listener(logging.Handler):
    """Takes log lines, with all that formatters and shippers of logs can see."""

    def __init__(self, told: Told) -> None:
        super().__init__(logging.DEBUG)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.texts += [self.format(record), repr(vars(record)), repr(record.args)]


def fails(context: Any, what: str) -> None:
    if context["faulty"] == what:
        raise RuntimeError(context["secret"]) from ValueError(context["secret"])


@strawberry.type
class Note:
    id: strawberry.ID
    text: str

    @cache_control(ttl=600, tags=["shelf:{args.mark}", "with-{parent.text}"])
    @strawberry.field
    def copies(self, info: strawberry.Info, mark: str) -> str:
        fails(info.context, "copies")
        return mark


def shelf_of(note: Any) -> list[str]:
    if "shelf" in str(note.id):
        raise RuntimeError(note.text)
    return [note.id, note.text]


@strawberry.type
class Shelf:
    id: strawberry.ID
    text: str

    @cache_control(ttl=600, key=shelf_of)
    @strawberry.field
    def title(self) -> str:
        return self.text


@strawberry.type
class Query:
    @cache_control(ttl=60, vary=["locale"], tags=["search:{args.text}"])
    @strawberry.field
    def notes(self, info: strawberry.Info, text: str, more: str = "") -> list[Note]:
        fails(info.context, "notes")
        restrict_cache(info, tags=[text])
        return [Note(id=strawberry.ID(text + more), text=text)]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self, info: strawberry.Info, text: str) -> str:
        fails(info.context, "mine")
        return text + str(info.context["user"])

    @cache_control(ttl=60)
    @strawberry.field
    def leaky(self, info: strawberry.Info) -> str:
        """Is PUBLIC and should not be."""
        return str(info.context["user"])

    @strawberry.field
    def shelf(self, info: strawberry.Info, text: str) -> Shelf:
        prefix = "shelf " if info.context["faulty"] == "shelf" else ""
        return Shelf(id=strawberry.ID(prefix + text), text=text)

    @strawberry.field
    def fresh(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @invalidates("search:{args.text}", "{args.text}")
    @strawberry.mutation
    def change(self, info: strawberry.Info, text: str) -> Note:
        invalidate_sync(info, text, f"Note:{text}")
        fails(info.context, "change")
        return Note(id=strawberry.ID(text), text=text)


SELECTED: Final = 'notes(text: $text, more: "%s") { id copies(mark: "%s") } mine(text: "%s") leaky'


def documents(secret: str) -> list[str]:
    selected = SELECTED % ((secret,) * 3)
    return [
        f"query Named($text: String!) {{ {selected} }}",
        f"query Named($text: String!) {{ {selected} }}",
        f"query ($text: String!) {{ fresh {selected} shelf(text: $text) {{ title }} }}",
        f"query ($text: String!) {{ fresh {selected} shelf(text: $text) {{ title }} }}",
        f'mutation ($text: String!) {{ change(text: $text) {{ id }} again: change(text: "{secret}") {{ id }} }}',
        f'{{ nothing(text: "{secret}") }}',
        f'query Named {{ leaky ... on Query @x(y: "{secret}") {{ fresh }} }}',
    ]


class Application:
    """The schema with everything that it can be given."""

    def __init__(self, cache: ResponseCache, verify: float) -> None:
        def raising(what: str, value: Any) -> Any:
            def function(*given: Any) -> Any:
                context = given[-1]
                fails(context, what)
                return value(context) if callable(value) else value

            return function

        def on_commit(invalidate: Any) -> None:
            if self.faulty == "on_commit":
                raise RuntimeError(self.secret)
            invalidate()

        self.faulty = self.secret = ""
        self.extension = ResponseCacheExtension(
            cache,
            tenant=raising("tenant", lambda context: context["tenant"]),
            session=raising("session", lambda context: context["user"]),
            vary={"locale": raising("locale", lambda context: context["locale"])},
            debug=raising("debug", True),
            enabled=raising("enabled", True),
            verify=raising("verify", verify),
            cacheable=raising("cacheable", True),
            on_commit=on_commit,
            honour_request_cache_control=True,
            cache_status=True,
            cdn_tags=("Cache-Tag",),
            vary_headers={"tenant": ("X-Tenant",), "locale": ("X-Locale",)},
        )
        self.schema = strawberry.Schema(Query, Mutation, extensions=[self.extension])


class View(GraphQL[Any, Any]):
    """The view of this package, with a context of the headers."""

    def __init__(self, schema: strawberry.Schema, context: dict[str, Any]) -> None:
        super().__init__(schema)
        self._context = context

    async def get_context(self, request: Any, response: Any) -> Any:
        return self._context | {
            "request": request,
            "response": response,
            "tenant": request.headers["x-tenant"],
            "user": request.headers["authorization"],
            "locale": request.headers["x-locale"],
        }


def play(application: Application, context: dict[str, Any], told: Told) -> None:
    """Ask in a thread and over HTTP, as two users."""
    secret = context["secret"]

    async def over_http(user: str) -> None:
        transport = httpx.ASGITransport(View(application.schema, context))
        headers = {
            "x-tenant": secret,
            "authorization": user,
            "x-locale": secret,
            "cookie": f"session={secret}",
            "cache-control": f"max-age={secret}",
            "if-none-match": f'"{secret}"',
        }
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            for number, document in enumerate(documents(secret)):
                body = {"query": document, "variables": {"text": secret}}
                if number % 2:
                    body["extensions"] = {secret: secret}
                await client.post("/", json=body, headers=headers)

    def in_a_thread(document: str, user: str, faulty: str) -> None:
        application.faulty = faulty
        asked = {"tenant": secret, "user": user, "locale": secret, "faulty": faulty}
        application.schema.execute_sync(
            document, variable_values={"text": secret}, context_value=context | asked
        )

    for user in (secret, f"{secret} as another"):
        for document in documents(secret):
            in_a_thread(document, user, "nothing")
    asyncio.run(over_http(secret))
    whole, _, by_field, _, mutation, *_ = documents(secret)
    for faulty in FAULTY:
        for document in (mutation, whole, by_field):
            in_a_thread(document, secret, faulty)
    told.texts += [repr(application.extension), repr(application.extension._options)]


def _same(value: object) -> object:
    return value


def use(cache: ResponseCache, context: dict[str, Any], told: Told) -> None:
    """Use the core directly."""
    secret: str = context["secret"]

    def load() -> str:
        return secret

    def fails_to_load() -> str:
        raise RuntimeError(secret) from ValueError(secret)

    tenant = cache.for_tenant(secret)
    for each in (cache, tenant):
        with told.raised():
            told.texts.append(repr(each.remember_sync([secret], 60, load, tags=[secret])))
        with told.raised():
            each.remember_sync([secret, "fails"], 60, fails_to_load, tags=[secret])
        for wrong in (object(), {secret: {1, secret}}):
            with told.raised():
                each.remember_sync([secret, "wrong"], 60, partial(_same, wrong))
        with told.raised():
            each.invalidate_sync(secret)
        with told.raised():
            each.invalidate_sync(secret, queued=True)
        with told.raised():
            each.forget_sync([secret])
        with told.raised():
            each.clear_sync()
    for wrong in (secret * 1000, [secret], {secret: secret}):
        with told.raised():
            cache.for_tenant(wrong)  # type: ignore[arg-type]
        with told.raised():
            cache.remember_sync(wrong, 60, load)  # type: ignore[arg-type]
        with told.raised():
            cache.invalidate_sync(wrong)  # type: ignore[arg-type]
    with told.raised():
        cache.ping_sync()
    told.texts += [repr(cache), repr(tenant), repr(cache.statistics())]


def misuse(secret: str, told: Told) -> None:
    """Configure with values of a wrong kind, and with addresses that are none."""
    quoted = quote(secret)
    for url in (
        f"redis://{quoted}:{quoted}@127.0.0.1:no-port",
        f"{MARK}://{quoted}@127.0.0.1",
        f"redis://:{quoted}@127.0.0.1:6379/0?unknown={quoted}",
        f"redis+sentinel://:{quoted}@127.0.0.1:1",
        secret,
    ):
        with told.raised():
            ResponseCache.from_url(url, prefix="secrets").close()
    with told.raised():
        ResponseCache.from_url("memory://", prefix=f"{secret} ").close()
    with ResponseCache.from_url("memory://", prefix="secrets") as cache:
        for options in (
            {"tenant": secret},
            {"session": secret},
            {"vary": {secret: secret}},
            {"verify": secret},
            {"trusted_extensions": [secret]},
            {"vary_headers": {secret: (secret,)}},
            {"tag_prefix": f"{secret}\n"},
            {"cdn_tags": (secret,)},
        ):
            chosen: dict[str, Any] = {"tenant": None} | options
            with told.raised():
                ResponseCacheExtension(cache, **chosen)


@pytest.fixture(scope="module")
def nowhere() -> Iterator[int]:
    """A port on which nothing listens, for all examples."""
    with reserved_port() as port:
        yield port


@settings(
    max_examples=2 if IS_QUICK else EXAMPLES,
    phases=[Phase.explicit, Phase.generate],  # a simpler secret tells nothing more
)
@given(
    text=st.text("abcXYZ019_-.", min_size=12, max_size=24),
    is_down=st.booleans(),
    verify=st.sampled_from([0.0, 1.0]),
    local_bytes=st.sampled_from([0, 1_000_000]),
)
def test_a_secret_is_in_no_span_metric_log_line_repr_or_error(
    nowhere: int, text: str, *, is_down: bool, verify: float, local_bytes: int
) -> None:
    """Wherever the secret is, and whichever call raises an error that contains it."""
    secret = f"{MARK}{text}"
    told, meters, exporter = Told(secret), Meters(), InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    listener, logger = Listener(told), logging.getLogger("strawberry_response_cache")
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    quoted = quote(secret)
    url = f"redis://{quoted}:{quoted}@127.0.0.1:{nowhere}/0" if is_down else "memory://"

    context: dict[str, Any] = {"secret": secret, "faulty": "nothing"}
    try:
        with ResponseCache.from_url(
            url,
            prefix="secrets",
            local_bytes=local_bytes,
            operation_names=5,
            invalidate_deadline=0.01,
            telemetry=OpenTelemetry(tracer_provider=tracers, meter_provider=meters.provider),
        ) as cache:
            application = Application(cache, verify)
            application.secret = secret
            with tracers.get_tracer("test").start_as_current_span("request"):
                play(application, context, told)
                use(cache, context, told)
                misuse(secret, told)
            told.texts += [span.to_json() or "" for span in exporter.get_finished_spans()]
            data = meters.reader.get_metrics_data()
            told.texts.append("" if data is None else data.to_json())
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        tracers.shutdown()
        meters.provider.shutdown()
    assert any('"response_cache.' in each for each in told.texts), "spans and metrics are looked at"
    leaks = [text[:500] for text in told.leaks()]
    assert not leaks, leaks[:3]
