"""The core is light: it imports no Strawberry, no GraphQL and no telemetry SDK; names are held."""

import functools
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


@functools.cache
def printed(program: str) -> str:
    """What a program prints that is run by an interpreter of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "program",
    [
        "import strawberry_response_cache",
        "import strawberry_response_cache.core",
        "import strawberry_response_cache; dir(strawberry_response_cache)",
        """
from strawberry_response_cache import ResponseCache
with ResponseCache.from_url('memory://', prefix='p') as cache:
    cache.remember_sync(['a'], 60, lambda: 1)
    cache.for_tenant('t').invalidate_sync('t')
""",
    ],
)
def test_the_core_imports_neither_strawberry_nor_graphql_nor_an_sdk(program: str) -> None:
    check = f"\nimport sys\nprint([name for name in {FOREIGN} if name in sys.modules])"
    redis_alone, ours = (printed(each + check) for each in ("import redis.asyncio", program))
    # redis-py itself imports the SDK where it is installed, as it is for the example.
    assert ours in {"[]\n", redis_alone}
    assert "strawberry" not in ours
    assert "graphql" not in ours


def test_telemetry_that_is_off_is_not_imported() -> None:
    program = (
        "import sys\n"
        "from strawberry_response_cache import ResponseCache\n"
        "ResponseCache.from_url('redis://localhost', prefix='p', telemetry=False)\n"
        "print({'strawberry_response_cache.telemetry', 'fakeredis'} & set(sys.modules) or 'none')"
    )
    assert printed(program) == "none\n"


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
    assert not hasattr(strawberry_response_cache, "__path__x")


def test_every_error_of_the_package_is_a_cache_error() -> None:
    errors = [getattr(core, name) for name in CORE if name.endswith("Error")]
    assert all(issubclass(error, core.CacheError) for error in errors)
