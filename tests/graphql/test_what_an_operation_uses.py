"""Of a document, a plan takes the operation and what it uses, through all fragments, and nothing else."""

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from strawberry_response_cache.graphql.keys.document import UsedParts


def used_parts(text: str) -> UsedParts:
    """Read what the first operation of a document uses."""
    found = parse(text).definitions
    fragments = {
        each.name.value: each for each in found if isinstance(each, FragmentDefinitionNode)
    }
    operation = next(each for each in found if isinstance(each, OperationDefinitionNode))
    return UsedParts(operation, fragments)


@pytest.mark.combined
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a }", []),
        ("{ ...A } fragment A on T { a }", ["A"]),
        ("{ a } fragment A on T { a }", []),
        ("{ ... on T { ...A } } fragment A on T { a } fragment B on T { a }", ["A"]),
        ("{ ...B ...A } fragment B on T { b } fragment A on T { a }", ["A", "B"]),
        ("{ ...B } fragment A on T { a } fragment B on T { b { ...A } }", ["A", "B"]),
        ("query Q { a } query R { ...A } fragment A on T { a }", []),
        ("{ ...A } fragment A on T { ...B } fragment B on T { a { ...A } }", ["A", "B"]),
        ("{ ...Missing ...A } fragment A on T { a }", ["A"]),
    ],
)
def test_fragments_are_those_that_the_operation_uses(text: str, expected: list[str]) -> None:
    assert [*used_parts(text).fragments] == expected


@pytest.mark.combined
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("query ($x: Boolean!) { a @skip(if: $x) }", ("x",)),
        ("query ($x: Boolean!) { a @include(if: $x) }", ("x",)),
        (
            "query { a @skip(if: $e) b @skip(if: $d) c @skip(if: $c) d @skip(if: $b) e @skip(if: $a) }",
            ("a", "b", "c", "d", "e"),
        ),
        ("query ($x: Boolean!) { a { b { ... @include(if: $x) { c } } } }", ("x",)),
        ("query ($x: Boolean!) { ...A @skip(if: $x) } fragment A on T { a }", ("x",)),
        ("query ($x: Boolean!) { ...A } fragment A on T { a @skip(if: $x) }", ("x",)),
        ("query ($x: Boolean!) { a } fragment A on T { a @skip(if: $x) }", ()),
        ("query ($x: Boolean!) { a(b: $x) c @other(if: $x) d @skip(if: true) }", ()),
        ("query { a @skip }", ()),
    ],
)
def test_conditions_are_the_variables_of_skip_and_include(
    text: str, expected: tuple[str, ...]
) -> None:
    assert used_parts(text).conditions == expected


@pytest.mark.combined
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a }", 1),
        ("{ a { b } c }", 2),
        ("{ a { b { c } } d { e } }", 3),
        ("{ a b { c { d } } }", 3),
        ("{ a { ... on T { b } } }", 2),
        ("{ a { ...A } } fragment A on T { b { c } }", 3),
        ("{ ...A a { ...A } } fragment A on T { b }", 2),
        ("{ a { ...A } ...A } fragment A on T { b }", 2),
        ("{ a { ...A } } fragment A on T { b { ...B } } fragment B on T { c }", 3),
        ("{ ...A } fragment A on T { a { b { c { d } } } ...B } fragment B on T { e }", 4),
        ("{ a { ...Missing } }", 1),
        ("{ ...A } fragment A on T { a { ...B } } fragment B on T { b { ...A } }", 3),
    ],
)
def test_the_depth_counts_fields_within_each_other_through_fragments(
    text: str, expected: int
) -> None:
    assert used_parts(text).depth == expected
