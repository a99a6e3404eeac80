"""What a field by itself could have from its parent, its neighbours or a shared loader, and must not keep."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
import strawberry
from strawberry.dataloader import DataLoader
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.relay import Node, NodeID
from strawberry.scalars import JSON
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.conftest import Eventually, driver_of
from tests.graphql.library import fields


def schema_of(query: type, cache: ResponseCache, **options: Any) -> strawberry.Schema:
    chosen: dict[str, Any] = {
        "tenant": None,
        "session": lambda context: context.get("user"),
        "vary": {"locale": lambda context: context.get("locale", "en")},
        "debug": True,
    } | options
    extension = ResponseCacheExtension(cache, **chosen)
    schema = strawberry.Schema(query, extensions=[extension])
    extension.check(schema)
    return schema


async def ask(schema: strawberry.Schema, query: str, **context: Any) -> ExecutionResult:
    result = await schema.execute(query, context_value=context)
    assert result.errors is None
    return result


# -- The parent ----------------------------------------------------------------------------------------


@cache_control(scope=CacheScope.PRIVATE, tags=["staff"], vary=["locale"])
@strawberry.type
class User:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def salary(self, info: strawberry.Info) -> str:
        return f"shown to {info.context.get('user')} in {info.context.get('locale', 'en')}"


@strawberry.type
class Users:
    @strawberry.field
    def users(self) -> list[User]:
        return [User(id=strawberry.ID("1"))]


async def test_hints_of_the_parent_type_count_for_a_field_with_an_entry_of_its_own(
    memory_cache: ResponseCache,
) -> None:
    schema = schema_of(Users, memory_cache)
    for user, locale in (("alice", "en"), ("bob", "en"), ("alice", "de"), ("alice", "en")):
        result = await ask(schema, "{ users { salary } }", user=user, locale=locale)
        assert result.data == {"users": [{"salary": f"shown to {user} in {locale}"}]}
    assert fields(result) == {"User.salary": "hit"}
    await memory_cache.invalidate("staff")
    result = await ask(schema, "{ users { salary } }", user="alice")
    assert fields(result) == {"User.salary": "miss"}
    await ask(schema, "{ users { salary } }")  # nobody: PRIVATE, and no session
    result = await ask(schema, "{ users { salary } }")
    assert fields(result) == {"User.salary": "bypass"}


@strawberry.type
class Account:
    id: strawberry.ID
    amount: strawberry.Private[int]

    @cache_control(ttl=60)
    @strawberry.field
    async def balance(self, info: strawberry.Info) -> int:
        if gate := info.context.get("gate"):
            await gate.wait()
        return self.amount


@strawberry.type
class Accounts:
    @strawberry.field
    async def accounts(self, info: strawberry.Info) -> list[Account]:
        data = info.context["data"]
        amount = data["amount"]
        if reading := info.context.get("reading"):
            data["read"] = True
            await reading.wait()
        return [Account(id=strawberry.ID("1"), amount=amount)]


@pytest.mark.parametrize("where", ["reading", "gate"], ids=["in the parent", "in the field"])
async def test_a_field_of_a_parent_read_before_an_invalidation_is_not_stored(
    cache: ResponseCache, raw: Any, eventually: Eventually, where: str
) -> None:
    """The field's own lease may be younger than the invalidation; its parent is older."""
    schema = schema_of(Accounts, cache)
    data: dict[str, Any] = {"amount": 1}
    gate = asyncio.Event()
    slow = asyncio.create_task(ask(schema, "{ accounts { balance } }", data=data, **{where: gate}))
    if where == "reading":
        await eventually(lambda: data.get("read"))
        assert not raw.keys("*:l:*"), "nothing was asked of the field yet"
    else:
        await eventually(lambda: raw.keys("*:l:*"))
    data["amount"] = 2
    await cache.invalidate("Account:1")
    gate.set()
    await slow
    for expected in ("miss", "hit"):
        result = await ask(schema, "{ accounts { balance } }", data=data)
        assert result.data == {"accounts": [{"balance": 2}]}
        assert fields(result) == {"Account.balance": expected}


@strawberry.type
class Doubled:
    id: strawberry.ID
    number: strawberry.Private[int]

    @cache_control(ttl=600)
    @strawberry.field
    def twice(self) -> int:
        return self.number * 2


