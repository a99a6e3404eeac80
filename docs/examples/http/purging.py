"""Purge what stands in front of your service, after an invalidation.

Pass one of these functions, with its first arguments given, as `on_invalidate`:

    purge = partial(purge_fastly, client, service="...", token="...", prefix="shop-")
    cache = ResponseCache.from_url("redis://localhost:6379/0", prefix="shop", on_invalidate=purge)
"""

from collections.abc import Iterator

import httpx

from strawberry_response_cache import InvalidatedTags, purge_names


def batches(names: list[str], most: int) -> Iterator[list[str]]:
    """Yield lists of at most so many names."""
    for start in range(0, len(names), most):
        yield names[start : start + most]


async def purge_fastly(
    client: httpx.AsyncClient, tags: InvalidatedTags, *, service: str, token: str, prefix: str = ""
) -> None:
    """Purge Fastly, which takes 256 names at once. https://www.fastly.com/documentation/reference/api/purging/"""
    for names in batches(purge_names(tags, prefix=prefix), 256):
        response = await client.post(
            f"/service/{service}/purge",
            headers={"Fastly-Key": token},
            json={"surrogate_keys": names},
        )
        response.raise_for_status()


async def purge_cloudflare(
    client: httpx.AsyncClient, tags: InvalidatedTags, *, zone: str, token: str, prefix: str = ""
) -> None:
    """Purge Cloudflare, 30 names at once. https://developers.cloudflare.com/api/resources/cache/methods/purge/"""
    for names in batches(purge_names(tags, prefix=prefix), 30):
        response = await client.post(
            f"/client/v4/zones/{zone}/purge_cache",
            headers={"Authorization": f"Bearer {token}"},
            json={"tags": names},
        )
        response.raise_for_status()


async def purge_varnish(
    client: httpx.AsyncClient, tags: InvalidatedTags, *, prefix: str = ""
) -> None:
    """Purge Varnish with its module xkey. https://github.com/varnish/varnish-modules"""
    for names in batches(purge_names(tags, prefix=prefix), 30):
        response = await client.request("PURGE", "/", headers={"xkey-purge": " ".join(names)})
        response.raise_for_status()


async def purge_router(
    client: httpx.AsyncClient, tags: InvalidatedTags, *, subgraph: str, key: str, prefix: str = ""
) -> None:
    """Invalidate what Apollo Router keeps of this subgraph.

    https://www.apollographql.com/docs/graphos/routing/performance/caching/response-caching/invalidation
    """
    wanted = [
        {"kind": "cache_tag", "subgraphs": [subgraph], "cache_tag": name}
        for name in purge_names(tags, prefix=prefix)
    ]
    response = await client.post("/invalidation", headers={"Authorization": key}, json=wanted)
    response.raise_for_status()
