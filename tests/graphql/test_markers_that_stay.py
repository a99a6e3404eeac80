"""A marker says who may see a response, or that it failed in part: to renew or to forget the response leaves it there."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    renew_cache,
    restrict_cache,
)
from strawberry_response_cache.core._cache import tenant_of
from tests.graphql.ledger import outcome

RUNS: Counter[str] = Counter()
FACES = ["sync", "async"]


def _prices(info: strawberry.Info) -> str:
    user: str = info.context["user"]
    RUNS[user] += 1
    if user != "alice":
        return f"list prices {RUNS[user]}"
    restrict_cache(info, scope=CacheScope.PRIVATE)
    return f"prices of alice {RUNS[user]}"


@strawberry.type
class Shop:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def prices(self, info: strawberry.Info) -> str:
        return _prices(info)


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def prices(self, info: strawberry.Info) -> str:
        return _prices(info)

    @strawberry.field
    def shop(self) -> Shop:
        return Shop(id=strawberry.ID("1"))

    @strawberry.field
    def shops(self) -> list[Shop]:
        return [Shop(id=strawberry.ID(str(number))) for number in range(4)]

    @cache_control(ttl=60)
    @strawberry.field
    def steady(self) -> int:
        RUNS["steady"] += 1
        return RUNS["steady"]

    @cache_control(ttl=60)
    @strawberry.field
    def shaky(self, info: strawberry.Info) -> int | None:
        if info.context.get("down"):
            raise ConnectionError
        return 1


class _Request:
    def __init__(self, said: str) -> None:
        self.headers = {"cache-control": said}


def _no_cache(context: dict[str, Any]) -> None:
    context["request"] = _Request("no-cache")


def _too_old(context: dict[str, Any]) -> None:
    context["request"] = _Request("max-age=0")


WAYS = {"renew_cache": renew_cache, "no-cache": _no_cache, "max-age": _too_old}


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RUNS.clear()


def _worker(cache: ResponseCache, face: str) -> Callable[..., Any]:
    extension = ResponseCacheExtension(
        cache,
        tenant=None,
        session=lambda context: context["user"],
        debug=True,
        honour_request_cache_control=True,
    )
    schema = strawberry.Schema(Query, extensions=[extension])

    async def ask(user: str, query: str, way: Any = None, **context: Any) -> Any:
        context["user"] = user
        if way is not None:
            way(context)
            await asyncio.sleep(0.005)  # ages are in milliseconds, and what is 0 old is not too old
        if face == "sync":
            return schema.execute_sync(query, context_value=context)
        return await schema.execute(query, context_value=context)

    return ask


@pytest.mark.parametrize("local_bytes", [0, 1_000_000])
@pytest.mark.parametrize("query", ["{ prices }", "{ prices shop { id } }", "{ shop { prices } }"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("face", FACES)
async def test_an_answer_renewed_without_a_restriction_stays_private_to_its_session(
    new_cache: Callable[..., ResponseCache],
    url: str,
    face: str,
    way: str,
    query: str,
    local_bytes: int,
) -> None:
    first = new_cache(url, local_bytes=local_bytes)
    second = first if url == "memory://" else new_cache(url, local_bytes=local_bytes)
    one, other = _worker(first, face), _worker(second, face)
    alices = (await one("alice", query)).data
    for ask in (other, one):
        await ask("warmer", query, WAYS[way])
    for ask in (one, other):
        assert (await ask("alice", query)).data == alices
        assert "list prices 1" in str((await ask("bob", query)).data)
    renewed = await one("warmer", query, WAYS[way])
    assert "list prices 3" in str(renewed.data)
    assert (await other("warmer", query)).data == renewed.data
    assert RUNS == {"alice": 1, "warmer": 3, "bob": 1}


async def test_fields_of_a_list_that_turned_private_are_not_read_by_others(
    new_cache: Callable[..., ResponseCache],
) -> None:
    ask, query = _worker(new_cache("memory://"), "async"), "{ shops { prices } }"
    await ask("alice", query)
    told = await ask("bob", query)
    assert {each["prices"] for each in told.data["shops"]} == {
        f"list prices {number}" for number in range(1, 5)
    }
    again = await ask("bob", query)
    assert (again.data, RUNS["bob"]) == (told.data, 4)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("face", FACES)
async def test_an_operation_that_failed_in_part_is_renewed_field_by_field(
    new_cache: Callable[..., ResponseCache], face: str, way: str
) -> None:
    ask, query = _worker(new_cache("memory://"), face), "{ steady shaky }"
    for _ in range(2):
        await ask("bob", query, down=True)
    ran = RUNS["steady"]
    renewed = await ask("bob", query, WAYS[way])
    assert renewed.data == {"steady": ran + 1, "shaky": 1}
    again = await ask("bob", query)
    assert (again.data, RUNS["steady"]) == (renewed.data, ran + 1)
    assert {each["status"] for each in outcome(again)["fields"]} == {"hit"}


async def test_forget_keeps_the_marker_of_an_entry_and_clear_removes_it(
    cache: ResponseCache, raw: Any
) -> None:
    """In a cleared tenant, nothing has turned PRIVATE."""
    ask = _worker(cache, "async")
    await ask("alice", "{ prices }")
    sizes = {key: len(raw.get(key)) for key in raw.scan_iter("*:e:*")}
    marker = min(sizes, key=lambda key: sizes[key])
    keys = tenant_of(cache).keys(["any"])
    for key in sizes:
        named = keys._replace(entry=key.decode(), lease=key.decode().replace(":e:", ":l:"))
        await tenant_of(cache).forget(named)
    assert [*raw.scan_iter("*:e:*")] == [marker]
    assert outcome(await ask("bob", "{ prices }"))["scope"] == "PRIVATE"
    await cache.clear()
    assert outcome(await ask("bob", "{ prices }"))["scope"] == "PUBLIC"


async def test_forget_deletes_keys_and_values_that_only_look_like_a_marker(
    cache: ResponseCache, raw: Any
) -> None:
    keys = tenant_of(cache).keys(["any"])
    raw.hset(keys.entry, "-marker ", "1")
    await cache.forget(["any"])
    assert raw.exists(keys.entry) == 0
    cache.remember_sync(["any"], 60, lambda: "rc1 -marker ")
    await cache.forget(["any"])
    assert raw.exists(keys.entry) == 0
