"""A request that is cancelled where it waits, wherever that is, leaves nothing behind and takes nobody along."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import strawberry
from strawberry import federation
from strawberry.permission import BasePermission

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
)
from tests.conftest import driver_of


class Halting:
    """Awaits a coroutine, and cancels the task that does where it waits for the k-th time.

    Args:
        work: The coroutine.
        at: Where, from 1; 0 for nowhere.
        late: Whether what it waits for has ended when it is cancelled.

    Attributes:
        waits: How often it has waited.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], at: int = 0, *, late: bool = False) -> None:
        self._work = work
        self._at = at
        self._late = late
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                awaited = self._work.send(answer) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            self.waits += 1
            if self.waits == self._at:
                if self._late and asyncio.isfuture(awaited):
                    awaited.add_done_callback(lambda _: task.cancel())
                else:
                    task.cancel()
            answer, error = None, None
            try:
                answer = yield awaited
            except BaseException as raised:  # noqa: BLE001 - the coroutine gets it
                error = raised


@dataclass
class World:
    """What the resolvers read and change, and what ran."""

    names: dict[str, int] = field(default_factory=lambda: dict.fromkeys("abc", 0))
    ran: Counter[str] = field(default_factory=Counter)


class Admits(BasePermission):
    """Waits, and admits everybody."""

    async def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        await asyncio.sleep(0)
        return True


@cache_control(ttl=60, stale=60)
@federation.type(keys=["id"])
class Item:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    async def name(self, info: strawberry.Info) -> str:
        await asyncio.sleep(0)
        return f"{self.id} {info.context['world'].names[self.id]}"

    @cache_control(ttl=600)
    @strawberry.field
    async def motto(self, info: strawberry.Info) -> str:
        await asyncio.sleep(0)
        return f"motto {info.context['world'].names[self.id]}"

    @classmethod
    async def resolve_reference(cls, id: strawberry.ID) -> "Item":  # noqa: A002 - the key's name
        await asyncio.sleep(0)
        return cls(id=id)


@strawberry.type
class Query:
    @cache_control(ttl=60, stale=60)
    @strawberry.field
    async def item(self, info: strawberry.Info, id: strawberry.ID) -> Item:  # noqa: A002 - GraphQL's name
        info.context["world"].ran["item"] += 1
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return Item(id=id)

    @cache_control(ttl=60)
    @strawberry.field
    async def items(self) -> list[Item]:
        await asyncio.sleep(0)
        return [Item(id=strawberry.ID(each)) for each in "abc"]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    async def mine(self, info: strawberry.Info) -> str:
        await asyncio.sleep(0)
        return f"{info.context['user']} {info.context['world'].names['a']}"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[Admits])  # type: ignore[untyped-decorator] # Strawberry's
    async def guarded(self) -> Item:
        await asyncio.sleep(0)
        return Item(id=strawberry.ID("a"))

    @strawberry.field
    async def bare(self) -> int:
        await asyncio.sleep(0)
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename(self, info: strawberry.Info, by_hand: bool = False) -> Item:
        await asyncio.sleep(0)
        info.context["world"].ran["rename"] += 1
        info.context["world"].names["a"] += 1
        if by_hand:
            await invalidate(info, "Item:a")
        await asyncio.sleep(0)
        return Item(id=strawberry.ID("a"))


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, info: strawberry.Info) -> AsyncIterator[Item]:
        for _ in range(2):
            await asyncio.sleep(0)
            info.context["world"].names["a"] += 1
            await invalidate(info, "Item:a")
            yield Item(id=strawberry.ID("a"))


MOST: Final = 40
"""Where a request is cancelled at most; answers of a server take any number of steps."""
ITEM: Final = '{ item(id: "a") { id name } }'
ENTITIES: Final = """{ _entities(representations: [
    { __typename: "Item", id: "a" }, { __typename: "Item", id: "b" }
]) { ... on Item { id name } } }"""
EACH: Final = (
    ITEM,
    "{ items { id name motto } }",
    "{ bare items { id motto } mine }",
    "{ bare guarded { name } }",
    "{ mine }",
    ENTITIES,
)
CHANGES: Final = (
    "mutation { rename { id name } }",
    "mutation { one: rename(byHand: true) { id } two: rename { name } }",
)


async def _session(context: dict[str, Any]) -> str:
    await asyncio.sleep(0)
    return str(context["user"])


