"""Fixtures for pytest, for sync and async tests.

Enable them in the `conftest.py` of the root directory of your tests::

    pytest_plugins = ["strawberry_response_cache.testing.pytest"]
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from strawberry.schema import BaseSchema

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.testing._caches import memory_cache
from strawberry_response_cache.testing._recording import Recording, record


@pytest.fixture
def response_cache() -> Iterator[ResponseCache]:
    """An empty cache in this process, for one test; see `memory_cache`."""
    with memory_cache() as cache:
        yield cache


@pytest.fixture
def record_operations() -> Iterator[Callable[[BaseSchema], Recording]]:
    """Record what the cache does for the operations of a schema, until the end of the test; see `record`."""
    with ExitStack() as stack:
        yield lambda schema: stack.enter_context(record(schema))
