"""Schemas and operations out of nothing: what is drawn, and the Strawberry classes made of it.

A `Blueprint` and a `Request` are plain data, so that a test can walk over them without asking
Strawberry, graphql-core or the cache what they mean.
"""

import functools
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import GenericAlias
from typing import Annotated, Any

import strawberry
from hypothesis import settings
from hypothesis import strategies as st
from strawberry.permission import BasePermission

from strawberry_response_cache import CacheScope, cache_control

EXAMPLES = settings().max_examples // 5
"""Of what is many requests each."""
SCALAR = "Int"
ROOT = "Query"


# -- Schemas -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hint:
    """What a `cache_control` says."""

    ttl: int | None = None
    scope: CacheScope | None = None
    inherit: bool = False

    def __str__(self) -> str:
        said = [str(self.ttl)] if self.ttl is not None else []
        said += [self.scope.name] if self.scope else []
        return f" @cache_control({', '.join([*said, *['inherit'] * self.inherit])})"

    def written(self, *, of_object: bool = False) -> Any:
        """Return it as it is written; the objects made here have nothing that tells them apart."""
        key = (lambda parent: None) if of_object and not self.inherit else None
        return cache_control(self.ttl, scope=self.scope, inherit=self.inherit, key=key)


@dataclass(frozen=True)
class Member:
    """A field as one class declares it; it returns `SCALAR`, or a type by its name."""

    name: str
    returns: str = SCALAR
    listed: bool = False
    resolver: bool = False
    hint: Hint | None = None
    guarded: bool = False

    def __str__(self) -> str:
        returns = f"[{self.returns}]" if self.listed else self.returns
        code = f"{' resolver' * self.resolver}{' guarded' * self.guarded}"
        return f"{self.name}: {returns}{code}{self.hint or ''}"


@dataclass(frozen=True)
class Type:
    """An object type, an interface, or a union (which has `union` and nothing else)."""

    name: str
    abstract: bool = False
    bases: tuple[str, ...] = ()
    declares: tuple[Member, ...] = ()
    union: tuple[str, ...] = ()
    hint: Hint | None = None

    def __str__(self) -> str:
        if self.union:
            return f"union {self.name}{self.hint or ''} = {' | '.join(self.union)}"
        head = f"{'interface' if self.abstract else 'type'} {self.name}({', '.join(self.bases)})"
        return f"{head}{self.hint or ''} {{ {'; '.join(map(str, self.declares))} }}"


@dataclass(frozen=True, repr=False)
class Blueprint:
    """The types of a schema, each after those that it speaks of, and the root last."""

    types: tuple[Type, ...]

    def __repr__(self) -> str:
        return "\n" + "\n".join(map(str, self.types))

    @cached_property
    def by_name(self) -> dict[str, Type]:
        return {each.name: each for each in self.types}

    @cached_property
    def lineages(self) -> dict[str, tuple[str, ...]]:
        """Each type and all its bases and interfaces, in the order in which Python looks."""
        made: dict[str, type] = {}
        for each in self.types:
            made[each.name] = type(each.name, tuple(made[base] for base in each.bases), {})
        return {name: tuple(c.__name__ for c in cls.__mro__[:-1]) for name, cls in made.items()}

    def possible(self, name: str) -> frozenset[str]:
        """All object types that can stand where a type is expected."""
        if self.by_name[name].union:
            return frozenset(self.by_name[name].union)
        if not self.by_name[name].abstract:
            return frozenset({name})
        return frozenset(
            each.name
            for each in self.types
            if name in self.lineages[each.name] and not each.abstract
        )

    def declarations(self, owner: str, name: str) -> list[Member]:
        """A field as its type, the type's bases and interfaces declare it."""
        lineage = (self.by_name[each] for each in self.lineages[owner])
        return [member for each in lineage for member in each.declares if member.name == name]

    def member(self, owner: str, name: str) -> Member:
        """The declaration that runs: the type's own, or as Python's dataclasses inherit it."""
        for member in self.by_name[owner].declares:
            if member.name == name:
                return member
        heir = next(b for b in self.lineages[owner][1:] if self.declarations(b, name))
        return self.member(heir, name)

    @cached_property
    def conditions(self) -> list[str]:
        """The types that a fragment may name; Strawberry leaves out a union that nothing returns."""
        returned = {member.returns for each in self.types for member in each.declares}
        return [each.name for each in self.types if not each.union or each.name in returned]

    def names(self, owner: str) -> list[str]:
        """The names of all fields of a type."""
        lineage = (self.by_name[each] for each in self.lineages[owner])
        return sorted({member.name for each in lineage for member in each.declares})


