"""Data that depends on exactly what the annotations allow it to depend on.

Every value says what it was made of: of which object, for which tenant, and only where the
annotations let it, for which session, locale and zone, at which version of which tag, and in which
request. An entry that serves somebody whom it must not serve then shows as a wrong value.

A field with an entry of its own knows its object by what tells it apart, and of the fields above it
only what it inherits: for whom they are, what they vary by, their tags, what their resolvers said, and
which object owns one without an id. Every other field knows all that they know.
"""

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from strawberry_response_cache import CacheScope, restrict_cache, skip_cache
from tests.graphql.generated.requesters import Requester
from tests.graphql.generated.schemas import (
    ANYTHING,
    ARGUMENT,
    OWNER,
    PRIVATE,
    PUBLIC,
    ROOT,
    Blueprint,
    Hint,
    Member,
)
from tests.graphql.generated.walk import FOLLOWS, Walk

SERIAL = "serial"
"""What is never cached may be of one request alone."""


@dataclass(frozen=True)
class Depends:
    """On what a value may depend, beside its object and the tenant."""

    private: bool = False
    serial: bool = False
    vary: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Facts:
    """What the annotations allow of one field of one type.

    Attributes:
        field: On what it may depend.
        of: On what its type says that it may depend, which an entry of its own knows.
        hands_down: On what entries below it may depend by what is said of the field itself.
        alone: Whether it may have an entry of its own.
        is_public: Whether its own hint says so, which counts for more than PRIVATE above it.
    """

    field: Depends
    of: Depends
    hands_down: Depends
    alone: bool
    is_public: bool


@dataclass(frozen=True)
class HandedDown:
    """What an entry below an object knows of the fields above it.

    Attributes:
        said: Of whatever scope it is.
        of_session: What it knows of the session, unless its own hint says PUBLIC.
        owner: The versions of the nearest object with an id.
    """

    said: frozenset[str] = frozenset()
    of_session: frozenset[str] = frozenset()
    owner: frozenset[str] = frozenset()


class Rules:
    """The facts of a schema."""

    def __init__(self, blueprint: Blueprint, default_ttl: float | None, guarded: str) -> None:
        self.blueprint = blueprint
        self.guarded = guarded
        self._walk = Walk(blueprint, default_ttl, guarded)
        self._facts: dict[tuple[str, str], Facts] = {}

    def of(self, parent: str, member: Member) -> Facts:
        """Return the facts of a field."""
        key = (parent, member.name)
        if key not in self._facts:
            self._facts[key] = self._work_out(parent, member)
        return self._facts[key]

    def poisons(self, member: Member, kind: str) -> bool:
        """Whether an object keeps what holds it from being stored."""
        return self._walk.poisons(member, kind)

    def _work_out(self, parent: str, member: Member) -> Facts:
        walk, blueprint = self._walk, self.blueprint
        own = member.hint
        alone = parent != ROOT and member.resolver and own is not None and not own.inherit
        alone = alone and walk.type_ttl(parent) != 0  # then only what holds it may be stored
        results = () if member.is_scalar else blueprint.possible(member.returns)
        spoken = () if member.is_scalar else {member.returns, *results}
        hints = walk.hints(parent, member.name, spoken)
        counted: Any = (None,) if member.is_scalar else walk.counted(member)
        lives = [walk.lifetime(parent, member, result) for result in counted]
        alone = alone and FOLLOWS not in lives
        guarded = bool(member.guards) and not (own is not None and own.scope is PUBLIC)
        never = any(isinstance(life, str) or life == 0 for life in lives)
        if member.guards and not alone and parent != ROOT and self.guarded == "uncacheable":
            never = True
        declared = blueprint.by_name[member.returns].abstract if spoken else False
        own_hints = walk.hints(parent, member.name, [member.returns] if declared else [])
        lineage = [blueprint.by_name[each].hint for each in blueprint.lineages[parent]]
        return Facts(
            _depends(hints, private=guarded, serial=never),
            _depends([h for h in lineage if h and parent != ROOT]),
            _depends(own_hints, private=guarded),
            alone,
            own is not None and own.scope is PUBLIC,
        )


