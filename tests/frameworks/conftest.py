"""Django is configured once in a process, and each test begins with new caches."""

from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.graphql._stored_data import StoredData

collect_ignore = ["noting"]
"""It is imported by the servers' processes alone."""

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        INSTALLED_APPS=["strawberry_response_cache.django"],
        RESPONSE_CACHE={"URL": "memory://", "PREFIX": "frameworks"},
        ROOT_URLCONF=(),
        SECRET_KEY="of the tests",
    )
    django.setup()


@pytest.fixture
def caches() -> Iterator[list[ResponseCache]]:
    """Two equal caches: one for Strawberry's view, and one for the view of this package."""
    made = [ResponseCache.from_url("memory://", prefix="views", early_refresh=0) for _ in range(2)]
    yield made
    for cache in made:
        cache.close()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The stored responses that something decoded."""
    seen: list[bytes] = []
    look = StoredData.look

    def watched(self: StoredData) -> None:
        if self.response is not None:
            seen.append(self.response)
        look(self)

    monkeypatch.setattr(StoredData, "look", watched)
    return seen


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch, decoded: list[bytes]) -> list[bytes]:
    """The stored responses that results held."""
    made: list[bytes] = []
    init = StoredData.__init__

    class Watched(bytes):
        __slots__ = ()

        def decode(self, *args: Any, **named: Any) -> str:
            decoded.append(self)
            return super().decode(*args, **named)

    def watched(self: StoredData, response: bytes) -> None:
        made.append(response)
        init(self, Watched(response))

    monkeypatch.setattr(StoredData, "__init__", watched)
    return made
