"""The shop behind the middleware, on a cache inside this process."""

from collections.abc import Callable

import pytest

from strawberry_response_cache import ResponseCache
from tests.graphql.conftest import _no_caught_faults  # noqa: F401 - it is for the tests of this folder too
from tests.middleware.service import Shop


@pytest.fixture(params=[0, 1_000_000], ids=["redis", "local"])
def shop_cache(
    request: pytest.FixtureRequest, new_cache: Callable[..., ResponseCache]
) -> ResponseCache:
    """A cache that answers from Redis, and one that answers from local memory."""
    return new_cache("memory://", local_bytes=request.param)


@pytest.fixture
def make(memory_cache: ResponseCache) -> Callable[..., Shop]:
    """Make a shop with other arguments."""
    return lambda **named: Shop(memory_cache, **named)


@pytest.fixture
def shop(shop_cache: ResponseCache) -> Shop:
    """The shop, with both kinds of caches."""
    return Shop(shop_cache)
