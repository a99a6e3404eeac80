"""`help()` of each view, and its example, which needs the framework."""

import doctest
import importlib
import importlib.resources
import inspect
from typing import Any

import pytest

MODULES = ("aiohttp", "asgi", "channels", "fastapi", "flask", "litestar", "quart", "sanic")


def _public(module: str) -> list[Any]:
    imported = importlib.import_module(f"strawberry_response_cache.{module}")
    return [getattr(imported, name) for name in imported.__all__]


@pytest.mark.filterwarnings("ignore:.*Inferred dependency field")  # of Strawberry's controller
@pytest.mark.parametrize("module", MODULES)
def test_help_has_an_example_that_runs(module: str) -> None:
    for public in _public(module):
        finder = doctest.DocTestFinder(recurse=False)
        [found] = finder.find(public, public.__name__, module=inspect.getmodule(public))
        assert found.examples
        assert doctest.DocTestRunner().run(found).failed == 0


def test_every_module_of_a_framework_is_named_here() -> None:
    package = importlib.import_module("strawberry_response_cache")
    folder = importlib.resources.files(package)
    found = {
        each.name.removesuffix(".py")
        for each in folder.iterdir()
        if each.name.endswith(".py") and "http.views import" in each.read_text("utf-8")
    }
    assert found == set(MODULES)
