"""The fields of a list that have entries of their own are looked up together, and their hits take no task each."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
import strawberry
from strawberry.dataloader import DataLoader
from strawberry.permission import BasePermission

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    renew_cache,
    restrict_cache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.protocol import Unavailable
from strawberry_response_cache.graphql.execution.fields import cached_field
from tests.conftest import driver_of
from tests.core.test_round_trips import Bill

COUNT = 250


class NotBob(BasePermission):
    message = "not you"

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return bool(info.context["session"] != "bob")


@strawberry.type
class Item:
    id: int
    name: str = "an item"

    @cache_control(ttl=60)
    @strawberry.field
    async def price(self, info: strawberry.Info, factor: int = 1) -> int | None:
        info.context["resolved"].append(self.id)
        return None if self.id == 1 else self.id * factor

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    async def mine(self, info: strawberry.Info) -> str:
        info.context["resolved"].append(self.id)
        return f"{info.context['session']}: {self.id}"

    @cache_control(ttl=60)
    @strawberry.field
    async def turned(self, info: strawberry.Info) -> str:
        info.context["resolved"].append(self.id)
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return f"{info.context['session']}: {self.id}"

    @cache_control(ttl=600)
    @strawberry.field
    async def tagged(self, info: strawberry.Info) -> int:
        info.context["resolved"].append(self.id)
        restrict_cache(info, tags=["found"])
        return self.id

    @cache_control(ttl=60)
    @strawberry.field
    async def chosen(self, numbers: list[int]) -> str:
        return f"{self.id} of {numbers}"

    @cache_control(ttl=60, key=lambda item: item.id)
    @strawberry.field
    async def keyed(self, info: strawberry.Info) -> int:
        info.context["resolved"].append(self.id)
        return self.id

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[NotBob])  # type: ignore[untyped-decorator] # its overloads
    async def guarded(self, info: strawberry.Info) -> int | None:
        info.context["resolved"].append(self.id)
        return self.id

    @strawberry.field
    async def loaded(self, info: strawberry.Info) -> int:
        return int(await info.context["loader"].load(self.id))


@strawberry.type
class Query:
    @strawberry.field
    async def later(self, info: strawberry.Info) -> list[Item]:
        await info.context["wait"]()
        return [Item(id=number) for number in range(4)]

    @strawberry.field
    def items(
        self, info: strawberry.Info, count: int, says: str | None = None
    ) -> list[Item | None]:
        if says is not None:
            restrict_cache(info, tags=[says])
        return [None if number == 2 else Item(id=number) for number in range(count)]


@strawberry.type
class Shelf:
    id: int

    @cache_control(ttl=60)
    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(id=number) for number in range(4)]

    @strawberry.field
    async def bound(self, info: strawberry.Info) -> list[Item]:
        """Bind a variable anew before the list of the second shelf is completed."""
        if self.id == 2:
            await info.context["wait"]()
            info.variable_values["of"] = [9]
        return [Item(id=number) for number in range(4)]


@strawberry.type
class Shelves(Query):
    @strawberry.field
    def shelf(self) -> Shelf:
        return Shelf(id=1)

    @strawberry.field
    def shelves(self) -> list[Shelf]:
        return [Shelf(id=number) for number in (1, 2)]

    @strawberry.field
    def generated(self) -> list[Item]:
        return (Item(id=number) for number in range(4))  # type: ignore[return-value] # which graphql-core takes

    @strawberry.field
    def unsaved(self) -> list[Item]:
        return [Item(id=number) for number in (0, 1, None, None)]  # type: ignore[arg-type] # an unsaved object

    @strawberry.field
    def bound(self, info: strawberry.Info) -> list[Item]:
        """Bind a variable anew before the list is completed."""
        info.variable_values["of"] = [9]
        return [Item(id=number) for number in range(4)]


class Shop:
    """A schema over a cache, and what its resolvers did."""

    def __init__(self, cache: ResponseCache, **options: Any) -> None:
        self.cache = cache
        self.resolved: list[int] = []
        self.loads: list[list[int]] = []
        self._schema = strawberry.Schema(
            Shelves,
            extensions=[
                ResponseCacheExtension(
                    cache, tenant=None, session=lambda context: context["session"], **options
                )
            ],
        )

    async def ask(
        self,
        query: str,
        session: str | None = None,
        wait: Callable[[], Coroutine[Any, Any, None]] | None = None,
        *,
        is_renewed: bool = False,
        fails: bool = False,
        **more: Any,
    ) -> Any:
        """Ask; return the data."""
        self.resolved.clear()
        loader: DataLoader[int, int] = DataLoader(self._load)
        context = {"resolved": self.resolved, "session": session, "loader": loader, "wait": wait}
        if is_renewed:
            renew_cache(context)
        result = await self._schema.execute(query, context_value=context, **more)
        assert bool(result.errors) is fails
        return result.data

    async def _load(self, keys: list[int]) -> list[int]:
        self.loads.append(keys)
        return keys


@pytest.fixture
def quick_cache(new_cache: Callable[..., ResponseCache], empty_url: str) -> ResponseCache:
    return new_cache(empty_url)


def listed(selection: str, count: int = COUNT) -> str:
    return f"{{ items(count: {count}) {{ {selection} }} }}"


async def test_hits_of_the_fields_of_a_list_take_one_script_for_each_hundred(
    valkey_cache: ResponseCache, raw_valkey: Any
) -> None:
    shop = Shop(valkey_cache)
    first = await shop.ask(listed("id price name"))
    assert len(shop.resolved) == COUNT - 1
    bill = Bill(raw_valkey)

    assert await shop.ask(listed("id price name")) == first

    assert shop.resolved == []
    # One more reads the clock as of which the operation began.
    assert bill.commands() == {"evalsha": 1 + 3, "mget": 3}


@pytest.mark.combined
@pytest.mark.parametrize("selection", ["price", "__typename price", "id price name", "keyed"])
async def test_hits_of_the_fields_of_a_list_take_no_task_each(
    quick_cache: ResponseCache, selection: str
) -> None:
    shop = Shop(quick_cache)
    await shop.ask(listed(selection))
    tasks = 0

    def counted(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
    ) -> Any:
        nonlocal tasks
        tasks += 1
        return asyncio.Task(work, loop=loop, **more)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(counted)  # type: ignore[arg-type] # its protocol takes awaitables of all kinds
    try:
        await shop.ask(listed(selection))
    finally:
        loop.set_task_factory(None)
    assert shop.resolved == []
    assert tasks < 10


async def test_fields_of_a_list_without_an_entry_are_executed_beside_hits(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache)
    await shop.ask(listed("price", 10))
    data = await shop.ask(listed("price a: price(factor: 2)", 12))
    assert sorted(shop.resolved) == sorted([n for n in range(12) if n != 2] + [10, 11])
    assert [each and (each["price"], each["a"]) for each in data["items"]] == [
        None if n == 2 else (None, None) if n == 1 else (n, 2 * n) for n in range(12)
    ]
    assert await shop.ask(listed("price a: price(factor: 2)", 12)) == data
    assert shop.resolved == []


async def test_only_the_invalidated_field_of_a_list_is_generated_again(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache)
    await shop.ask(listed("price", 10))
    await quick_cache.invalidate("Item:7")
    await shop.ask(listed("price", 10))
    assert shop.resolved == [7]


@pytest.mark.parametrize("field", ["mine", "turned"])
async def test_private_fields_of_a_list_are_stored_per_session(
    quick_cache: ResponseCache, field: str
) -> None:
    """This holds also for fields that turn PRIVATE while they run: the marker under their public key is no value."""
    shop = Shop(quick_cache)
    for _ in range(2):
        for session in ("alice", "bob"):
            data = await shop.ask(listed(field, 4), session)
            assert [each[field] for each in data["items"] if each] == [
                f"{session}: {number}" for number in (0, 1, 3)
            ]
    assert shop.resolved == []
    assert await shop.ask(listed(field, 4))
    assert shop.resolved == [0, 1, 3]


async def test_a_restriction_by_the_resolver_of_a_list_counts_for_the_fields_of_its_items(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache)
    query = '{ items(count: 4, says: "sale") { price } }'
    await shop.ask(listed("price", 4))
    await shop.ask(query)
    assert shop.resolved == [0, 1, 3]
    await shop.ask(query)
    assert shop.resolved == []
    await quick_cache.invalidate("sale")
    await shop.ask(query)
    assert shop.resolved == [0, 1, 3]


async def test_local_memory_answers_the_fields_of_a_list_without_a_lookup_in_redis(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any, eventually: Any
) -> None:
    cache = new_cache(valkey_url, local_bytes=1_000_000)
    shop = Shop(cache)
    await Shop(new_cache(valkey_url)).ask(listed("price"))
    await eventually(driver_of(cache).pub_sub._is_trusted)
    first = await shop.ask(listed("price"))  # read, and kept
    bill = Bill(raw_valkey)

    assert await shop.ask(listed("price")) == first

    assert shop.resolved == []
    assert bill.commands() == {"evalsha": 1}  # the clock
    fields = cache.statistics().fields
    assert (fields.redis_hits, fields.local_hits) == (COUNT - 1, COUNT - 1)


async def test_a_list_that_resolves_later_is_not_served_an_entry_invalidated_before(
    quick_cache: ResponseCache, eventually: Any
) -> None:
    """Another process invalidates while the second list is awaited, after the first list was looked up."""
    shop = Shop(quick_cache)
    another = ResponseCache(tenant_of(quick_cache).engine.handle, prefix="test", telemetry=False)
    await shop.ask(listed("price", 4))

    async def invalidated() -> None:
        await eventually(lambda: shop.cache.statistics().fields.redis_hits > 0)
        await another.invalidate("Item:3")

    await shop.ask("{ items(count: 4) { price } later { price } }", wait=invalidated)

    # Object 2 is null in the first list only.
    assert sorted(shop.resolved) == [2, 3]
    await another.aclose()


async def test_statistics_count_the_hits_of_the_fields_of_a_list(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache)
    for _ in range(3):
        await shop.ask(listed("price", 20))
    fields = quick_cache.statistics().fields
    assert (fields.redis_hits, fields.local_hits, fields.misses) == (38, 0, 19)


async def test_lookups_of_a_list_do_not_split_the_batches_of_dataloaders(
    quick_cache: ResponseCache,
) -> None:
    """Other fields of the list are awaited without waiting for the entries."""
    shop = Shop(quick_cache)
    query = "{ a: items(count: 6) { price loaded } b: items(count: 4) { loaded } }"
    for _ in range(2):
        shop.loads.clear()
        await shop.ask(query)
        assert [sorted(each) for each in shop.loads] == [[0, 1, 3, 4, 5]]
    assert shop.resolved == []


@pytest.mark.parametrize(("field", "scope"), [("price", "PUBLIC"), ("mine", "PRIVATE")])
async def test_debug_counts_the_hits_of_the_fields_of_a_list(
    quick_cache: ResponseCache, field: str, scope: str
) -> None:
    extension = ResponseCacheExtension(
        quick_cache, tenant=None, session=lambda context: context["session"], debug=True
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    for _ in range(2):
        context: dict[str, Any] = {"resolved": [], "session": "alice"}
        result = await schema.execute(listed(field, 20), context_value=context)
    (told,) = (result.extensions or {})["responseCache"]["fields"]
    assert (told["field"], told["status"], told["count"]) == (f"Item.{field}", "hit", 19)
    assert (told["limitedBy"], told["scope"]) == (f"Item.{field}", scope)
    assert 59 <= told["age"] + told["ttl"] <= 60


async def test_a_parent_entry_has_the_tags_of_the_hits_in_its_list(
    quick_cache: ResponseCache,
) -> None:
    shop, query = Shop(quick_cache), "{ shelf { items { tagged } } }"

    async def wait() -> None:
        return None

    await shop.ask("{ later { tagged } }", wait=wait)
    await shop.ask(query)
    assert shop.resolved == []
    await quick_cache.invalidate("found")
    await shop.ask(query)
    assert sorted(shop.resolved) == [0, 1, 2, 3]


async def test_fields_of_a_list_are_not_answered_for_the_sent_variable_after_a_resolver_rebound_it(
    quick_cache: ResponseCache,
) -> None:
    shop, sent = Shop(quick_cache), {"of": [1]}
    query = "query ($of: [Int!]!) { later { chosen(numbers: $of) } }"

    async def wait() -> None:
        return None

    await shop.ask(query, wait=wait, variable_values=sent)
    data = await shop.ask(
        "query ($of: [Int!]!) { bound { chosen(numbers: $of) } }", variable_values=sent
    )
    assert [each["chosen"] for each in data["bound"]] == [f"{n} of [9]" for n in range(4)]


async def test_a_list_after_one_with_the_same_fields_is_not_answered_with_what_was_sent(
    quick_cache: ResponseCache, eventually: Any
) -> None:
    """The variable is bound anew after the fields of the first list were answered."""
    shop, sent = Shop(quick_cache), {"of": [1]}
    query = "query ($of: [Int!]!) { shelves { bound { chosen(numbers: $of) } } }"

    async def answered() -> None:
        await eventually(lambda: shop.cache.statistics().fields.hits >= 4)

    async def wait() -> None:
        return None

    await shop.ask(
        "query ($of: [Int!]!) { later { chosen(numbers: $of) } }", wait=wait, variable_values=sent
    )
    data = await shop.ask(query, wait=answered, variable_values=sent)
    assert [[each["chosen"] for each in shelf["bound"]] for shelf in data["shelves"]] == [
        [f"{n} of [{value}]" for n in range(4)] for value in (1, 9)
    ]


async def test_no_field_of_a_level_is_answered_while_an_invalidation_is_pending(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache)
    await shop.ask(listed("price", 4))
    queue = tenant_of(quick_cache).engine.queue
    queue.add(tenant_of(quick_cache).keyspace, ("Item:3",), Unavailable("x"))
    running = queue.replay()  # by another caller, who waits for Redis
    next(running)
    await shop.ask(listed("price", 4))
    assert sorted(shop.resolved) == [0, 1, 3]


async def test_fields_of_a_level_in_local_memory_are_answered_from_there(
    new_cache: Callable[..., ResponseCache], empty_url: str, eventually: Any
) -> None:
    cache = new_cache(empty_url, local_bytes=1_000_000)
    shop = Shop(cache)
    first = await shop.ask(listed("price", 20))
    await eventually(driver_of(cache).pub_sub._is_trusted)
    for _ in range(2):
        assert await shop.ask(listed("price", 20)) == first
        assert shop.resolved == []
    fields = cache.statistics().fields
    assert fields.redis_hits + fields.local_hits == 2 * 19
    assert fields.local_hits >= 19


async def test_objects_without_an_identity_are_resolved_beside_hits(
    quick_cache: ResponseCache,
) -> None:
    shop, query = Shop(quick_cache), "{ unsaved { mine } }"
    for expected in ({0, 1, None}, {None}):
        await shop.ask(query, "alice")
        assert {*shop.resolved} == expected


async def test_a_request_that_wants_everything_anew_gets_nothing_of_a_level_from_the_cache(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache)
    for is_renewed in (False, True):
        await shop.ask(listed("price", 4), is_renewed=is_renewed)
        assert sorted(shop.resolved) == [0, 1, 3]


async def test_every_field_of_a_level_is_executed_and_compared_for_a_verified_request(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache, verify=1.0)
    for _ in range(2):
        await shop.ask(listed("price", 4))
        assert sorted(shop.resolved) == [0, 1, 3]
    assert quick_cache.statistics().verified["equal"] == 3


async def test_permission_classes_of_fields_of_a_level_run_on_hits(
    quick_cache: ResponseCache,
) -> None:
    shop = Shop(quick_cache)
    for session, expected in (("alice", [0, 1, 3]), ("carol", []), ("bob", [])):
        data = await shop.ask(listed("guarded", 4), session, fails=session == "bob")
        numbers = [None] * 3 if session == "bob" else [0, 1, 3]
        assert [each["guarded"] for each in data["items"] if each] == numbers
        assert shop.resolved == expected


async def test_objects_of_a_generator_are_resolved_each_time(quick_cache: ResponseCache) -> None:
    """It may restrict the cache after it has yielded them."""
    shop = Shop(quick_cache)
    for _ in range(2):
        data = await shop.ask("{ generated { price } }")
        assert [each["price"] for each in data["generated"]] == [0, None, 2, 3]
        assert shop.resolved == [0, 1, 2, 3]


async def test_objects_of_several_types_with_equal_ids_have_entries_of_their_own(
    quick_cache: ResponseCache,
) -> None:
    @strawberry.interface
    class Priced:
        id: int

        @cache_control(ttl=60)
        @strawberry.field
        async def price(self) -> str:
            return type(self).__name__

    @strawberry.type
    class Book(Priced):
        pass

    @strawberry.type
    class Film(Priced):
        pass

    @strawberry.type
    class Query:
        @strawberry.field
        def priced(self) -> list[Priced]:
            return [kind(id=number) for number in (1, 2) for kind in (Book, Film)]

    schema = strawberry.Schema(
        Query,
        types=[Book, Film],
        extensions=[ResponseCacheExtension(quick_cache, tenant=None)],
    )
    for _ in range(2):
        result = await schema.execute("{ priced { price } }")
        assert [each["price"] for each in (result.data or {})["priced"]] == ["Book", "Film"] * 2
    assert quick_cache.statistics().fields.hits == 4


async def test_lists_that_are_completed_at_once_look_up_no_more_than_one_may(
    quick_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_field, "_MOST_LOOKED_UP", 10)
    shop = Shop(quick_cache)
    await shop.ask(listed("price", 7))
    query = " ".join(f"{name}: items(count: 7) {{ price }}" for name in "abc")
    looked_up, effects = 0, Prefetched.effects

    def counted(prefetched: Prefetched, keys: Sequence[Any], *rest: Any, **more: Any) -> Any:
        nonlocal looked_up
        looked_up += len(keys)
        return effects(prefetched, keys, *rest, **more)

    async def wait() -> None:
        return None

    monkeypatch.setattr(Prefetched, "effects", counted)
    data = await shop.ask(f"{{ {query} later {{ price }} }}", wait=wait)

    assert looked_up == 10
    assert data["a"] == data["b"] == data["c"]
    fields = quick_cache.statistics().fields
    assert (fields.hits, fields.misses) == (10, 6)
    assert quick_cache.statistics().bypasses["too_many_fields"] == 3 * 6 + 4 - 10
