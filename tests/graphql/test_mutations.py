"""What a mutation changes disappears from the cache before it answers, and nothing else does."""

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    invalidates,
)
from strawberry_response_cache.graphql.invalidation import entities as _entities
from tests.graphql.bank import Account, Bank, Data, Row
from tests.graphql.conftest import UntilInvalidated
from tests.graphql.ledger import status

LIST = "{ accounts { name balance } }"
ONE = '{ account(id: "1") { name balance } }'
OTHER = '{ account(id: "2") { balance } }'
NONE = '{ account(id: "9") { balance } }'
RATE = "{ rate { percent } }"
TOTAL = "{ total }"
ALL = (LIST, ONE, OTHER, NONE, RATE, TOTAL)


@pytest.fixture(params=["async", "sync"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Awaitable[Any]]:
    """Execute in one of the two ways."""

    async def asked(bank: Bank, query: str, tenant: str = "a") -> Any:
        if request.param == "sync":
            return await asyncio.to_thread(bank.ask_sync, query, tenant)
        return await bank.ask(query, tenant)

    return asked


async def invalidated(bank: Bank, mutation: str, ask: Callable[..., Awaitable[Any]]) -> set[str]:
    """Warm the cache, run a mutation, and return which queries are executed again."""
    for query in ALL:
        await ask(bank, query)
        assert status(await ask(bank, query)) == "hit"
    result = await ask(bank, mutation)
    assert status(result) == "bypass"
    return {query for query in ALL if status(await ask(bank, query)) == "miss"}


POST = "mutation { post(id: 1, amount: 5) { ... on Posted { account { balance } } } }"


@pytest.mark.parametrize(
    ("mutation", "expected"),
    [
        (POST, {LIST, ONE}),
        ('mutation { open(name: "new") { name } }', {LIST}),
        ("mutation { post(id: 9, amount: 5) { ... on Refusal { why } } }", set()),
        ("mutation { setRate(percent: 3) { percent } }", {RATE}),
        ("mutation { close(accountId: 2) }", {LIST, OTHER, TOTAL}),
        ('mutation { rename(id: 1, name: "n") { note } }', {LIST, ONE}),
        ("mutation { half { name } }", {TOTAL}),
        ("mutation { forbidden }", set()),
    ],
)
async def test_a_mutation_invalidates_what_it_changed_and_nothing_else(
    new_cache: Callable[..., ResponseCache], mutation: str, expected: set[str], ask: Any
) -> None:
    assert await invalidated(Bank(new_cache("memory://")), mutation, ask) == expected


@pytest.mark.parametrize(
    ("mutation", "expected"),
    [
        ("mutation { closeMany(ids: [1, 2]) }", {LIST, ONE, OTHER}),
        ("mutation { closeMany }", {LIST}),
    ],
)
async def test_a_placeholder_filled_with_a_list_gives_one_tag_for_each_item_and_none_for_null(
    new_cache: Callable[..., ResponseCache], mutation: str, expected: set[str]
) -> None:
    assert await invalidated(Bank(new_cache("memory://")), mutation, Bank.ask) == expected


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        ("lists", {LIST, ONE}),
        ("entities", {LIST, ONE}),
        ("types", {LIST, ONE, OTHER, NONE}),
        (None, set()),
    ],
)
async def test_invalidate_on_mutation_says_which_entries_a_mutation_invalidates(
    cache: ResponseCache, reach: Any, expected: set[str], ask: Any
) -> None:
    bank = Bank(cache, invalidate_on_mutation=reach)
    assert await invalidated(bank, POST, ask) == expected


async def test_the_reach_entities_does_not_invalidate_lists_without_the_object(
    cache: ResponseCache, ask: Any
) -> None:
    bank = Bank(cache, invalidate_on_mutation="entities")
    assert await invalidated(bank, 'mutation { open(name: "new") { id } }', ask) == set()


async def test_a_created_object_invalidates_an_empty_list_of_its_type(cache: ResponseCache) -> None:
    bank = Bank(cache)
    bank.data["a"] = Data()
    assert (await bank.ask(LIST)).data == {"accounts": []}
    await bank.ask('mutation { open(name: "first") { id } }')
    assert (await bank.ask(LIST)).data == {"accounts": [{"name": "first", "balance": 0}]}


