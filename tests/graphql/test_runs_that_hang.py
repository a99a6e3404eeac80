"""An operation that hangs holds no other for long, and none that comes after a mutation."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.conftest import Eventually
from tests.graphql.both_ways import FORMS, WAYS, formed
from tests.graphql.ledger import outcome

NewCache = Callable[..., ResponseCache]

VERY_LONG: dict[str, Any] = {"lease": 3600, "wait_budget": 7200}
"""For tests that would not end if somebody waited."""
ITEMS = 100


class Shelf:
    """What resolvers read: the first read hangs until the test lets it go."""

    def __init__(self) -> None:
        self.titles = ["Dune"]
        self.is_hanging = threading.Event()
        self._go = threading.Event()
        self._hangs = False

    def hangs_once(self) -> None:
        """Let the next read hang."""
        self._hangs = True

    def wait(self) -> None:
        """Hang, if it is the turn to; called after the data was read."""
        if self._hangs:
            self._hangs = False
            self.is_hanging.set()
            assert self._go.wait(120)

    def let_go(self) -> None:
        """Let what hangs return."""
        self._go.set()


@strawberry.type
class Book:
    id: strawberry.ID
    title: str

    @cache_control(inherit=True)
    @strawberry.field
    async def blurb(self, info: strawberry.Info) -> str:
        text = f"about {self.title}"
        await asyncio.to_thread(info.context["shelf"].wait)
        return text


def _book(info: strawberry.Info) -> Book:
    return Book(id=strawberry.ID("1"), title=info.context["shelf"].titles[0])


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    async def books(self, info: strawberry.Info) -> list[Book]:
        return [_book(info)]

    @cache_control(ttl=60)
    @strawberry.field
    async def book(self, info: strawberry.Info) -> Book:
        return _book(info)

    @strawberry.field
    def fresh(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def retitle(self, info: strawberry.Info) -> Book:
        info.context["shelf"].titles = ["Emma"]
        return _book(info)


QUERIES = {"a list": "{ books { blurb } }", "an object": "{ book { id blurb } }"}


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    made = Shelf()
    yield made
    made.let_go()


def schema_over(cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


async def execute(schema: strawberry.Schema, query: str, shelf: Shelf) -> Any:
    async with asyncio.timeout(60):
        return await schema.execute(query, context_value={"shelf": shelf})


@pytest.mark.parametrize("form", FORMS)
async def test_an_operation_that_joins_a_hanging_run_waits_for_the_wait_budget_at_most(
    new_cache: NewCache, url: str, shelf: Shelf, eventually: Eventually, form: str
) -> None:
    schema = schema_over(new_cache(url, lease=0.1, wait_budget=0.2))
    query = formed("{ books { blurb } }", form)
    shelf.hangs_once()
    leader = asyncio.create_task(execute(schema, query, shelf))
    await eventually(shelf.is_hanging.is_set)

    result = await execute(schema, query, shelf)

    assert result.data["books"] == [{"blurb": "about Dune"}]
    told = outcome(result) if form == "operation" else outcome(result)["fields"][0]
    assert told["reason"] == "waited_out"
    shelf.let_go()
    assert (await leader).errors is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
async def test_a_query_after_a_mutation_does_not_join_a_run_that_began_before_it(
    new_cache: NewCache, url: str, shelf: Shelf, eventually: Eventually, query: str, form: str
) -> None:
    schema = schema_over(new_cache(url, **VERY_LONG))
    query = formed(query, form)
    shelf.hangs_once()
    leader = asyncio.create_task(execute(schema, query, shelf))
    await eventually(shelf.is_hanging.is_set)
    assert (await execute(schema, "mutation { retitle { id } }", shelf)).errors is None

    result = await execute(schema, query, shelf)

    assert "about Emma" in str(result.data)
    shelf.let_go()
    assert "about Dune" in str((await leader).data)
    assert "about Emma" in str((await execute(schema, query, shelf)).data)


@pytest.mark.parametrize("way", WAYS)
async def test_all_of_an_operation_waits_no_longer_than_one_wait_budget(
    new_cache: NewCache, valkey_url: str, raw_valkey: Any, way: str
) -> None:
    """A hundred fields whose leases another process holds; each by itself would wait for a second."""

    @strawberry.type
    class Item:
        id: strawberry.ID

        @cache_control(ttl=60)
        @strawberry.field
        def price(self) -> int:
            return 7

    @strawberry.type
    class Shop:
        @strawberry.field
        def items(self) -> list[Item]:
            return [Item(id=strawberry.ID(str(number))) for number in range(ITEMS)]

    caches = new_cache(valkey_url), new_cache(valkey_url, lease=1, wait_budget=1)
    patient, hurried = (
        strawberry.Schema(Shop, extensions=[ResponseCacheExtension(each, tenant=None, debug=True)])
        for each in caches
    )
    query = "{ items { price } }"

    async def ask(schema: strawberry.Schema) -> Any:
        async with asyncio.timeout(60):
            if way == "execute":
                return await schema.execute(query)
            return await asyncio.to_thread(schema.execute_sync, query)

    assert outcome(await ask(patient))["fields"][0]["status"] == "miss"
    entries = list(raw_valkey.scan_iter("*:e:*"))
    assert len(entries) == ITEMS
    for entry in entries:
        raw_valkey.delete(entry)
        raw_valkey.set(entry.replace(b":e:", b":l:"), "another process", px=600_000)

    result = await ask(hurried)

    assert result.data == {"items": [{"price": 7}] * ITEMS}
    (told,) = outcome(result)["fields"]
    assert (told["count"], told["reason"]) == (ITEMS, "waited_out")
