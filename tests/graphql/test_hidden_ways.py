"""Ways by which one user's answer could reach another although each annotation is right.

The extension must see what the resolvers see, and nothing that decides an answer may stay unseen.
"""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any
from uuid import UUID

import pytest
import strawberry
from strawberry import relay
from strawberry.extensions import DisableValidation, SchemaExtension
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from strawberry_response_cache.core._cache import tenant_of
from tests.conftest import joined
from tests.graphql.ledger import Ledger, outcome, reason, status


def extended(cache: ResponseCache, **options: Any) -> ResponseCacheExtension:
    chosen: dict[str, Any] = {
        "tenant": None,
        "session": lambda context: context,
        "debug": True,
    } | options
    return ResponseCacheExtension(cache, **chosen)


async def test_a_context_replaced_by_a_later_hook_decides_the_session(
    memory_cache: ResponseCache,
) -> None:
    class Impersonate(SchemaExtension):
        def on_execute(self) -> Any:
            context = self.execution_context.context
            self.execution_context.context = context.removeprefix("support as ")
            yield

    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE)
        @strawberry.field
        def me(self, info: strawberry.Info) -> str:
            return str(info.context)

    schema = strawberry.Schema(Query, extensions=[extended(memory_cache), Impersonate])
    for _ in range(2):
        for user in ("alice", "bob"):
            result = await schema.execute("{ me }", context_value=f"support as {user}")
            assert result.data == {"me": user}
    assert status(result) == "hit"


async def test_request_extensions_hidden_by_a_hook_still_count(
    make_ledger: Callable[..., Ledger],
) -> None:
    class Hide(SchemaExtension):
        def on_operation(self) -> Any:
            self.execution_context.operation_extensions = None
            yield

    ledger = make_ledger(Hide)
    result = await ledger.ask("{ accounts { id } }", operation_extensions={"user": "a"})
    assert reason(result) == "request_extensions"


class IntTenant(int):
    def __str__(self) -> str:
        return "redacted"


class SecretId(UUID):
    def __str__(self) -> str:
        return "redacted"


@pytest.mark.parametrize(
    ("one", "other"),
    [(IntTenant(1), IntTenant(2)), (SecretId(int=1), SecretId(int=2))],
)
async def test_identities_of_subclasses_that_print_alike_have_entries_of_their_own(
    ledger: Ledger, one: object, other: object
) -> None:
    for identity in (one, other):
        assert status(await ledger.ask("{ accounts { id } }", tenant=identity)) == "miss"
        assert status(await ledger.ask("{ me }", user=identity)) == "miss"


async def test_a_boolean_session_does_not_identify_a_user(
    make_ledger: Callable[..., Ledger],
) -> None:
    ledger = make_ledger(session=lambda context: context["user"] is not None)
    assert reason(await ledger.ask("{ me }")) == "context_failed"


@strawberry.type
class Document(relay.Node):
    code: relay.NodeID[str]
    owner: str

    @classmethod
    def resolve_nodes(
        cls, *, info: strawberry.Info, node_ids: Iterable[str], required: bool = False
    ) -> Any:
        return [cls(code=code, owner=info.context) for code in node_ids]


@strawberry.type
class PersonalId(relay.Node):
    code: relay.NodeID[str]

    @classmethod
    def resolve_id(cls, root: Any, *, info: strawberry.Info) -> str:
        return f"{root.code}-{info.context}"


def relay_query() -> type:
    """Strawberry takes a field of `relay.node()` into one schema only."""

    @strawberry.type
    class Viewer:
        node: relay.Node = relay.node()
        document: Document
        personal: PersonalId

    @strawberry.type
    class RelayQuery:
        @cache_control(ttl=60)
        @strawberry.field
        def viewer(self) -> Viewer:
            return Viewer(document=Document(code="1", owner="all"), personal=PersonalId(code="1"))

    return RelayQuery


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{ viewer { node(id: "RG9jdW1lbnQ6MQ==") { ... on Document { owner } } } }', "bypass"),
        ("{ viewer { personal { id } } }", "bypass"),
        ("{ viewer { document { id owner } } }", "miss"),
    ],
)
async def test_a_relay_id_needs_no_hint_and_a_relay_node_field_counts_as_a_resolver(
    memory_cache: ResponseCache, query: str, expected: str
) -> None:
    schema = strawberry.Schema(relay_query(), types=[Document], extensions=[extended(memory_cache)])
    result = await schema.execute(query, context_value="alice")
    assert result.errors is None
    assert status(result) == expected


