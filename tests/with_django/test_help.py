"""`help()` of the app's public names, and its examples, which need Django."""

import doctest
import inspect

import pytest
import strawberry

from strawberry_response_cache import django as app
from tests.test_help import items, parameters_of, sections

pytestmark = pytest.mark.usefixtures("signals_of_its_own")


@pytest.mark.parametrize("name", app.__all__)
def test_help_has_an_example_that_runs(name: str) -> None:
    public = getattr(app, name)
    finder = doctest.DocTestFinder(recurse=False)
    globs = {"strawberry": strawberry}
    [found] = finder.find(public, name, module=inspect.getmodule(public), extraglobs=globs)
    assert found.examples
    results = doctest.DocTestRunner().run(found)
    assert results.failed == 0


@pytest.mark.parametrize("name", ["get_cache", "invalidate_models", "invalidate_on_save"])
def test_help_names_every_argument(name: str) -> None:
    named = list(items(sections(getattr(app, name)).get("Args", "")))
    assert named == [each.name for each in parameters_of(getattr(app, name))]
