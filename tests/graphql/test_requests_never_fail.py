"""No state of the store and no value of the context fails a request that works without the cache."""

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Mapping
from enum import Enum
from typing import Any

import pytest
import strawberry
from django.utils.functional import SimpleLazyObject
from werkzeug.local import LocalProxy

import strawberry_response_cache
from strawberry_response_cache import (
    CacheConfigurationError,
    CacheDetail,
    CacheScope,
    Reason,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from tests.conftest import Eventually, joined
from tests.graphql.ledger import Ledger, reason, status
from tests.graphql.ledger import Mutation as LedgerMutation
from tests.graphql.ledger import Query as LedgerQuery


@pytest.fixture
async def down(new_cache: Callable[..., ResponseCache], unused_port: int) -> ResponseCache:
    """A cache whose server is not there."""
    return new_cache(f"redis://127.0.0.1:{unused_port}", connect_deadline=0.05, read_deadline=0.05)


@pytest.mark.parametrize("query", ["{ accounts { id } }", "{ unannotated accounts { id } }"])
async def test_equal_queries_are_all_answered_while_redis_is_down(
    down: ResponseCache, query: str
) -> None:
    extension = ResponseCacheExtension(
        down,
        tenant=lambda context: context["tenant"],
        vary={"locale": lambda context: context["locale"]},
        debug=True,
    )
    ledger = Ledger(strawberry.Schema(LedgerQuery, LedgerMutation, extensions=[extension]))
    results = await asyncio.gather(*(ledger.ask(query) for _ in range(5)))
    assert [result.errors for result in results] == [None] * 5
    assert all(result.data == results[0].data for result in results)
    told = {reason(result) for result in results}
    assert told <= {"store_failure", "joined", "root_without_hint"}


@pytest.mark.parametrize("query", ["{ stock }", "{ fresh stock }"])
async def test_equal_queries_are_all_answered_while_an_invalidation_arrives(
    cache: ResponseCache, query: str, eventually: Eventually
) -> None:
    runs: list[asyncio.Event] = []

    @strawberry.type
    class Query:
        @cache_control(ttl=60, tags=["stock"])
        @strawberry.field
        async def stock(self) -> int:
            runs.append(asyncio.Event())
            number = len(runs)
            await runs[-1].wait()
            return number

        @strawberry.field
        def fresh(self) -> int:
            return 0

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    asked = [asyncio.ensure_future(schema.execute(query)) for _ in range(5)]
    await eventually(lambda: runs)
    await eventually(lambda: joined(cache) == 4)
    await cache.invalidate("stock")

    def let_them_end() -> bool:
        for run in runs:
            run.set()
        return all(each.done() for each in asked)

    await eventually(let_them_end)
    results = [each.result() for each in asked]
    assert [result.errors for result in results] == [None] * 5
    assert all(result.data is not None and result.data["stock"] > 0 for result in results)


# -- Mappings over enumerations are total ----------------------------------------------------------------


NOT_IMPORTED = {"aiohttp", "channels", "django", "flask", "litestar", "quart", "sanic"}
"""Views for frameworks of the group frameworks, and the app for Django, which needs settings."""


def _modules() -> list[Any]:
    return [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(
            strawberry_response_cache.__path__, f"{strawberry_response_cache.__name__}."
        )
        if found.name.split(".")[1] not in NOT_IMPORTED
    ]


def _mappings() -> dict[str, Mapping[Enum, object]]:
    """All mappings of the package whose keys are members of one enumeration."""
    found = {}
    for module in _modules():
        for name, value in vars(module).items():
            if isinstance(value, Mapping) and value and all(isinstance(k, Enum) for k in value):
                found[f"{module.__name__}.{name}"] = value
    return found


def test_every_mapping_from_an_enumeration_has_all_its_members() -> None:
    mappings = _mappings()
    assert len(mappings) >= 2
    for name, mapping in mappings.items():
        (kind,) = {type(key) for key in mapping}
        assert set(mapping) == set(kind), name


@pytest.mark.parametrize("each", list(Reason))
def test_every_reason_has_advice_that_is_a_sentence(each: Reason) -> None:
    assert each.advice.strip().endswith(".")


@pytest.mark.parametrize("each", list(CacheDetail))
def test_every_detail_of_the_core_has_a_reason_unless_it_is_a_success(
    each: CacheDetail,
) -> None:
    well = {CacheDetail.FRESH, CacheDetail.LOCAL, CacheDetail.STALE, CacheDetail.GENERATED}
    assert (Reason.of(each) is None) is (each in well)


# -- Lazy values of the context, of objects and of arguments -----------------------------------------------


class Liar(str):
    """A text whose own `__str__` is the same for all."""

    __slots__ = ()

    def __str__(self) -> str:
        return "everyone"


LAZY: list[Callable[[Any], Any]] = [
    lambda value: SimpleLazyObject(lambda: value),
    lambda value: LocalProxy(lambda: value),
    lambda value: SimpleLazyObject(lambda: Liar(value)) if isinstance(value, str) else value,
]


@strawberry.type
class Item:
    id: strawberry.ID
    name: str

    @cache_control(ttl=60)
    @strawberry.field
    def price(self, info: strawberry.Info) -> int:
        info.context["calls"].append("price")
        return 3


@strawberry.type
class Shop:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self, info: strawberry.Info) -> Item:
        info.context["calls"].append("item")
        return Item(id=info.context["lazy"]("1"), name="bread")

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def basket(self, info: strawberry.Info) -> str:
        info.context["calls"].append("basket")
        return f"of {info.context['user']}"

    @strawberry.field
    def fresh(self) -> int:
        return 0