@pytest.mark.parametrize("shape", ["unannotated {}", "... {} {{ unannotated }}", "...F {}"])
@pytest.mark.parametrize(
    "twice", ["@include(if: true) @include(if: false)", "@skip(if: false) @skip(if: true)"]
)
async def test_an_operation_with_a_condition_written_twice_is_not_cached(
    make_ledger: Callable[..., Ledger], shape: str, twice: str
) -> None:
    ledger = make_ledger(DisableValidation)
    fragment = "fragment F on Query { unannotated }" if "F" in shape else ""
    result = await ledger.ask(f"{{ accounts {{ id }} {shape.format(twice)} }} {fragment}")
    assert reason(result) == "directive"


async def test_a_custom_default_resolver_counts_as_a_resolver(memory_cache: ResponseCache) -> None:
    class Row:
        def name(self) -> str:
            return "made"

    @strawberry.type
    class Item:
        name: str

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def item(self) -> Item:
            return Row()  # type: ignore[return-value] # as an ORM's row would be

    config = StrawberryConfig(default_resolver=lambda row, name: getattr(row, name)())
    schema = strawberry.Schema(Query, config=config, extensions=[extended(memory_cache)])
    result = await schema.execute("{ item { name } }")
    assert result.data == {"item": {"name": "made"}}
    assert reason(result) == "resolver_without_hint"