def _weighted(*weights: tuple[int, list[Any]]) -> st.SearchStrategy[Any]:
    """One draw, however many choices: each list as often as its weight says."""
    total = math.lcm(*(len(choices) for _, choices in weights))
    return st.sampled_from(
        [
            choice
            for weight, choices in weights
            for choice in choices * (weight * total // len(choices))
        ]
    )


NO_HINT: list[Hint | None] = [None]
TTL_HINTS = [Hint(ttl, scope) for ttl in (60, 20, 5) for scope in (None, None, None, *CacheScope)]
ZERO_HINTS = [Hint(0), Hint(0, CacheScope.PRIVATE)]
BARE_HINTS = [Hint(None, scope) for scope in (None, *CacheScope)]
INHERIT_HINTS = [Hint(None, scope, inherit=True) for scope in (None, None, *CacheScope)]

TYPE_HINTS = _weighted((5, NO_HINT), (4, TTL_HINTS), (1, ZERO_HINTS), (1, BARE_HINTS))
ROOT_HINTS = _weighted((16, TTL_HINTS), (1, NO_HINT), (1, ZERO_HINTS), (2, BARE_HINTS))
ROOT_GUARDS = _weighted((15, [False]), (1, [True]))
FIELDS = _weighted(
    # A name and a type are put in where one is drawn.
    (5, [Member("")]),
    (3, [Member("", hint=hint) for hint in TTL_HINTS]),
    (2, [Member("", hint=hint) for hint in [*BARE_HINTS, *INHERIT_HINTS, *ZERO_HINTS]]),
    (2, [Member("", resolver=True)]),
    (3, [Member("", resolver=True, hint=hint) for hint in [*TTL_HINTS, *INHERIT_HINTS]]),
    (1, [Member("", resolver=True, hint=hint) for hint in [*BARE_HINTS, *ZERO_HINTS]]),
    (1, [Member("", guarded=True), Member("", hint=Hint(20, CacheScope.PUBLIC), guarded=True)]),
)


@st.composite
def blueprints(draw: st.DrawFn) -> Blueprint:
    """A few types that inherit from, implement, hold and unite one another.

    A field's name decides what it returns (an object type may narrow that), so that any two
    selections of one name can be merged.
    """
    made: list[Type] = []
    fields = {"f0": (SCALAR, False)}
    for number in range(draw(st.integers(1, 6))):
        made.append(_type(draw, Blueprint(tuple(made)), fields, number))
        if draw(st.integers(0, 3)):
            fields[f"f{len(fields)}"] = (made[-1].name, draw(st.booleans()))
    so_far = Blueprint(tuple(made))
    made += [
        Type(f"Only{each.name}", bases=(each.name,), hint=draw(TYPE_HINTS))
        for each in made
        if each.abstract and not so_far.possible(each.name)
    ]
    root = [
        Member(
            f"q{number}",
            draw(st.sampled_from([SCALAR, *(each.name for each in made)])),
            draw(st.booleans()),
            resolver=True,
            hint=draw(ROOT_HINTS),
            guarded=draw(ROOT_GUARDS),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    return Blueprint((*made, Type(ROOT, declares=tuple(root))))


def _type(
    draw: st.DrawFn, before: Blueprint, fields: dict[str, tuple[str, bool]], number: int
) -> Type:
    objects = [each.name for each in before.types if not each.abstract]
    kind = draw(st.sampled_from(["object", "interface", *(["union"] * (len(objects) > 1))]))
    hint = draw(TYPE_HINTS)
    if kind == "union":
        members = draw(st.lists(st.sampled_from(objects), min_size=2, max_size=3, unique=True))
        return Type(f"U{number}", abstract=True, union=tuple(members), hint=hint)
    interfaces = [each.name for each in before.types if each.abstract and not each.union]
    bases: list[str] = []
    if interfaces:
        bases += draw(st.lists(st.sampled_from(interfaces), max_size=2, unique=True))
    if kind == "object" and objects and draw(st.booleans()):
        bases.append(draw(st.sampled_from(objects)))
    # The latest first: Python then finds an order for any of these.
    bases.sort(key=[each.name for each in before.types].index, reverse=True)
    choices = [*sorted(fields), *[name for name in fields if fields[name][0] != SCALAR] * 2]
    names = sorted(set(draw(st.lists(st.sampled_from(choices), max_size=3))))
    if not any(before.names(base) for base in bases):
        names = names or ["f0"]
    declares = tuple(_member(draw, before, name, *fields[name], kind) for name in names)
    return Type(f"{kind[0].upper()}{number}", kind == "interface", tuple(bases), declares, (), hint)


def _member(
    draw: st.DrawFn, before: Blueprint, name: str, returns: str, listed: bool, kind: str
) -> Member:
    if kind == "object" and returns != SCALAR and before.by_name[returns].abstract:
        returns = draw(st.sampled_from([returns, *sorted(before.possible(returns))]))
    made: Member = replace(draw(FIELDS), name=name, returns=returns, listed=listed)
    if returns != SCALAR and before.by_name[returns].abstract and made.hint:
        # `inherit` is left to fields of which it is known what they give.
        made = replace(made, hint=replace(made.hint, inherit=False))
    return made


# -- Operations --------------------------------------------------------------------------------------


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
        return f"{head}{conditions}{_braced(self.below) if self.below else ''}"

    def everything(self) -> Iterator["Selection"]:
        """This, and all that is selected below it."""
        yield self
        for each in self.below:
            yield from each.everything()


def _braced(selections: tuple[Selection, ...]) -> str:
    return " { " + " ".join(map(str, selections)) + " }"


DECLARED = {"a": "Boolean!", "b": "Boolean = true", "c": "Boolean! = false"}
DEFAULTS = {"b": True, "c": False}


@dataclass(frozen=True, repr=False)
class Request:
    """A document of one or two operations, which of them is meant, and the variables."""

    operations: tuple[tuple[Selection, ...], ...]
    selected: int
    given: dict[str, bool] = field(default_factory=dict)

    @property
    def selections(self) -> tuple[Selection, ...]:
        return self.operations[self.selected]

    @property
    def variables(self) -> dict[str, bool]:
        """The variables with their defaults."""
        return DEFAULTS | self.given

    @property
    def operation_name(self) -> str:
        return f"Op{self.selected}"

    def __repr__(self) -> str:
        return f"\n{self}\n{self.operation_name} {self.given}\n"

    def __str__(self) -> str:
        text, fragments = [], {}
        for number, selections in enumerate(self.operations):
            everything = [each for top in selections for each in top.everything()]
            used = {c.by for each in everything for c in each.conditions if isinstance(c.by, str)}
            declared = ", ".join(f"${name}: {DECLARED[name]}" for name in sorted(used))
            text.append(f"query Op{number}{f'({declared})' if used else ''}{_braced(selections)}")
            for each in everything:
                if each.fragment is not None:
                    fragments[each.fragment] = each
        text += [
            f"fragment {name} on {each.on}{_braced(each.below)}" for name, each in fragments.items()
        ]
        return "\n".join(text)


DECIDING: list[bool | str] = [True, False, *DECLARED]
INCLUDES = [Condition("include", by) for by in DECIDING]
SKIPS = [Condition("skip", by) for by in DECIDING]
CONDITIONS = _weighted(
    (10, [()]),
    (1, [(each,) for each in [*INCLUDES, *SKIPS]]),
    (1, [(one, other) for one in INCLUDES for other in SKIPS]),
)
GIVEN = st.sampled_from(
    [
        {"a": a, **b, **c}
        for a in (True, False)
        for b in ({}, {"b": False}, {"b": True})
        for c in ({}, {"c": True}, {"c": False})
    ]
)


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
    conditions = draw(CONDITIONS)
    members = [blueprint.member(parent, name) for name in blueprint.names(parent)]
    holding = [member for member in members if member.returns != SCALAR and depth]
    ways: list[Member | str] = [member for member in members if member.returns == SCALAR]
    # What holds something comes often, or nothing would ever be nested.
    ways += holding * 4
    ways += ["fragment"] * max(1, len(ways) // 2) if depth else []
    way = draw(st.sampled_from([*ways, "__typename"]))
    if way == "fragment":
        return _fragment(draw, blueprint, parent, depth - 1, fragments, conditions)
    if isinstance(way, str):
        return Selection(way, conditions=conditions)
    alias = draw(st.sampled_from([None, None, f"{way.name}_1", f"{way.name}_2"]))
    below: tuple[Selection, ...] = ()
    if way in holding:
        below = _selections(draw, blueprint, way.returns, depth - 1, fragments)
    return Selection(way.name, alias, conditions=conditions, below=below)


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
    way = draw(st.sampled_from(["inline", "named", "untyped"]))
    if way == "untyped" and on == parent:
        return Selection(conditions=conditions, below=below)
    if way == "inline":
        return Selection(on=on, conditions=conditions, below=below)
    made = Selection(on=on, fragment=f"F{len(fragments)}", conditions=conditions, below=below)
    fragments.append(made)
    return made


# -- Strawberry's classes and their data ---------------------------------------------------------------


class Allow(BasePermission):
    """A check that lets everyone through."""

    message = "nobody is refused"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return True


@dataclass(frozen=True)
class Executed:
    """A field that was resolved on an object of a concrete type, and the types of what it gave."""

    parent: str
    field: str
    gave: tuple[str, ...]


@dataclass
class World:
    """The data: which object stands where is picked by the numbers, one after the other.

    Without numbers there are no objects: nulls and empty lists only.
    """

    blueprint: Blueprint
    classes: dict[str, Any]
    picks: tuple[int, ...] = ()
    executed: list[Executed] = field(default_factory=list)
    _picked: int = 0

    def _pick(self, below: int) -> int:
        self._picked += 1
        return self.picks[self._picked % len(self.picks)] % below

    def value(self, parent: str, member: Member) -> Any:
        """Resolve a field, and write it down."""
        if member.returns == SCALAR:
            self.executed.append(Executed(parent, member.name, ()))
            return [1] if member.listed else 1
        kinds = [*sorted(self.blueprint.possible(member.returns)), None]
        count = 1
        if not self.picks:
            count, kinds = 0, [None]
        elif member.listed:
            count, kinds = self._pick(3), kinds[:-1]
        gave = [kinds[self._pick(len(kinds))] for _ in range(count)]
        self.executed.append(
            Executed(parent, member.name, tuple(kind for kind in gave if kind is not None))
        )
        objects = [None if kind is None else self._object(kind) for kind in gave]
        return objects if member.listed else next(iter(objects), None)

    def _object(self, kind: str) -> Any:
        cls = self.classes[kind]
        made = cls.__new__(cls)
        made.world = self
        return made


def classes_of(blueprint: Blueprint) -> dict[str, Any]:
    """Make the Strawberry types, by name; resolvers find their `World` in the context."""
    made: dict[str, Any] = {SCALAR: int}
    for each in blueprint.types:
        directives = [each.hint.written()] if each.hint else []
        if each.union:
            united: Any = functools.reduce(operator.or_, [made[name] for name in each.union])
            written = strawberry.union(name=each.name, directives=directives)
            made[each.name] = Annotated[united, written]
            continue
        body: dict[str, Any] = {"__module__": __name__, "__annotations__": {}}
        for member in each.declares:
            annotation = made[member.returns]
            if member.listed:
                annotation = GenericAlias(list, annotation)
            body["__annotations__"][member.name] = annotation | None
            body[member.name] = _field(member, annotation | None, of_object=each.name != ROOT)
        bases = tuple(made[base] for base in each.bases)
        cls = type(each.name, bases, body)
        decorate = strawberry.interface if each.abstract else strawberry.type
        made[each.name] = decorate(cls, directives=directives)
    for each in blueprint.types:
        if not each.abstract:
            for name in blueprint.names(each.name):
                _give_data(made[each.name], blueprint.member(each.name, name))
    return made


def _field(member: Member, annotation: Any, *, of_object: bool) -> Any:
    hints = [member.hint.written(of_object=of_object)] if member.hint else []
    options: dict[str, Any] = {"directives": hints}
    if member.guarded:
        options["permission_classes"] = [Allow]
    if not member.resolver:
        return strawberry.field(**options)

    def resolve(self: Any, info: Any) -> Any:
        parent = ROOT if self is None else type(self).__name__
        return info.context["world"].value(parent, member)

    resolve.__annotations__ = {"info": strawberry.Info, "return": annotation}
    return strawberry.field(resolver=resolve, **options)


def _give_data(cls: type, member: Member) -> None:
    """Let a plain attribute be written down when it is read."""
    if not member.resolver:
        setattr(cls, member.name, property(lambda self: self.world.value(cls.__name__, member)))