@strawberry.type
class Change:
    @strawberry.mutation
    def touch(self, info: strawberry.Info) -> Item:
        info.context["calls"].append("touch")
        return Item(id=info.context["lazy"]("1"), name="bread")

    @invalidates("Item:{result.id}")
    @strawberry.mutation
    def mark(self, info: strawberry.Info) -> Item:
        info.context["calls"].append("mark")
        return Item(id=info.context["lazy"]("1"), name="bread")


def _shop(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    chosen: dict[str, Any] = {
        "tenant": lambda context: context["lazy"](context["tenant"]),
        "session": lambda context: context["lazy"](context["user"]),
        "debug": True,
    }
    extension = ResponseCacheExtension(cache, **(chosen | options))
    return strawberry.Schema(Shop, Change, extensions=[extension])


@pytest.mark.parametrize("lazy", LAZY)
async def test_lazy_tenants_sessions_and_ids_count_as_the_values_they_wrap(
    memory_cache: ResponseCache, lazy: Callable[[Any], Any]
) -> None:
    schema = _shop(memory_cache)
    calls: list[str] = []

    async def ask(query: str, user: str = "alice", tenant: str = "acme") -> Any:
        context = {"tenant": tenant, "user": user, "lazy": lazy, "calls": calls}
        result = await schema.execute(query, context_value=context)
        assert result.errors is None
        return result

    for query in ("{ item { name } }", "{ basket }", "{ fresh item { name price } }"):
        calls.clear()
        first = await ask(query)
        ran = len(calls)
        assert (await ask(query)).data == first.data
        assert len(calls) == ran > 0, query
    assert (await ask("{ basket }", "bob")).data == {"basket": "of bob"}
    assert status(await ask("{ item { name } }", tenant="globex")) == "miss"
    for mutation in ("mutation { touch { name } }", "mutation { mark { id } }"):
        assert status(await ask("{ item { name } }")) == "hit"
        await ask(mutation)
        assert status(await ask("{ item { name } }")) == "miss"


class _Broken:
    """A lazy value whose evaluation fails."""

    @property  # type: ignore[misc] # as lazy objects have it
    def __class__(self) -> type:
        raise RuntimeError


@pytest.mark.parametrize("broken", ["tenant", "session", "vary"])
@pytest.mark.parametrize("query", ["{ item { name } }", "{ basket }", "mutation { touch { id } }"])
async def test_a_lazy_value_that_fails_fails_no_request(
    memory_cache: ResponseCache, broken: str, query: str
) -> None:
    def fail(_: object) -> Any:
        return _Broken()

    schema = _shop(memory_cache, **{broken: {"locale": fail} if broken == "vary" else fail})
    for _ in range(2):
        context = {"tenant": "acme", "user": "alice", "lazy": lambda value: value, "calls": []}
        result = await schema.execute(query, context_value=context)
        assert result.errors is None
        assert context["calls"] or broken in {"session", "vary"}


@pytest.mark.parametrize("nothing", [None, "", False, 0])
async def test_a_lazy_object_around_a_falsy_value_is_no_session(
    memory_cache: ResponseCache, nothing: Any
) -> None:
    schema = _shop(memory_cache, session=lambda _: SimpleLazyObject(lambda: nothing))
    context = {"tenant": "acme", "user": "alice", "lazy": lambda value: value, "calls": []}
    result = await schema.execute("{ basket }", context_value=context)
    assert (result.errors, reason(result)) == (None, "private_without_session")


# -- Mistakes in the configuration -------------------------------------------------------------------------


def test_the_extension_class_in_place_of_an_object_is_an_error_with_the_fix() -> None:
    schema = strawberry.Schema(Shop, extensions=[ResponseCacheExtension])  # type: ignore[list-item] # the mistake
    with pytest.raises(CacheConfigurationError, match=r"extensions=\[extension\]"):
        schema.execute_sync("{ fresh }")


@pytest.mark.parametrize("face", ["execute", "execute_sync"])
async def test_mistakes_in_annotations_turn_the_cache_off_and_fail_no_request(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture, face: str
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def item(self) -> Item:
            return Item(id=strawberry.ID("1"), name="bread")

        @cache_control(inherit=True)
        @strawberry.field
        def first(self) -> int:
            return 1

        @cache_control(ttl=60, vary=["nothing"])
        @strawberry.field
        def second(self) -> int:
            return 2

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Change, extensions=[extension])
    good = ResponseCacheExtension(cache, tenant=None, debug=True)
    other = strawberry.Schema(Shop, extensions=[good])
    context = {"user": "a", "lazy": lambda value: value, "calls": []}

    async def ask(which: strawberry.Schema, query: str) -> Any:
        if face == "execute_sync":
            return which.execute_sync(query, context_value=context)
        return await which.execute(query, context_value=context)

    for _ in range(2):
        result = await ask(schema, "{ item { name } first second }")
        assert (result.errors, reason(result)) == (None, "misconfigured")
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "- Query.first:" in record.getMessage()
    assert "- Query.second:" in record.getMessage()
    with pytest.raises(Exception, match=r"Query\.first(.|\n)*Query\.second"):
        extension.check(schema)
    # Other servers, whose annotations are right, must not be left with old data.
    assert status(await ask(other, "{ item { name } }")) == "miss"
    assert status(await ask(other, "{ item { name } }")) == "hit"
    assert (await ask(schema, "mutation { touch { id } }")).errors is None
    assert status(await ask(other, "{ item { name } }")) == "miss"


@pytest.mark.parametrize("enabled", [False, lambda _: False])
async def test_a_mutation_invalidates_while_the_cache_is_off(
    cache: ResponseCache, enabled: Any
) -> None:
    on, off = _shop(cache), _shop(cache, enabled=enabled)
    context = {"tenant": "acme", "user": "a", "lazy": lambda value: value, "calls": []}
    for expected in ("miss", "hit"):
        assert status(await on.execute("{ item { name } }", context_value=context)) == expected
    assert reason(await off.execute("{ item { name } }", context_value=context)) == "disabled"
    await off.execute("mutation { touch { id } }", context_value=context)
    assert status(await on.execute("{ item { name } }", context_value=context)) == "miss"


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_a_mutation_of_a_schema_with_two_extensions_invalidates_in_both_caches(
    new_cache: Callable[..., ResponseCache], way: str
) -> None:
    """That is a mistake, which turns the cache off. Other processes may be on."""
    caches = [new_cache("memory://", prefix=prefix) for prefix in ("one", "two")]
    both = strawberry.Schema(
        Shop,
        Change,
        extensions=[ResponseCacheExtension(each, tenant=None, debug=True) for each in caches],
    )
    context = {"tenant": "acme", "user": "a", "lazy": lambda value: value, "calls": []}
    others = [
        strawberry.Schema(Shop, extensions=[ResponseCacheExtension(each, tenant=None, debug=True)])
        for each in caches
    ]
    for other in others:
        for expected in ("miss", "hit"):
            answer = await other.execute("{ item { name } }", context_value=context)
            assert status(answer) == expected
    if way == "execute":
        await both.execute("mutation { touch { id } }", context_value=context)
    else:
        both.execute_sync("mutation { touch { id } }", context_value=context)
    for other in others:
        assert status(await other.execute("{ item { name } }", context_value=context)) == "miss"


def test_an_operation_that_exceeds_the_recursion_limit_runs_uncached_and_is_no_fault(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def end(*_: object) -> None:
        msg = "s3cret"
        raise RecursionError(msg)

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Shop, extensions=[extension])
    monkeypatch.setattr("strawberry_response_cache.graphql.keys.plan.sent_variables", end)
    before = extension.faults
    for _ in range(3):
        context = {"lazy": lambda value: value, "calls": []}
        result = schema.execute_sync("{ item { name } }", context_value=context)
        assert (result.errors, reason(result)) == (None, "selection_too_large")
        assert context["calls"] == ["item"]
    assert extension.faults == before
    assert not [each for each in caplog.records if each.levelname == "ERROR"]
    (said,) = [each for each in caplog.messages if "nested too deeply" in each]
    assert "report" not in said
    assert "s3cret" not in caplog.text
    assert memory_cache.statistics().operations.total == 3


async def test_a_fault_before_a_subscription_counts_its_events_once(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def ticks(self) -> AsyncIterator[int]:
            yield 1
            yield 2

    def end(*_: object) -> None:
        raise RecursionError

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Shop, subscription=Subscription, extensions=[extension])
    monkeypatch.setattr(
        "strawberry_response_cache.graphql._compat.executor._operation_asked_for", end
    )
    events: Any = await schema.subscribe("subscription { ticks }")
    assert [each.data async for each in events] == [{"ticks": 1}, {"ticks": 2}]
    assert memory_cache.statistics().operations.total == 2


@pytest.mark.faults
def test_faults_are_counted_and_logged_once_per_interval(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        msg = "s3cret"
        raise ZeroDivisionError(msg)

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Shop, extensions=[extension])
    monkeypatch.setattr("strawberry_response_cache.graphql.keys.plan.sent_variables", fail)
    before = extension.faults
    for _ in range(3):
        context = {"lazy": lambda value: value, "calls": []}
        result = schema.execute_sync("{ item { name } }", context_value=context)
        assert (result.errors, reason(result)) == (None, "cache_fault")
        assert context["calls"] == ["item"]
    assert extension.faults == before + 3
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "ZeroDivisionError" in record.getMessage()
    assert "s3cret" not in caplog.text
