"""The candidates of threads; each answers for a key, or generates and stores."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import redis
from dogpile.cache import make_region
from pydantic_core import from_json, to_json

from benchmarks.core.work import PATIENCE, TTL, Work
from strawberry_response_cache import ResponseCache


class SyncCandidate(Protocol):
    """One way to have a value cached."""

    work: Work

    def get(self, key: str) -> object:
        """Return the value of a key."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


class BareGet:
    """No cache: what the client itself takes, to read or to read and write."""

    def __init__(self, server_url: str, work: Work) -> None:
        self.work = work
        self._client = redis.Redis.from_url(
            server_url, socket_timeout=None, socket_connect_timeout=PATIENCE
        )

    def get(self, key: str) -> object:
        """Read and decode, or generate, encode and write."""
        stored = self._client.get(key)
        if isinstance(stored, bytes):
            return from_json(stored, cache_strings="keys")
        value = self.work.generate_sync()
        self._client.set(key, to_json(value), px=TTL * 1000)
        return value

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


class Ours:
    """`ResponseCache.remember_sync`, with the settings that it comes with."""

    def __init__(self, server_url: str, work: Work) -> None:
        self.work = work
        self._cache = ResponseCache.from_url(server_url, prefix="benchmark")

    def get(self, key: str) -> object:
        """Remember the value."""
        return self._cache.remember_sync([key], TTL, self.work.generate_sync).value

    def close(self) -> None:
        """Disconnect."""
        self._cache.close()


class Dogpile:
    """``get_or_create`` of a region of dogpile.cache."""

    def __init__(self, server_url: str, work: Work) -> None:
        self.work = work
        self._region = make_region().configure(
            "dogpile.cache.redis",
            expiration_time=TTL,
            arguments={
                "url": server_url,
                "socket_timeout": PATIENCE,
                "socket_connect_timeout": PATIENCE,
                "redis_expiration_time": TTL * 2,
                "distributed_lock": True,
                "thread_local_lock": False,
            },
        )

    def get(self, key: str) -> object:
        """Get it or create it."""
        value: object = self._region.get_or_create(f"dogpile:{key}", self.work.generate_sync)
        return value

    def close(self) -> None:
        """Leave the connections to the end of the process: a region has no way to close them."""


BARE = "bare GET"

CACHES: Mapping[str, Callable[[str, Work], SyncCandidate]] = {
    "ours": Ours,
    "dogpile.cache": Dogpile,
}

ALL: Mapping[str, Callable[[str, Work], SyncCandidate]] = {BARE: BareGet, **CACHES}


@contextmanager
def opened(
    makers: Mapping[str, Callable[[str, Work], SyncCandidate]],
    server_url: str,
    work: Callable[[], Work] = Work,
) -> Iterator[dict[str, SyncCandidate]]:
    """Make candidates, each with work of its own, and disconnect them at the end."""
    candidates = {name: make(server_url, work()) for name, make in makers.items()}
    try:
        yield candidates
    finally:
        for candidate in candidates.values():
            candidate.close()