def _depends(hints: list[Hint], *, private: bool = False, serial: bool = False) -> Depends:
    return Depends(
        private or any(hint.scope is PRIVATE for hint in hints),
        serial,
        frozenset(name for hint in hints for name in hint.vary),
        frozenset(tag for hint in hints for tag in hint.tags),
    )


@dataclass
class Versions:
    """How often each tag of each tenant was invalidated since what it names had changed."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def change(self, tenant: str, *tags: str) -> None:
        """Change what the tags name."""
        self.counts.update((tenant, tag) for tag in tags)


IDS = ["0", "1"]


class Unfillable:
    """Nothing that could stand in a tag."""


OWNERS: list[Any] = [None, "x", "y", ["x", "y"], Unfillable()]


@dataclass
class HonestWorld:
    """The data as one requester sees it in one request.

    Attributes:
        serial: The number of the request.
        restricted: What resolvers said of it at run time.
        waits: Makes a value one that is awaited; None where it is not.
        is_steady: Whether the same objects stand everywhere, whatever has changed.
    """

    rules: Rules
    classes: dict[str, Any]
    versions: Versions
    requester: Requester
    serial: int
    waits: Callable[[Any], Any] | None = None
    is_steady: bool = False
    restricted: list[str] = field(default_factory=list)

    # - Permissions, and what tells objects apart

    def allows(self, permission: str, source: Any) -> bool:
        """Whether a check lets the requester through; `now` differs from request to request at the root."""
        if permission == "now":
            return self.requester.now if source is None else "pass" in self.requester.badges
        return permission in self.requester.badges

    def identity(self, source: Any) -> Any:
        return source.identity

    def token(self, source: Any) -> Any:
        """What tells an object apart."""
        return source.told

    # - Values

    def value(
        self, source: Any, parent: str, member: Member, arguments: dict[str, Any], info: Any
    ) -> Any:
        """Resolve a field."""
        facts = self.rules.of(parent, member)
        told = "" if source is None else source.told
        known: set[str] = set()
        if source is not None:
            known |= self._own(source, parent)
            if facts.alone:
                of = replace(facts.of, private=False) if facts.is_public else facts.of
                known |= self._seen(of, source, {}) | self._inherited(source, facts)
            else:
                known |= source.known
        known |= self._seen(facts.field, source, arguments)
        restricted = self._restricted(member, info)
        known |= restricted
        called = f"{parent}.{member.name}{sorted(arguments.items())}"
        if member.fails and _number(called, told) % 2:
            msg = f"{called} fails, {self.serial}"
            raise RuntimeError(msg)
        if member.is_scalar:
            made = self._scalar(member, f"{called} of {told!r}: {' '.join(sorted(known))}")
        else:
            handed = self._handed_down(source, parent, facts, arguments, restricted)
            made = self._objects(member, called, told, known, handed)
        return made if self.waits is None or info is None else self.waits(made)

    def _inherited(self, source: Any, facts: Facts) -> frozenset[str]:
        """What an entry knows of the fields above it."""
        handed: HandedDown = source.handed
        owner = handed.owner if source.identity is None else frozenset()
        of_session = frozenset() if facts.is_public else handed.of_session
        return handed.said | of_session | owner

    def _handed_down(
        self,
        source: Any,
        parent: str,
        facts: Facts,
        arguments: dict[str, Any],
        restricted: set[str],
    ) -> HandedDown:
        """What entries below a field's objects know of the field and of those above it."""
        before = HandedDown() if source is None else source.handed
        said = self._seen(facts.hands_down, source, arguments) | self._seen(facts.of, source, {})
        of_session = {each for each in said if each.startswith("session=")}
        owner = before.owner
        if source is not None and source.identity is not None:
            tags = (parent, f"{parent}:{source.identity}")
            owner = frozenset(self._version(tag) for tag in tags)
        return HandedDown(
            before.said | (said - of_session) | restricted, before.of_session | of_session, owner
        )

    def _own(self, source: Any, parent: str) -> set[str]:
        """The versions of an object's type and of the object; one without an id may be any."""
        ids = IDS if source.identity is None else [source.identity]
        return {self._version(tag) for tag in (parent, *(f"{parent}:{each}" for each in ids))}

    def _version(self, tag: str) -> str:
        return f"{tag}@{self.versions.counts[self.requester.tenant, tag]}"

    def _seen(self, depends: Depends, source: Any, arguments: dict[str, Any]) -> set[str]:
        who = self.requester
        seen = {f"tenant={who.tenant}"}
        if depends.private:
            seen.add(f"session={who.session!r}")
        if depends.serial:
            seen.add(f"{SERIAL}={self.serial}")
        seen |= {f"{name}={who.varied[name]!r}" for name in depends.vary}
        for tag in depends.tags:
            if tag == ARGUMENT:
                seen.add(self._version(f"n:{arguments['n']}"))
            elif tag == OWNER:
                owners = source.owner if isinstance(source.owner, list) else [source.owner]
                if isinstance(source.owner, Unfillable):
                    seen.add(f"{SERIAL}={self.serial}")
                else:
                    seen |= {self._version(f"of:{owner}") for owner in owners if owner}
            else:
                seen.add(self._version(tag))
        return seen

    def _restricted(self, member: Member, info: Any) -> set[str]:
        """Say at run time what the member says, and what its value then depends on."""
        known = set()
        for each in member.restricts:
            self.restricted.append(each)
            word, _, rest = each.partition(" ")
            if word == "private":
                restrict_cache(info, scope=CacheScope.PRIVATE)
                known.add(f"session={self.requester.session!r}")
            elif word == "ttl":
                restrict_cache(info, ttl=int(rest))
            elif word == "tag":
                restrict_cache(info, tags=[rest])
                known.add(self._version(rest))
            else:
                skip_cache(info)
                known.add(f"{SERIAL}={self.serial}")
        return known

    def _scalar(self, member: Member, text: str) -> Any:
        made: Any = text
        if member.returns == ANYTHING:
            # Some of these are not JSON as they stand.
            made = [{"is": text}, (text,), [text], text, 1][_number(text) % 5]
        return [made, made] if member.listed else made

    def _objects(
        self, member: Member, called: str, told: str, known: set[str], handed: HandedDown
    ) -> Any:
        kinds = sorted(self.rules.blueprint.possible(member.returns))
        # Which types stand there, and how many of a list, is no secret before anybody changed it.
        seen = {self._version(each) for each in kinds}
        if member.listed:
            seen |= {self._version(f"[{each}]") for each in kinds}
        known |= seen
        first = self._picked(called, told, known)
        made = []
        for at in range(first % 3 if member.listed else 1):
            kind = kinds[(first // 3 + at) % len(kinds)]
            made.append(self._object(member, kind, f"{called}[{at}]", told, known))
            made[-1].handed = handed
        if not member.listed and first % 8 == 0:
            return None
        return made if member.listed else made[0]

    def _picked(self, called: str, told: str, known: set[str]) -> int:
        return _number(called, told, *([] if self.is_steady else sorted(known)))

    def _object(self, member: Member, kind: str, called: str, told: str, known: set[str]) -> Any:
        cls = self.classes[kind]
        made = cls.__new__(cls)
        made.world = self
        number = self._picked(called, told, known)
        has_id = self.rules.blueprint.has_id(kind) and number % 11
        made.identity = IDS[number % len(IDS)] if has_id else None
        if kind == ROOT:
            made.told = f"{told}/{called}"
        else:
            attribute = self.rules.blueprint.id_attribute
            # An id that is read elsewhere may name another object.
            named = kind if attribute == "id" else f"{kind}.{attribute}"
            named = f"{named}:{made.identity}"
            made.told = named if made.identity else f"{told}/{called}/{number % 9}"
        made.owner = OWNERS[_number(made.told) % len(OWNERS)]
        made.known = frozenset(known)
        if self.rules.poisons(member, kind):
            made.known |= {f"{SERIAL}={self.serial}"}
        return made


def _number(*texts: str) -> int:
    return zlib.crc32("|".join(texts).encode())
