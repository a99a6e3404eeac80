"""Fixtures of the application's tests: the schema around an empty cache, and what that does."""

from collections.abc import Callable

import pytest
import strawberry
from bookshop import make_schema
from strawberry.schema import BaseSchema

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.testing import Recording

pytest_plugins = ["strawberry_response_cache.testing.pytest"]


@pytest.fixture
def schema(response_cache: ResponseCache) -> strawberry.Schema:
    return make_schema(response_cache)


@pytest.fixture
def recording(
    schema: strawberry.Schema, record_operations: Callable[[BaseSchema], Recording]
) -> Recording:
    return record_operations(schema)
