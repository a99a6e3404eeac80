"""`on_invalidate` purges a real Varnish, and sends the right requests to other CDNs."""

import json
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from docs.examples.http import purging
from strawberry_response_cache import InvalidatedTags, purge_names
from tests.proxies.programs import proxy, why_no_xkey
from tests.proxies.service import served
from tests.servers.waiting import wait_until

Purge = Callable[[httpx.AsyncClient, InvalidatedTags], Coroutine[Any, Any, None]]


@pytest.mark.skipif(bool(why_no_xkey()), reason=why_no_xkey())
def test_varnish_purges_only_responses_that_a_mutation_invalidates(tmp_path: Path) -> None:
    address: list[str] = []

    async def purge(tags: InvalidatedTags) -> None:
        async with httpx.AsyncClient(base_url=address[0], trust_env=False) as client:
            await purging.purge_varnish(client, tags, prefix="shop-")

    with served(purge) as service, proxy("varnish", service.port, tmp_path) as url:
        address.append(url)

        def ask(number: int) -> httpx.Response:
            query = "query ($number: Int!) { shelf(number: $number) }"
            params = {"query": query, "variables": json.dumps({"number": number})}
            response = httpx.get(url, params=params, timeout=60)
            assert response.headers["cache-control"] == "public, max-age=600"
            assert "xkey" not in response.headers
            return response

        first, other = ask(1).text, ask(2).text
        assert (ask(1).text, ask(2).text) == (first, other)

        asked = {"query": "mutation { restock(number: 1) }"}
        assert httpx.post(url, json=asked, timeout=60).json()["data"] == {"restock": True}

        wait_until(lambda: ask(1).text != first, "Varnish asks for the shelf again")
        assert ask(2).text == other
        assert ask(2).headers["x-varnish"].count(" ") == 1, "a hit names the request that stored it"


@pytest.mark.skipif(bool(why_no_xkey()), reason=why_no_xkey())
def test_varnish_purges_a_tenant_by_one_name_and_no_other_tenant(tmp_path: Path) -> None:
    with served() as service, proxy("varnish", service.port, tmp_path) as url:

        def ask(tenant: str) -> str:
            params, headers = {"query": "{ shelf(number: 1) }"}, {"x-tenant": tenant}
            return httpx.get(url, params=params, headers=headers, timeout=60).text

        first, other = ask("acme"), ask("globex")
        names = names_of(service.port, "acme")
        response = httpx.request("PURGE", url, headers={"xkey-purge": names[0]})
        assert response.reason_phrase == "Purged 1"
        assert ask("globex") == other
        assert ask("acme") == first, "the service itself has it still"
        assert names[0] in names_of(service.port, "acme")


def names_of(port: int, tenant: str) -> list[str]:
    """Return the names of a response of the service."""
    headers = {"x-tenant": tenant}
    params = {"query": "{ shelf(number: 1) }"}
    answer = httpx.get(f"http://127.0.0.1:{port}/", params=params, headers=headers, timeout=60)
    return answer.headers["xkey"].split(" ")


# Three services with an account: what they are sent is as their documentation has it.

TAGS = InvalidatedTags([f"Book:{number}" for number in range(300)], tenant="5d41402abc4b2a76")
NAMES = purge_names(TAGS, prefix="shop-")


async def sent(purge: Purge) -> list[httpx.Request]:
    """Let a function purge a service that takes everything, and return the requests."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"status": "ok"})

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="https://cdn.example") as client:
        await purge(client, TAGS)
    return requests


async def test_fastly_gets_at_most_256_names_at_once() -> None:
    purge = partial(purging.purge_fastly, service="S1", token="secret", prefix="shop-")
    requests = await sent(purge)
    lists = [json.loads(each.content)["surrogate_keys"] for each in requests]
    assert [name for names in lists for name in names] == NAMES
    assert max(map(len, lists)) <= 256
    assert {each.url.path for each in requests} == {"/service/S1/purge"}
    assert {each.headers["fastly-key"] for each in requests} == {"secret"}
    assert {each.method for each in requests} == {"POST"}


async def test_cloudflare_gets_at_most_30_names_at_once() -> None:
    purge = partial(purging.purge_cloudflare, zone="Z1", token="secret", prefix="shop-")
    requests = await sent(purge)
    lists = [json.loads(each.content)["tags"] for each in requests]
    assert [name for names in lists for name in names] == NAMES
    assert max(map(len, lists)) <= 30
    assert {each.url.path for each in requests} == {"/client/v4/zones/Z1/purge_cache"}
    assert {each.headers["authorization"] for each in requests} == {"Bearer secret"}


async def test_apollo_router_gets_the_names_of_one_subgraph() -> None:
    purge = partial(purging.purge_router, subgraph="books", key="secret", prefix="shop-")
    (request,) = await sent(purge)
    wanted = json.loads(request.content)
    assert [each["cache_tag"] for each in wanted] == NAMES
    assert {(each["kind"], *each["subgraphs"]) for each in wanted} == {("cache_tag", "books")}
    assert (request.url.path, request.headers["authorization"]) == ("/invalidation", "secret")


async def test_a_service_that_refuses_is_an_error_so_that_on_invalidate_tries_again() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    async with httpx.AsyncClient(transport=transport, base_url="https://cdn.example") as client:
        with pytest.raises(httpx.HTTPStatusError):
            await purging.purge_varnish(client, TAGS)
