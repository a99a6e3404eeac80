"""A ledger over each kind of server."""

from collections.abc import Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.graphql.ledger import Ledger, Mutation, Query


@pytest.fixture(params=["memory", "valkey"])
def url(request: pytest.FixtureRequest) -> str:
    """The two kinds of server; what a socket is made of is the core's affair."""
    if request.param == "memory":
        return "memory://"
    found: str = request.getfixturevalue("valkey_url")
    return found


@pytest.fixture
def make_ledger(cache: ResponseCache) -> Callable[..., Ledger]:
    def make(*others: Any, **options: Any) -> Ledger:
        chosen: dict[str, Any] = {
            "tenant": lambda context: context["tenant"],
            "session": lambda context: context["user"],
            "vary": {"locale": lambda context: context["locale"]},
            "debug": True,
        } | options
        extension = ResponseCacheExtension(cache, **chosen)
        schema = strawberry.Schema(Query, Mutation, extensions=[extension, *others])
        extension.check(schema)
        return Ledger(schema)

    return make


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger]) -> Ledger:
    return make_ledger()
