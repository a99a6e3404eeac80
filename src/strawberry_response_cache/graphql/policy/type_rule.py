"""The combined hints of a type, and those of all types that a field can return."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRule:
    """The combined hints of a type, its bases and interfaces.

    Attributes:
        ttl: Seconds; None if it has none.
        inherit: Whether it has no ttl, and its own hint has ``inherit=True``.
        private: Whether a hint is PRIVATE.
        stale: The stale window, in seconds.
        tags: Its tags.
        vary: Its ``vary`` names.
    """

    ttl: float | None
    inherit: bool
    private: bool
    stale: float | None
    tags: tuple[str, ...]
    vary: tuple[str, ...]


def of_types(
    types: list[TypeRule], declared: TypeRule, stale: float | None
) -> tuple[float | None, float | None, float | None, bool]:
    """Return the combined ttl, cap and stale window of types, and whether they inherit the parent's ttl.

    A type that says neither a ttl nor ``inherit=True`` takes what the declared type says.
    """
    speaking = [declared if rule.ttl is None and not rule.inherit else rule for rule in types]
    stales = [declared.stale if rule.stale is None else rule.stale for rule in types]
    known = [rule.ttl for rule in speaking if rule.ttl is not None]
    if not known or len(known) < len(speaking):
        # ttl=0 on one of them counts even if the others have no ttl.
        cap = min(known, default=None)
        inherits = bool(speaking) and all(r.inherit or r.ttl is not None for r in speaking)
        return (0.0 if cap == 0 else None), cap, stale, inherits
    if stale is None:
        stale = min((s or 0.0 for s in stales), default=None)
    return min(known), None, stale, False