async def test_a_mutation_invalidates_only_entries_of_its_tenant(
    cache: ResponseCache, ask: Any
) -> None:
    bank = Bank(cache)
    for tenant in ("a", "b"):
        await ask(bank, ONE, tenant)
    await ask(bank, POST, "a")
    assert status(await ask(bank, ONE, "b")) == "hit"
    assert (await ask(bank, ONE, "a")).data == {"account": {"name": "a 1", "balance": 5}}


async def test_a_background_job_can_invalidate_the_tags_of_objects_lists_and_types(
    cache: ResponseCache,
) -> None:
    bank = Bank(cache)
    for tags, expected in (
        (["Account:1"], {LIST, ONE}),
        (["[Account]"], {LIST}),
        (["Rate"], {RATE}),
    ):
        for query in ALL:
            await bank.ask(query)
        await cache.for_tenant("a").invalidate(*tags)
        assert {q for q in ALL if status(await bank.ask(q)) == "miss"} == expected


async def test_a_resolver_of_a_mutation_can_invalidate_tags(
    cache: ResponseCache,
) -> None:
    bank = Bank(cache)
    for mutation in ("mutation { bulk }", "mutation { bulkSync }"):
        for query in ALL:
            await bank.ask(query)
        assert (await bank.ask(mutation)).errors is None
        gone = {query for query in ALL if status(await bank.ask(query)) == "miss"}
        assert gone == {LIST, ONE, OTHER, NONE, TOTAL}


async def test_several_mutations_of_one_operation_are_all_invalidated(cache: ResponseCache) -> None:
    bank = Bank(cache)
    for query in ALL:
        await bank.ask(query)
    await bank.ask(
        "mutation { setRate(percent: 4) { percent } a: post(id: 2, amount: 1) { __typename "
        "... on Posted { account { id } } } }"
    )
    assert {q for q in ALL if status(await bank.ask(q)) == "miss"} == {LIST, OTHER, RATE}


async def test_a_mutation_that_fails_in_part_invalidates_the_objects_that_it_returns(
    cache: ResponseCache,
) -> None:
    bank = Bank(cache)
    for query in ALL:
        await bank.ask(query)
    result = await bank.ask(
        "mutation { post(id: 1, amount: 1) { ... on Posted { account { id } } } half { id } }"
    )
    assert result.errors
    assert {q for q in ALL if status(await bank.ask(q)) == "miss"} == {LIST, ONE, TOTAL}


# -- When ---------------------------------------------------------------------------------------------


class Commits(SchemaExtension):
    """Writes at its teardown what the mutation left in the session, as a unit of work does."""

    def on_operation(self) -> Iterator[None]:
        yield
        context = self.execution_context.context
        if "staged" in context:
            context["staged"]()


@strawberry.type
class Staged:
    @strawberry.mutation
    async def post(self, info: strawberry.Info) -> Account:
        rows = info.context["data"]["a"].rows

        def commit() -> None:
            rows[1].balance += 5

        info.context["staged"] = commit
        # Somebody reads while it is not committed yet.
        await info.context["bank"].ask(ONE)
        return rows[1]  # type: ignore[no-any-return] # rows stand for accounts


@pytest.mark.parametrize("ours_first", [True, False])
async def test_a_mutation_invalidates_after_other_extensions_commit(
    cache: ResponseCache, ours_first: bool
) -> None:
    bank = Bank(cache)
    extensions: list[Any] = [bank.extension, Commits]
    schema = strawberry.Schema(
        bank.schema.query, Staged, extensions=extensions if ours_first else extensions[::-1]
    )
    await bank.ask(ONE)
    await schema.execute("mutation { post { id } }", context_value=bank.context() | {"bank": bank})
    assert (await bank.ask(ONE)).data == {"account": {"name": "a 1", "balance": 5}}


class Fails(SchemaExtension):
    """Loses the answer after the mutation took place."""

    def get_results(self) -> dict[str, Any]:
        msg = "no results"
        raise RuntimeError(msg)


@pytest.mark.parametrize("synchronous", [True, False])
async def test_a_mutation_invalidates_although_another_extension_fails_its_answer(
    cache: ResponseCache, until_invalidated: UntilInvalidated, synchronous: bool
) -> None:
    bank = Bank(cache)
    failing = strawberry.Schema(
        bank.schema.query, bank.schema.mutation, extensions=[Fails, bank.extension]
    )
    await bank.ask(ONE)
    call: Any = (
        asyncio.to_thread(failing.execute_sync, POST, context_value=bank.context())
        if synchronous
        else failing.execute(POST, context_value=bank.context())
    )
    with pytest.raises(RuntimeError, match="no results"):
        await call
    await until_invalidated()
    assert (await bank.ask(ONE)).data == {"account": {"name": "a 1", "balance": 5}}