def test_execute_sync_stores_no_field_of_a_parent_read_before_an_invalidation(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def rows(self, info: strawberry.Info) -> list[Doubled]:
            read = [Doubled(id=strawberry.ID("1"), number=info.context["number"])]
            if info.context["invalidates"]:
                cache.invalidate_sync("Doubled:1")  # as another process would, meanwhile
            return read

    schema = schema_of(Query, cache)
    for number, invalidates in ((1, True), (2, False)):
        context = {"number": number, "invalidates": invalidates}
        result = schema.execute_sync("{ rows { twice } }", context_value=context)
        assert result.data == {"rows": [{"twice": number * 2}]}


async def test_invalidating_a_value_that_a_parent_read_invalidates_the_fields_of_the_parent(
    memory_cache: ResponseCache,
) -> None:
    row = {"number": 1}

    async def read() -> int:
        return row["number"]

    @strawberry.type
    class Query:
        @strawberry.field
        async def a(self) -> Doubled:
            page = await memory_cache.remember(["row"], 60, read, tags=["rows"])
            return Doubled(id=strawberry.ID("1"), number=page.value)

    schema = schema_of(Query, memory_cache)
    assert (await ask(schema, "{ a { twice } }")).data == {"a": {"twice": 2}}
    result = await ask(schema, "{ a { twice } }")
    assert fields(result) == {"Doubled.twice": "hit"}
    row["number"] = 5
    await memory_cache.invalidate("rows")
    assert (await ask(schema, "{ a { twice } }")).data == {"a": {"twice": 10}}


@strawberry.type
class Ledgers:
    """A query type whose objects stand elsewhere as well, one for each owner."""

    owner: strawberry.Private[str] = ""

    @cache_control(ttl=60)
    @strawberry.field
    def who(self: "Ledgers | None") -> str:
        return "nobody" if self is None else self.owner

    @strawberry.field
    def of(self, owner: str) -> "Ledgers":
        return Ledgers(owner=owner)


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_nested_objects_of_the_query_type_share_no_entries_with_the_root(
    memory_cache: ResponseCache, way: str
) -> None:
    schema = schema_of(Ledgers, memory_cache)
    query = '{ who a: of(owner: "a") { who of(owner: "b") { who } } c: of(owner: "c") { who } }'
    for _ in range(2):
        if way == "execute":
            result = await schema.execute(query, context_value={})
        else:
            result = schema.execute_sync(query, context_value={})
        assert result.data == {
            "who": "nobody",
            "a": {"who": "a", "of": {"who": "b"}},
            "c": {"who": "c"},
        }


# -- Shared loaders ---------------------------------------------------------------------------------------


@dataclass
class Shop:
    """Three prices behind one loader that reads through the cache."""

    cache: ResponseCache
    prices: dict[str, int] = field(default_factory=lambda: {"1": 1, "2": 1, "3": 1})

    def context(self) -> dict[str, Any]:
        async def load(missing: list[str]) -> list[int]:
            return [self.prices[key] for key in missing]

        async def load_all(keys: list[str]) -> list[int]:
            found = await self.cache.remember_many(
                keys, 60, load, key=lambda key: ["price", key], tags=["prices"]
            )
            return [each for each in found if not isinstance(each, Exception)]

        return {"loader": DataLoader(load_fn=load_all)}


@strawberry.type
class Item:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    async def price(self, info: strawberry.Info) -> int:
        found: int = await info.context["loader"].load(str(self.id))
        return found


@strawberry.type
class Stock:
    id: strawberry.ID

    @strawberry.field
    async def left(self, info: strawberry.Info) -> int:
        found: int = await info.context["loader"].load(str(self.id))
        return found


@strawberry.type
class Items:
    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(id=strawberry.ID(str(n))) for n in (1, 2, 3)]

    @cache_control(ttl=600)
    @strawberry.field
    async def cheapest(self, info: strawberry.Info) -> int:
        found: int = await info.context["loader"].load("1")
        return found


