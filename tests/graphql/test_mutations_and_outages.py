"""A mutation that fails, says what cannot be said, or meets a Redis that takes no writes, still invalidates."""

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    invalidate_sync,
    invalidates,
)
from tests.graphql.ledger import status


@strawberry.type
class Account:
    id: strawberry.ID
    balance: int


@strawberry.type
class Query:
    @cache_control(ttl=600)
    @strawberry.field
    def account(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        return Account(id=id, balance=info.context["balances"][id])

    @cache_control(ttl=600, tags=["totals"])
    @strawberry.field
    def total(self, info: strawberry.Info) -> int:
        return sum(info.context["balances"].values())


def post(info: strawberry.Info, id: str, amount: int = 1) -> Account:  # noqa: A002 - as schemas have it
    info.context["balances"][id] += amount
    return Account(id=strawberry.ID(id), balance=info.context["balances"][id])


@strawberry.type
class Mutation:
    @strawberry.mutation
    def post(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        return post(info, id)

    @invalidates("Account:{args.id}", "totals")
    @strawberry.mutation
    def noted(self, info: strawberry.Info, id: strawberry.ID) -> bool:  # noqa: A002 - as schemas have it
        return bool(post(info, id))

    @invalidates("Account:{result.id}", "Account:{args.id}", "totals")
    @strawberry.mutation
    def failing(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        post(info, id)
        raise LookupError

    @invalidates("Account:{result.id}", "Account:{args.id}", "totals")
    @strawberry.mutation
    async def failing_later(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        post(info, id)
        await asyncio.sleep(0)
        raise LookupError

    @invalidates("Account:{args.id}", "Account:{result.nothing}", "totals")
    @strawberry.mutation
    def unfillable(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        return post(info, id)

    @invalidates("Account:{args.id}", "Account:{result.nothing}", "totals")
    @strawberry.mutation
    async def unfillable_later(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        await asyncio.sleep(0)
        return post(info, id)

    @invalidates("{result.nothing}:1")
    @strawberry.mutation
    def nameless(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        return post(info, id)

    @invalidates("{result.nothing}:1")
    @strawberry.mutation
    async def nameless_later(self, info: strawberry.Info, id: strawberry.ID) -> Account:  # noqa: A002 - as schemas have it
        await asyncio.sleep(0)
        return post(info, id)

    @strawberry.mutation
    async def told(self, info: strawberry.Info, id: strawberry.ID) -> bool:  # noqa: A002 - as schemas have it
        await invalidate(info, f"Account:{id}", "totals")
        if read := info.context.get("read"):
            await read()
        return bool(post(info, id))

    @strawberry.mutation
    def told_sync(self, info: strawberry.Info, id: strawberry.ID) -> bool:  # noqa: A002 - as schemas have it
        invalidate_sync(info, f"Account:{id}", "totals")
        if read := info.context.get("read"):
            read()
        return bool(post(info, id))


ONE, TWO, TOTAL = (
    '{ account(id: "1") { balance } }',
    '{ account(id: "2") { balance } }',
    "{ total }",
)


class Served:
    """The schema over one cache, for one tenant of two, asked in one way."""

    def __init__(self, cache: ResponseCache, way: str) -> None:
        self.extension = ResponseCacheExtension(
            cache, tenant=lambda context: context["tenant"], debug=True
        )
        self.schema = strawberry.Schema(Query, Mutation, extensions=[self.extension])
        self.way = way
        self.balances = {"1": 0, "2": 0}

    async def ask(self, query: str, tenant: str = "a", **more: Any) -> ExecutionResult:
        context = {"tenant": tenant, "balances": self.balances} | more
        if self.way == "execute":
            return await self.schema.execute(query, context_value=context)
        return await asyncio.to_thread(self.schema.execute_sync, query, context_value=context)

    async def hits(self, tenant: str = "a") -> set[str]:
        """Which queries are answered from the cache now; what was not is, from then on."""
        answers = {query: await self.ask(query, tenant) for query in (ONE, TWO, TOTAL)}
        assert [each.errors for each in answers.values()] == [None] * 3
        return {query for query, each in answers.items() if status(each) == "hit"}


@pytest.fixture(params=["execute", "execute_sync"])
def way(request: pytest.FixtureRequest) -> str:
    """How operations are executed."""
    return str(request.param)


SYNC = ["post", "noted", "failing", "unfillable", "nameless", "toldSync"]
ASYNC = ["failingLater", "unfillableLater", "namelessLater", "told"]
CALLS = [
    *(("execute", name) for name in SYNC + ASYNC if name != "namelessLater"),
    *(("execute_sync", name) for name in SYNC if name != "nameless"),
    # What clears the tenant has code of its own, in threads and in event loops.
    pytest.param("execute", "namelessLater", marks=pytest.mark.quick),
    pytest.param("execute_sync", "nameless", marks=pytest.mark.quick),
]
LEFT: dict[str, set[str]] = {
    "post": {TWO, TOTAL},
    "noted": {TWO},
    "failing": {TWO},
    "failingLater": {TWO},
    # Any account may be the one; and nothing else of the tenant.
    "unfillable": set(),
    "unfillableLater": set(),
    # Anything may be.
    "nameless": set(),
    "namelessLater": set(),
    "told": {TWO},
    "toldSync": {TWO},
}


def mutation(name: str) -> str:
    below = "" if name in {"noted", "told", "toldSync"} else " { id }"
    return f'mutation {{ {name}(id: "1"){below} }}'


@pytest.mark.combined  # each kind of mutation by itself
@pytest.mark.parametrize(("way", "name"), CALLS)
async def test_a_mutation_invalidates_its_tags_whether_it_fails_or_not(
    memory_cache: ResponseCache, way: str, name: str
) -> None:
    served = Served(memory_cache, way)
    for tenant in ("a", "b"):
        await served.hits(tenant)
    result = await served.ask(mutation(name))
    assert bool(result.errors) is name.startswith("failing")
    assert await served.hits() == LEFT[name]
    assert await served.hits("b") == {ONE, TWO, TOTAL}, "another tenant loses nothing"
    assert (await served.ask(ONE)).data == {"account": {"balance": 1}}


@pytest.fixture
def refusing(raw_valkey: Any) -> Iterator[Callable[[bool], None]]:
    """Let the server take no writes, and keep all that it has, as a replica does; and back again."""

    def switch(refuses: bool) -> None:
        raw_valkey.execute_command("REPLICAOF", *(("127.0.0.1", "1") if refuses else ("NO", "ONE")))

    yield switch
    switch(False)


@pytest.mark.parametrize(("way", "name"), CALLS)
async def test_an_invalidation_that_redis_refuses_is_replayed_when_redis_takes_writes_again(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    refusing: Callable[[bool], None],
    way: str,
    name: str,
) -> None:
    """Redis keeps its entries while it refuses writes, so it holds outdated ones afterwards."""
    cache = new_cache(valkey_url, invalidate_deadline=0.05, breaker_seconds=0.01)
    served = Served(cache, way)
    await served.hits()
    refusing(True)
    result = await served.ask(mutation(name))
    assert bool(result.errors) is name.startswith("failing")
    assert (await served.ask(ONE)).data == {"account": {"balance": 1}}, "nothing old is read here"
    refusing(False)

    async with asyncio.timeout(60):
        while status(answer := await served.ask(ONE)) != "hit":
            assert answer.data == {"account": {"balance": 1}}
            await asyncio.sleep(0.002)
    other = Served(new_cache(valkey_url), way)
    other.balances = served.balances
    assert (await other.ask(ONE)).data == {"account": {"balance": 1}}
    assert status(await other.ask(TWO)) == ("hit" if TWO in LEFT[name] else "miss")
    assert (await other.ask(TOTAL)).data == {"total": 0 if TOTAL in LEFT[name] else 1}


@pytest.mark.parametrize("name", ["told", "toldSync"])
async def test_tags_invalidated_by_a_resolver_are_invalidated_again_after_the_mutation(
    memory_cache: ResponseCache, name: str
) -> None:
    """Somebody reads after the resolver's invalidation and before its change."""
    served = Served(memory_cache, "execute" if name == "told" else "execute_sync")
    context = {"tenant": "a", "balances": served.balances}

    async def read() -> None:
        somebody = asyncio.create_task(served.ask(ONE), context=contextvars.Context())
        assert status(await somebody) == "miss"

    def read_sync() -> None:
        read = contextvars.Context().run
        assert status(read(served.schema.execute_sync, ONE, context_value=context)) == "miss"

    await served.hits()
    await served.ask(mutation(name), read=read if name == "told" else read_sync)
    assert (await served.ask(ONE)).data == {"account": {"balance": 1}}
    assert (await served.ask(TOTAL)).data == {"total": 1}


# -- Which object it was -----------------------------------------------------------------------------------


@strawberry.type
class Card:
    """Its id may be made up by a resolver, of an object that has none."""

    holder: str

    @cache_control(inherit=True)
    @strawberry.field
    def id(self) -> strawberry.ID:
        return strawberry.ID("made up")


@strawberry.type
class Coded:
    """Its id is not the attribute that has this name."""

    id: strawberry.Private[str]
    code: strawberry.ID = strawberry.field(name="id")
    title: strawberry.Private[str] = ""

    @cache_control(inherit=True)
    @strawberry.field
    def name(self) -> str:
        return self.title

    @cache_control(ttl=900)
    @strawberry.field
    def own(self) -> str:
        return self.title


TITLES = {"x": "X", "y": "Y"}


@strawberry.type
class Things:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=600)
    @strawberry.field
    def card(self, info: strawberry.Info) -> Card:
        return SimpleNamespace(**info.context["card"])  # type: ignore[return-value] # as an ORM gives one

    @cache_control(ttl=600)
    @strawberry.field
    def coded(self, info: strawberry.Info, code: strawberry.ID) -> Coded:
        return Coded(id="1", code=code, title=info.context["titles"][code])

    @strawberry.field
    def listed(self, info: strawberry.Info) -> list[Coded]:
        return [
            Coded(id="1", code=strawberry.ID(code), title=title)
            for code, title in info.context["titles"].items()
        ]


@strawberry.type
class ChangeThings:
    @strawberry.mutation
    def change_card(self, info: strawberry.Info) -> Card:
        info.context["card"]["holder"] = "new"
        return SimpleNamespace(**info.context["card"], id="5")  # type: ignore[return-value] # as above

    @strawberry.mutation
    def change_nameless_card(self, info: strawberry.Info) -> Card:
        info.context["card"]["holder"] = "new"
        return SimpleNamespace(**info.context["card"])  # type: ignore[return-value] # as above

    @strawberry.mutation
    def change_coded(self, info: strawberry.Info, code: strawberry.ID) -> Coded:
        info.context["titles"][code] = "new"
        return Coded(id="2", code=code, title="new")


@pytest.fixture
def things(memory_cache: ResponseCache) -> Callable[[str], Any]:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, debug=True, invalidate_on_mutation="entities"
    )
    schema = strawberry.Schema(Things, ChangeThings, extensions=[extension])
    context = {"card": {"holder": "old"}, "titles": dict(TITLES)}

    async def ask(query: str) -> ExecutionResult:
        result = await schema.execute(query, context_value=context)
        assert result.errors is None
        return result

    return ask


@pytest.mark.parametrize("change", ["changeCard", "changeNamelessCard"])
async def test_an_object_without_an_identity_is_invalidated_by_its_type(
    things: Callable[[str], Any], memory_cache: ResponseCache, change: str
) -> None:
    await things("{ card { holder } }")
    await things('{ coded(code: "x") { name } }')
    await things(f"mutation {{ {change} {{ holder }} }}")
    assert (await things("{ card { holder } }")).data == {"card": {"holder": "new"}}
    assert status(await things('{ coded(code: "x") { name } }')) == "hit"
    await memory_cache.invalidate("Card:7")
    assert status(await things("{ card { holder } }")) == "miss"


async def test_an_object_is_invalidated_by_the_id_that_the_schema_shows(
    things: Callable[[str], Any], memory_cache: ResponseCache
) -> None:
    x, y = '{ coded(code: "x") { name } }', '{ coded(code: "y") { name } }'
    for query in (x, y):
        await things(query)
    await things('mutation { changeCoded(code: "x") { name } }')
    assert (await things(x)).data == {"coded": {"name": "new"}}
    assert status(await things(y)) == "hit"
    await memory_cache.invalidate("Coded:1", "Coded:2")
    assert [status(await things(query)) for query in (x, y)] == ["hit", "hit"]
    await memory_cache.invalidate("Coded:y")
    assert [status(await things(query)) for query in (x, y)] == ["hit", "miss"]


async def test_entries_of_fields_are_keyed_by_the_id_of_the_parent_that_the_schema_shows(
    things: Callable[[str], Any],
) -> None:
    for _ in range(2):
        result = await things("{ fresh listed { own } }")
        assert result.data == {"fresh": 0, "listed": [{"own": "X"}, {"own": "Y"}]}
    await things('mutation { changeCoded(code: "x") { name } }')
    result = await things("{ fresh listed { own } }")
    assert result.data == {"fresh": 0, "listed": [{"own": "new"}, {"own": "Y"}]}
