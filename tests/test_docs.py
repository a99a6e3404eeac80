"""The documentation says what the code does: its tests, reasons, settings and arguments are the code's."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import strawberry_response_cache
from strawberry_response_cache import (
    CacheSettings,
    Reason,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    django,
    testing,
)

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_documentation_names_exists() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:(\w+)/)?(\w+\.py)::(\w+)`", text)
    assert len(named) == text.count("::") > 100
    missing = [
        f"{folder}/{file}::{test}"
        for folder, file, test in named
        if f"def {test}(" not in (ROOT / "tests" / (folder or "graphql") / file).read_text("utf-8")
    ]
    assert missing == []


def test_each_page_outside_the_folder_docs_is_linked_from_the_readme() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "example_schema").glob("*.md")]
    links = re.findall(r"\]\(([\w/.]+\.md)\)", (ROOT / "README.md").read_text("utf-8"))
    found = {str(page.relative_to(ROOT)) for page in pages} - {"README.md"}
    assert {"CONTRIBUTING.md", "example_schema/README.md"} < found
    assert found <= {*links}


def test_each_reason_has_a_section_with_its_cause_and_a_fix_of_one_line() -> None:
    page = (ROOT / "docs" / "why-not-cached.md").read_text(encoding="utf-8")
    sections = re.findall(
        r"^### `(\w+)`\n\n\*\*Cause\.\*\* \S.*\n\n\*\*Fix\.\*\* \S.*\n(?=\n|\Z)", page, re.MULTILINE
    )
    assert sorted(sections) == sorted(reason.value for reason in Reason)
    assert page.count("\n### ") == len(sections)


@pytest.mark.parametrize("what", [ResponseCacheExtension, cache_control])
def test_the_reference_shows_every_argument_with_its_default(what: Any) -> None:
    page = (ROOT / "docs" / "reference" / "extension.md").read_text(encoding="utf-8")
    section = page.partition(f"## `{what.__name__}`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.*?)`|required) \| \S", section, re.MULTILINE)
    parameters = inspect.signature(vars(what).get("__init__", what)).parameters
    assert rows == [
        (
            name,
            ""
            if parameter.default is parameter.empty
            else repr(parameter.default).replace("'", '"'),
        )
        for name, parameter in parameters.items()
        if name != "self"
    ]


def test_the_reference_shows_every_public_name() -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    shown = re.findall(
        r"^\.\. auto\w+:: (\w+)(?![\w.])",
        "\n".join(page.read_text("utf-8") for page in pages),
        re.MULTILINE,
    )
    public = [*strawberry_response_cache.__all__, *testing.__all__, *django.__all__]
    assert sorted(shown) == sorted(public)


def test_pages_for_users_of_other_caches_name_what_exists() -> None:
    """In the column of each table that is about this package: its functions, and their arguments."""
    pages = (ROOT / "docs" / "guides" / "coming-from").glob("*.md")
    cells = [
        row.rpartition(" | ")[2]
        for page in pages
        for row in re.findall(r"^\| (?!---).* \|$", page.read_text("utf-8"), re.MULTILINE)
    ]
    spans = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    named = [(strawberry_response_cache, each) for each in strawberry_response_cache.__all__]
    named += [(testing, each) for each in testing.__all__]
    functions = dict(inspect.getmembers(ResponseCache, callable))
    functions |= {name: getattr(module, name) for module, name in named}
    arguments = set(CacheSettings.model_fields)
    for each in functions.values():
        said = (inspect.getdoc(each) or "").partition("Args:\n")[2]
        arguments.update(re.findall(r"^ {4}(\w+): ", said, re.MULTILINE))
    assert len(spans) > 90
    for span in spans:
        assert set(re.findall(r"(\w+)=", span)) <= arguments, span
        assert set(re.findall(r"(\w+)\(", span)) <= set(functions), span


def test_defaults_of_settings_in_the_documentation_are_those_of_the_code() -> None:
    """Pages that name a setting with its default, such as `lease`, 10 s."""
    units = {"s": 1.0, "MiB": 1024.0**2, "": 1.0}
    page = (ROOT / "docs" / "production" / "failures.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)`, ([\d.,]*\d) ?(s\b|MiB\b|)", page)
    assert len(named) > 9
    for name, number, unit in named:
        assert float(number.replace(",", "")) * units[unit] == getattr(CacheSettings(), name), name