@pytest.mark.parametrize(
    "query",
    ["{ items { price } }", "{ items { price } cheapest }", "{ cheapest items { id price } }"],
)
async def test_invalidating_a_loaded_batch_invalidates_every_field_that_it_was_loaded_for(
    memory_cache: ResponseCache, query: str
) -> None:
    """The batch runs in the context of the first field that asked."""
    shop = Shop(memory_cache)
    schema = schema_of(Items, memory_cache)
    for price in (1, 2):
        shop.prices = dict.fromkeys("123", price)
        await memory_cache.invalidate("prices")
        for _ in range(2):
            result = await ask(schema, query, **shop.context())
            assert result.data is not None
            assert [each["price"] for each in result.data["items"]] == [price] * 3
            assert result.data.get("cheapest", price) == price
    assert set(fields(result).values()) == {"hit"}


async def test_dataloader_batches_of_fields_with_entries_are_not_split(
    memory_cache: ResponseCache,
) -> None:
    """All misses load in one batch; hits do not change the batch of other fields."""
    batches: list[int] = []

    async def load(keys: list[str]) -> list[int]:
        batches.append(len(keys))
        return [1] * len(keys)

    @strawberry.type
    class Query:
        @strawberry.field
        def items(self) -> list[Item]:
            return [Item(id=strawberry.ID(str(n))) for n in range(1, 51)]

        @strawberry.field
        def stock(self) -> list[Stock]:
            return [Stock(id=strawberry.ID(str(n))) for n in range(101, 151)]

    schema = schema_of(Query, memory_cache)
    for query, expected in (
        ("{ items { price } }", [50]),
        ("{ items { price } }", []),
        ("{ items { price } stock { left } }", [50]),
        ("{ stock { left } }", [50]),
    ):
        batches.clear()
        await ask(schema, query, loader=DataLoader(load_fn=load))
        assert batches == expected, query


# -- Refusals that look like answers -----------------------------------------------------------------------


