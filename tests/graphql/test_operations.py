"""A query is executed once, and then answered from the cache."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import strawberry
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.conftest import UntilJoined
from tests.graphql.ledger import Ledger, Mutation, Query, outcome, reason, status

ACCOUNTS = "{ accounts { id name balance __typename } }"


async def test_the_second_request_is_a_hit_and_runs_no_resolver(ledger: Ledger) -> None:
    first, second = await ledger.ask(ACCOUNTS), await ledger.ask(ACCOUNTS)
    assert (status(first), status(second)) == ("miss", "hit")
    assert first.data == second.data
    assert first.errors is second.errors is None
    assert ledger.calls == {"accounts": 1, "balance": 2}


def test_execute_sync_caches_as_execute_does(ledger: Ledger) -> None:
    first, second = ledger.ask_sync(ACCOUNTS), ledger.ask_sync(ACCOUNTS)
    assert (status(first), status(second)) == ("miss", "hit")
    assert first.data == second.data
    assert ledger.calls["accounts"] == 1


async def test_execute_and_execute_sync_share_entries_even_inside_a_running_loop(
    ledger: Ledger,
) -> None:
    assert status(await ledger.ask(ACCOUNTS)) == "miss"
    assert status(ledger.ask_sync(ACCOUNTS)) == "hit"
    assert ledger.calls["accounts"] == 1


async def test_the_outcome_says_age_ttl_scope_and_what_limits_it(ledger: Ledger) -> None:
    await ledger.ask("{ accounts { id } me }")
    hit = outcome(await ledger.ask("{ accounts { id } me }"))
    assert hit.pop("ttl") + hit.pop("age") in {29, 30}
    assert hit == {
        "status": "hit",
        "scope": "PRIVATE",
        "limitedBy": "Query.me",
    }


async def test_without_debug_the_response_says_nothing(make_ledger: Callable[..., Ledger]) -> None:
    result = await make_ledger(debug=False).ask(ACCOUNTS)
    assert result.extensions == {}


async def test_debug_and_enabled_may_depend_on_the_context(
    make_ledger: Callable[..., Ledger],
) -> None:
    ledger = make_ledger(
        debug=lambda context: context["user"] == "alice",
        enabled=lambda context: context["tenant"] == "acme",
    )
    assert (await ledger.ask(ACCOUNTS, user="bob")).extensions == {}
    assert status(await ledger.ask(ACCOUNTS)) == "hit"
    assert outcome(await ledger.ask(ACCOUNTS, tenant="globex")) == {
        "status": "bypass",
        "reason": "disabled",
        "advice": "The extension is off: see its argument enabled.",
    }


async def test_a_hit_is_a_fresh_result_each_time(ledger: Ledger) -> None:
    first = await ledger.ask(ACCOUNTS)
    assert first.data is not None
    first.data["accounts"].clear()
    second = await ledger.ask(ACCOUNTS)
    assert second.data is not None
    second.data["accounts"][0]["name"] = "changed"
    third = await ledger.ask(ACCOUNTS)
    assert third.data is not None
    assert [account["name"] for account in third.data["accounts"]] == ["acme 0", "acme 1"]


async def test_a_change_of_the_result_by_another_extension_is_not_stored(
    make_ledger: Callable[..., Ledger],
) -> None:
    class Stamp(SchemaExtension):
        def on_execute(self) -> Any:
            yield
            result = self.execution_context.result
            assert result is not None
            assert result.data is not None
            result.data["stamp"] = result.data.get("stamp", 0) + 1

    for others in ((Stamp,), (Stamp, ParserCache, ValidationCache)):
        ledger = make_ledger(*others)
        for _ in range(2):
            result = await ledger.ask("{ accounts { id } }")
            assert result.data is not None
            assert result.data["stamp"] == 1


async def test_concurrent_requests_share_one_execution(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate = asyncio.Event()
    runs = []

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        async def report(self) -> str:
            runs.append(1)
            await gate.wait()
            return "done"

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    tasks = [asyncio.create_task(schema.execute("{ report }")) for _ in range(50)]
    await until_joined(cache, 49)
    gate.set()
    results = await asyncio.gather(*tasks)
    assert len(runs) == 1
    assert all(result.data == {"report": "done"} for result in results)


async def test_a_resolver_that_executes_its_own_operation_does_not_wait_for_itself(
    cache: ResponseCache,
) -> None:
    depth = []

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        async def nested(self) -> int:
            depth.append(1)
            if len(depth) < 3:
                await schema.execute("{ nested }")
            return len(depth)

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    async with asyncio.timeout(30):
        result = await schema.execute("{ nested }")
    assert result.data == {"nested": 3}


async def test_each_operation_of_a_document_has_its_own_entry(ledger: Ledger) -> None:
    document = "query A { accounts { id } } query B { me }"
    for name, field in (("A", "accounts"), ("B", "me")):
        first = await ledger.ask(document, operation_name=name)
        second = await ledger.ask(document, operation_name=name)
        assert first.data is not None
        assert list(first.data) == [field]
        assert second.data == first.data
        assert status(second) == "hit"


@pytest.mark.parametrize(
    ("query", "request_"),
    [
        ("{ nonsense }", {}),
        ("{ accounts {", {}),
        ("query A { me } query B { me }", {"operation_name": "C"}),
        ("query ($n: Int!) { accounts(first: $n) { id } }", {}),
        ("query ($n: Int!) { accounts(first: $n) { id } }", {"variable_values": {"n": "x"}}),
    ],
)
async def test_strawberrys_own_errors_stay_what_they_are(
    ledger: Ledger, query: str, request_: dict[str, Any]
) -> None:
    async def errors(schema: strawberry.Schema) -> str:
        context = {"tenant": "acme", "user": "alice", "calls": ledger.calls, "locale": "en"}
        try:
            result = await schema.execute(query, context_value=context, **request_)
        except Exception as error:  # noqa: BLE001 - whatever Strawberry raises, it is compared
            return repr(error)
        assert result.errors
        return str(result.errors)

    plain = strawberry.Schema(Query, Mutation)
    assert await errors(ledger.schema) == await errors(plain)


async def test_a_query_over_a_stream_is_cached(ledger: Ledger) -> None:
    seen = []
    for _ in range(2):
        context = {"tenant": "acme", "user": "alice", "calls": ledger.calls, "locale": "en"}
        stream = await ledger.schema.stream("{ accounts { id } }", context_value=context)
        seen += [status(result) async for result in stream]  # type: ignore[arg-type] # no increments
    assert seen == ["miss", "hit"]


@pytest.mark.parametrize(
    "query", ["mutation { post }", "mutation M { post }", "# query\nmutation { post }"]
)
async def test_every_mutation_runs(ledger: Ledger, query: str) -> None:
    first, second = await ledger.ask(query), await ledger.ask(query)
    assert (first.data, second.data) == ({"post": 1}, {"post": 2})
    assert outcome(second)["reason"] == "mutation"


@pytest.mark.parametrize("face", ["execute", "execute_sync"])
async def test_an_operation_executed_by_a_mutation_neither_reads_nor_stores(
    cache: ResponseCache, face: str
) -> None:
    """It may see what is not committed yet, and must see what the mutation itself has changed."""
    number = 1

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def number(self) -> int:
            return number

        @strawberry.field
        def fresh(self) -> int:
            return 0

    queries = ["{ number }", "{ fresh number }"]

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        async def change(self, to: int) -> list[int]:
            nonlocal number
            number = to
            results = [await schema.execute(query) for query in queries]
            return [result.data["number"] for result in results if result.data]

        @strawberry.mutation
        def change_at_once(self, to: int) -> list[int]:
            nonlocal number
            number = to
            results = [schema.execute_sync(query) for query in queries]
            return [result.data["number"] for result in results if result.data]

    extension = ResponseCacheExtension(
        cache, tenant=None, debug=True, invalidate_on_mutation="entities"
    )
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    for query in queries:
        await schema.execute(query)
    if face == "execute":
        changed = await schema.execute("mutation { changed: change(to: 2) }")
    else:
        text = "mutation { changed: changeAtOnce(to: 2) }"
        changed = await asyncio.to_thread(schema.execute_sync, text)
    assert changed.data == {"changed": [2, 2]}
    for query in queries:  # it stored nothing: nothing was invalidated, and it is as before
        result = await schema.execute(query)
        assert result.data is not None
        assert result.data["number"] == 1


async def test_subscriptions_run_as_if_there_were_no_cache(cache: ResponseCache) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def one(self) -> int:
            return 1

    @strawberry.type
    class Subscription:
        @cache_control(ttl=60)
        @strawberry.subscription
        async def count(self) -> AsyncIterator[int]:
            for number in range(2):
                yield number

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, subscription=Subscription, extensions=[extension])
    for _ in range(2):
        events = [event async for event in await schema.subscribe("subscription { count }")]
        assert [event.data for event in events] == [{"count": 0}, {"count": 1}]
        assert {reason(event) for event in events} == {"subscription"}
