"""A field with an entry of its own inherits from the fields above it: scope, vary, tags, what resolvers said."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import pytest
import strawberry
from strawberry import relay
from strawberry.permission import BasePermission
from strawberry.scalars import JSON

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    cache_control,
    explain,
    restrict_cache,
    skip_cache,
)
from tests.conftest import Eventually, UntilJoined
from tests.graphql.both_ways import WAYS, BothWays
from tests.graphql.library import fields

PRIVATE, PUBLIC = CacheScope.PRIVATE, CacheScope.PUBLIC
B = TypeVar("B", bound="Basket")

pytestmark = pytest.mark.parametrize("way", WAYS)


def seen(info: strawberry.Info) -> str:
    """What differs from requester to requester."""
    context = info.context
    return f"{context.get('user')} {context.get('locale')} {context.get('version', 1)}"


@strawberry.type
class Item:
    id: strawberry.ID
    computed_for: strawberry.Private[str] = ""

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> str:
        return self.computed_for

    @cache_control(ttl=60, scope=PUBLIC)
    @strawberry.field
    def weight(self) -> str:
        return self.computed_for

    @cache_control(ttl=60)
    @strawberry.field
    def twin(self) -> "Item":
        return Item(id=strawberry.ID("twin"), computed_for=self.computed_for)


@cache_control(vary=["locale"])
@strawberry.type
class Localised:
    number: int
    computed_for: strawberry.Private[str] = ""

    @strawberry.field
    def item(self) -> Item:
        return Item(id=strawberry.ID("1"), computed_for=self.computed_for)


class Member(BasePermission):
    message = "Members only."

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return True


def item_of(info: strawberry.Info) -> Item:
    return Item(id=strawberry.ID("1"), computed_for=seen(info))


@strawberry.type
class Basket:
    """An object in between, with an attribute and a resolver that hold the item."""

    computed_for: strawberry.Private[str]
    item: Item

    @strawberry.field
    def items(self) -> list[Item]:
        return [self.item]


@cache_control(scope=PRIVATE)
@strawberry.type
class PrivateBasket(Basket):
    pass


AnyBasket = Annotated[
    PrivateBasket | Basket,
    strawberry.union("AnyBasket", directives=[cache_control(tags=["baskets"])]),
]


def basket_of(info: strawberry.Info, kind: type[B] = Basket) -> B:  # type: ignore[assignment] # of a type variable
    return kind(computed_for=seen(info), item=item_of(info))


@strawberry.type
class Outer:
    """An object in between whose fields say something of their own."""

    @strawberry.field
    def basket(self, info: strawberry.Info) -> Basket:
        restrict_cache(info, tags=["inner"])
        return basket_of(info)

    @cache_control(tags=["mood:{args.mood}"])
    @strawberry.field
    def unfillable(self, info: strawberry.Info, mood: JSON = 0.5) -> Basket:  # type: ignore[assignment] # a scalar of its own
        return basket_of(info)


@strawberry.type
class Query:
    """Each field but `fresh` and `item` stands for one thing that entries below it inherit."""

    @strawberry.field
    def fresh(self) -> int:
        return 1

    @strawberry.field
    def item(self, info: strawberry.Info) -> Item:
        return item_of(info)

    @cache_control(scope=PRIVATE)
    @strawberry.field
    def private(self, info: strawberry.Info) -> Item:
        return item_of(info)

    @cache_control(scope=PRIVATE)
    @strawberry.field
    def privates(self, info: strawberry.Info) -> list[Item | None]:
        return [None, item_of(info)]

    @cache_control(scope=PRIVATE)
    @strawberry.field
    def private_basket(self, info: strawberry.Info) -> Basket:
        return basket_of(info)

    @strawberry.field
    def basket_of_private_type(self, info: strawberry.Info) -> PrivateBasket:
        return basket_of(info, PrivateBasket)

    @strawberry.field
    def any_basket(self, info: strawberry.Info, private: bool = False) -> AnyBasket:
        return basket_of(info, PrivateBasket if private else Basket)

    @strawberry.field(permission_classes=[Member])  # type: ignore[untyped-decorator] # of its overloads
    def guarded(self, info: strawberry.Info) -> Basket:
        return basket_of(info)

    @cache_control(vary=["locale"])
    @strawberry.field
    def varied(self, info: strawberry.Info) -> Basket:
        return basket_of(info)

    @strawberry.field
    def localised(self, info: strawberry.Info) -> Localised:
        return Localised(number=1, computed_for=seen(info))

    @cache_control(tags=["ledger"])
    @strawberry.field
    def tagged(self, info: strawberry.Info) -> Basket:
        return basket_of(info)

    @cache_control(tags=["shelf:{args.shelf}"])
    @strawberry.field
    def shelved(self, info: strawberry.Info, shelf: int) -> Basket:
        return basket_of(info)

    @cache_control(tags=["mood:{args.mood}"])
    @strawberry.field
    def unfillable(self, info: strawberry.Info, mood: JSON = 0.5) -> Basket:  # type: ignore[assignment] # a scalar of its own
        return basket_of(info)

    @strawberry.field
    def restricted(self, info: strawberry.Info, private: bool = True) -> Basket:
        if private:
            restrict_cache(info, scope=PRIVATE)
        return basket_of(info)

    @strawberry.field
    def restricted_twice(self, info: strawberry.Info, skips: bool = False) -> Basket:
        restrict_cache(info, scope=PRIVATE, ttl=0 if skips else None)
        restrict_cache(info, tags=["spot"])
        return basket_of(info)

    @strawberry.field
    def outer(self, info: strawberry.Info, private: bool = False, skips: bool = False) -> "Outer":
        restrict_cache(info, tags=["outer"])
        if private:
            restrict_cache(info, scope=PRIVATE)
        if skips:
            skip_cache(info)
        return Outer()

    @strawberry.field
    def restricted_by_tag(self, info: strawberry.Info, tag: str = "spot") -> Basket:
        restrict_cache(info, tags=[tag], ttl=5)
        return basket_of(info)

    @strawberry.field
    def skipped(self, info: strawberry.Info) -> Basket:
        skip_cache(info)
        return basket_of(info)

    @strawberry.field
    def forbidden(self, info: strawberry.Info) -> Basket:
        restrict_cache(info, ttl=0)
        return basket_of(info)


@pytest.fixture
def shop(memory_cache: ResponseCache) -> BothWays:
    return BothWays(Query, memory_cache, types=[PrivateBasket])


async def price(shop: BothWays, way: str, query: str, **context: Any) -> tuple[str, str]:
    """Return the price that is found, and what the cache did."""
    result = await shop.ask("{ fresh " + query + " }", way=way, **context)
    found: Any = result.data
    del found["fresh"]
    while not isinstance(found, str):
        found = next(iter(found.values())) if isinstance(found, dict) else found[-1]
    did = fields(result)
    kinds = ("Item.twin", "Item.price", "Item.weight", "Slow.price")
    return found, next(did[each] for each in kinds if each in did)


ALICE, BOB = {"user": "alice"}, {"user": "bob"}

OF_ONE_SESSION = {
    "a field": "private { price }",
    "a list": "privates { price }",
    "an alias": "mine: private { cost: price }",
    "a fragment": "private { ... on Item { price } }",
    "two fields up": "privateBasket { item { price } }",
    "a list below it": "privateBasket { items { price } }",
    "the type in between": "basketOfPrivateType { item { price } }",
    "a member of a union": "anyBasket(private: true) { ... on PrivateBasket { item { price } } }",
    "a guard": "guarded { item { price } }",
    "a restriction": "restricted { item { price } }",
    "a restriction before another one": "restrictedTwice { item { price } }",
    "a restriction above another one": "outer(private: true) { basket { item { price } } }",
    "an entry of its own in between": "private { twin { price } }",
}


@pytest.mark.combined
@pytest.mark.parametrize("above", OF_ONE_SESSION)
async def test_a_field_below_something_private_is_stored_for_one_session(
    shop: BothWays, way: str, above: str
) -> None:
    query = OF_ONE_SESSION[above]
    for _ in range(2):
        for context in (ALICE, BOB):
            found, _ = await price(shop, way, query, **context)
            assert found == f"{context['user']} None 1"
    found, did = await price(shop, way, query, **ALICE, version=2)
    assert (found, did) == ("alice None 1", "hit"), "it is cached for its session"
    found, did = await price(shop, way, query)
    assert (found, did) == ("None None 1", "bypass"), "nobody has no session"


@pytest.mark.parametrize(
    "query",
    ["item { price }", "restricted(private: false) { item { price } }"],
    ids=["a public field", "a resolver that does not restrict"],
)
async def test_a_field_below_nothing_private_is_shared_by_all_sessions(
    shop: BothWays, way: str, query: str
) -> None:
    assert await price(shop, way, query, **ALICE) == ("alice None 1", "miss")
    assert await price(shop, way, query, **BOB) == ("alice None 1", "hit")
    # The same object by a path that is PRIVATE is another entry.
    assert await price(shop, way, "private { price }", **BOB) == ("bob None 1", "miss")
    assert await price(shop, way, query, **BOB) == ("alice None 1", "hit")


async def test_a_public_member_of_a_union_with_a_private_one_is_shared(
    shop: BothWays, way: str
) -> None:
    query = "anyBasket { ... on Basket { item { price } } ... on PrivateBasket { item { price } } }"
    assert await price(shop, way, query, **ALICE) == ("alice None 1", "miss")
    assert await price(shop, way, query, **BOB) == ("alice None 1", "hit")


async def test_a_field_whose_own_hint_says_public_is_shared_by_all_sessions(
    shop: BothWays, way: str
) -> None:
    query = "privateBasket { item { weight } }"
    assert await price(shop, way, query, **ALICE) == ("alice None 1", "miss")
    assert await price(shop, way, query, **BOB) == ("alice None 1", "hit")


async def test_a_field_whose_own_hint_says_public_is_shared_on_a_private_type(
    memory_cache: ResponseCache, way: str
) -> None:
    @cache_control(scope=PRIVATE)
    @strawberry.type
    class Mine(Item):
        pass

    @strawberry.type
    class Query:
        @strawberry.field
        def fresh(self) -> int:
            return 1

        @strawberry.field
        def mine(self, info: strawberry.Info) -> Mine:
            return Mine(id=strawberry.ID("1"), computed_for=seen(info))

    shop = BothWays(Query, memory_cache)
    for user, expected in (("alice", "miss"), ("bob", "hit")):
        result = await shop.ask("{ fresh mine { weight } }", way=way, user=user)
        assert fields(result) == {"Mine.weight": expected}
    for user in ("alice", "bob"):
        result = await shop.ask("{ fresh mine { price } }", way=way, user=user)
        assert result.data == {"fresh": 1, "mine": {"price": f"{user} None 1"}}


async def test_a_restriction_by_a_resolver_overrides_a_public_hint_below_it(
    shop: BothWays, way: str
) -> None:
    query = "restricted { item { weight } }"
    assert await price(shop, way, query, **ALICE) == ("alice None 1", "miss")
    assert await price(shop, way, query, **BOB) == ("bob None 1", "miss")


@pytest.mark.parametrize("query", ["varied { item { price } }", "localised { item { price } }"])
async def test_a_field_below_something_that_varies_varies_by_the_same(
    shop: BothWays, way: str, query: str
) -> None:
    for _ in range(2):
        for locale in ("en", "de"):
            found, did = await price(shop, way, query, user="alice", locale=locale)
            assert found == f"alice {locale} 1"
    assert did == "hit"
    found, did = await price(shop, way, query, user="bob", locale="de")
    assert (found, did) == ("alice de 1", "hit")


TAGGED = {
    "a hint": ("tagged { item { price } }", "ledger"),
    "a list below it": ("tagged { items { price } }", "ledger"),
    "a hint on a union": ("anyBasket { ... on Basket { item { price } } }", "baskets"),
    "a tag with a placeholder": ("shelved(shelf: 7) { item { price } }", "shelf:7"),
    "a restriction": ("restrictedByTag { item { price } }", "spot"),
    "a restriction below another one": ("outer { basket { item { price } } }", "inner"),
    "a restriction above another one": ("outer { basket { item { price } } }", "outer"),
}


@pytest.mark.parametrize("above", TAGGED)
async def test_a_field_below_a_tag_is_invalidated_by_it(
    shop: BothWays, memory_cache: ResponseCache, way: str, above: str
) -> None:
    query, tag = TAGGED[above]
    assert await price(shop, way, query) == ("None None 1", "miss")
    assert await price(shop, way, query, version=2) == ("None None 1", "hit")
    await memory_cache.invalidate(f"{tag}-another")
    assert await price(shop, way, query, version=2) == ("None None 1", "hit")
    await memory_cache.invalidate(tag)
    assert await price(shop, way, query, version=2) == ("None None 2", "miss")


async def test_an_entry_stored_without_the_tag_of_a_path_is_not_served_on_that_path(
    shop: BothWays, memory_cache: ResponseCache, way: str
) -> None:
    assert await price(shop, way, "item { price }") == ("None None 1", "miss")
    await memory_cache.invalidate("ledger")
    query = "tagged { item { price } }"
    assert await price(shop, way, query, version=2) == ("None None 2", "miss")
    assert await price(shop, way, "shelved(shelf: 1) { item { price } }") == ("None None 1", "miss")
    other_shelf = "shelved(shelf: 2) { item { price } }"
    assert await price(shop, way, other_shelf, version=3) == ("None None 3", "miss")


async def test_paths_with_equal_tags_share_an_entry(shop: BothWays, way: str) -> None:
    assert await price(shop, way, "tagged { item { price } }") == ("None None 1", "miss")
    again = "tagged { item { price } }"
    assert await price(shop, way, f"again: {again}", version=2) == ("None None 1", "hit")
    assert await price(shop, way, "tagged { items { price } }", version=2) == (
        "None None 1",
        "hit",
    )


NOT_STORED = {
    "skipped { item { price } }": "restricted",
    "forbidden { item { price } }": "restricted",
    "unfillable { item { price } }": "tag_unfilled",
    "outer { unfillable { item { price } } }": "tag_unfilled",
    "outer(skips: true) { basket { item { price } } }": "restricted",
    "restrictedTwice(skips: true) { item { price } }": "restricted",
}


@pytest.mark.combined
@pytest.mark.parametrize("query", NOT_STORED)
async def test_a_field_below_something_that_is_not_stored_is_neither_read_nor_stored(
    shop: BothWays, memory_cache: ResponseCache, way: str, query: str
) -> None:
    alice: dict[str, Any] = {"user": "alice"} if "Twice" in query else {}
    assert await price(shop, way, query, **alice) == (f"{alice.get('user')} None 1", "bypass")
    assert await price(shop, way, "item { price }", version=2) == ("None None 2", "miss")
    assert await price(shop, way, query, **alice, version=3) == (
        f"{alice.get('user')} None 3",
        "bypass",
    )
    result = await shop.ask("{ fresh " + query + " }", way=way, **alice)
    assert result.extensions is not None
    said = {each["field"]: each for each in result.extensions["responseCache"]["fields"]}
    assert said["Item.price"]["reason"] == NOT_STORED[query]


async def test_one_fragment_under_several_parents_inherits_from_each_parent(
    shop: BothWays, way: str
) -> None:
    query = """{ fresh item { ...P } private { ...P } tagged { item { ...P } } varied { item { ...P } } }
        fragment P on Item { price }"""
    for user, locale in (("alice", "en"), ("bob", "de"), ("alice", "en"), ("bob", "de")):
        result = await shop.ask(query, way=way, user=user, locale=locale)
        data: Any = result.data
        assert data["private"]["price"] == f"{user} {locale} 1"
        assert data["item"]["price"] == "alice en 1"
        assert data["tagged"]["item"]["price"] == "alice en 1"
        assert data["varied"]["item"]["price"].split()[1] == locale
    assert fields(result)["Item.price"] == "hit"


async def test_a_siblings_restriction_is_not_inherited(shop: BothWays, way: str) -> None:
    query = (
        "{ fresh restricted { item { price } } item { price } skipped { computed: item { id } } }"
    )
    await shop.ask(query, way=way, user="alice")
    result = await shop.ask(query, way=way, user="bob")
    data: Any = result.data
    assert data["item"]["price"] == "alice None 1"
    assert data["restricted"]["item"]["price"] == "bob None 1"


# -- Concurrent requests, local memory, stale entries ------------------------------------------------------


@strawberry.type
class Slow:
    id: strawberry.ID
    computed_for: strawberry.Private[str]

    @cache_control(ttl=60, stale=600)
    @strawberry.field
    async def price(self, info: strawberry.Info) -> str:
        computed_for = self.computed_for
        info.context["running"].append(computed_for)
        if gate := info.context.get("gate"):
            await gate.wait()
        return computed_for


@strawberry.type
class Slowly:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(scope=PRIVATE, tags=["ledger"], vary=["locale"])
    @strawberry.field
    def private(self, info: strawberry.Info) -> Slow:
        return Slow(id=strawberry.ID("1"), computed_for=seen(info))

    @strawberry.field
    def restricted(self, info: strawberry.Info) -> Slow:
        restrict_cache(info, scope=PRIVATE)
        return Slow(id=strawberry.ID("1"), computed_for=seen(info))


@pytest.mark.combined
@pytest.mark.parametrize("query", ["private { price }", "restricted { price }"])
@pytest.mark.parametrize("local_bytes", [0, 1_000_000])
async def test_requests_for_private_fields_join_only_runs_of_their_own_session(
    new_cache: Callable[..., ResponseCache],
    way: str,
    query: str,
    local_bytes: int,
    until_joined: UntilJoined,
) -> None:
    if way == "execute_sync":
        pytest.skip("execute_sync has no resolvers that wait for each other in one loop")
    cache = new_cache("memory://", local_bytes=local_bytes)
    shop = BothWays(Slowly, cache)
    running: list[str] = []
    gate = asyncio.Event()
    users = ["alice", "bob"] * 3
    text = "{ fresh " + query + " }"
    asked = [
        asyncio.create_task(shop.ask(text, user=user, running=running, gate=gate)) for user in users
    ]
    await until_joined(cache, 4)
    gate.set()
    for user, result in zip(users, await asyncio.gather(*asked), strict=True):
        data: Any = result.data
        assert next(reversed(data.values()))["price"] == f"{user} None 1"
    assert len(running) == 2, "each session ran once, and the others joined it"
    for user in users:
        found, did = await price(shop, way, query, user=user, version=2, running=running)
        assert (found, did) == (f"{user} None 1", "hit")


@pytest.mark.combined
@pytest.mark.parametrize("query", ["private { price }", "restricted { price }"])
async def test_a_refresh_stores_for_the_session_whose_entry_is_stale(
    memory_cache: ResponseCache, raw_of: Any, way: str, query: str, eventually: Eventually
) -> None:
    shop = BothWays(Slowly, memory_cache)
    running: list[str] = []

    async def ask(user: str, version: int) -> tuple[str, str]:
        text = "{ fresh " + query + " }"
        result = await shop.ask(text, user=user, version=version, running=running)
        data: Any = result.data
        return next(reversed(data.values()))["price"], fields(result)["Slow.price"]

    for user in ("alice", "bob"):
        assert await ask(user, 1) == (f"{user} None 1", "miss")
    raw = raw_of(memory_cache)
    keys = [key for key in raw.keys("*:e:*") if raw.pttl(key) < 700_000]
    assert len(keys) == 2
    for key in keys:
        raw.pexpire(key, 300_000)  # past the ttl, within the stale window
    assert await ask("alice", 2) == ("alice None 2", "miss"), "who refreshes gets what it made"
    assert await ask("bob", 2) == ("bob None 2", "miss")
    assert await ask("alice", 3) == ("alice None 2", "hit")


# -- What resolvers say late ---------------------------------------------------------------------------------


@strawberry.type
class Lately:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @strawberry.field
    def yields(self, info: strawberry.Info) -> list[Item]:
        async def items() -> AsyncIterator[Item]:
            yield item_of(info)
            restrict_cache(info, scope=PRIVATE)

        return items()  # type: ignore[return-value] # graphql-core takes any iterable

    @strawberry.field
    async def awaits(self, info: strawberry.Info) -> list[Item]:
        async def later() -> Item:
            await asyncio.sleep(0)
            restrict_cache(info, scope=PRIVATE)
            return item_of(info)

        async def first() -> Item:
            return item_of(info)

        return [first(), later()]  # type: ignore[list-item] # graphql-core awaits them

    @strawberry.field
    def generates(self, info: strawberry.Info) -> list[Item]:
        def items() -> Iterator[Item]:
            yield item_of(info)
            skip_cache(info)

        return items()  # type: ignore[return-value] # graphql-core takes any iterable

    @strawberry.field
    async def goes_on(self, info: strawberry.Info) -> "Slow":
        async def later() -> None:
            await info.context["late"].wait()
            restrict_cache(info, scope=PRIVATE)
            info.context["gate"].set()

        info.context["task"] = asyncio.create_task(later())
        return Slow(id=strawberry.ID("1"), computed_for=seen(info))


@pytest.mark.parametrize("field", ["yields", "awaits", "generates"])
async def test_a_restriction_made_while_a_list_is_iterated_counts_for_its_items(
    memory_cache: ResponseCache, way: str, field: str
) -> None:
    if way == "execute_sync" and field != "generates":
        pytest.skip("execute_sync takes nothing that is awaited")
    shop = BothWays(Lately, memory_cache)
    for user in ("alice", "bob"):
        result = await shop.ask("{ fresh " + field + " { price } }", way=way, user=user)
        data: Any = result.data
        assert {each["price"] for each in data[field]} == {f"{user} None 1"}


async def test_a_restriction_that_comes_while_an_entry_is_made_keeps_it_from_being_stored(
    memory_cache: ResponseCache, way: str
) -> None:
    if way == "execute_sync":
        pytest.skip("execute_sync has no resolvers that wait")
    shop = BothWays(Lately, memory_cache)
    for user in ("alice", "bob"):
        late = asyncio.Event()
        late.set()
        result = await shop.ask(
            "{ fresh goesOn { price } }", user=user, running=[], late=late, gate=asyncio.Event()
        )
        data: Any = result.data
        assert data["goesOn"]["price"] == f"{user} None 1"


# -- Other kinds of schemas --------------------------------------------------------------------------------

T = TypeVar("T")


@strawberry.type
class Page(Generic[T]):
    items: list[T]


@strawberry.interface
class Holder:
    @cache_control(scope=PRIVATE, tags=["held"])
    @strawberry.field
    def held(self, info: strawberry.Info) -> Item:
        return item_of(info)


@strawberry.type
class Box(Holder):
    @strawberry.field
    def held(self, info: strawberry.Info) -> Item:
        return item_of(info)


@strawberry.type
class Book(relay.Node):
    code: relay.NodeID[str]
    computed_for: strawberry.Private[str]

    @classmethod
    def resolve_nodes(cls, *, info: strawberry.Info, node_ids: Any, required: bool = False) -> Any:
        return [cls(code=each, computed_for=seen(info)) for each in node_ids]

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> str:
        return self.computed_for


@strawberry.federation.type(keys=["id"])
class Product:
    id: strawberry.ID
    computed_for: strawberry.Private[str] = ""

    @classmethod
    def resolve_reference(cls, info: strawberry.Info, id: strawberry.ID) -> "Product":  # noqa: A002 - as in GraphQL
        return cls(id=id, computed_for=seen(info))

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> str:
        return self.computed_for

    @cache_control(scope=PRIVATE)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> "Product":
        return Product(id=strawberry.ID("mine"), computed_for=seen(info))


def kinds() -> type:
    """Make the query type; Strawberry takes a field of `relay.node()` into one schema only."""

    @strawberry.type
    class Kinds:
        @strawberry.field
        def fresh(self) -> int:
            return 1

        @cache_control(scope=PRIVATE)
        @strawberry.field
        def page(self, info: strawberry.Info) -> Page[Item]:
            return Page(items=[item_of(info)])

        @strawberry.field
        def holder(self) -> Holder:
            return Box()

        books: relay.Node = relay.node(directives=[cache_control(scope=PRIVATE)])

        @cache_control(scope=PRIVATE)
        @relay.connection(relay.ListConnection[Book])  # type: ignore[untyped-decorator] # Strawberry's
        def shelf(self, info: strawberry.Info) -> list[Book]:
            return [Book(code="1", computed_for=seen(info))]

    return Kinds


TYPES: dict[bool, list[type]] = {False: [Box, Book], True: [Box, Book, Product]}
"""Whether a federated schema has them."""

KINDS = {
    "a generic": "page { items { price } }",
    "an interface's hint": "holder { held { price } }",
    "a node": f'books(id: "{relay.to_base64("Book", "1")}") {{ ... on Book {{ price }} }}',
    "a connection": "shelf { edges { node { price } } }",
    "an entity": '_entities(representations: [{__typename: "Product", id: "1"}]) {'
    " ... on Product { mine { price } } }",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_field_below_something_private_is_stored_for_one_session_in_schemas_of_each_kind(
    memory_cache: ResponseCache, way: str, kind: str
) -> None:
    shop = BothWays(
        kinds(), memory_cache, types=TYPES[kind == "an entity"], federation=kind == "an entity"
    )
    for _ in range(2):
        for user in ("alice", "bob"):
            result = await shop.ask("{ fresh " + KINDS[kind] + " }", way=way, user=user)
            assert f"{user} None 1" in str(result.data)
    [did] = {did for name, did in fields(result).items() if name.endswith(".price")}
    assert did == "hit"


async def test_a_public_field_of_a_federation_entity_is_shared_by_all_sessions(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = BothWays(kinds(), memory_cache, types=TYPES[True], federation=True)
    query = """{ fresh _entities(representations: [{__typename: "Product", id: "1"}]) {
        ... on Product { price } } }"""
    for user, expected in (("alice", "miss"), ("bob", "hit")):
        result = await shop.ask(query, way=way, user=user)
        assert "alice None 1" in str(result.data)
        assert fields(result) == {"Product.price": expected}


# -- Inside an entry that is stored as a whole -----------------------------------------------------------


@strawberry.type
class Team:
    id: strawberry.ID
    computed_for: strawberry.Private[str]

    @cache_control(ttl=600)
    @strawberry.field
    def logo(self) -> str:
        return self.computed_for


@strawberry.type
class User:
    id: strawberry.ID
    computed_for: strawberry.Private[str]

    @cache_control(ttl=60, scope=PUBLIC)
    @strawberry.field
    def team(self) -> Team:
        return Team(id=strawberry.ID("1"), computed_for=self.computed_for)


@strawberry.type
class Teams:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(scope=PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> User:
        return User(id=strawberry.ID("1"), computed_for=seen(info))


async def test_a_public_entry_stays_public_although_it_contains_fields_private_by_their_path(
    memory_cache: ResponseCache, way: str
) -> None:
    """Team.logo lives longer than Team.team, and is PRIVATE by the path alone."""
    teams = BothWays(Teams, memory_cache)
    for user, expected in (("alice", "miss"), ("bob", "hit")):
        result = await teams.ask("{ fresh me { team { logo } } }", way=way, user=user)
        data: Any = result.data
        assert data["me"]["team"]["logo"] == "alice None 1"
        assert fields(result)["User.team"] == expected


# -- Objects without an identity of their own ------------------------------------------------------------


@dataclass
class Ledger:
    """What is true, which mutations change."""

    total: int = 1


def _key(parent: "Summary | Detail") -> Any:
    return parent.account_id


@strawberry.type
class Detail:
    account_id: strawberry.Private[str]

    @cache_control(ttl=60, key=_key)
    @strawberry.field
    def total(self, info: strawberry.Info) -> int:
        total: int = info.context["ledger"].total
        return total


@strawberry.type
class Summary:
    account_id: strawberry.Private[str]

    @cache_control(ttl=60, key="account_id")
    @strawberry.field
    def total(self, info: strawberry.Info) -> int:
        total: int = info.context["ledger"].total
        return total

    @strawberry.field
    def details(self) -> list[Detail]:
        return [Detail(account_id=self.account_id)]


@strawberry.type
class Account:
    id: strawberry.ID

    @strawberry.field
    def summary(self) -> Summary:
        return Summary(account_id=self.id)


@strawberry.type
class Accounts:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @strawberry.field
    def account(self, id: strawberry.ID = strawberry.ID("1")) -> Account:  # noqa: A002, B008 - as in GraphQL
        return Account(id=id)

    @strawberry.field
    def summary(self) -> Summary:
        return Summary(account_id="1")


def total_of(data: Any) -> int:
    del data["fresh"]
    while not isinstance(data, int):
        data = next(reversed(data.values())) if isinstance(data, dict) else data[0]
    return data


OWNED = {
    "directly": "account { id summary { total } }",
    "without its id": "account { summary { total } }",
    "two up": "account { summary { details { total } } }",
}


@pytest.mark.parametrize("how", OWNED)
async def test_invalidating_an_owner_refreshes_its_value_objects(
    memory_cache: ResponseCache, way: str, how: str
) -> None:
    accounts, ledger = BothWays(Accounts, memory_cache), Ledger()
    query = "{ fresh " + OWNED[how] + " }"

    async def total() -> int:
        return total_of((await accounts.ask(query, way=way, ledger=ledger)).data)

    assert await total() == 1
    ledger.total = 2
    for elsewhere in ("Account:2", "[Account]"):
        await memory_cache.invalidate(elsewhere)
        assert await total() == 1, elsewhere
    await memory_cache.invalidate("Account:1")
    assert await total() == 2
    ledger.total = 3
    await memory_cache.invalidate("Account")  # what cannot say which account it changed
    assert await total() == 3


async def test_a_value_object_reached_without_its_owner_has_another_entry(
    memory_cache: ResponseCache, way: str
) -> None:
    accounts, ledger = BothWays(Accounts, memory_cache), Ledger()
    query = "{ fresh summary { total } }"
    assert total_of((await accounts.ask(query, way=way, ledger=ledger)).data) == 1
    ledger.total = 2
    await memory_cache.invalidate("Account:1")
    owned = "{ fresh account { summary { total } } }"
    assert total_of((await accounts.ask(owned, way=way, ledger=ledger)).data) == 2


@pytest.mark.parametrize("unsaved", ["", None])
async def test_an_unsaved_owner_has_no_identity(
    memory_cache: ResponseCache, way: str, unsaved: Any
) -> None:
    """The nearest saved owner above it counts instead."""

    @strawberry.type
    class Draft:
        id: strawberry.ID | None

        @strawberry.field
        def summary(self) -> Summary:
            return Summary(account_id="1")

    @strawberry.type
    class Holder:
        id: strawberry.ID

        @strawberry.field
        def draft(self) -> Draft:
            return Draft(id=unsaved)

    @strawberry.type
    class Query(Accounts):
        @strawberry.field
        def holder(self) -> Holder:
            return Holder(id=strawberry.ID("7"))

    accounts, ledger = BothWays(Query, memory_cache), Ledger()
    query = "{ fresh holder { draft { summary { total } } } }"
    assert total_of((await accounts.ask(query, way=way, ledger=ledger)).data) == 1
    ledger.total = 2
    await memory_cache.invalidate("Holder:7")
    assert total_of((await accounts.ask(query, way=way, ledger=ledger)).data) == 2


async def test_invalidating_the_type_of_an_unidentified_owner_refreshes_its_value_objects(
    memory_cache: ResponseCache, way: str
) -> None:
    """A mutation that returns such an owner invalidates its type, since it cannot say which one it was."""

    @strawberry.type
    class Made:
        code: strawberry.Private[str]

        @strawberry.field
        def id(self) -> strawberry.ID:
            return strawberry.ID(self.code)

        @strawberry.field
        def summary(self) -> Summary:
            return Summary(account_id="1")

    @strawberry.type
    class Row:
        """Its row has an id, and its type shows none."""

        id: strawberry.Private[str]
        account_id: strawberry.Private[str]

        @cache_control(ttl=60, key="id")
        @strawberry.field
        def total(self, info: strawberry.Info) -> int:
            total: int = info.context["ledger"].total
            return total

    @strawberry.type
    class Owner:
        id: strawberry.ID

        @strawberry.field
        def row(self) -> Row:
            return Row(id=self.id, account_id=self.id)

    @strawberry.type
    class Query(Accounts):
        @strawberry.field
        def made(self) -> Made:
            return Made(code="1")

        @strawberry.field
        def owner(self) -> Owner:
            return Owner(id=strawberry.ID("1"))

    accounts, ledger = BothWays(Query, memory_cache), Ledger()
    for query, tag in (
        ("made { summary { total } }", "Made"),
        ("owner { row { total } }", "Owner:1"),
    ):
        text = "{ fresh " + query + " }"
        before = total_of((await accounts.ask(text, way=way, ledger=ledger)).data)
        ledger.total += 1
        assert total_of((await accounts.ask(text, way=way, ledger=ledger)).data) == before
        await memory_cache.invalidate(tag)
        assert total_of((await accounts.ask(text, way=way, ledger=ledger)).data) == ledger.total


async def test_invalidating_an_owner_does_not_refresh_an_object_with_its_own_identity(
    memory_cache: ResponseCache, way: str
) -> None:
    @strawberry.type
    class Part:
        id: strawberry.ID

        @cache_control(ttl=60, key="id")
        @strawberry.field
        def made(self, info: strawberry.Info) -> int:
            total: int = info.context["ledger"].total
            return total

    @strawberry.type
    class Car:
        id: strawberry.ID
        part: Part

    @strawberry.type
    class Query:
        @strawberry.field
        def fresh(self) -> int:
            return 1

        @strawberry.field
        def car(self) -> Car:
            return Car(id=strawberry.ID("1"), part=Part(id=strawberry.ID("1")))

    cars, ledger = BothWays(Query, memory_cache), Ledger()
    query = "{ fresh car { part { made } } }"
    assert total_of((await cars.ask(query, way=way, ledger=ledger)).data) == 1
    ledger.total = 2
    await memory_cache.invalidate("Car:1", "Car")
    assert total_of((await cars.ask(query, way=way, ledger=ledger)).data) == 1
    await memory_cache.invalidate("Part:1")
    assert total_of((await cars.ask(query, way=way, ledger=ledger)).data) == 2


UNSAVED: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "an empty text": lambda: "",
    "a tuple with None": lambda: (1, None),
    "a list with an empty text": lambda: ["", 1],
    "an object with None": lambda: {"a": {"b": None}},
}


@pytest.mark.parametrize("unsaved", UNSAVED)
async def test_a_key_with_an_empty_value_is_no_identity(
    memory_cache: ResponseCache, way: str, unsaved: str
) -> None:
    accounts = BothWays(Accounts, memory_cache)

    @strawberry.type
    class Query(Accounts):
        @strawberry.field
        def draft(self) -> Detail:
            return Detail(account_id=UNSAVED[unsaved]())

    accounts = BothWays(Query, memory_cache)
    for total in (1, 2):
        result = await accounts.ask("{ fresh draft { total } }", way=way, ledger=Ledger(total))
        assert total_of(result.data) == total
    assert fields(result) == {"Detail.total": "bypass"}


@pytest.mark.parametrize("identity", ["0", 0])
async def test_zero_is_an_identity(memory_cache: ResponseCache, way: str, identity: Any) -> None:
    @strawberry.type
    class Query(Accounts):
        @strawberry.field
        def zero(self) -> Item:
            return Item(id=identity, computed_for="everyone")

    shop = BothWays(Query, memory_cache)
    for expected in ("miss", "hit"):
        assert await price(shop, way, "zero { price }") == ("everyone", expected)


# -- Told ------------------------------------------------------------------------------------------------


async def test_explain_and_debug_agree_on_what_is_inherited(shop: BothWays, way: str) -> None:
    for query in (*OF_ONE_SESSION.values(), "privateBasket { item { weight } }", "item { price }"):
        if query.startswith(("restricted", "outer")):
            continue  # that shows only while resolvers run
        text = "{ fresh " + query + " }"
        result = await shop.ask(text, way=way, user="alice")
        assert result.extensions is not None
        explained: list[Any] = [*explain(shop.schema, text).fields]
        own = {}
        while explained:
            each = explained.pop()
            explained += each.fields
            if each.own_scope is not None:
                own[each.coordinate] = each.own_scope.value
        cached = [f for f in result.extensions["responseCache"]["fields"] if "scope" in f]
        assert cached
        assert {f["field"]: f["scope"] for f in cached}.items() <= own.items(), query
        explanation = str(explain(shop.schema, text))
        is_inherited = query in OF_ONE_SESSION.values()
        assert ("PRIVATE by what is above it" in explanation) is is_inherited, query
