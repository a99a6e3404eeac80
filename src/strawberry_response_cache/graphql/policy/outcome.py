"""What the cache did, as ``extensions.responseCache`` shows it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

Status: TypeAlias = Literal["hit", "stale", "miss", "bypass"]

_BEST_FIRST: tuple[Status, ...] = ("hit", "stale", "miss", "bypass")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the cache did for one operation, or for one field.

    Attributes:
        status: ``hit``, ``stale``, ``miss`` or ``bypass``.
        reason: Why it was not cached; None if it was.
        advice: What to change; empty if there is nothing to change.
        age: Seconds since it was stored.
        ttl: Seconds until it expires.
        scope: ``PUBLIC`` or ``PRIVATE``.
        limited_by: The coordinate of the field that set the ttl.
        is_collapsed: Whether this is the answer that a concurrent request executed.
        verified: The result of comparing a verified answer; None if none was compared.
    """

    status: Status
    reason: Reason | None = None
    advice: str = ""
    age: float | None = None
    ttl: float | None = None
    scope: str | None = None
    limited_by: str | None = None
    is_collapsed: bool = False
    verified: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Outcome":
        """Return the outcome of something that was answered without the cache."""
        return cls("bypass", problem.reason, problem.advice)

    def as_extension(self) -> dict[str, object]:
        """Return the outcome as a response shows it: ages and ttls in whole seconds."""
        shown: dict[str, object] = {
            "status": self.status,
            "age": None if self.age is None else int(self.age),
            "ttl": None if self.ttl is None else int(self.ttl),
            "scope": self.scope,
            "reason": None if self.reason is None else self.reason.value,
            "advice": self.advice or None,
            "limitedBy": self.limited_by,
            "verified": self.verified,
        }
        return {name: value for name, value in shown.items() if value is not None}


class FieldOutcomes:
    """What the cache did for each field with an entry of its own, one line for each coordinate.

    A list can hold a field five hundred times. Its line shows the worst outcome, the number of fields, and the number
    of hits if not all were hits. Its scope is PRIVATE if one of them is.
    """

    __slots__ = ("_counts", "_hits", "_outcomes")

    def __init__(self) -> None:
        self._outcomes: dict[str, Outcome] = {}
        self._counts: dict[str, int] = {}
        self._hits: dict[str, int] = {}

    def add(self, coordinate: str, outcome: Outcome) -> None:
        """Count the outcome of a field of one object."""
        self._counts[coordinate] = self._counts.get(coordinate, 0) + 1
        if outcome.status == "hit":
            self._hits[coordinate] = self._hits.get(coordinate, 0) + 1
        known = self._outcomes.get(coordinate)
        self._outcomes[coordinate] = outcome if known is None else worse_of(known, outcome)

    def items(self) -> list[tuple[str, Outcome, int]]:
        """Return the coordinate, the worst outcome and the number of the fields, for each line."""
        # A copy is iterated, because fields may be added at the same time.
        return [(name, outcome, self._counts[name]) for name, outcome in [*self._outcomes.items()]]

    def as_extension(self, advise: Callable[[str], str | None]) -> list[dict[str, object]]:
        """Return the outcomes as a response shows them.

        Args:
            advise: Returns advice for a coordinate, or None; it is shown where the outcome has no advice.
        """
        shown: list[dict[str, object]] = []
        for coordinate, outcome, count in self.items():
            line = {"field": coordinate, **outcome.as_extension(), "count": count}
            if 0 < (hits := self._hits.get(coordinate, 0)) < count:
                line["hits"] = hits
            if "advice" not in line and (advice := advise(coordinate)) is not None:
                line["advice"] = advice
            shown.append(line)
        return shown


def worse_of(one: Outcome, other: Outcome) -> Outcome:
    """Return the worse of two outcomes; if it has a scope, the scope is PRIVATE if either outcome is.

    Example:
        >>> told = worse_of(Outcome("hit", scope="PRIVATE"), Outcome("miss", scope="PUBLIC"))
        >>> told.status, told.scope
        ('miss', 'PRIVATE')
    """
    worse = other if is_worse(other, one) else one
    is_told = worse.scope is not None and "PRIVATE" in {one.scope, other.scope}
    return replace(worse, scope="PRIVATE") if is_told and worse.scope != "PRIVATE" else worse


def is_worse(one: Outcome, other: Outcome) -> bool:
    """Whether an outcome has a worse status than another, or the same status and a shorter ttl.

    Example:
        >>> is_worse(Outcome("miss"), Outcome("hit", ttl=5.0)), is_worse(Outcome("miss"), Outcome("miss"))
        (True, False)
    """
    return _promise(one) < _promise(other)


def _promise(outcome: Outcome) -> tuple[int, float]:
    return -_BEST_FIRST.index(outcome.status), outcome.ttl or 0.0
