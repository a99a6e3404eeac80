"""A secret, wherever a request brings it, shows up in no span, no metric, no log record and no repr."""

import logging
import secrets
from typing import Any

import pytest
import strawberry
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from strawberry_response_cache import (
    CacheScope,
    CacheStoreError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.telemetry import OpenTelemetry
from tests.conftest import UNHURRIED
from tests.core.logs import LOGGER

QUERY = """query Named($name: String!) {
  shelf(of: $name, by: "%s") { id title price(of: $name) }
  mine
}"""
FIELDS = 'query Fields($name: String!) { fresh shelf(of: $name, by: "%s") { price(of: $name) } }'
FAILING = "query Failing($name: String!) { failing(name: $name) }"
MUTATION = "mutation Change($name: String!) { change(name: $name) { id } }"


@strawberry.type
class Book:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    def title(self, info: strawberry.Info) -> str:
        return str(info.context["secret"])

    @cache_control(ttl=60, tags=["price:{args.of}"])
    @strawberry.field
    def price(self, of: str) -> str:
        return of


@strawberry.type
class Query:
    @cache_control(ttl=60, vary=["header"], tags=["shelf:{args.of}"])
    @strawberry.field
    def shelf(self, of: str, by: str) -> list[Book]:
        return [Book(id=strawberry.ID(of + by))]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> str:
        return str(info.context["secret"])

    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def failing(self, name: str) -> str:
        raise LookupError(name)


@strawberry.type
class Mutation:
    @invalidates("shelf:{args.name}")
    @strawberry.mutation
    def change(self, name: str) -> Book:
        return Book(id=strawberry.ID(name))


class Told:
    """Everything that telemetry and the log are told."""

    def __init__(self) -> None:
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracing, self.metering = TracerProvider(), MeterProvider([self.reader])
        self.tracing.add_span_processor(SimpleSpanProcessor(self.spans))
        self.observer = OpenTelemetry(tracer_provider=self.tracing, meter_provider=self.metering)

    def all(self, caplog: pytest.LogCaptureFixture, *shown: object) -> str:
        """Return it as text, with the reprs of objects."""
        data = self.reader.get_metrics_data()
        assert data is not None
        records = [f"{each.getMessage()} {vars(each)}" for each in caplog.records]
        self.metering.shutdown()
        self.tracing.shutdown()
        spans = [span.to_json() for span in self.spans.get_finished_spans()]
        assert spans
        return "\n".join([*spans, data.to_json(), *records, *map(repr, shown)])


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_what_a_request_brings_is_told_nowhere(
    caplog: pytest.LogCaptureFixture, way: str
) -> None:
    secret = secrets.token_hex(10)
    caplog.set_level(logging.DEBUG, LOGGER)
    # Strawberry logs the errors of resolvers.
    caplog.set_level(logging.CRITICAL, "strawberry.execution")
    told = Told()
    async with ResponseCache.from_url(
        "memory://", prefix="test", telemetry=told.observer, operation_names=5, **UNHURRIED
    ) as cache:
        extension = ResponseCacheExtension(
            cache,
            tenant=lambda context: context["secret"],
            session=lambda context: context["secret"],
            vary={"header": lambda context: context["secret"]},
        )
        schema = strawberry.Schema(Query, Mutation, extensions=[extension])
        context = {"secret": secret, "request": {"headers": {"authorization": secret}}}
        with told.tracing.get_tracer("test").start_as_current_span("request"):
            for query in (*[QUERY % secret, FIELDS % secret] * 2, FAILING, MUTATION):
                given: dict[str, Any] = {
                    "variable_values": {"name": secret},
                    "context_value": context,
                }
                if way == "execute":
                    await schema.execute(query, **given)
                else:
                    schema.execute_sync(query, **given)
            await cache.remember([secret], 60, _value, tags=[secret])
            await cache.invalidate(secret)
        assert cache.statistics().by_operation["Named"].requests.hits == 1
        assert cache.statistics().fields.hits > 0
        text = told.all(caplog, cache, extension, cache.statistics())
    assert "Failing" in text
    assert secret not in text


async def test_the_password_of_a_server_that_fails_is_told_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = secrets.token_hex(10)
    caplog.set_level(logging.DEBUG, LOGGER)
    told = Told()
    async with ResponseCache.from_url(
        f"redis://{secret}:{secret}@127.0.0.1:1/0",
        prefix="test",
        telemetry=told.observer,
        invalidate_deadline=0.01,
    ) as cache:
        with told.tracing.get_tracer("test").start_as_current_span("request"):
            await cache.remember([secret], 60, _value)
            with pytest.raises(CacheStoreError) as raised:
                await cache.invalidate(secret)
        text = told.all(caplog, cache, raised.value, cache.statistics())
    assert "ConnectionError" in text
    assert secret not in text


async def _value() -> int:
    return 1
