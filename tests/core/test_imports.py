"""The core imports no Strawberry, no GraphQL and no telemetry SDK, and exports the documented names."""

import ast
import subprocess
import sys

import pytest

import strawberry_response_cache
from strawberry_response_cache import core

FOREIGN = ("strawberry", "graphql", "opentelemetry.sdk")

CORE = {
    "CacheConfigurationError",
    "CacheDetail",
    "CacheError",
    "CacheSerializationError",
    "CacheSettings",
    "CacheStatus",
    "CacheStoreError",
    "InvalidatedTags",
    "CacheStatistics",
    "CallStatistics",
    "OperationStatistics",
    "RequestStatistics",
    "Cacheable",
    "CachedResponse",
    "RedisHandle",
    "ResponseCache",
}


STEPS = {
    "the package": "import strawberry_response_cache",
    "the core": "import strawberry_response_cache.core",
    "the names of the package": "dir(strawberry_response_cache)",
    "a cache without telemetry": """
from strawberry_response_cache import ResponseCache
ResponseCache.from_url('redis://localhost', prefix='p', telemetry=False)
""",
    "a cache in use": """
with ResponseCache.from_url('memory://', prefix='p') as cache:
    cache.remember_sync(['a'], 60, lambda: 1)
    cache.for_tenant('t').invalidate_sync('t')
""",
}
"""What a program does, one after another: an interpreter for each would take a second."""
REDIS_ALONE = "redis.asyncio alone"
WATCHED = (*FOREIGN, "strawberry_response_cache.telemetry", "fakeredis")


def loaded(steps: dict[str, str]) -> dict[str, list[str]]:
    """Which modules, of those that are watched, an interpreter has after each step."""
    look = f"\nimport sys\nprint([name for name in {WATCHED} if name in sys.modules])\n"
    command = [sys.executable, "-c", look.join([*steps.values(), ""])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(steps, map(ast.literal_eval, done.stdout.splitlines()), strict=True))


@pytest.fixture(scope="module")
def modules() -> dict[str, list[str]]:
    return loaded({REDIS_ALONE: "import redis.asyncio"}) | loaded(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_the_core_imports_neither_strawberry_nor_graphql_nor_an_sdk(
    modules: dict[str, list[str]], step: str
) -> None:
    foreign = set(modules[step]) & set(FOREIGN)
    # redis-py itself imports the SDK where it is installed, as it is for the example.
    assert foreign <= set(modules[REDIS_ALONE])
    assert not foreign & {"strawberry", "graphql"}


def test_telemetry_that_is_off_is_not_imported(modules: dict[str, list[str]]) -> None:
    assert not set(modules["a cache without telemetry"]) - set(FOREIGN)
    assert "fakeredis" in modules["a cache in use"], "what is watched is seen"


def test_the_core_exports_the_documented_names() -> None:
    assert set(core.__all__) == CORE
    assert core.__all__ == sorted(core.__all__)


def test_the_package_exports_the_documented_names() -> None:
    documented = CORE | {"CacheScope", "ResponseCacheExtension", "cache_control"}
    assert documented <= set(strawberry_response_cache.__all__)
    assert strawberry_response_cache.__all__ == sorted(strawberry_response_cache.__all__)


@pytest.mark.parametrize("name", strawberry_response_cache.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(strawberry_response_cache, name).__name__ == name
    assert name in dir(strawberry_response_cache)


@pytest.mark.parametrize("name", sorted(CORE))
def test_the_package_and_the_core_export_the_same_objects(name: str) -> None:
    assert getattr(strawberry_response_cache, name) is getattr(core, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'ResponseCash'"):
        _ = strawberry_response_cache.ResponseCash


def test_every_error_of_the_package_is_a_cache_error() -> None:
    errors = [getattr(core, name) for name in CORE if name.endswith("Error")]
    assert all(issubclass(error, core.CacheError) for error in errors)
