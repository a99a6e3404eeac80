"""The fixtures serve sync and async tests in pytest, with every warning an error."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_layout import NAME, imports, modules

CONFTEST = 'pytest_plugins = ["strawberry_response_cache.testing.pytest"]\n'
SETTINGS = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
TESTS = """
import pytest
import strawberry

from strawberry_response_cache import ResponseCacheExtension, cache_control
from strawberry_response_cache.testing import assert_hit, assert_miss


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self) -> str:
        return "once"


@pytest.fixture
def schema(response_cache):
    extension = ResponseCacheExtension(response_cache, tenant=None)
    return strawberry.Schema(Query, extensions=[extension])


@pytest.fixture
def recording(schema, record_operations):
    return record_operations(schema)


@pytest.mark.parametrize("_", range(2))
def test_sync(schema, recording, _):
    for check in (assert_miss, assert_hit):
        schema.execute_sync("{ motto }")
        check(recording.last)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("_", range(2))
@pytest.mark.asyncio
async def test_async(schema, recording, _):
    for check in (assert_miss, assert_hit):
        await schema.execute("{ motto }")
        check(recording.last)


@pytest.mark.parametrize("_", range(2))
@pytest.mark.anyio
async def test_async_with_anyio(schema, recording, _):
    for check in (assert_miss, assert_hit):
        await schema.execute("{ motto }")
        check(recording.last)


@pytest.mark.xfail(strict=True)
def test_fails(schema, recording):
    schema.execute_sync("{ motto }")
    assert_hit(recording.last)
"""


@pytest.mark.exhaustive  # `tests/test_docs_examples.py` runs the tests of an application with them
def test_fixtures_serve_sync_and_async_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    (tmp_path / "pytest.ini").write_text(SETTINGS, "utf-8")
    (tmp_path / "test_shop.py").write_text(TESTS, "utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "6 passed, 1 xfailed" in finished.stdout, finished.stdout


def test_only_the_module_of_the_fixtures_imports_pytest() -> None:
    fixtures = f"{NAME}.testing.pytest"
    for name, path in modules().items():
        imported = imports(path, also_lazy=True)
        assert ("pytest" in imported) == (name == fixtures), name
        assert fixtures not in imported, name
