"""The tags of one invalidation, as ``on_invalidate`` receives them."""

from collections.abc import Iterable
from typing import Any, Self


class InvalidatedTags(tuple[str, ...]):  # noqa: SLOT001 - a tuple has no room for slots
    """The tags of one invalidation, as ``on_invalidate`` receives them.

    A family of tags is ``shelf:*``, and everything is ``*``.

    Attributes:
        tenant: A hash of the tenant's name, which differs for each tenant; empty without a tenant.

    Example:
        >>> tags = InvalidatedTags(["Book", "Book:1"], tenant="5d41402abc4b2a76")
        >>> tags, tags.tenant
        (('Book', 'Book:1'), '5d41402abc4b2a76')
    """

    tenant: str

    def __new__(cls, tags: Iterable[str], *, tenant: str) -> Self:
        """Create the tags of one invalidation."""
        made = super().__new__(cls, tags)
        made.tenant = tenant
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the tags with the tenant."""
        return _tags_again, (tuple(self), self.tenant)


def _tags_again(tags: tuple[str, ...], tenant: str) -> InvalidatedTags:
    return InvalidatedTags(tags, tenant=tenant)
