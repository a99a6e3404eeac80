"""A request that the application has answered from the cache is answered before the application is entered."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import httpx
import pytest
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.middleware import _seen
from strawberry_response_cache.middleware._requests import asked_by
from tests.middleware.service import RUNS, TITLES, Shop, call


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_third_request_is_answered_like_the_second_and_the_application_is_not_entered(
    shop: Shop, method: str
) -> None:
    seen = await shop.warm(method=method)
    assert shop.entered == 2
    again = await shop.call(method=method)
    assert shop.entered == 2
    assert RUNS["book"] == 1
    assert (again.status, again.body) == (200, seen.body)
    assert again.headers == seen.headers
    assert len(again.messages) == 2


async def test_a_persisted_document_in_the_url_and_variables_are_answered(shop: Shop) -> None:
    document = "query Named($n: Int!) { book(number: $n) { title } }"
    for variables in ({"n": 1}, {"n": 2}):
        assert await shop.is_answered_in_front(document, variables=variables)
        url = {"method": "GET", "variables": json.dumps(variables)}
        assert await shop.is_answered_in_front(document, **url)
    assert RUNS["book"] == 2


class Persisted(SchemaExtension):
    """Knows documents by their digests, as servers of persisted operations do."""

    known: ClassVar[dict[str, str]] = {"one": "{ book { title } }", "two": "{ book { id } }"}

    def on_operation(self) -> Iterator[None]:
        sent = (self.execution_context.operation_extensions or {}).get("persistedQuery")
        if sent is not None:
            digest = sent["sha256Hash"]
            if digest not in self.known:
                raise GraphQLError("PersistedQueryNotFound")  # noqa: EM101 - as Apollo's clients expect it
            self.execution_context.query = self.known[digest]
        yield


@pytest.mark.combined
@pytest.mark.parametrize("by_get", [False, True], ids=["POST", "GET"])
async def test_a_document_that_is_named_by_its_digest_is_answered(
    make: Callable[..., Shop], by_get: bool
) -> None:
    shop = make(others=[Persisted], trusted_extensions=[Persisted])

    def named(digest: str) -> dict[str, Any]:
        told = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
        if not by_get:
            return {"query": json.dumps({"extensions": told}).encode()}
        return {"method": "GET", "query": "", "extensions": json.dumps(told)}

    for digest, data in (("one", {"title": "a book of acme"}), ("two", {"id": "1"})):
        assert await shop.is_answered_in_front(**named(digest))
        assert (await shop.call(**named(digest))).data == {"book": data}
    for _ in range(3):
        assert b"PersistedQueryNotFound" in (await shop.call(**named("three"))).body


async def test_requests_with_extensions_of_known_clients_are_answered(shop: Shop) -> None:
    assert await shop.is_answered_in_front(extensions={"clientLibrary": {"name": "apollo"}})


@pytest.mark.parametrize("parts", [2, 3, 64])
async def test_a_body_in_parts_is_answered(shop: Shop, parts: int) -> None:
    body = json.dumps({"query": "{ book { title } }"}).encode()
    cut = [body[n * len(body) // parts : (n + 1) * len(body) // parts] for n in range(parts)]
    messages = [
        {"type": "http.request", "body": part, "more_body": n < parts - 1}
        for n, part in enumerate(cut)
    ]
    assert await shop.is_answered_in_front(parts=messages)
    whole = await shop.call(body)
    assert whole.data == (await shop.call(parts=messages)).data


async def test_a_conditional_request_is_answered_without_a_body(shop: Shop) -> None:
    seen = await shop.warm(method="GET")
    known = [("if-none-match", seen.headers["etag"])]
    theirs = await call(shop.plain, method="GET", headers=known)
    entered = shop.entered
    ours = await shop.call(method="GET", headers=known)
    assert shop.entered == entered
    assert (ours.status, ours.body) == (theirs.status, theirs.body) == (304, b"")
    assert ours.headers == theirs.headers
    other = await shop.call(method="GET", headers=[("if-none-match", 'W/"other"')])
    assert (other.status, other.body, shop.entered) == (200, seen.body, entered)


async def test_a_conditional_post_is_answered_in_full(shop: Shop) -> None:
    validator = (await shop.warm(method="GET")).headers["etag"]
    await shop.warm()
    entered = shop.entered
    response = await shop.call(headers=[("if-none-match", validator)])
    assert (response.status, shop.entered) == (200, entered)


async def test_age_and_ttl_are_those_that_the_application_sends(
    memory_cache: ResponseCache, raw_of: Callable[[ResponseCache], Any]
) -> None:
    shop = Shop(memory_cache, cache_status=True)
    await shop.warm(method="GET")
    seen: Any = next(iter(shop.front._shared.seen._seen._kept.values())).value
    for left, age in ((50_500, "9"), (20_500, "39")):
        raw_of(memory_cache).pexpire(seen.repeated.hit.keys.entry, left)
        theirs, ours = await call(shop.plain, method="GET"), await shop.call(method="GET")
        assert ours.headers == theirs.headers
        assert ours.headers["age"] == age
        assert f"ttl={left // 1000}" in ours.headers["cache-status"]
    assert shop.entered == 2


async def test_invalidated_data_is_not_answered(shop: Shop) -> None:
    await shop.warm()
    await shop.call()
    assert (await shop.call('mutation { rename(title: "Emma") }')).data == {"rename": True}
    assert (await shop.call()).data == {"book": {"title": "Emma"}}
    assert await shop.is_answered_in_front()


async def test_an_invalidation_by_another_process_reaches_the_middleware(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> None:
    shop, other = Shop(new_cache(valkey_url)), new_cache(valkey_url)
    assert await shop.is_answered_in_front()
    TITLES["acme"] = "Emma"
    await other.for_tenant("acme").invalidate("Book")
    assert (await shop.call()).data == {"book": {"title": "Emma"}}


async def test_an_invalidation_by_another_process_reaches_its_local_memory_within_the_bound(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> None:
    bound = 30
    cache = new_cache(valkey_url, local_bytes=1_000_000, local_max_lag=bound)
    shop, other = Shop(cache), new_cache(valkey_url)
    assert await shop.is_answered_in_front()
    async with asyncio.timeout(60):
        while not cache.statistics().operations.local_hits:
            await shop.call()
    TITLES["acme"] = "Emma"
    await other.for_tenant("acme").invalidate("Book")
    async with asyncio.timeout(bound):
        while (await shop.call()).data != {"book": {"title": "Emma"}}:
            await asyncio.sleep(0)


async def test_a_request_from_on_invalidate_gets_the_new_answer(
    new_cache: Callable[..., ResponseCache],
) -> None:
    """A CDN may fetch again as soon as `on_invalidate` is called."""
    fetched: list[Any] = []

    async def fetch(_tags: tuple[str, ...]) -> None:
        fetched.append((await shop.call()).data)

    shop = Shop(new_cache("memory://", local_bytes=1_000_000, on_invalidate=fetch))
    assert await shop.is_answered_in_front()
    await shop.call('mutation { rename(title: "Emma") }')
    await shop.extension._options.cache.aclose()  # it waits for what is told
    assert fetched == [{"book": {"title": "Emma"}}]


async def test_requests_of_one_tick_are_looked_up_together(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url)
    shop = Shop(cache)
    queries = [f"{{ book(number: {number}) {{ id }} }}" for number in range(20)]
    for query in queries:
        assert await shop.is_answered_in_front(query)
    entered = shop.entered
    raw_valkey.config_resetstat()
    answers = await asyncio.gather(*map(shop.call, queries))
    assert [each.data["book"]["id"] for each in answers] == [str(n) for n in range(20)]
    assert shop.entered == entered
    # One read for all of them, and that of the command that asks.
    assert raw_valkey.info("stats")["total_reads_processed"] <= 2


async def test_requests_reach_the_application_while_an_invalidation_is_pending(
    make: Callable[..., Shop], memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make()
    assert await shop.is_answered_in_front()
    queue = tenant_of(memory_cache).engine.queue
    monkeypatch.setattr(queue, "has_pending", lambda _: True)
    monkeypatch.setattr(queue, "is_unattended", lambda: False)
    entered = shop.entered
    await shop.call()
    assert shop.entered == entered + 1


async def test_a_hit_of_the_middleware_in_a_generator_adds_its_tags_to_the_generated_entry(
    make: Callable[..., Shop], memory_cache: ResponseCache
) -> None:
    shop = make()
    await shop.warm()

    async def generate() -> Any:
        return (await shop.call()).data

    tenant = memory_cache.for_tenant("acme")
    page = await tenant.remember(["page"], 60, generate)
    assert (await tenant.remember(["page"], 60, generate)).value == page.value
    await shop.call('mutation { rename(title: "Emma") }')
    assert (await tenant.remember(["page"], 60, generate)).value == {"book": {"title": "Emma"}}


async def test_a_remembered_request_reaches_the_application_again_after_a_minute(
    make: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(_seen.SeenAnswers.__init__, "__defaults__", (lambda: now[0],))
    shop = make()
    await shop.warm()
    for seconds, entered in ((0, 2), (59.9, 2), (60, 3), (119, 3), (120, 4)):
        now[0] = seconds
        await shop.call()
        assert shop.entered == entered


async def test_full_memory_drops_the_least_recently_used_answer(
    make: Callable[..., Shop],
) -> None:
    shop = make()
    shop.remembered._max_bytes = 50_000
    for number in range(20):
        await shop.warm(f"query Q{number} {{ book {{ title }} }}")
        assert shop.remembered.size <= 50_000
    entered = shop.entered
    await shop.call("query Q19 { book { title } }")
    assert shop.entered == entered
    await shop.call("query Q0 { book { title } }")
    assert shop.entered == entered + 1


async def test_texts_that_clients_choose_count_towards_the_memory_limit(
    make: Callable[..., Shop],
) -> None:
    shop = make()
    seen = shop.remembered
    for query, user, least in (
        ("query A { book { title } }", None, 0),
        (f"query {'A' * 50_000} {{ book {{ title }} }}", None, 50_000),
        ("{ mine }", "alice" * 1_000, 5_000),
    ):
        before = seen.size
        assert await shop.is_answered_in_front(query, user=user)
        assert least < seen.size - before < least + 10_000


async def test_headers_of_a_remembered_answer_count_as_its_size(make: Callable[..., Shop]) -> None:
    sizes = []
    for number in (1, 100):
        shop = make(cdn_tags=["Cache-Tag"], vary_headers={"tenant": ["X-Tenant"]})
        books = " ".join(f"a{each}: book(number: {each}) {{ id title }}" for each in range(number))
        await shop.warm(f"{{ {books} }}")
        (kept,) = shop.remembered._kept.values()
        tags = (await shop.call(f"{{ {books} }}")).headers["cache-tag"]
        sizes.append(kept.size - len(tags))
    assert sizes[0] == sizes[1]


async def test_a_client_is_answered_over_http(shop: Shop) -> None:
    transport = httpx.ASGITransport(shop.front)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        named: Any = {"json": {"query": "{ book { title } }"}, "headers": {"x-tenant": "acme"}}
        answers = [await client.post("/graphql", **named) for _ in range(3)]
    assert shop.entered == 2
    assert [each.json() for each in answers] == [
        {"data": {"book": {"title": "a book of acme"}}}
    ] * 3


@pytest.mark.parametrize("where", ["query", "header"])
def test_what_is_remembered_of_requests_has_a_bound_in_bytes(where: str) -> None:
    """A client chooses query strings and headers, which may be long and different each time."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(500):
        text = b"%d" % number + b"x" * 60_000
        query, value = (text, b"") if where == "query" else (b"", text)
        scope = {"method": "GET", "query_string": query, "headers": [(b"x-name", value)]}
        assert asked_by(scope, False) is not None
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 6_000_000