async def test_a_query_that_began_before_a_mutation_is_not_stored(
    cache: ResponseCache,
) -> None:
    bank = Bank(cache)
    read, go = asyncio.Event(), asyncio.Event()

    @strawberry.type
    class Slow:
        @cache_control(ttl=600)
        @strawberry.field
        async def account(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002
            row = info.context["data"]["a"].rows[int(id)]
            old = Account(id=row.id, name=row.name, balance=row.balance)
            read.set()
            await go.wait()
            return old

    schema = strawberry.Schema(Slow, extensions=[bank.extension])
    slow = asyncio.create_task(schema.execute(ONE, context_value=bank.context()))
    await read.wait()
    await bank.ask(POST)
    go.set()
    assert (await slow).data == {"account": {"name": "a 1", "balance": 0}}

    again = await schema.execute(ONE, context_value=bank.context())
    assert (status(again), again.data) == ("miss", {"account": {"name": "a 1", "balance": 5}})


async def test_a_cancelled_mutation_invalidates(
    cache: ResponseCache, until_invalidated: UntilInvalidated
) -> None:
    bank = Bank(cache)
    changed = asyncio.Event()

    @strawberry.type
    class Late:
        @strawberry.mutation
        async def post(self, info: strawberry.Info) -> Account:
            info.context["data"]["a"].rows[1].balance = 7
            changed.set()
            await asyncio.Event().wait()
            raise AssertionError

    schema = strawberry.Schema(bank.schema.query, Late, extensions=[bank.extension])
    await bank.ask(ONE)
    call = asyncio.create_task(
        schema.execute("mutation { post { id } }", context_value=bank.context())
    )
    await changed.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until_invalidated()
    assert (await bank.ask(ONE)).data == {"account": {"name": "a 1", "balance": 7}}


async def test_a_mutation_over_a_stream_invalidates(cache: ResponseCache) -> None:
    bank = Bank(cache, Commits)
    await bank.ask(ONE)
    stream = await bank.schema.stream(POST, context_value=bank.context())
    results = [result async for result in stream]
    assert len(results) == 1
    assert (await bank.ask(ONE)).data == {"account": {"name": "a 1", "balance": 5}}


async def test_an_invalidation_waits_until_on_commit_runs_it(
    cache: ResponseCache, ask: Any
) -> None:
    hooks: list[Callable[[], object]] = []
    bank = Bank(cache, on_commit=hooks.append)
    await ask(bank, ONE)
    await ask(bank, POST)
    assert status(await ask(bank, ONE)) == "hit"
    (commit,) = hooks
    await asyncio.to_thread(commit)
    assert (await ask(bank, ONE)).data == {"account": {"name": "a 1", "balance": 5}}


async def test_a_mutation_invalidates_at_once_if_on_commit_raises(
    cache: ResponseCache, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Callable[[], object]) -> None:
        msg = "secret"
        raise RuntimeError(msg)

    bank = Bank(cache, on_commit=fail)
    await ask(bank, ONE)
    assert (await ask(bank, POST)).errors is None
    assert status(await ask(bank, ONE)) == "miss"
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


async def test_an_invalidation_is_repeated_for_replicas_that_lag(
    cache: ResponseCache, ask: Any
) -> None:
    lag = 0.5
    bank = Bank(cache, invalidate_again=lag)
    row = bank.data["a"].rows[1]
    took = lag
    while (
        took >= lag
    ):  # else the invalidation may have been repeated before anybody read what was before
        began = time.monotonic()
        row.balance = 0
        await ask(bank, POST)
        row.balance = 0  # a replica that lags says what was before
        old = await ask(bank, ONE)
        took = time.monotonic() - began
    row.balance = 5
    assert old.data == {"account": {"name": "a 1", "balance": 0}}
    async with asyncio.timeout(30):  # less than its ttl
        while (await ask(bank, ONE)).data == old.data:
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("tried_once")
async def test_an_invalidation_that_redis_does_not_take_is_queued_and_never_fails_the_mutation(
    new_cache: Callable[..., ResponseCache], new_server: Any
) -> None:
    server = new_server()
    cache = new_cache(f"redis://127.0.0.1:{server.port}")
    bank = Bank(cache)
    await bank.ask(ONE)
    server.terminate()
    result = await bank.ask(POST)
    assert result.errors is None
    assert result.data is not None
    assert (await bank.ask(ONE)).data == {"account": {"name": "a 1", "balance": 5}}


async def test_a_mutation_whose_tenant_function_raises_answers_and_logs_that_the_tenant_is_not_known(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    def tenant(context: Any) -> Any:
        if context["tenant"] == "broken":
            raise KeyError(context["tenant"])
        return context["tenant"]

    bank = Bank(cache, tenant=tenant)
    bank.data["broken"] = Data({1: Row(1, "x")})
    result = await bank.ask(POST, tenant="broken")
    assert result.errors is None
    assert "tenant is not known" in caplog.text


# -- How much is named ---------------------------------------------------------------------------------


async def test_a_response_with_too_many_objects_to_name_is_still_invalidated(
    cache: ResponseCache,
) -> None:
    bank = Bank(cache, invalidate_on_mutation="entities")
    many = _entities.MOST_NAMED + 1
    bank.data["a"] = Data({n: Row(n, "x") for n in range(1, many + 1)})
    await bank.ask(LIST)
    assert status(await bank.ask(LIST)) == "hit"
    await bank.ask(
        f"mutation {{ post(id: {many}, amount: 1) {{ ... on Posted {{ account {{ id }} }} }} }}"
    )
    result = await bank.ask(LIST)
    assert result.data is not None
    assert (status(result), result.data["accounts"][-1]["balance"]) == ("miss", 1)


async def test_a_mutation_that_returns_too_many_objects_to_name_invalidates_their_type(
    cache: ResponseCache,
) -> None:
    bank = Bank(cache, invalidate_on_mutation="entities")

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def all(self) -> list[Account]:
            return [Row(n, "x") for n in range(_entities.MOST_INVALIDATED + 1)]  # type: ignore[misc] # rows

    schema = strawberry.Schema(bank.schema.query, Mutation, extensions=[bank.extension])
    for query in (NONE, RATE):
        await bank.ask(query)
    await schema.execute("mutation { all { name } }", context_value=bank.context())
    assert [status(await bank.ask(query)) for query in (NONE, RATE)] == ["miss", "hit"]


async def test_a_response_of_too_many_types_is_still_invalidated(cache: ResponseCache) -> None:
    kinds = [
        strawberry.type(type(f"Kind{n}", (), {"__annotations__": {"id": int, "name": str}}))
        for n in range(_entities._MOST_TYPES + 1)
    ]

    def resolver(kind: Any) -> Any:
        def resolve() -> Any:
            return kind(id=1, name="x")

        resolve.__annotations__["return"] = kind
        return cache_control(ttl=60)(strawberry.field(resolver=resolve))

    wide = strawberry.type(
        type("Query", (), {f"k{n}": resolver(kind) for n, kind in enumerate(kinds)})
    )
    schema = strawberry.Schema(
        wide, extensions=[ResponseCacheExtension(cache, tenant=None, debug=True)]
    )
    query = "{" + " ".join(f"k{n} {{ name }}" for n in range(len(kinds))) + "}"
    for each in ("Kind7", "Kind3:1", "anything"):
        await schema.execute(query)
        assert status(await schema.execute(query)) == "hit"
        await cache.invalidate(each)
        assert status(await schema.execute(query)) == "miss"


async def test_an_object_whose_id_a_resolver_computes_is_invalidated_with_its_type(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Card:
        @cache_control(inherit=True)
        @strawberry.field
        def id(self) -> strawberry.ID:
            return strawberry.ID("made up")

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def card(self) -> Card:
            return Card()

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def change(self) -> Card:
            return Card()

    extension = ResponseCacheExtension(
        cache, tenant=None, debug=True, invalidate_on_mutation="entities"
    )
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    await schema.execute("{ card { id } }")
    await schema.execute("mutation { change { id } }")
    assert status(await schema.execute("{ card { id } }")) == "miss"


async def test_tags_name_relay_nodes_by_their_raw_id_and_a_created_node_appears_in_connections(
    cache: ResponseCache,
) -> None:
    from strawberry import relay

    @strawberry.type
    class Book(relay.Node):
        code: relay.NodeID[str]
        title: str

    books = {"x": Book(code="x", title="X")}

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @relay.connection(relay.ListConnection[Book])  # type: ignore[untyped-decorator] # Strawberry's
        def books(self) -> list[Book]:
            return list(books.values())

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def add(self, code: str) -> Book:
            books[code] = Book(code=code, title=code.upper())
            return books[code]

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    query = "{ books { edges { node { title } } } }"
    await schema.execute(query)
    assert status(await schema.execute(query)) == "hit"
    await schema.execute('mutation { add(code: "y") { title } }')
    result = await schema.execute(query)
    assert result.data == {"books": {"edges": [{"node": {"title": t}} for t in ("X", "Y")]}}
    await cache.invalidate("Book:x")
    assert status(await schema.execute(query)) == "miss"


# -- What is written wrongly ---------------------------------------------------------------------------


def test_invalidates_refuses_a_wrong_tag_or_position_where_it_is_written() -> None:
    def change(account_id: int) -> bool:
        raise AssertionError

    def attach(*tags: Any) -> Any:
        return invalidates(*tags)(strawberry.mutation(resolver=change))

    for tags, message in (
        ((), "needs tags"),
        (("",), "is empty"),
        (("Account:{id}",), "none of"),
        (("Account:{args}",), "none of"),
        (("Account:{parent.id}",), "none of"),
        (("Account:{args.id}",), "names the argument 'id'.*account_id"),
        (("Account:{args.account_id",), "none of"),
    ):
        with pytest.raises(CacheConfigurationError, match=message):
            attach(*tags)
    with pytest.raises(TypeError, match="every part is a string"):
        attach(1)
    with pytest.raises(TypeError, match=r"above @strawberry\.mutation"):
        invalidates("Account")(change)


def test_invalidates_above_a_query_is_a_mistake(memory_cache: ResponseCache) -> None:
    @strawberry.type
    class Query:
        @invalidates("Account")
        @strawberry.field
        def touch(self) -> bool:
            return True

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, extensions=[extension])
    with pytest.raises(
        CacheConfigurationError, match=r"Query\.touch: @invalidates is only for mutations"
    ):
        extension.check(schema)


@pytest.mark.parametrize(
    ("template", "expected"),
    [("Account:{result.nothing}", {LIST, ONE, OTHER, NONE}), ("{result.nothing}:7", {*ALL})],
    ids=["a family", "any family"],
)
async def test_a_placeholder_that_cannot_be_filled_invalidates_every_tag_that_it_may_stand_for(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture, template: str, expected: set[str]
) -> None:
    bank = Bank(cache)

    @strawberry.type
    class Mutation:
        @invalidates(template)
        @strawberry.mutation
        def change(self) -> Account | None:
            return Row(9, "x")  # type: ignore[return-value] # rows stand for accounts

    schema = strawberry.Schema(bank.schema.query, Mutation, extensions=[bank.extension])
    for query, tenant in itertools.product(ALL, "ab"):
        await bank.ask(query, tenant)
    result = await schema.execute(
        "mutation { change { __typename } }", context_value=bank.context()
    )
    assert result.errors is None
    assert "result.nothing" in caplog.text
    for tenant, gone in (("a", expected), ("b", set())):
        missed = {query for query in ALL if status(await bank.ask(query, tenant)) == "miss"}
        assert missed == gone


async def test_invalidate_without_the_extension_or_with_a_wrong_tag_raises(
    cache: ResponseCache,
) -> None:
    seen: list[str] = []

    @strawberry.type
    class Query:
        @strawberry.field
        async def invalidate(self, info: strawberry.Info) -> bool:
            for tags in (("a",), (1,)):
                try:
                    await invalidate(info, *tags)
                except (CacheConfigurationError, TypeError) as error:
                    seen.append(str(error))
            return True

    await strawberry.Schema(Query).execute("{ invalidate }")
    assert "no ResponseCacheExtension" in seen[0]
    assert "every part is a string" in seen[1]


def test_a_mutation_in_a_thread_without_an_event_loop_invalidates(
    new_cache: Callable[..., ResponseCache],
) -> None:
    bank = Bank(new_cache("memory://"))
    bank.ask_sync(ONE)
    thread = threading.Thread(target=bank.ask_sync, args=(POST,))
    thread.start()
    thread.join()
    assert bank.ask_sync(ONE).data == {"account": {"name": "a 1", "balance": 5}}
