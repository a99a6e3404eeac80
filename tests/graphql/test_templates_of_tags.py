"""Tags with placeholders: which tags they are filled to, and what cannot be filled or written."""

import json
import sqlite3
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject
from strawberry import UNSET, Some
from strawberry.relay import GlobalID
from werkzeug.local import LocalProxy

from strawberry_response_cache import CacheConfigurationError
from strawberry_response_cache.graphql.annotations.tag_templates import (
    Template,
    UnfilledError,
    checked_tags,
    unknown_arguments,
)

ARGS = ("args",)


def fill(text: str, **arguments: Any) -> list[str]:
    return list(Template.parse(text, ARGS).fill({"args": arguments}))


def test_what_stands_around_placeholders_is_part_of_the_tag() -> None:
    assert fill("a") == ["a"]
    assert fill("{args.x}", x=1) == ["1"]
    assert fill("a:{args.x}:b:{args.y}!", x=[1, 2], y=["c", "d"]) == [
        "a:1:b:c!",
        "a:1:b:d!",
        "a:2:b:c!",
        "a:2:b:d!",
    ]
    assert fill("a:{args.x}:{args.y}", x=1, y=None) == []
    assert fill("a:{args.x}", x=[1, "1", [1]]) == ["a:1"], "one value, one tag"
    assert fill("a:{args.x}", x=[Some(1), Some(None), UNSET, None, Some([2])]) == ["a:1", "a:2"]


def test_the_family_of_a_template_is_its_constant_part_before_the_first_colon() -> None:
    families = [
        Template.parse(text, ARGS).family
        for text in ("shelf:{args.x}", "shelf{args.x}:1", "{args.x}", "shelf:a:{args.x}", "shelf")
    ]
    assert families == ["shelf", None, None, "shelf", None]


def test_a_template_fills_a_thousand_tags_at_most() -> None:
    assert len(fill("a:{args.x}:{args.y}", x=[*range(100)], y=[*range(10)])) == 1_000
    with pytest.raises(UnfilledError, match="gives more than 1000 tags") as raised:
        fill("a:{args.x}:{args.y}", x=[*range(91)], y=[*range(11)])
    assert raised.value.is_too_many


def test_tags_are_filled_with_the_texts_read_before_the_values_changed() -> None:
    """A mutation may change the arguments that it receives."""
    template = Template.parse("a:{args.x}:{args.y}:{result.z}", ("args", "result"))
    arguments: dict[str, Any] = {"x": [1], "y": 2}
    sent = dict(template.texts("args", arguments))
    assert set(sent) == {("args", "x"), ("args", "y")}
    arguments["x"].append(3)
    arguments["y"] = 0.5
    assert list(template.fill({"args": arguments, "result": {"z": 4}}, sent)) == ["a:1:2:4"]


def test_a_placeholder_that_could_not_be_read_before_stays_unfilled_when_values_change() -> None:
    template = Template.parse("a:{args.x}", ARGS)
    sent = dict(template.texts("args", {"x": 0.5}))
    with pytest.raises(UnfilledError, match=r"^\{args\.x\} is a float$"):
        list(template.fill({"args": {"x": 1}}, sent))


class Chained:
    @property
    def x(self) -> object:
        try:
            return json.loads("no JSON")
        except ValueError as error:
            raise IndexError from error


def fails() -> object:
    raise LookupError


NAMELESS = GlobalID.__new__(GlobalID)
"""As one whose class was written wrongly: reading its id raises an error."""
PARENTS: list[tuple[Any, str]] = [
    (Chained(), "IndexError"),
    ({"x": LocalProxy(fails)}, "LookupError"),
    ({"x": SimpleLazyObject(fails)}, "LookupError"),
    ({}, "KeyError"),
    ({"x": NAMELESS}, "AttributeError"),
]


def test_an_unfilled_placeholder_names_the_type_of_the_error_raised_by_reading_it() -> None:
    template = Template.parse("a:{parent.x}", ("parent",))
    for parent, said in PARENTS:
        with pytest.raises(UnfilledError, match=rf"^\{{parent\.x\}} raised {said}$") as raised:
            list(template.fill({"parent": parent}))
        assert raised.value.facts == {"error.type": said}
        assert not raised.value.is_too_many


def test_an_unfilled_placeholder_names_no_error_if_reading_it_raised_none() -> None:
    assert UnfilledError(("args", "x"), "is a float").facts == {}


class OnlyItems:
    def __getitem__(self, name: str) -> str:
        return name


class OnlyKeys:
    def keys(self) -> list[str]:
        return ["x"]


def test_placeholders_read_rows_with_keys_by_key() -> None:
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        row = database.execute("SELECT 7 AS x").fetchone()
    database.close()
    template = Template.parse("a:{parent.x}", ("parent",))
    assert list(template.fill({"parent": [row, {"x": 8}]})) == ["a:7", "a:8"]
    for other in (OnlyItems(), OnlyKeys()):
        with pytest.raises(UnfilledError, match="raised AttributeError"):
            list(template.fill({"parent": other}))


# -- What is written wrongly ---------------------------------------------------------------------------------


def test_a_tag_of_a_thousand_characters_is_the_longest() -> None:
    assert checked_tags(["a" * 1_000]) == ("a" * 1_000,)
    wrong = {"a" * 1_001: "is longer than 1000 characters", " ": "is empty", "a\n": "holds a"}
    for tag, said in wrong.items():
        with pytest.raises(CacheConfigurationError, match=rf"^tags\[1\] {said}.*\[\"ledger\"\]"):
            checked_tags(["fine", tag])


def test_braces_that_are_no_placeholder_are_refused() -> None:
    for text in (
        "{",
        "}",
        "a:{args.x}}",
        "{{args.x}",
        "{args}",
        "{args.}",
        "{other.x}",
        "{result}",
    ):
        with pytest.raises(CacheConfigurationError, match=r"^tags has a placeholder that is none"):
            Template.parse(text, ("args", "parent"))
    assert Template.parse("{result}", ("args", "result")).placeholders == (("result",),)
    for roots, named in (
        (("args", "parent"), r"\{args\.name\} and \{parent\.name\}\.$"),
        (("args", "result"), r"\{args\.name\}, \{result\.name\} and \{result\}\.$"),
    ):
        with pytest.raises(CacheConfigurationError, match=rf"that is none of {named}"):
            Template.parse("{other}", roots)


def test_an_unknown_argument_is_named_with_those_that_there_are() -> None:
    templates = Template.all(("a", "a:{args.x}:{args.y}", "{parent.z}"), ("args", "parent"))
    assert list(unknown_arguments(templates, set("xfedcba"))) == [
        "tags[1] names the argument 'y', which does not exist (there are: a, b, c, d, e, f, x)."
    ]
    assert [
        said.endswith("(there are: none).") for said in unknown_arguments(templates, set())
    ] == [
        True,
        True,
    ]


def test_templates_with_equal_text_are_equal_at_any_place_in_the_list() -> None:
    """Keys are built from them: a tag that is moved in its list is no other tag."""
    one, other = (Template.parse("a:{args.x}", ARGS, place) for place in ("tags[0]", "tags[1]"))
    assert one == other
    assert repr(one) == repr(other)
