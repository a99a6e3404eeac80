"""How long, and by whom, a response may be reused that browsers and CDNs may store."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)  # frozen ones are slower to make, and each hit needs one
class Freshness:
    """How long a response may be reused, and by whom.

    Attributes:
        lifetime: Seconds for which it is fresh, from when it was stored.
        stale: Seconds after that, in which it may be served while it is refreshed.
        age: Seconds since it was stored.
        is_shortened: Whether it is fresh for less than its annotations say.
        is_shared: Whether everybody gets this response, unless the request headers select another tenant or
            varied value.
        validator: A digest of its key and data; empty if there is none.
        tags: The names of its tags for caches in front, the coarsest first; empty if they are not sent.
        entity_tags: The names of the tags of each object of ``_entities``; None for another response.
    """

    lifetime: float
    stale: float
    age: float
    is_shared: bool
    is_shortened: bool = False
    validator: str = field(default="", repr=False)
    tags: tuple[str, ...] = field(default=(), repr=False)
    entity_tags: tuple[tuple[str, ...], ...] | None = field(default=None, repr=False)


def strictest(parts: Sequence[Freshness | None]) -> Freshness | None:
    """Return the freshness of a response that is made of parts: the strictest; None if a part must not be stored.

    Args:
        parts: The freshness of each part; None for one that must not be stored.

    Example:
        >>> old = Freshness(lifetime=60, stale=0, age=50, is_shared=True)
        >>> new = Freshness(lifetime=60, stale=9, age=0, is_shared=False)
        >>> strictest([old, new])
        Freshness(lifetime=60, stale=0, age=50, is_shared=False, is_shortened=False)
        >>> strictest([old, None])
    """
    known = [each for each in parts if each is not None]
    if len(known) < len(parts) or not known:
        return None
    if len(known) == 1:
        return known[0]
    return Freshness(
        lifetime=min(each.lifetime for each in known),
        stale=min(each.stale for each in known),
        age=max(each.age for each in known),
        is_shared=all(each.is_shared for each in known),
        is_shortened=any(each.is_shortened for each in known),
        tags=tuple(dict.fromkeys(tag for each in known for tag in each.tags)),
    )
