"""Statistics and metrics by operation name: opt-in, bounded, and equal to what happened."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult, OperationDefinitionNode, parse

from strawberry_response_cache import (
    CacheDetail,
    CachedResponse,
    CacheStatus,
    OperationStatistics,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    skip_cache,
    telemetry,
)
from strawberry_response_cache.core._counters import Counters
from strawberry_response_cache.core._operations import OTHER, KeyEstimate, OperationNames
from strawberry_response_cache.graphql.execution.cache_request import CacheResult
from strawberry_response_cache.graphql.execution.conclusion import Conclusion
from strawberry_response_cache.graphql.execution.counting import OperationCount
from strawberry_response_cache.graphql.policy.outcome import Outcome
from strawberry_response_cache.graphql.policy.reasons import Reason
from strawberry_response_cache.telemetry import OpenTelemetry
from tests.telemetry.metrics import Meters

MOST = 4


@pytest.fixture
def meters() -> Iterator[Meters]:
    meters = Meters()
    yield meters
    meters.provider.shutdown()


@pytest.fixture
async def cache(url: str, meters: Meters) -> Any:
    async with ResponseCache.from_url(
        url,
        prefix="test",
        telemetry=OpenTelemetry(meter_provider=meters.provider),
        read_deadline=20,
        connect_deadline=20,
        operation_names=MOST,
    ) as cache:
        yield cache


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def title(self, of: int = 1) -> str:
        return f"Emma {of}"

    @cache_control(ttl=60)
    @strawberry.field
    def skipped(self, info: strawberry.Info) -> int:
        skip_cache(info)
        return 1

    @strawberry.field
    def plain(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self) -> str:
        return "Persuasion"


def schema_of(cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


async def ask(schema: strawberry.Schema, way: str, query: str, **variables: object) -> None:
    if way == "sync":
        result = schema.execute_sync(query, variables)
    else:
        result = await schema.execute(query, variables)
    assert result.errors is None


TITLE = "query Title($of: Int!) { title(of: $of) }"


@pytest.mark.parametrize("way", ["async", "sync"])
async def test_requests_hits_impact_and_hit_limit_are_counted_for_each_operation(
    cache: ResponseCache, meters: Meters, way: str
) -> None:
    schema = schema_of(cache)
    for of in (1, 2, 1, 1):
        await ask(schema, way, TITLE, of=of)
    for query in ("query Plain { plain }", "mutation Rename { rename }", "{ title }"):
        await ask(schema, way, query)
    found = cache.statistics().by_operation
    assert list(found) == ["Title", "Plain", "Rename", OTHER]
    title, plain = found["Title"], found["Plain"]
    assert (title.requests.redis_hits, title.requests.misses, title.hit_limit) == (2, 2, 0.5)
    assert (plain.requests.bypasses, plain.hit_limit) == (1, None)
    assert title.impact > 0
    assert plain.impact > 0
    assert title.cost == title.impact / 2
    assert found["Rename"].impact == 0, "a mutation is never cached"
    assert found[OTHER].requests.misses == 1
    assert (
        sum(each.requests.total for each in found.values()) == cache.statistics().operations.total
    )
    for name, figures in found.items():
        about = {"graphql_operation_name": name}
        assert meters.of(telemetry.REQUESTS, result="hit", **about) == figures.requests.hits
        assert meters.of(telemetry.REQUESTS, **about) == figures.requests.total
        assert meters.of(telemetry.IMPACT, **about) == figures.impact
        assert meters.of(telemetry.HIT_LIMIT, **about) == (figures.hit_limit or 0)
    assert meters.of(telemetry.REQUESTS, scope="operation") == 7


async def test_without_the_setting_operation_names_no_name_is_kept(
    url: str, meters: Meters
) -> None:
    async with ResponseCache.from_url(
        url,
        prefix="test",
        telemetry=OpenTelemetry(meter_provider=meters.provider),
        read_deadline=20,
        connect_deadline=20,
    ) as cache:
        await ask(schema_of(cache), "async", TITLE, of=1)
        assert cache.statistics().by_operation == {}
        assert meters.figures(telemetry.IMPACT.name) == {}
        for labels in meters.figures(telemetry.REQUESTS.name):
            assert telemetry.GRAPHQL_OPERATION_NAME not in dict(labels)


async def test_operation_names_are_bounded_in_number_and_length(cache: ResponseCache) -> None:
    schema = schema_of(cache)
    await ask(schema, "async", f"query {'x' * 65} {{ plain }}")
    await ask(schema, "async", f"query {OTHER} {{ plain }}")
    for number in range(MOST + 3):
        await ask(schema, "async", f"query Invented{number} {{ plain }}")
    await ask(schema, "async", "query Invented0 { plain }")
    found = cache.statistics().by_operation
    assert {name: each.requests.total for name, each in found.items()} == {
        "Invented0": 2,
        "Invented1": 1,
        "Invented2": 1,
        "Invented3": 1,
        OTHER: 5,
    }


@pytest.mark.parametrize(
    ("status", "detail", "impact"),
    [
        (CacheStatus.HIT, CacheDetail.FRESH, 0),
        (CacheStatus.MISS, CacheDetail.JOINED, 0),
        (CacheStatus.MISS, CacheDetail.GENERATED, 5),
        (CacheStatus.BYPASS, CacheDetail.STORE_FAILURE, 5),
    ],
)
def test_only_the_time_of_requests_that_generated_their_response_counts_as_impact(
    status: CacheStatus, detail: CacheDetail, impact: float
) -> None:
    counters = Counters(operation_names=1)
    count = OperationCount(counters)
    (operation,) = parse("{ title }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    count.begin(operation)
    response = CachedResponse(None, status, detail)
    found = CacheResult(
        ExecutionResult(None), lambda: Outcome("bypass"), False, lambda: None, response
    )
    count.cached("key", found)
    count.took(5)
    assert counters.operations is not None
    assert counters.operations.statistics()[OTHER].impact == impact


@pytest.mark.parametrize(
    ("reason", "impact"),
    [(Reason.MUTATION, 0), (Reason.SUBSCRIPTION, 0), (Reason.WITHOUT_TTL, 5)],
)
def test_mutations_and_subscriptions_have_no_impact(reason: Reason, impact: float) -> None:
    counters = Counters(operation_names=1)
    count = OperationCount(counters)
    (operation,) = parse("{ title }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    count.begin(operation)
    count.bypassed(reason)
    count.took(5)
    assert counters.operations is not None
    assert counters.operations.statistics()[OTHER].impact == impact


@pytest.mark.parametrize("way", ["async", "sync"])
async def test_an_operation_that_a_resolver_restricts_is_counted_with_its_reason(
    cache: ResponseCache, way: str
) -> None:
    await ask(schema_of(cache), way, "{ skipped }")
    statistics = cache.statistics()
    assert (statistics.operations.bypasses, statistics.bypasses) == (1, {"restricted": 1})


@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize("query", ["{ title }", "{ plain }"])
async def test_an_operation_is_counted_once_if_a_fault_follows(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, way: str, query: str
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Conclusion, "_tell", fault)
    await ask(schema_of(cache), way, query)
    assert cache.statistics().operations.total == 1


@pytest.mark.parametrize("number", [1, 200, 256, 257, 20_000])
def test_the_number_of_keys_is_exact_up_to_256_and_an_estimate_above(
    number: int,
) -> None:
    estimate = KeyEstimate()
    keys = [f"key {each}" for each in range(number)]
    random.Random(1).shuffle(keys)  # noqa: S311 - no secret
    for key in (*keys, *keys):
        estimate.note(key)
    # Hashes differ in each process: four standard errors and more.
    assert estimate.number == pytest.approx(number, rel=0 if number <= 256 else 0.4)
    assert len(estimate._sample) <= 256
    assert estimate.hit_limit == pytest.approx(0.5, abs=0 if number <= 256 else 0.2)


def test_nothing_of_a_request_but_its_name_is_kept() -> None:
    names = OperationNames(1)
    names.of("Title").keys.note("s3cret")
    assert "s3cret" not in repr(vars(names)) + repr(names.statistics())
    assert names.statistics()["Title"] == OperationStatistics(hit_limit=0.0)


COUNTING_CHILD = """
import os, sys
from strawberry_response_cache import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
cache = ResponseCache.from_url("memory://", prefix="forks", operation_names=5)
cache.remember_sync(["a"], 60, lambda: 1)
cache.remember_sync(["a"], 60, lambda: 1)
tenant_of(cache).counters.operations.of("Title").requests.misses += 1
child = os.fork()
if not child:
    cache.remember_sync(["b"], 0, lambda: 1)
    try:
        cache.remember_sync(["c"], 60, lambda: 1 / 0)
    except ZeroDivisionError:
        pass
    counted = cache.statistics()
    values = counted.values
    assert (values.hits, values.misses, values.bypasses) == (0, 1, 1), values
    assert counted.by_operation == {}, counted
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_counts_from_0() -> None:
    command = [sys.executable, "-W", "ignore", "-c", COUNTING_CHILD]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
