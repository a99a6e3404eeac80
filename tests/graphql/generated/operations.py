"""Operations: what is drawn over a blueprint, as plain data."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from tests.graphql.generated.schemas import ALONE, ROOT, UNCACHED, Blueprint, Member, weighted


@dataclass(frozen=True)
class Condition:
    """`@skip` or `@include`, by a literal or by a variable's name."""

    directive: str
    by: bool | str

    def holds(self, variables: dict[str, bool]) -> bool:
        value = variables[self.by] if isinstance(self.by, str) else self.by
        return value == (self.directive == "include")

    def __str__(self) -> str:
        value = f"${self.by}" if isinstance(self.by, str) else str(self.by).lower()
        return f" @{self.directive}(if: {value})"


@dataclass(frozen=True)
class Selection:
    """A field (with `field`), or a fragment: inline, or by its name."""

    field: str | None = None
    alias: str | None = None
    argument: str = ""
    on: str | None = None
    fragment: str | None = None
    conditions: tuple[Condition, ...] = ()
    below: tuple["Selection", ...] = ()

    def __str__(self) -> str:
        conditions = "".join(map(str, self.conditions))
        if self.fragment is not None:
            return f"...{self.fragment}{conditions}"
        head = f"... on {self.on}" if self.on else "..."
        if self.field is not None:
            head = f"{self.alias}: {self.field}" if self.alias else self.field
            head += f"({self.argument})" if self.argument else ""
        return f"{head}{conditions}{_braced(self.below) if self.below else ''}"

    def everything(self) -> Iterator["Selection"]:
        """This, and all that is selected below it."""
        yield self
        for each in self.below:
            yield from each.everything()


def _braced(selections: tuple[Selection, ...]) -> str:
    return " { " + " ".join(map(str, selections)) + " }"


DECLARED = {"a": "Boolean!", "b": "Boolean = true", "c": "Boolean! = false", "n": "Int = 1"}
DEFAULTS = {"b": True, "c": False, "n": 1}
ARGUMENTS = {
    "_n1": "n: 1",
    "_n2": "n: 2",
    "_v": "n: $n",
    "_low": "span: {}",
    "_span": "span: {low: 2}",
}
"""By what ends the alias of a field that has them, so that one response name means one call."""


@dataclass(frozen=True, repr=False)
class Request:
    """A document of one or two operations, which of them is meant, and the variables."""

    operations: tuple[tuple[Selection, ...], ...]
    selected: int
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def selections(self) -> tuple[Selection, ...]:
        return self.operations[self.selected]

    @property
    def variables(self) -> dict[str, Any]:
        """The variables with their defaults."""
        return DEFAULTS | self.given

    @property
    def operation_name(self) -> str:
        return f"Op{self.selected}"

    @property
    def used(self) -> list[str]:
        """The variables of the operation that is meant."""
        return sorted(_used(self.selections))

    def __repr__(self) -> str:
        return f"\n{self}\n{self.operation_name} {self.given}\n"

    def __str__(self) -> str:
        text, fragments = [], {}
        for number, selections in enumerate(self.operations):
            everything = [each for top in selections for each in top.everything()]
            used = _used(selections)
            declared = ", ".join(f"${name}: {DECLARED[name]}" for name in sorted(used))
            text.append(f"query Op{number}{f'({declared})' if used else ''}{_braced(selections)}")
            for each in everything:
                if each.fragment is not None:
                    fragments[each.fragment] = each
        text += [
            f"fragment {name} on {each.on}{_braced(each.below)}" for name, each in fragments.items()
        ]
        return "\n".join(text)


def _used(selections: tuple[Selection, ...]) -> set[str]:
    """The variables that selections use."""
    everything = [each for top in selections for each in top.everything()]
    used = {c.by for each in everything for c in each.conditions if isinstance(c.by, str)}
    return used | {"n" for each in everything if "$n" in each.argument}


DECIDING: list[bool | str] = [True, False, "a", "a", "b", "c", "c", "c"]
INCLUDES = [Condition("include", by) for by in DECIDING]
SKIPS = [Condition("skip", by) for by in DECIDING]
CONDITIONS = weighted(
    (8, [()]),
    (1, [(each,) for each in [*INCLUDES, *SKIPS]]),
    (1, [(one, other) for one in INCLUDES for other in SKIPS]),
)
AT_THE_ROOT = weighted(
    (3, [()]),
    (2, [(each,) for each in [*INCLUDES, *SKIPS] if isinstance(each.by, str)]),
)
GIVEN = st.sampled_from(
    [
        {"a": a, **b, **c, **n}
        for a in (True, False)
        for b in ({}, {"b": False}, {"b": True})
        for c in ({}, {"c": True}, {"c": False})
        for n in ({}, {"n": 1}, {"n": 2})
    ]
)


ALIASES = st.sampled_from([None, None, "_1", "_2"])


@st.composite
def requests(draw: st.DrawFn, blueprint: Blueprint) -> Request:
    """A valid operation over the schema, perhaps beside another one."""
    fragments: list[Selection] = []
    count = draw(st.sampled_from([1, 1, 1, 2]))
    operations = [_selections(draw, blueprint, ROOT, 4, fragments) for _ in range(count)]
    return Request(tuple(operations), draw(st.integers(0, len(operations) - 1)), draw(GIVEN))


