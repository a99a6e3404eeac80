"""`help()` answers a user: arguments, results, errors and an example, for every public name."""

import ast
import dataclasses
import doctest
import inspect
import re
import textwrap
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import strawberry_response_cache
from strawberry_response_cache import (
    CacheSettings,
    ResponseCacheExtension,
    telemetry,
    testing,
)

ROOT = Path(__file__).parents[1]

NAMES: dict[str, Any] = {
    **{
        name: getattr(strawberry_response_cache, name) for name in strawberry_response_cache.__all__
    },
    "OpenTelemetry": telemetry.OpenTelemetry,
    **{name: getattr(testing, name) for name in testing.__all__},
}

_OF_CACHES = {
    "RedisHandle": (
        "connections",
        "drop_connections",
        "async_transport",
        "release_async",
        "sync_transport",
        "release_sync",
    ),
    "OpenTelemetry": (
        "listening",
        "looked_up",
        "put_in",
        "invalidated",
        "refreshing",
        "concluded",
        "watch",
        "loaded",
        "called",
    ),
    "Recording": ("add",),
}
"""Methods that caches call, and users do not."""


def own_attributes(kind: type) -> dict[str, Any]:
    """The attributes of a class and of those base classes that are this package's."""
    bases = [
        each for each in kind.__mro__ if each.__module__.startswith("strawberry_response_cache.")
    ]
    return {name: value for each in reversed(bases) for name, value in vars(each).items()}


def methods() -> dict[str, Any]:
    """The methods that users call or write."""
    found = {}
    for name, kind in NAMES.items():
        if isinstance(kind, type):
            for attribute, value in own_attributes(kind).items():
                function = getattr(value, "__func__", value)
                is_public = not attribute.startswith("_") and inspect.isfunction(function)
                if is_public and attribute not in _OF_CACHES.get(name, ()):
                    found[f"{name}.{attribute}"] = function
    return found


CALLED = {
    **{name: value for name, value in NAMES.items() if inspect.isfunction(value)},
    **methods(),
    "ResponseCache": strawberry_response_cache.ResponseCache,
    "ResponseCacheExtension": ResponseCacheExtension,
    "RedisHandle": strawberry_response_cache.RedisHandle,
    "OpenTelemetry": telemetry.OpenTelemetry,
}


def parameters_of(called: Any) -> list[inspect.Parameter]:
    """The parameters that a caller passes."""
    parameters = inspect.signature(called).parameters.values()
    return [each for each in parameters if each.name not in {"self", "cls"}]


def async_form_of(documented: Any) -> Any:
    """What the documentation of a sync form refers to; None for anything else."""
    named = re.search(r"; the sync form of `(\w+)`", inspect.getdoc(documented) or "")
    if named is None:
        return None
    owner: Any = inspect.getmodule(documented)
    for outer in documented.__qualname__.split(".")[:-1]:
        owner = getattr(owner, outer)
    return getattr(owner, named[1])


