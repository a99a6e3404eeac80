"""A query that a resolver of a mutation executes in another thread may see what is not committed yet."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from werkzeug.local import LocalProxy

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.graphql.annotations.run_notes import RunNotes
from strawberry_response_cache.graphql.execution import mutating as mutations
from strawberry_response_cache.graphql.execution.mutating import is_of_mutation, mutating
from tests.graphql.ledger import outcome

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)

COMMITTED = "old"
QUERIES = ("{ name }", "{ fresh name }")


class Request:
    """What a framework makes for each request."""

    def __init__(self) -> None:
        self.session = COMMITTED


class Plain:
    """A context that is an object."""

    def __init__(self, request: Any) -> None:
        self.request = request


class Odd(Plain):
    """A context on which what there is not raises."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


def request_of(context: Any) -> Any:
    return context["request"] if isinstance(context, dict) else context.request


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def name(self, info: strawberry.Info) -> str:
        session: str = request_of(info.context).session
        return session

    @strawberry.field
    def fresh(self) -> int:
        return 0


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, info: strawberry.Info) -> bool:
        request_of(info.context).session = "uncommitted"
        request_of(info.context).read(info.context)
        raise ValueError  # it is rolled back

    @strawberry.mutation
    async def rename_later(self, info: strawberry.Info) -> bool:
        request_of(info.context).session = "uncommitted"
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, request_of(info.context).read, info.context)
        raise ValueError


def submitted(read: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read).result()


def threaded(read: Callable[[], Any]) -> Any:
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()


def copied(read: Callable[[], Any]) -> Any:
    context = contextvars.copy_context()
    return submitted(lambda: context.run(read))


SCHEDULED = {"submitted": submitted, "threaded": threaded, "copied": copied}
CONTEXTS: dict[str, Callable[[Any], Any]] = {
    "a mapping": lambda request: {"request": request},
    "an object": Plain,
    "an odd object": Odd,
}
HANDED_ON: dict[str, Callable[[Any], Any]] = {
    "the context": lambda context: context,
    "the request": lambda context: {"request": request_of(context)},
    "the request in an object": lambda context: Plain(request_of(context)),
}


def schema_of(cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


def ask(schema: strawberry.Schema, context: Any, query: str) -> Any:
    result = schema.execute_sync(query, context_value=context)
    assert result.errors is None
    return result


@pytest.mark.parametrize("mutation", ["rename", "renameLater"])
@pytest.mark.parametrize("handed_on", HANDED_ON)
@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("scheduled", SCHEDULED)
async def test_a_query_of_a_mutation_in_a_thread_neither_reads_nor_stores(
    cache: ResponseCache, scheduled: str, kind: str, handed_on: str, mutation: str
) -> None:
    schema = schema_of(cache)
    reasons, seen = [], []

    def read(context: Any) -> None:
        def in_a_thread() -> None:
            for query in QUERIES:
                result = ask(schema, HANDED_ON[handed_on](context), query)
                reasons.append(outcome(result)["reason"])
                assert "its context or its request" in outcome(result)["advice"]
                seen.append(result.data["name"])

        SCHEDULED[scheduled](in_a_thread)

    request = Request()
    request.read = read  # type: ignore[attr-defined]
    context = CONTEXTS[kind](request)
    text = f"mutation {{ {mutation} }}"
    if mutation == "rename":
        result = schema.execute_sync(text, context_value=context)
    else:
        result = await schema.execute(text, context_value=context)
    assert [type(error.original_error) for error in result.errors or ()] == [ValueError]
    assert (reasons, seen) == (["mutation"] * 2, ["uncommitted"] * 2)
    request.session = COMMITTED
    for query in QUERIES:  # another one; and the context of the mutation, which is over
        assert ask(schema, {"request": Request()}, query).data["name"] == COMMITTED
        assert outcome(ask(schema, context, query)).get("reason") != "mutation"


CURRENT = Request()
LOCAL = LocalProxy(lambda: CURRENT)


@pytest.mark.parametrize(
    "other",
    [
        lambda: {"request": Request()},
        lambda: {"request": LOCAL},
        lambda: SimpleNamespace(request=LOCAL),
    ],
)
def test_a_request_of_somebody_else_is_cached_while_a_mutation_runs(
    cache: ResponseCache, other: Callable[[], Any]
) -> None:
    """A proxy such as Flask's ``request`` is the same object in every request."""
    schema = schema_of(cache)
    statuses: list[object] = []

    def read(_: Any) -> None:
        statuses.extend(outcome(ask(schema, other(), "{ name }"))["status"] for _ in range(2))

    CURRENT.read = lambda context: threaded(lambda: read(context))  # type: ignore[attr-defined]
    schema.execute_sync("mutation { rename }", context_value={"request": LOCAL})
    assert statuses == ["miss", "hit"]


def elsewhere(context: object) -> bool:
    """Whether the context is one of a mutation, asked where no context variable says so."""
    return contextvars.Context().run(is_of_mutation, context)


def test_queries_stay_uncached_until_the_last_mutation_with_their_context_has_ended(
    url: str,
) -> None:
    context = Request()
    with mutating(RunNotes(), context):
        with mutating(RunNotes(), context):
            assert elsewhere(context)
        assert elsewhere(context)
        assert not elsewhere(Request())
    assert not elsewhere(context)
    assert not vars(mutations)["_running"], "nothing is kept of a mutation that has ended"


def test_concurrent_mutations_are_each_recognized_by_their_own_context(url: str) -> None:
    one, other = Request(), Request()
    with mutating(RunNotes(), one), mutating(RunNotes(), other):
        assert elsewhere(one)
        assert elsewhere(other)


def test_a_mutation_within_a_mutation_leaves_the_outer_one_running(url: str) -> None:
    with mutating(RunNotes(), None):
        with mutating(RunNotes(), None):
            assert is_of_mutation(None)
        assert is_of_mutation(None)


@pytest.mark.combined  # each kind of value by itself
@pytest.mark.parametrize("shared", ["acme", b"acme", 1, 1.5, True, ("acme",), frozenset({"acme"})])
def test_a_context_value_that_requests_share_identifies_no_mutation(
    url: str, shared: object
) -> None:
    with mutating(RunNotes(), shared), mutating(RunNotes(), Plain(shared)):
        assert not elsewhere(shared)
        assert not elsewhere({"request": shared})


def test_a_task_no_longer_counts_as_part_of_its_mutation_when_that_has_ended(url: str) -> None:
    with mutating(RunNotes(), None):
        assert is_of_mutation(None)
        copied = contextvars.copy_context()
        assert copied.run(is_of_mutation, None)
    assert not is_of_mutation(None)
    assert not copied.run(is_of_mutation, None)
