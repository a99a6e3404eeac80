"""`help()` of each view, and its example, which needs the framework."""

import doctest
import importlib
import importlib.resources
import inspect
from typing import Any

import pytest

from strawberry_response_cache.http.views import (
    AsyncCachingView,
    CachingView,
    ThreadedCachingView,
)
from tests.frameworks.in_process import VIEWS, View

MODULES = ("aiohttp", "asgi", "channels", "fastapi", "flask", "litestar", "quart", "sanic")


CALLED = ("create_response", "create_streaming_response", "encode_json", "execute_single", "run")
"""What a view of this package replaces in Strawberry's on purpose."""


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
        if each.name.endswith(".py")
        and "strawberry_response_cache.http." in each.read_text("utf-8")
    }
    assert found == set(MODULES)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_what_a_view_adds_hides_no_name_of_the_framework(view: View) -> None:
    """Litestar reads `response_headers` of a controller, for example."""
    stock = importlib.import_module(f"strawberry.{view.stock}")
    if view.name == "make_graphql_controller":
        known = set(
            dir(importlib.import_module("strawberry.litestar.controller").GraphQLController)
        )
        known |= set(importlib.import_module("litestar").Controller.__annotations__)
    else:
        known = set(dir(getattr(stock, view.name)))
    is_threaded = view.is_sync and "channels" in view.ours
    sync: Any = ThreadedCachingView if is_threaded else CachingView
    mixin = sync if view.is_sync else AsyncCachingView
    added = {name for each in mixin.__mro__[:-1] for name in vars(each)}
    replaced = {name for name in added & known if not name.startswith("__")}
    assert replaced <= set(CALLED)
