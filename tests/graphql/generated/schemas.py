"""Blueprints of schemas: what is drawn, as plain data."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hypothesis import strategies as st

from strawberry_response_cache import CacheScope, cache_control

TEXT = "String"
ANYTHING = "JSON"
ID = "ID"
SCALARS = frozenset({TEXT, ANYTHING, ID})
ROOT = "Query"
UNCACHED = "fresh"
"""A root field without a hint: where it is selected, the others are answered from their own entries."""
ALONE = "p0"
"""A field that has an entry of its own in most types."""
ARGUMENT = "n:{args.n}"
OWNER = "of:{parent.owner}"


@dataclass(frozen=True)
class Hint:
    """What a `cache_control` says."""

    ttl: int | None = None
    scope: CacheScope | None = None
    inherit: bool = False
    stale: int | None = None
    vary: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = [str(self.ttl)] if self.ttl is not None else []
        said += [self.scope.name] if self.scope else []
        said += ["inherit"] * self.inherit
        said += [f"stale={self.stale}"] if self.stale is not None else []
        return f" @cache_control({', '.join([*said, *self.vary, *self.tags])})"

    def written(self, *, keyed: bool = False) -> Any:
        """Return it as it is written, with a key for objects that have no id."""
        key = _token if keyed and not self.inherit else None
        return cache_control(
            self.ttl,
            scope=self.scope,
            inherit=self.inherit,
            stale=self.stale,
            vary=self.vary,
            tags=self.tags,
            key=key,
        )


def _token(parent: Any) -> Any:
    """What tells an object apart that has no id."""
    return parent.world.token(parent)


@dataclass(frozen=True)
class Member:
    """A field as one class declares it; it returns one of `SCALARS`, or a type by its name.

    Attributes:
        argued: Whether it takes arguments.
        guards: Names of its permission classes; a silent one returns null instead of an error.
        restricts: What its resolver says of the response at run time, call by call.
        fails: Whether its resolver raises for some objects and arguments.
    """

    name: str
    returns: str = TEXT
    listed: bool = False
    resolver: bool = False
    hint: Hint | None = None
    guards: tuple[str, ...] = ()
    argued: bool = False
    restricts: tuple[str, ...] = ()
    fails: bool = False

    def __str__(self) -> str:
        returns = f"[{self.returns}]" if self.listed else self.returns
        said = [*self.guards, *(f"restricts {each}" for each in self.restricts)]
        said = ["resolver"] * self.resolver + said + ["fails"] * self.fails
        return f"{self.name}{'(n)' * self.argued}: {' '.join([returns, *said])}{self.hint or ''}"

    @property
    def is_scalar(self) -> bool:
        return self.returns in SCALARS


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
    """The types of a schema, each after those that it speaks of, and the root last.

    Attributes:
        id_attribute: What Python calls the field ``id``.
        number: The default of arguments.
        low: The default of a field of an input type.
    """

    types: tuple[Type, ...]
    id_attribute: str = "id"
    number: int = 1
    low: int = 1

    def __repr__(self) -> str:
        said = f"id is {self.id_attribute}, n = {self.number}, low = {self.low}"
        return "\n" + "\n".join([*map(str, self.types), said])

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

    @cached_property
    def _possible(self) -> dict[str, frozenset[str]]:
        objects = [each.name for each in self.types if not each.abstract]
        return {
            each.name: frozenset(each.union)
            or frozenset(
                name
                for name in objects
                if name == each.name or (each.abstract and each.name in self.lineages[name])
            )
            for each in self.types
        }

    def possible(self, name: str) -> frozenset[str]:
        """All object types that can stand where a type is expected."""
        return self._possible[name]

    def declarations(self, owner: str, name: str) -> list[Member]:
        """A field as its type, the type's bases and interfaces declare it."""
        lineage = (self.by_name[each] for each in self.lineages[owner])
        return [member for each in lineage for member in each.declares if member.name == name]

    @cached_property
    def _members(self) -> dict[tuple[str, str], Member]:
        return {}

    def member(self, owner: str, name: str) -> Member:
        """The declaration that runs: the type's own, or as Python's dataclasses inherit it."""
        if (known := self._members.get((owner, name))) is not None:
            return known
        own = [member for member in self.by_name[owner].declares if member.name == name]
        if not own:
            heir = next(b for b in self.lineages[owner][1:] if self.declarations(b, name))
            own = [self.member(heir, name)]
        return self._members.setdefault((owner, name), own[0])

    @cached_property
    def conditions(self) -> list[str]:
        """The types that a fragment may name; Strawberry leaves out a union that nothing returns."""
        returned = {member.returns for each in self.types for member in each.declares}
        return [each.name for each in self.types if not each.union or each.name in returned]

    def names(self, owner: str) -> list[str]:
        """The names of all fields of a type."""
        lineage = (self.by_name[each] for each in self.lineages[owner])
        return sorted({member.name for each in lineage for member in each.declares})

    @cached_property
    def tags(self) -> list[str]:
        """The tags of its own that anything in it names, with placeholders filled."""
        members = [member for each in self.types for member in each.declares]
        hints = [each.hint for each in members if each.hint] + [
            each.hint for each in self.types if each.hint
        ]
        named = {tag for hint in hints for tag in hint.tags}
        named |= {each[4:] for m in members for each in m.restricts if each.startswith("tag ")}
        filled = {ARGUMENT: ["n:1", "n:2"], OWNER: ["of:x", "of:y"]}
        return sorted(each for tag in named for each in filled.get(tag, [tag]))

    def has_id(self, owner: str) -> bool:
        """Whether the objects of a type have an id."""
        return not self.by_name[owner].union and bool(self.declarations(owner, ID.lower()))


