"""Data that numbers pick, and what of it was resolved."""

from dataclasses import dataclass, field
from typing import Any

from tests.graphql.generated.schemas import Blueprint, Member


@dataclass(frozen=True)
class Executed:
    """A field that was resolved on an object of a concrete type, and the types of what it gave."""

    parent: str
    field: str
    gave: tuple[str, ...]


@dataclass
class PickedWorld:
    """The data: which object stands where is picked by the numbers, one after the other.

    Without numbers there are no objects: nulls and empty lists only. Everything is allowed.
    """

    blueprint: Blueprint
    classes: dict[str, Any]
    picks: tuple[int, ...] = ()
    executed: list[Executed] = field(default_factory=list)
    _picked: int = 0

    def _pick(self, below: int) -> int:
        self._picked += 1
        return self.picks[self._picked % len(self.picks)] % below

    def value(self, source: Any, parent: str, member: Member, arguments: Any, info: Any) -> Any:
        """Resolve a field, and write it down."""
        if member.is_scalar:
            self.executed.append(Executed(parent, member.name, ()))
            return ["1"] if member.listed else "1"
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
        made.owner = "x"
        return made

    def allows(self, permission: str, source: Any) -> bool:
        return True

    def identity(self, source: Any) -> Any:
        """None: nothing tells these objects apart."""
        return None

    def token(self, source: Any) -> Any:
        """As above."""
        return None
