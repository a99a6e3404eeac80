"""The keys and tags that everything collides on, and the data that each value is made of.

There are three kinds of data, one for each kind of invalidation: a tag's, which goes into every value that
carries the tag, a key's, which goes into that key's own value, and a tenant's, which goes into all.
"""

from dataclasses import dataclass

TENANTS = ("", "acme")
"""The cache itself, and a tenant inside it that uses the same keys and tags."""
TAGS = 5

_LEAVES: tuple[tuple[int, ...], ...] = ((0,), (1,), (2, 3), (3, 4))
"""The tags of the keys that are made of data alone."""
_NESTED: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1,), (0, 2)),
    ((), (4, 1)),
    ((), (0,)),
    ((4,), (1, 3)),
)
"""The tags of the keys that are made of other keys too, and the numbers of those."""

KEYS_EACH = len(_LEAVES) + len(_NESTED)
_DATA_EACH = 1 + TAGS + KEYS_EACH

DATA = len(TENANTS) * _DATA_EACH
KEYS = len(TENANTS) * KEYS_EACH


def tenant_datum(tenant: str) -> int:
    """Return the datum that goes with `clear`."""
    return TENANTS.index(tenant) * _DATA_EACH


def tag_datum(tenant: str, tag: int) -> int:
    """Return the datum that goes with `invalidate`."""
    return tenant_datum(tenant) + 1 + tag


def tag_name(tag: int) -> str:
    """Return the tag as the cache knows it."""
    return f"tag:{tag}"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of one tenant, and what its value is made of."""

    number: int
    tenant: str
    tags: tuple[int, ...]
    parts: tuple["Key", ...] = ()

    @property
    def name(self) -> str:
        """What the key is called within its tenant.

        The word is chosen so that, of several slots, an invalidation comes to a whole before its parts.
        """
        return f"value {self.number % KEYS_EACH}"

    @property
    def datum(self) -> int:
        """The datum that goes with `forget`."""
        return tenant_datum(self.tenant) + 1 + TAGS + self.number % KEYS_EACH

    @property
    def own_data(self) -> tuple[int, ...]:
        """The data that its generator reads by itself."""
        tags = (tag_datum(self.tenant, tag) for tag in self.tags)
        return (tenant_datum(self.tenant), *tags, self.datum)

    @property
    def all_tags(self) -> frozenset[int]:
        """The tags whose invalidate has to invalidate it: its own, and those of its parts."""
        return frozenset(self.tags).union(*(part.all_tags for part in self.parts))

    @property
    def all_data(self) -> frozenset[int]:
        """The data that has to be in its value, as new as the last invalidation that was acknowledged.

        What is invalidated of a part is invalidated of the whole.
        """
        return frozenset(self.own_data).union(*(part.all_data for part in self.parts))

    @property
    def names_inside(self) -> frozenset[str]:
        """The names of the keys whose generators run when its own does."""
        return frozenset({self.name}).union(*(part.names_inside for part in self.parts))


def all_keys(*, nesting: bool) -> tuple[Key, ...]:
    """Return the keys of all tenants."""
    keys: list[Key] = []
    for number, tenant in enumerate(TENANTS):
        mine: list[Key] = []
        for tags in _LEAVES:
            mine.append(Key(number * KEYS_EACH + len(mine), tenant, tags))
        for tags, parts in _NESTED if nesting else ():
            inside = tuple(mine[part] for part in parts)
            mine.append(Key(number * KEYS_EACH + len(mine), tenant, tags, inside))
        keys += mine
    return tuple(keys)
