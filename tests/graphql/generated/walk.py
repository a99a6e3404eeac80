"""The naive walk: what a blueprint's hints say, read from the specification word by word."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.graphql.generated.operations import Request, Selection
from tests.graphql.generated.picked import Executed
from tests.graphql.generated.schemas import PRIVATE, ROOT, Blueprint, Hint, Member

FOLLOWS = None
"""What a field says that lives as long as its parent."""


@dataclass(frozen=True)
class Policy:
    """What is decided of an operation: for how long and for whom, or why not at all.

    Attributes:
        ttl: Seconds.
        scope: ``PUBLIC`` or ``PRIVATE``.
        reasons: Each of which forbids to cache.
        limiting: The fields with the lowest ttl, one of which is named.
        stale: The lowest stale window, in seconds.
        vary: Names of the values that it depends on.
    """

    ttl: float | None = None
    scope: str | None = None
    reasons: frozenset[str] = frozenset()
    limiting: frozenset[str] = frozenset()
    stale: float | None = None
    vary: frozenset[str] = frozenset()

    @property
    def cacheable(self) -> bool:
        return not self.reasons


@dataclass
class Walk:
    """A walk over what is selected, or over what was resolved."""

    blueprint: Blueprint
    default_ttl: float | None
    guarded: str
    max_ttl: float = math.inf
    ttls: dict[str, float] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    stale: set[float] = field(default_factory=set)
    vary: set[str] = field(default_factory=set)
    private: bool = False
    poisoned: bool = False

    # - One field, on one concrete parent, with one concrete result

    def type_ttl(self, name: str) -> float | None:
        """A type's own ttl, else 0 if it inherits that; longer ones are not inherited."""
        own, *inherited = [self.blueprint.by_name[n].hint for n in self.blueprint.lineages[name]]
        return _own_or_zero(own, inherited)

    def field_ttl(self, parent: str, name: str) -> float | None:
        """A field's own ttl, else 0 if one of the same name on a base or interface says so."""
        own = self.blueprint.member(parent, name).hint
        return _own_or_zero(own, [m.hint for m in self.blueprint.declarations(parent, name)])

    def said(self, parent: str, member: Member) -> float | str | None:
        """What a field says whatever it returns: its own ttl, or the reason that it has no hint."""
        own = self.field_ttl(parent, member.name)
        if own is None and self.default_ttl is None and member.hint is None and member.resolver:
            return "root_without_hint" if parent == ROOT else "resolver_without_hint"
        return own

    def poisons(self, member: Member, result: str) -> bool:
        """Whether an object counts only when it is there: one of a ttl=0 type where others may be."""
        return self.blueprint.by_name[member.returns].abstract and self.type_ttl(result) == 0

    def of_type(self, member: Member, result: str) -> float | str | None:
        """What the type of what stands there says: the concrete one, else the declared one."""
        for name in (result, member.returns):
            ttl, hint = self.type_ttl(name), self.blueprint.by_name[name].hint
            if ttl is not None:
                return ttl
            if hint and hint.inherit:
                return "inherit"
        return None

    def counted(self, member: Member) -> frozenset[str]:
        """The object types that a field can return; those that poison only where nothing else can stand."""
        results = self.blueprint.possible(member.returns)
        return frozenset(r for r in results if not self.poisons(member, r)) or results

    def lifetime(self, parent: str, member: Member, result: str | None) -> float | str | None:
        """How long a field lives: seconds, `FOLLOWS`, or the reason why it must not be cached."""
        said = self.said(parent, member)
        if said is not None:
            return said
        by_type = None if result is None else self.of_type(member, result)
        if isinstance(by_type, int | float):
            return by_type
        # A root field has no parent that it could follow.
        if parent != ROOT and (by_type == "inherit" or (member.hint and member.hint.inherit)):
            return FOLLOWS
        if self.default_ttl is not None:
            return self.default_ttl if parent == ROOT or result is not None else FOLLOWS
        return "without_ttl" if member.resolver else FOLLOWS

    def all_speak(self, member: Member) -> bool:
        """Whether every type that a field can return has a ttl."""
        says = [self.of_type(member, result) for result in self.counted(member)]
        return all(isinstance(each, int | float) for each in says)

    def window(self, parent: str, member: Member, result: str | None) -> float:
        """How long a field may be served stale: as it says, else as the type that gives the ttl does."""
        if member.hint and member.hint.stale is not None:
            return member.hint.stale
        is_of_field = result is None or self.field_ttl(parent, member.name) is not None
        if result is None or is_of_field or not self.all_speak(member):
            return 0
        for name in (result, member.returns):
            hint = self.blueprint.by_name[name].hint
            if hint and hint.stale is not None:
                return hint.stale
        return 0

    def guard(self, parent: str, member: Member) -> str | None:
        """Whether a check forbids to cache; below a cached field its decision is for the session."""
        if not member.guards:
            return None
        return "guarded" if parent == ROOT or self.guarded == "uncacheable" else None

    def hints(self, parent: str, name: str, results: Iterable[str]) -> list[Hint]:
        """All that speaks of a field: itself on every base and interface, and its types with theirs."""
        hints = [each.hint for each in self.blueprint.declarations(parent, name)]
        for result in results:
            hints += [self.blueprint.by_name[n].hint for n in self.blueprint.lineages[result]]
        return [hint for hint in hints if hint]

    def is_private(self, parent: str, name: str, results: Iterable[str]) -> bool:
        """Whether anything that speaks of a field says PRIVATE."""
        said = any(hint.scope is PRIVATE for hint in self.hints(parent, name, results))
        return said or bool(self.blueprint.member(parent, name).guards)

    # - What can stand there

    def over(
        self, selections: Iterable[Selection], parents: frozenset[str], request: Request
    ) -> None:
        """Walk over selections, with all the object types on which they may be resolved."""
        for each in selections:
            if not all(condition.holds(request.variables) for condition in each.conditions):
                continue
            if each.field is None:
                here = self.blueprint.possible(each.on) if each.on else parents
                self.over(each.below, parents & here, request)
            elif each.field != "__typename":
                for parent in parents:
                    self.on(parent, self.blueprint.member(parent, each.field), each, request)

    def on(self, parent: str, member: Member, selection: Selection, request: Request) -> None:
        """Note what one field says, and walk on below it."""
        refused = self.guard(parent, member)
        if refused:
            self.reasons.add(refused)
        if member.is_scalar:
            self.note(parent, member, None)
            self.speak(parent, member, ())
            return
        results = self.blueprint.possible(member.returns)
        self.speak(parent, member, {member.returns, *results})
        # An object that poisons what holds it says nothing before it is there, nor does what it holds.
        poisonous = {result for result in results if self.poisons(member, result)}
        for result in results:
            lifetime = self.lifetime(parent, member, result)
            if lifetime != 0 or result not in poisonous or results == poisonous:
                self.note(parent, member, result)
        self.over(selection.below, results - poisonous, request)

    def speak(self, parent: str, member: Member, results: Iterable[str]) -> None:
        """Note for whom a field is, and by what it varies."""
        results = [*results]
        self.private |= self.is_private(parent, member.name, results)
        for hint in self.hints(parent, member.name, results):
            self.vary.update(hint.vary)

    def note(self, parent: str, member: Member, result: str | None) -> None:
        """Note how long a field lives."""
        lifetime = self.lifetime(parent, member, result)
        if isinstance(lifetime, str):
            self.reasons.add(lifetime)
        elif lifetime is not None:  # it names seconds
            at = f"{parent}.{member.name}"
            self.ttls[at] = min(lifetime, self.max_ttl, self.ttls.get(at, lifetime))
            self.stale.add(self.window(parent, member, result))

    def policy(self) -> Policy:
        """The lowest ttl, PRIVATE if anything is."""
        reasons = set(self.reasons)
        lowest = min(self.ttls.values(), default=None)
        if self.poisoned or lowest == 0:
            reasons.add("ttl_zero")
        elif lowest is None:
            reasons.add("without_ttl")
        if reasons:
            return Policy(reasons=frozenset(reasons))
        return Policy(
            lowest,
            "PRIVATE" if self.private else "PUBLIC",
            limiting=frozenset(at for at, ttl in self.ttls.items() if ttl == lowest),
            stale=min(self.stale),
            vary=frozenset(self.vary),
        )

    # - What was there

    def over_executed(self, executed: Iterable[Executed]) -> None:
        """Walk over the fields that were resolved, with their objects."""
        for each in executed:
            member = self.blueprint.member(each.parent, each.field)
            refused = self.guard(each.parent, member)
            if refused:
                self.reasons.add(refused)
            self.speak(each.parent, member, each.gave)
            for result in each.gave:
                self.note(each.parent, member, result)
                if self.poisons(member, result):
                    self.poisoned = True
            if not each.gave:
                # Of a null, only the field itself says how long it lives.
                if member.is_scalar:
                    self.note(each.parent, member, None)
                else:
                    said = self.said(each.parent, member)
                    if isinstance(said, str):
                        self.reasons.add(said)
                    elif said is not None:
                        self.ttls.setdefault(f"{each.parent}.{each.field}", min(said, self.max_ttl))


def _own_or_zero(own: Hint | None, inherited: Iterable[Hint | None]) -> float | None:
    if own and own.ttl is not None:
        return own.ttl
    return 0 if any(hint and hint.ttl == 0 for hint in inherited) else None