def _selections(
    draw: st.DrawFn, blueprint: Blueprint, parent: str, depth: int, fragments: list[Selection]
) -> tuple[Selection, ...]:
    count = draw(st.integers(1, 3))
    return tuple([_selection(draw, blueprint, parent, depth, fragments) for _ in range(count)])


def _selection(
    draw: st.DrawFn, blueprint: Blueprint, parent: str, depth: int, fragments: list[Selection]
) -> Selection:
    conditions = draw(AT_THE_ROOT if parent == ROOT else CONDITIONS)
    members = [blueprint.member(parent, name) for name in blueprint.names(parent)]
    holding = [member for member in members if not member.is_scalar and depth]
    ways: list[Member | str] = [
        member for member in members if member.is_scalar and member.name != UNCACHED
    ]
    ways += [member for member in members if member.name == ALONE] * 2
    # What holds something comes often, or nothing would ever be nested.
    ways += holding * 4
    ways += ["fragment"] * max(1, len(ways) // 2) if depth else []
    way = draw(st.sampled_from([*ways, "__typename"]))
    if way == "fragment":
        return _fragment(draw, blueprint, parent, depth - 1, fragments, conditions)
    if isinstance(way, str):
        return Selection(way, conditions=conditions)
    alias, argument = draw(ALIASES), ""
    if way.argued and draw(st.booleans()):
        alias = draw(st.sampled_from(sorted(ARGUMENTS)))
        argument = ARGUMENTS[alias]
    below: tuple[Selection, ...] = ()
    if way in holding:
        below = _selections(draw, blueprint, way.returns, depth - 1, fragments)
    alias = alias and f"{way.name}{alias}"
    return Selection(way.name, alias, argument, conditions=conditions, below=below)


def _fragment(
    draw: st.DrawFn,
    blueprint: Blueprint,
    parent: str,
    depth: int,
    fragments: list[Selection],
    conditions: tuple[Condition, ...],
) -> Selection:
    here = blueprint.possible(parent)
    known = [each for each in fragments if each.on and blueprint.possible(each.on) & here]
    reuse = draw(st.booleans())
    if known and reuse:
        return replace(draw(st.sampled_from(known)), conditions=conditions)
    fitting = [each for each in blueprint.conditions if blueprint.possible(each) & here]
    on = draw(st.sampled_from([parent, *fitting]))
    below = _selections(draw, blueprint, on, depth, fragments)
    way = draw(st.sampled_from(["inline", "named", "named", "untyped"]))
    if way == "untyped" and on == parent:
        return Selection(conditions=conditions, below=below)
    if way == "inline":
        return Selection(on=on, conditions=conditions, below=below)
    made = Selection(on=on, fragment=f"F{len(fragments)}", conditions=conditions, below=below)
    fragments.append(made)
    return made


# -- Requests that look alike ----------------------------------------------------------------------------


@st.composite
def alike(
    draw: st.DrawFn, blueprint: Blueprint, request: Request, *, other_variables: bool = False
) -> Request:
    """A request that differs from another one in one piece: in a variable, if that is wanted."""
    used = request.used
    if used and other_variables:
        return replace(request, given=request.given | _others(draw(st.sampled_from(used)), request))
    ways = ["beside", "fragment", "fragment", "order", "another"]
    way = draw(st.sampled_from(ways))
    if way == "another":
        return draw(requests(blueprint))
    mine = request.selections
    if way == "fragment":
        named = [each for top in mine for each in top.everything() if each.fragment is not None]
        if not named:
            return replace(request, given=draw(GIVEN))
        one = draw(st.sampled_from(named))
        # None of these is used again: they only make the names of new ones free.
        taken = [Selection()] * 100
        body = _selections(draw, blueprint, str(one.on), 1, taken)
        exchanged = [
            tuple(_exchanged(each, str(one.fragment), body) for each in operation)
            for operation in request.operations
        ]
        return replace(request, operations=tuple(exchanged))
    operations = list(request.operations)
    operations[request.selected] = beside(mine) if way == "beside" else mine[::-1]
    return replace(request, operations=tuple(operations))


def _others(name: str, request: Request) -> dict[str, Any]:
    """Another value for a variable."""
    value = request.variables[name]
    return {name: not value if isinstance(value, bool) else 3 - value}


def wrapped(request: Request) -> Request:
    """The same request, with all that it selects in a fragment."""
    operations = (
        (Selection(on=ROOT, fragment=f"All{number}", below=each),)
        for number, each in enumerate(request.operations)
    )
    return replace(request, operations=tuple(operations))


def beside(selections: tuple[Selection, ...]) -> tuple[Selection, ...]:
    """The same selections without, or else with, an uncached field beside them."""
    others = tuple(each for each in selections if each.field != UNCACHED)
    return others if others != selections else (*selections, Selection(UNCACHED))


def _exchanged(selection: Selection, name: str, body: tuple[Selection, ...]) -> Selection:
    """The same selection, with another body of one fragment."""
    if selection.fragment == name:
        return replace(selection, below=body)
    return replace(selection, below=tuple(_exchanged(each, name, body) for each in selection.below))