def sections(documented: Any) -> dict[str, str]:
    """The sections of a docstring, such as ``Args``; the text before them has no name.

    A sync form has those of the async form that its first line names, beside its own.
    """
    parts = re.split(r"^(\w+):\n(?= {4})", inspect.getdoc(documented) or "", flags=re.MULTILINE)
    found = {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    referred = async_form_of(documented)
    if referred is None:
        return found
    theirs = sections(referred)
    if inspect.signature(documented).return_annotation in {None, "None"}:
        theirs.pop("Returns", None)
    return theirs | found


def items(section: str) -> dict[str, str]:
    """The items of a section, such as arguments, with what is said of each."""
    found = re.findall(r"^ {4}\**(\w+): (.+(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def code_of(called: Any) -> str:
    """The source of a function, or of what checks the arguments of a class."""
    if isinstance(called, type):
        return "".join(
            inspect.getsource(vars(called)[name]) for name in ("__init__",) if name in vars(called)
        )
    return inspect.getsource(called)


@pytest.mark.parametrize("name", CALLED)
def test_help_names_every_argument(name: str) -> None:
    named = list(items(sections(CALLED[name]).get("Args", "")))
    assert named == [each.name for each in parameters_of(CALLED[name])]


@pytest.mark.parametrize("name", [name for name in CALLED if name.endswith("_sync")])
def test_a_sync_method_takes_the_arguments_of_its_async_form(name: str) -> None:
    own, referred = parameters_of(CALLED[name]), parameters_of(async_form_of(CALLED[name]))
    assert [(each.name, each.kind, each.default) for each in own] == [
        (each.name, each.kind, each.default) for each in referred
    ]


@pytest.mark.parametrize("name", CALLED)
def test_help_says_the_default_of_each_optional_argument(name: str) -> None:
    said = items(sections(CALLED[name]).get("Args", ""))
    for parameter in parameters_of(CALLED[name]):
        if parameter.default is not parameter.empty:
            assert re.search(r"default|It is required", said[parameter.name]), parameter.name


@pytest.mark.parametrize("name", CALLED)
def test_help_says_what_is_returned(name: str) -> None:
    returned = inspect.signature(CALLED[name]).return_annotation
    if isinstance(CALLED[name], type) or returned in {None, "None"}:
        assert "Returns" not in sections(CALLED[name])
    else:
        said = sections(CALLED[name])
        assert "Returns" in said or said[""].startswith("Return ")


@pytest.mark.parametrize("name", CALLED)
def test_help_names_every_error_that_the_function_itself_raises(name: str) -> None:
    tree = ast.parse(textwrap.dedent(code_of(CALLED[name])))
    raised = {
        each.exc.func.id
        for each in ast.walk(tree)
        if isinstance(each, ast.Raise)
        and isinstance(each.exc, ast.Call)
        and isinstance(each.exc.func, ast.Name)
        and each.exc.func.id[0].isupper()
    }
    assert raised <= set(items(sections(CALLED[name]).get("Raises", "")))


@pytest.mark.parametrize("name", [*NAMES, *methods()])
def test_help_has_an_example_which_the_doctests_run(name: str) -> None:
    documented = {**NAMES, **methods()}[name]
    assert "Example:" in (inspect.getdoc(documented) or "") or async_form_of(documented) is None
    if inspect.isfunction(documented) and documented.__qualname__.split(".")[0] == "Cacheable":
        documented = (
            strawberry_response_cache.Cacheable
        )  # users write these methods: one example of all
    if name in {"RedisHandle.aclose", "RedisHandle.close"}:
        documented = strawberry_response_cache.RedisHandle
    example = sections(documented).get("Example", "")
    assert doctest.DocTestParser().get_examples(example)


def test_pytest_is_configured_to_run_doctests() -> None:
    options = (ROOT / "pyproject.toml").read_text("utf-8")
    assert '"--doctest-modules"' in options
    assert 'testpaths = ["tests", "src"]' in options


@pytest.mark.parametrize(
    "name", [name for name, kind in NAMES.items() if dataclasses.is_dataclass(kind)]
)
def test_help_names_every_attribute_of_a_dataclass(name: str) -> None:
    fields = [each.name for each in dataclasses.fields(NAMES[name])]
    assert list(items(sections(NAMES[name])["Attributes"])) == fields


@pytest.mark.parametrize(
    "name", [n for n, k in NAMES.items() if isinstance(k, type) and issubclass(k, Enum)]
)
def test_help_names_every_member_of_an_enum(name: str) -> None:
    members = [each.name for each in NAMES[name]]
    assert list(items(sections(NAMES[name])["Attributes"])) == members


def test_help_names_every_setting_with_its_reason_and_default() -> None:
    said = items(sections(CacheSettings)["Attributes"])
    assert list(said) == list(CacheSettings.model_fields)
    for name, field in CacheSettings.model_fields.items():
        assert field.description is not None
        assert said[name].endswith(f"The default is {field.default!r}."), name


def test_the_example_of_the_extension_shows_a_tenant_a_session_private_data_and_a_mutation() -> (
    None
):
    example = sections(ResponseCacheExtension)["Example"]
    assert all(
        each in example
        for each in ("tenant=", "session=", "CacheScope.PRIVATE", "@strawberry.mutation")
    )