def weighted(*weights: tuple[int, list[Any]]) -> st.SearchStrategy[Any]:
    """One draw, however many choices: each list as often as its weight says."""
    total = math.lcm(*(len(choices) for _, choices in weights))
    return st.sampled_from(
        [
            choice
            for weight, choices in weights
            for choice in choices * (weight * total // len(choices))
        ]
    )


# -- Hints -------------------------------------------------------------------------------------------

PRIVATE, PUBLIC = CacheScope.PRIVATE, CacheScope.PUBLIC
NO_HINT: list[Hint | None] = [None]
TTL_HINTS = [
    Hint(ttl, scope) for ttl in (6000, 2000, 500) for scope in (None, None, None, *CacheScope)
]
ZERO_HINTS = [Hint(0), Hint(0, PRIVATE)]
BARE_HINTS = [Hint(None, scope) for scope in (None, *CacheScope)]
INHERIT_HINTS = [Hint(None, scope, inherit=True) for scope in (None, None, *CacheScope)]

TYPE_HINTS = weighted(
    (9, NO_HINT), (7, TTL_HINTS), (1, ZERO_HINTS), (3, BARE_HINTS), (3, INHERIT_HINTS)
)
SHORT_HINTS = [hint for hint in TTL_HINTS if hint.ttl == 500]
"""Where fields below live longer, they have entries of their own."""
ROOT_HINTS = weighted(
    (12, TTL_HINTS), (6, SHORT_HINTS), (2, NO_HINT), (1, ZERO_HINTS), (2, BARE_HINTS)
)
# Of schemas in which it is the types that say for how long, and most fields take what these say.
TYPES_ONLY = weighted((6, [Hint(6000), Hint(2000), Hint(500)]), (1, NO_HINT), (1, INHERIT_HINTS))
ROOTS_OF_TYPES = weighted((1, [Hint()]), (2, [Hint(6000)]))
MORE = weighted(
    (6, [{}]),
    (2, [{"vary": ("locale",)}, {"vary": ("zone",)}, {"vary": ("locale", "zone")}]),
    (2, [{"stale": 3000}, {"stale": 1000}, {"stale": 0}]),
    (1, [{"stale": 4000, "vary": ("locale",)}]),
    (3, [{"tags": ("t0",)}, {"tags": ("t1",)}]),
)
PLACEHOLDERS = weighted((5, [None]), (1, [ARGUMENT]), (1, [OWNER]))


def _hinted(
    draw: st.DrawFn, hint: Hint | None, *, argued: bool = False, of_object: bool = False
) -> Hint | None:
    """A hint with a stale window, vary and tags, where they are drawn."""
    if hint is None:
        return None
    hint = replace(hint, **draw(MORE))
    placeholder = draw(PLACEHOLDERS) if argued or of_object else None
    if (placeholder == ARGUMENT and argued) or (placeholder == OWNER and of_object):
        hint = replace(hint, tags=(*hint.tags, placeholder))
    return hint


# -- Fields ------------------------------------------------------------------------------------------

RESOLVERS = [
    # A name and a type are put in where one is drawn.
    (1, [Member("", resolver=True)]),
    (6, [Member("", resolver=True, hint=hint) for hint in TTL_HINTS]),
    (2, [Member("", resolver=True, hint=hint) for hint in INHERIT_HINTS]),
    (1, [Member("", resolver=True, hint=hint) for hint in [*BARE_HINTS, *ZERO_HINTS]]),
]
FIELDS = weighted(
    (5, [Member("")]),
    (2, [Member("", hint=hint) for hint in TTL_HINTS]),
    (2, [Member("", hint=hint) for hint in [*BARE_HINTS, *INHERIT_HINTS, *ZERO_HINTS]]),
    *RESOLVERS,
)
FIELDS_OF_TYPES = weighted(
    (1, [Member("")]),
    (2, [Member("", resolver=True, hint=hint) for hint in (Hint(), Hint(inherit=True))]),
)
ARGUED = weighted(*RESOLVERS)
OWN = weighted((1, [Member("", resolver=True, hint=hint) for hint in TTL_HINTS]))
GUARDS = weighted(
    (14, [()]),
    (1, [("badge",), ("pass",), ("badge", "silent pass"), ("silent badge",), ("pass", "badge")]),
)
ROOT_GUARDS = weighted(
    (14, [()]),
    (1, [("badge",), ("now",), ("silent now", "badge"), ("silent pass",), ("now", "pass")]),
)
RESTRICTIONS = weighted(
    (10, [()]),
    (2, [("private",), ("private", "ttl 700"), ("ttl 300", "private"), ("private", "tag t2")]),
    (2, [("ttl 300", "ttl 9000"), ("ttl 9000",), ("tag t2", "tag t3"), ("tag t3", "ttl 300")]),
    (1, [("skip",)]),
)
FAILS = weighted((30, [False]), (1, [True]))


@st.composite
def blueprints(draw: st.DrawFn, *, honest: bool = False, by_type: bool = False) -> Blueprint:
    """A few types that inherit from, implement, hold and unite one another.

    A field's name decides what it returns (an object type may narrow that), so that any two
    selections of one name can be merged.

    Args:
        draw: Hypothesis's.
        honest: Whether there are also restrictions at run time, failures and ids.
        by_type: Whether most lifetimes are those of types.
    """
    made: list[Type] = []
    fields = {"f0": (TEXT, False, False)}
    if honest:
        fields |= {"id": (ID, False, False), "g0": (ANYTHING, False, False)}
        fields |= {ALONE: (TEXT, False, False)}
    for number in range(draw(st.integers(3, 6))):
        before = Blueprint(tuple(made))
        made.append(_type(draw, before, fields, number, honest=honest, by_type=by_type))
        if draw(st.integers(0, 4)):
            listed, argued = draw(FORMS)
            fields[f"f{len(fields)}"] = (made[-1].name, listed, argued)
    so_far = Blueprint(tuple(made))
    made += [
        Type(f"Only{each.name}", bases=(each.name,), hint=_hinted(draw, draw(TYPE_HINTS)))
        for each in made
        if each.abstract and not so_far.possible(each.name)
    ]
    return Blueprint(
        (*made, _root(draw, made, honest=honest, by_type=by_type)),
        draw(st.sampled_from(["id", "uid"])) if honest else "id",
    )


WITH_OWN = weighted((3, [("id", ALONE)]), (1, [(ALONE,), ("id",)]), (1, [()]))
FORMS = st.sampled_from(
    [(listed, argued) for listed in (False, True) for argued in (False, False, True)]
)


def _root(draw: st.DrawFn, made: list[Type], *, honest: bool, by_type: bool) -> Type:
    """The query type: what it returns, and itself."""
    kinds = [*(each.name for each in made), *(each.name for each in made), ROOT, TEXT]
    root = [Member(UNCACHED, resolver=True)]
    for number in range(draw(st.integers(2, 3))):
        listed, argued = draw(FORMS)
        returns = draw(st.sampled_from(kinds))
        member = Member(
            f"q{number}",
            returns,
            listed and returns != ROOT,
            resolver=True,
            hint=_hinted(draw, draw(ROOTS_OF_TYPES if by_type else ROOT_HINTS), argued=argued),
            guards=draw(ROOT_GUARDS),
            argued=argued,
        )
        root.append(_at_run_time(draw, member) if honest else member)
    return Type(ROOT, declares=tuple(root))


def _at_run_time(draw: st.DrawFn, member: Member) -> Member:
    return replace(member, restricts=draw(RESTRICTIONS), fails=draw(FAILS))


def _type(
    draw: st.DrawFn,
    before: Blueprint,
    fields: dict[str, tuple[str, bool, bool]],
    number: int,
    *,
    honest: bool,
    by_type: bool,
) -> Type:
    objects = [each.name for each in before.types if not each.abstract]
    kind = draw(st.sampled_from(["object", "interface", *(["union"] * (len(objects) > 1))]))
    hint = _hinted(draw, draw(TYPES_ONLY if by_type else TYPE_HINTS))
    if kind == "union":
        members = draw(st.lists(st.sampled_from(objects), min_size=2, max_size=3, unique=True))
        return Type(f"U{number}", abstract=True, union=tuple(members), hint=hint)
    interfaces = [each.name for each in before.types if each.abstract and not each.union]
    bases: list[str] = []
    if interfaces:
        # The latest more often: it may have bases itself.
        choices = [*interfaces, interfaces[-1]]
        bases += draw(st.lists(st.sampled_from(choices), max_size=2, unique=True))
    if kind == "object" and objects and draw(st.booleans()):
        bases.append(draw(st.sampled_from([*objects, objects[-1]])))
    bases = [*dict.fromkeys(bases)]
    # The latest first: Python then finds an order for any of these.
    bases.sort(key=[each.name for each in before.types].index, reverse=True)
    choices = [*sorted(fields), *[name for name in fields if fields[name][0] not in SCALARS] * 2]
    names = sorted(set(draw(st.lists(st.sampled_from(choices), max_size=3))))
    if honest:
        names = sorted({*names, *draw(WITH_OWN)})
    if not any(before.names(base) for base in bases):
        names = names or ["f0"]
    declares = tuple(
        _member(draw, before, name, *fields[name], kind, honest=honest, by_type=by_type)
        for name in names
    )
    return Type(f"{kind[0].upper()}{number}", kind == "interface", tuple(bases), declares, (), hint)


def _member(
    draw: st.DrawFn,
    before: Blueprint,
    name: str,
    returns: str,
    listed: bool,
    argued: bool,
    kind: str,
    *,
    honest: bool,
    by_type: bool,
) -> Member:
    if returns == ID:
        return Member(name, ID)  # plain, or it would tell no objects apart
    is_abstract = returns not in SCALARS and before.by_name[returns].abstract
    if kind == "object" and is_abstract:
        returns = draw(st.sampled_from([returns, *sorted(before.possible(returns))]))
    usual = FIELDS_OF_TYPES if by_type and returns not in SCALARS else FIELDS
    drawn: Member = draw(OWN if name == ALONE else ARGUED if argued else usual)
    hint = _hinted(draw, drawn.hint, argued=argued, of_object=True)
    made = replace(drawn, name=name, returns=returns, listed=listed, argued=argued, hint=hint)
    made = replace(made, guards=draw(GUARDS))
    if honest and made.resolver:
        made = _at_run_time(draw, made)
    return made
