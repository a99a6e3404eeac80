"""Towers: objects that hold objects that hold objects, with an entry of its own on each of them.

What is said anywhere in a tower decides about all entries below it.
"""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.graphql.generated.operations import Request, Selection
from tests.graphql.generated.schemas import (
    ALONE,
    ARGUMENT,
    ID,
    OWNER,
    PRIVATE,
    PUBLIC,
    ROOT,
    UNCACHED,
    Blueprint,
    Hint,
    Member,
    Type,
    weighted,
)

SAYS = weighted(
    (4, [None]),
    (2, [Hint(scope=PRIVATE)]),
    (3, [Hint(vary=("locale",)), Hint(vary=("zone",))]),
    (4, [Hint(tags=("t0",)), Hint(tags=("t1",)), Hint(tags=(ARGUMENT,)), Hint(tags=(OWNER,))]),
)
TYPE_SAYS = weighted(
    (8, [None]),
    (1, [Hint(scope=PRIVATE)]),
    (1, [Hint(vary=("locale",))]),
    (2, [Hint(tags=("t0",))]),
    (1, [Hint(0)]),
)
RESTRICTS = weighted(
    (5, [()]),
    (3, [("private",), ("tag t2",), ("tag t3", "ttl 300"), ("tag t2", "private")]),
    (1, [("skip",)]),
)
GUARDS = weighted((9, [()]), (1, [("badge",), ("pass",), ("silent pass",)]))
ENTRIES = weighted(
    (6, [Hint(6000), Hint(2000)]),
    (1, [Hint(6000, PUBLIC)]),
    (1, [Hint(2000, tags=("t1",)), Hint(2000, vary=("zone",))]),
)
HELD = weighted((2, [Hint(500)]), (1, [Hint(500, PUBLIC), Hint(8000)]))
"""Of fields that hold objects, and have an entry of their own around these."""


@st.composite
def towers(draw: st.DrawFn) -> Blueprint:
    """Up to four types, each with an entry of its own, on top of each other; some have no id."""
    made: list[Type] = []
    below: list[str] = []
    for number in range(draw(st.integers(1, 4))):
        declares = [Member(ALONE, resolver=True, hint=draw(ENTRIES))]
        declares += [Member("id", ID)] if draw(st.booleans()) else []
        declares += [_holding(draw, f"s{number}", below[-1])] if below else []
        made.append(Type(f"O{number}", declares=tuple(declares), hint=draw(TYPE_SAYS)))
        below.append(made[-1].name)
        objects = [each.name for each in made if not each.union]
        if len(objects) > 1 and not draw(st.integers(0, 3)):
            made.append(Type(f"U{number}", True, union=tuple(objects[-2:]), hint=draw(TYPE_SAYS)))
            below.append(made[-1].name)
    roots = [
        Member(UNCACHED, resolver=True),
        _holding(draw, "q0", below[-1], at_root=True),
        _holding(draw, "q1", draw(st.sampled_from(below[-2:])), at_root=True),
    ]
    root = Type(ROOT, declares=tuple(roots))
    return Blueprint((*made, root), draw(st.sampled_from(["id", "uid"])))


def _holding(draw: st.DrawFn, name: str, returns: str, *, at_root: bool = False) -> Member:
    """A field that holds objects."""
    says: Hint | None = draw(SAYS)
    if at_root and says is not None and OWNER in says.tags:
        says = replace(says, tags=("t0",))
    member = Member(
        name,
        returns,
        listed=draw(st.booleans()),
        resolver=at_root or draw(st.integers(0, 3)) > 0,
        hint=says,
        argued=says is not None and ARGUMENT in says.tags,
    )
    if member.argued:
        member = replace(member, resolver=True)
    if member.resolver:
        member = replace(member, restricts=draw(RESTRICTS), guards=draw(GUARDS))
    if member.resolver and not at_root and not draw(st.integers(0, 3)):
        held: Hint = draw(HELD)
        member = replace(member, hint=replace(says, ttl=held.ttl) if says else held)
    return member


@st.composite
def climbs(draw: st.DrawFn, blueprint: Blueprint) -> tuple[Request, ...]:
    """Requests from the top down; each has a field beside it that keeps the whole from being cached."""
    both = [_down(draw, blueprint, ROOT, name) for name in ("q0", "q1")]
    chosen = draw(st.sampled_from([[both[:1], both[1:]], [both, both[:1]], [both, both[1:]]]))
    given: dict[str, Any] = {"n": draw(st.sampled_from([1, 2]))}
    return tuple(Request(((*each, Selection(UNCACHED)),), 0, given) for each in chosen)


def _down(draw: st.DrawFn, blueprint: Blueprint, parent: str, name: str) -> Selection:
    member = blueprint.member(parent, name)
    argument = "n: $n" if member.argued else ""
    below: list[Selection] = []
    for kind in sorted(blueprint.possible(member.returns)):
        held = [
            each for each in blueprint.names(kind) if not blueprint.member(kind, each).is_scalar
        ]
        fields = [Selection(ALONE), *[_down(draw, blueprint, kind, each) for each in held]]
        fields = fields[::-1] if draw(st.booleans()) else fields
        is_union = bool(blueprint.by_name[member.returns].union)
        below += [Selection(on=kind, below=tuple(fields))] if is_union else fields
    return Selection(name, argument=argument, below=tuple(below))