async def test_a_type_with_a_custom_is_type_of_counts_as_a_resolver(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.type
    class Full:
        secret: str

        @classmethod
        def is_type_of(cls, _: Any, info: Any) -> bool:
            return bool(info.context == "admin")

    @strawberry.type
    class Redacted:
        open: str

        @classmethod
        def is_type_of(cls, _: Any, info: Any) -> bool:
            return bool(info.context != "admin")

    @strawberry.type
    class Box:
        content: Annotated[Full | Redacted, strawberry.union("Content")]

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def box(self) -> Box:
            return Box(content=Full(secret="s"))

    schema = strawberry.Schema(Query, extensions=[extended(memory_cache)])
    result = await schema.execute("{ box { content { __typename } } }", context_value="admin")
    assert reason(result) == "resolver_without_hint"


async def test_an_exception_turned_into_data_is_not_stored(memory_cache: ResponseCache) -> None:
    @strawberry.type
    class Price:
        amount: int

    @strawberry.type
    class Down:
        message: str

    handlers = pytest.importorskip(
        "strawberry.schema.exception_handlers", reason="this Strawberry converts no exceptions"
    )

    class Convert(handlers.ExceptionHandler[RuntimeError, Down]):  # type: ignore[misc,name-defined] # imported above
        def handle(self, exception: RuntimeError, *, field: Any, info: Any) -> Down:
            return Down(message=str(exception))

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def price(
            self, info: strawberry.Info
        ) -> Annotated[Price | Down, strawberry.union("Offer")]:
            msg = f"down for {info.context}"
            raise RuntimeError(msg)

    schema = strawberry.Schema(
        Query, extensions=[extended(memory_cache)], exception_handlers=[Convert()]
    )
    for user in ("alice", "bob"):
        result = await schema.execute("{ price { ... on Down { message } } }", context_value=user)
        assert reason(result) == "custom_code"
        assert result.data == {"price": {"message": f"down for {user}"}}


async def test_an_executor_derived_from_ours_is_custom_code(memory_cache: ResponseCache) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def one(self) -> int:
            return 1

    extension = extended(memory_cache)
    schema = strawberry.Schema(Query, extensions=[extension])
    extension.check(schema)
    schema.execution_context_class = type("Redact", (schema.execution_context_class,), {})
    assert reason(await schema.execute("{ one }")) == "custom_code"


async def test_a_default_of_an_argument_or_an_input_is_part_of_the_key(
    cache: ResponseCache,
) -> None:
    def schema_with(default: int, where: str) -> strawberry.Schema:
        @strawberry.input
        class Filter:
            limit: int = default if where == "input" else 0

        @strawberry.type
        class Query:
            @cache_control(ttl=60)
            @strawberry.field
            def limit(
                self, within: Filter, top: int = default if where == "argument" else 0
            ) -> int:
                return within.limit + top

        return strawberry.Schema(Query, extensions=[extended(cache)])

    for where in ("input", "argument"):
        for default in (1, 2):
            result = await schema_with(default, where).execute("{ limit(within: {}) }")
            assert result.data == {"limit": default}


@pytest.mark.parametrize(("default_ttl", "expected"), [(None, 5), (600, 5), (2, 2)])
async def test_the_short_ttl_of_a_union_member_counts_although_another_member_has_none(
    memory_cache: ResponseCache, default_ttl: float | None, expected: int
) -> None:
    @cache_control(ttl=5)
    @strawberry.type
    class Price:
        amount: int

    @strawberry.type
    class Nothing:
        why: str

    @strawberry.type
    class Shop:
        offer: Annotated[Price | Nothing, strawberry.union("Offer")]

    @strawberry.type
    class Query:
        @cache_control(ttl=600)
        @strawberry.field
        def shop(self) -> Shop:
            return Shop(offer=Price(amount=1))

    schema = strawberry.Schema(Query, extensions=[extended(memory_cache, default_ttl=default_ttl)])
    said = outcome(await schema.execute("{ shop { offer { ... on Price { amount } } } }"))
    assert (said["ttl"], said["limitedBy"]) == (expected, "Shop.offer")


@pytest.mark.faults
async def test_a_fault_of_the_cache_does_not_fail_the_request(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        msg = "s3cret"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr(
        "strawberry_response_cache.graphql.execution.considered.operation_key", fail
    )
    result = await ledger.ask("{ accounts { id } }")
    assert result.errors is None
    assert reason(result) == "cache_fault"
    assert "ZeroDivisionError" in caplog.text
    assert "s3cret" not in caplog.text


# -- Waiting always ends, and memory comes back ---------------------------------------------------------


def test_an_operation_that_executes_itself_in_another_thread_does_not_deadlock(
    new_cache: Callable[..., ResponseCache],
) -> None:
    cache = new_cache("memory://", lease=0.2, wait_budget=0.3)
    depth: list[int] = []

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def nested(self) -> int:
            depth.append(1)
            if len(depth) == 1:
                with ThreadPoolExecutor(1) as pool:
                    inner = pool.submit(schema.execute_sync, "{ nested }").result()
                    assert inner.data == {"nested": 2}
            return len(depth)

    schema = strawberry.Schema(Query, extensions=[extended(cache)])
    done = threading.Event()
    results: list[Any] = []

    def run() -> None:
        results.append(schema.execute_sync("{ nested }"))
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(60)
    assert results[0].data == {"nested": 2}


async def test_execute_sync_in_a_loop_does_not_wait_for_a_lease(
    ledger: Ledger, raw: Any, cache: ResponseCache
) -> None:
    """The holder of the lease may need this event loop to continue."""
    await ledger.ask("{ accounts { id } }")
    (entry,) = [key for key in raw.keys("*") if b":e:" in key]
    lease = entry.replace(b":e:", b":l:")
    raw.delete(entry)
    raw.set(lease, "a task of this loop", px=60_000)
    over = threading.Event()

    def give_back_once_waited_for() -> None:
        while not over.wait(0.001):
            if (raw.get(lease) or b"").endswith(b"!"):
                raw.delete(lease)
                return

    holder = threading.Thread(target=give_back_once_waited_for)
    holder.start()
    try:
        assert reason(ledger.ask_sync("{ accounts { id } }")) == "waited_out"
    finally:
        over.set()
        holder.join()


async def test_execute_sync_in_a_loop_does_not_wait_for_a_flight_of_another_thread(
    memory_cache: ResponseCache,
) -> None:
    """The thread may need this event loop to continue."""
    loop_asks, began = threading.Event(), threading.Event()

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def who(self) -> str:
            if began.is_set():
                return "the loop"
            began.set()
            while not joined(memory_cache, synchronous=True) and not loop_asks.wait(0.001):
                pass
            return "a thread"

    schema = strawberry.Schema(Query, extensions=[extended(memory_cache)])
    thread = asyncio.create_task(asyncio.to_thread(schema.execute_sync, "{ who }"))
    await asyncio.to_thread(began.wait, 60)
    answered = schema.execute_sync("{ who }")
    loop_asks.set()
    assert (answered.data, reason(answered)) == ({"who": "the loop"}, "waited_out")
    assert (await thread).data == {"who": "a thread"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # loops that end unclosed are the point
def test_the_driver_of_an_event_loop_that_ended_is_dropped() -> None:
    cache = ResponseCache.from_url("memory://", prefix="test")

    async def main() -> None:
        async def one() -> int:
            return 1

        await cache.remember(["a"], 60, one)

    for _ in range(5):
        asyncio.run(main())
    assert len(tenant_of(cache).engine._async) == 1
    assert len(tenant_of(cache).engine.handle._async) == 1


def test_a_schema_without_references_is_freed(memory_cache: ResponseCache) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def one(self) -> int:
            return 1

    extension = extended(memory_cache)
    schema = strawberry.Schema(Query, extensions=[extension])
    assert schema.execute_sync("{ one }").data == {"one": 1}
    dropped = weakref.ref(schema)
    del schema
    gc.collect()
    assert dropped() is None