class Served:
    """A schema with a cache, and the same without one."""

    def __init__(self, cache: ResponseCache, **options: Any) -> None:
        self.cache = cache
        self.world = World()
        extension = ResponseCacheExtension(
            cache, tenant=None, session=_session, root_value="shared", **options
        )
        kinds: dict[str, Any] = {"mutation": Mutation, "subscription": Subscription}
        self.schema = federation.Schema(Query, extensions=[extension], **kinds)
        self.plain = federation.Schema(Query, **kinds)
        assert extension.check(self.schema) == ()

    async def ask(
        self, query: str, *, user: str = "alice", schema: federation.Schema | None = None
    ) -> Any:
        context = {"world": self.world, "user": user}
        result: Any = await (schema or self.schema).execute(query, context_value=context)
        assert result.errors is None, result.errors
        return result.data

    async def listen(self) -> list[Any]:
        context = {"world": self.world, "user": "alice"}
        events: Any = await self.schema.subscribe(
            "subscription { ticks { name } }", context_value=context
        )
        return [each.data async for each in events]

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        driver = driver_of(self.cache)
        async with asyncio.timeout(60):
            while driver._background or len(driver.flights) or _tasks_of_requests():
                await asyncio.sleep(0.001)
            await driver.drain()

    async def is_right(self, query: str) -> None:
        """Compare answers with those of the schema without a cache."""
        for user in ("bob", "alice"):
            for each in dict.fromkeys((query if query in EACH else ITEM, ITEM)):
                expected = await self.ask(each, user=user, schema=self.plain)
                assert await self.ask(each, user=user) == expected, each


def _tasks_of_requests() -> set[asyncio.Task[Any]]:
    """Return all tasks but that of the test and those that listen to the server."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return {each for each in others if "Backplane" not in repr(each.get_coro())}


async def _play(
    served: Served, query: str, beside: int, *, is_first: bool, at: int, how: str
) -> int:
    """Execute it, with others beside, and cancel it; return how often it waited, or the steps that it took."""
    work = served.listen() if query == "subscription" else served.ask(query)
    halting = Halting(work, 0 if how == "step" else at, late=how == "late")

    async def run() -> Any:
        return await halting

    def begin() -> list[asyncio.Task[Any]]:
        return [asyncio.create_task(served.ask(query)) for _ in range(beside)]

    others = [] if is_first else begin()
    task = asyncio.create_task(run())
    others += begin() if is_first else []
    steps = 0
    while how == "step" and not task.done():
        await asyncio.sleep(0)
        steps += 1
        if steps == at:
            task.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait([task, *others])
    for other in others:
        other.result()
    if not task.cancelled():
        task.result()
    return steps if how == "step" else halting.waits


# graphql-core never awaits what is left when it is cancelled.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["early", "late", "step"])
@pytest.mark.parametrize("form", ["plain", "local", "verified"])
@pytest.mark.parametrize("beside", [0, 1, -1])
@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("query", [*EACH, *CHANGES, "subscription"])
async def test_a_request_cancelled_at_any_await_leaves_no_lease_and_fails_no_other_request(
    new_cache: Callable[..., ResponseCache],
    raw_of: Callable[..., Any],
    url: str,
    query: str,
    beside: int,
    form: str,
    how: str,
    *,
    is_stored: bool,
) -> None:
    """A request whose answer others wait for, one that waits for another's, and one without others."""
    if beside and query not in EACH:
        pytest.skip("nobody shares it")
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    options = {"local_bytes": 1_000_000} if form == "local" else {}
    cache = new_cache(
        url, lease=600, wait_budget=600, **options
    )  # none that is left behind ends by itself
    raw = raw_of(cache)
    served = Served(cache, **({"verify": 1.0} if form == "verified" else {}))
    await served.ask(ITEM)
    stored = [query] if query in EACH else [*EACH]
    at = waits = 0
    while at <= min(waits, MOST):
        await cache.clear()
        for each in stored if is_stored else ():
            await served.ask(each)
        await served.settled()
        ran = served.world.ran["rename"]
        number = await _play(served, query, abs(beside), is_first=beside > 0, at=at, how=how)
        waits = waits or number
        await served.settled()
        async with asyncio.timeout(
            60
        ):  # one that was granted to nobody is given back when its answer arrives
            while list(raw.scan_iter("*:l:*")):
                await asyncio.sleep(0.001)
        assert served.world.ran["rename"] - ran <= query.count("rename")
        await served.is_right(query)
        at += 1
    assert at > 1
    await served.settled()
    assert complaints == []
