"""The usual wrong ways to write an annotation: each gives an error that says what to write."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import strawberry

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
    restrict_cache,
)
from strawberry_response_cache.graphql.annotations.hints import CacheControl
from strawberry_response_cache.graphql.annotations.tag_templates import checked_tags

SECRET = "s3cret"
bare: Any = cache_control
"""As somebody writes it who does not ask a type checker."""


def resolver(self: Any) -> str:
    return "value"


class Plain:
    pass


# -- Without parentheses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda: strawberry.field(resolver), lambda: resolver, lambda: lambda: 1]
)
def test_cache_control_without_parentheses_above_a_field_says_what_to_write(
    make: Callable[[], object],
) -> None:
    with pytest.raises(
        TypeError,
        match=r"with parentheses.*\n\n    @cache_control\(ttl=60\)\n    @strawberry\.field\n    def ",
    ):
        bare(make())


@pytest.mark.parametrize("make", [lambda: Plain, lambda: strawberry.type(type("A", (), {}))])
def test_cache_control_without_parentheses_above_a_type_says_what_to_write(
    make: Callable[[], object],
) -> None:
    with pytest.raises(
        TypeError,
        match=r"with parentheses.*\n\n    @cache_control\(ttl=60\)\n    @strawberry\.type\n    class ",
    ):
        bare(make())


@pytest.mark.parametrize("directive", [cache_control, CacheControl])
def test_check_refuses_a_directive_without_parentheses(
    memory_cache: ResponseCache, directive: Any
) -> None:
    @strawberry.type
    class Query:
        motto: str = strawberry.field(resolver=resolver, directives=[directive])

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, extensions=[extension])
    with pytest.raises(CacheConfigurationError, match=r"directives=\[cache_control\(ttl=60\)\]"):
        extension.check(schema)


def test_invalidates_without_parentheses_says_what_to_write() -> None:
    wrong: Any = invalidates
    for target in (resolver, strawberry.mutation(resolver)):
        with pytest.raises(TypeError, match=r'with parentheses and tags: @invalidates\("\[Account'):
            wrong(target)
    with pytest.raises(TypeError, match=r'tags\[0\] is a list.*@invalidates\("Account", '):
        wrong(["Account"])


# -- In place of a default -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decorate", [strawberry.type, strawberry.interface, dataclasses.dataclass])
def test_cache_control_as_the_default_of_an_attribute_is_refused(decorate: Any) -> None:
    class Account:
        name: str = bare(ttl=60)

    with pytest.raises(
        TypeError,
        match=r"Account\.name: cache_control is not a default\. Write:\n\n"
        r"    name: \.\.\. = strawberry\.field\(directives=\[cache_control\(ttl=60\)\]\)",
    ):
        decorate(Account)


def test_cache_control_as_a_default_is_refused_although_the_annotation_cannot_be_resolved() -> None:
    class Account:
        owner: "Unknown" = bare(ttl=60)  # type: ignore[name-defined] # noqa: F821 - on purpose

    with pytest.raises(TypeError, match=r"Account\.owner: cache_control is not a default"):
        strawberry.type(Account)


def test_a_hint_can_be_kept_as_an_attribute_of_a_class() -> None:
    """The class only collects the hints of an application: it is no GraphQL type."""

    class Hints:
        short = cache_control(ttl=5)
        long: ClassVar[Any] = cache_control(ttl=500)
        other: CacheControl = cache_control(ttl=50)

    assert Hints.short.hint.ttl == 5
    assert Hints().long.hint.ttl == 500

    @Hints.other
    @strawberry.type
    class Account:
        name: str = strawberry.field(directives=[Hints.short])

    assert "@cacheControl(maxAge: 50)" in str(strawberry.Schema(Account))


# -- Tags: told by their position, and never quoted ------------------------------------------------------------


WRONG: dict[str, tuple[str, str]] = {
    "control character": (f"{SECRET}\n", "holds a control character"),
    "too long": (SECRET * 200, "is longer than 1000 characters"),
    "empty": ("  ", "is empty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_tag_is_named_by_its_position(name: str) -> None:
    tag, said = WRONG[name]
    calls: list[Callable[[], object]] = [
        lambda: checked_tags(["fine", tag]),
        lambda: cache_control(tags=["fine", tag]),
        lambda: invalidates("fine", tag),
    ]
    for call in calls:
        with pytest.raises(CacheConfigurationError, match=rf"^tags\[1\] {said}; write") as caught:
            call()
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "tag", [f"{SECRET}{{", f"{SECRET}{{args}}", f"{SECRET}:{{other.name}}", f"{{{SECRET}}}"]
)
def test_a_wrong_placeholder_is_named_by_the_position_of_its_tag(tag: str) -> None:
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: cache_control(tags=["fine", tag]), r"\{args.name\} and \{parent.name\}"),
        (lambda: invalidates("fine", tag), r"\{args.name\}, \{result.name\} and \{result\}\."),
    ]
    for call, roots in calls:
        with pytest.raises(
            CacheConfigurationError, match=rf"^tags\[1\] has a placeholder that is none of {roots}"
        ) as caught:
            call()
        assert SECRET not in str(caught.value)


def test_a_placeholder_for_an_unknown_argument_is_named_by_the_position_of_its_tag() -> None:
    with pytest.raises(
        CacheConfigurationError, match=r"^resolver: tags\[1\] names the argument 'other'"
    ) as caught:
        invalidates("fine", f"{SECRET}:{{args.other}}")(strawberry.mutation(resolver))
    assert SECRET not in str(caught.value)


async def test_an_error_about_a_tag_from_a_resolver_does_not_contain_the_tag(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def named(self, info: strawberry.Info, name: str) -> str:
            restrict_cache(info, tags=[f"{name}\n"])
            return name

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, extensions=[extension])
    result = await schema.execute(f'{{ named(name: "{SECRET}") }}')
    assert result.errors is not None
    assert str(result.errors[0].message).startswith("tags[0] holds a control character")
    assert SECRET not in str(result.errors[0].original_error)