class May(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return bool(info.context.get("may"))


@strawberry.type
class Silent:
    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(extensions=[PermissionExtension([May()], fail_silently=True)])  # type: ignore[untyped-decorator] # its overloads
    def secrets(self) -> list[str]:
        return ["a"]

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(extensions=[PermissionExtension([May()], fail_silently=True)])  # type: ignore[untyped-decorator] # its overloads
    async def secret(self) -> str | None:
        return "a"


async def test_a_refusal_without_an_error_is_not_stored(memory_cache: ResponseCache) -> None:
    schema = schema_of(Silent, memory_cache)
    for may in (False, True, False, True):
        result = await ask(schema, "{ secrets secret }", may=may)
        allowed: Any = {"secrets": ["a"], "secret": "a"}
        assert result.data == (allowed if may else {"secrets": [], "secret": None})
    assert set(fields(result).values()) == {"hit"}


# -- What looks alike ------------------------------------------------------------------------------------


@strawberry.type
class Echo:
    @cache_control(ttl=60)
    @strawberry.field
    def echo(self, of: JSON) -> str:
        return repr(of)

    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def nested(self) -> "Nested":
        return Nested()


@strawberry.type
class Nested:
    @cache_control(inherit=True)
    @strawberry.field
    def echo(self, of: JSON) -> str:
        return repr(of)


ALIKE = [
    "{a: 1}",
    '["{", ["a", "1"]]',
    '"{a:1}"',
    "[a, 1]",
    '"[a,1]"',
    "[[1], 2]",
    "[1, [2]]",
    "1",
    '"1"',
    "1.0",
    "true",
    '"true"',
    "{a: {b: 1}}",
    '{a: "{b:1}"}',
    "null",
    '"null"',
    "RED",
    '"RED"',
]


@pytest.mark.parametrize(
    "query", ["{{ fresh echo(of: {}) }}", "{{ fresh nested {{ echo(of: {}) }} }}"]
)
async def test_literals_that_look_alike_have_entries_of_their_own(
    memory_cache: ResponseCache, query: str
) -> None:
    cached, plain = schema_of(Echo, memory_cache), strawberry.Schema(Echo)
    for literal in ALIKE:
        text = query.format(literal)
        assert (await cached.execute(text, context_value={})).data == (
            await plain.execute(text)
        ).data, literal


def test_check_notes_fields_without_an_entry_because_the_id_of_their_parent_is_computed(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.type
    class Version:
        @strawberry.field
        def id(self) -> strawberry.ID:
            raise AssertionError

        @cache_control(ttl=60)
        @strawberry.field
        def text(self) -> str:
            raise AssertionError

    @strawberry.type
    class Made(Node):
        number: NodeID[int]

        @classmethod
        def resolve_id(cls, root: Any, *, info: Any) -> str:
            raise AssertionError

        @cache_control(ttl=60)
        @strawberry.field
        def text(self) -> str:
            raise AssertionError

    @strawberry.type
    class Query:
        @strawberry.field
        def version(self) -> Version:
            raise AssertionError

        @strawberry.field
        def made(self) -> Made:
            raise AssertionError

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    told = extension.check(strawberry.Schema(Query, extensions=[extension]))
    assert len(told) == 2
    for name, note in zip(("Version", "Made"), told, strict=True):
        assert note.startswith(f"{name}.text: it has no entry of its own")


@pytest.mark.parametrize("unsaved", ["", None])
async def test_objects_that_are_not_saved_yet_share_no_entry(
    memory_cache: ResponseCache, unsaved: Any
) -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def drafts(self) -> list[Doubled]:
            return [Doubled(id=unsaved, number=number) for number in (1, 2)]

    schema = schema_of(Query, memory_cache)
    for _ in range(2):
        result = await ask(schema, "{ drafts { twice } }")
        assert result.data == {"drafts": [{"twice": 2}, {"twice": 4}]}
    assert fields(result) == {"Doubled.twice": "bypass"}


async def test_a_key_may_be_a_tuple_and_not_async(memory_cache: ResponseCache) -> None:
    async def later(parent: Any) -> int:
        raise AssertionError

    with pytest.raises(CacheConfigurationError, match="async function"):
        cache_control(ttl=60, key=later)

    @strawberry.type
    class Pair:
        one: int

        @cache_control(ttl=60, key=lambda pair: (pair.one, "x"))
        @strawberry.field
        def shown(self) -> int:
            return self.one

    @strawberry.type
    class Query:
        @strawberry.field
        def pairs(self) -> list[Pair]:
            return [Pair(one=1), Pair(one=2)]

    schema = schema_of(Query, memory_cache)
    for expected in ("miss", "hit"):
        result = await ask(schema, "{ pairs { shown } }")
        assert result.data == {"pairs": [{"shown": 1}, {"shown": 2}]}
        assert fields(result) == {"Pair.shown": expected}


# -- A thread that looks ahead -------------------------------------------------------------------------------


def test_fields_of_objects_in_lists_of_lists_are_looked_up(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def rows(self) -> list[list[Doubled]]:
            return [[Doubled(id=strawberry.ID(str(n)), number=n)] * 2 for n in (1, 2)]

    schema = schema_of(Query, memory_cache)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            result = schema.execute_sync("{ rows { twice } }", context_value={})
            assert result.data == {"rows": [[{"twice": 2}] * 2, [{"twice": 4}] * 2]}
    assert fields(result) == {"Doubled.twice": "hit"}
    assert not caplog.records


def test_a_prefetched_entry_is_not_used_after_an_invalidation_in_its_request(
    memory_cache: ResponseCache,
) -> None:
    count = {"a": 0}

    @strawberry.type
    class Query:
        @cache_control(ttl=60, tags=["t"])
        @strawberry.field
        def a(self) -> int:
            return count["a"]

        @strawberry.field
        def bump(self) -> int:
            count["a"] += 1
            memory_cache.invalidate_sync("t")
            return count["a"]

    schema = schema_of(Query, memory_cache)
    for number in range(3):
        result = schema.execute_sync("{ x: a bump y: a }", context_value={})
        assert result.data == {"x": number, "bump": number + 1, "y": number + 1}


def test_a_server_that_is_down_is_asked_once_for_all_fields(
    new_cache: Any, unused_port: int
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}", connect_deadline=0.2, read_deadline=0.2)

    @strawberry.type
    class Query:
        @strawberry.field
        def rows(self) -> list[Doubled]:
            return [Doubled(id=strawberry.ID(str(n)), number=n) for n in range(50)]

    schema = schema_of(Query, cache)
    asked: list[Any] = []
    transport = driver_of(cache, synchronous=True).transport
    perform = transport.perform_all

    def counted(effects: Any) -> Any:
        asked.append(effects)
        return perform(effects)

    transport.perform_all = counted
    result = schema.execute_sync("{ rows { twice } }", context_value={})
    assert result.errors is None
    assert fields(result) == {"Doubled.twice": "bypass"}
    assert len(asked) == 1
