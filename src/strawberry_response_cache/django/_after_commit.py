"""Changes of one transaction are gathered, and told once after its commit; after a rollback never."""

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from django.db import transaction

from strawberry_response_cache.graphql.invalidation.django_transactions import (
    AfterCommit,
    will_commit,
)

Changes: TypeAlias = Mapping[Any, AbstractSet[str]]
"""Tags to invalidate, by tenant."""


class _Transaction:
    """The changes of one transaction.

    Args:
        tell: Gets all of them.

    Attributes:
        changes: Django alone holds them, and drops those of a savepoint that is rolled back.
        is_told: Whether they were told, all together.
    """

    __slots__ = ("__weakref__", "_tell", "changes", "is_told")

    def __init__(self, tell: Callable[[Changes], None]) -> None:
        self._tell = tell
        self.changes: weakref.WeakSet[_Change] = weakref.WeakSet()
        self.is_told = False

    def tell(self) -> None:
        """Tell all changes, once."""
        if self.is_told:
            return
        self.is_told = True
        found: defaultdict[Hashable, set[str]] = defaultdict(set)
        for each in self.changes:
            found[each.tenant] |= each.tags
        self._tell(found)


class _Change(AfterCommit):
    """One change, which Django calls after the commit. The first that is called tells all of the transaction."""

    __slots__ = ("__weakref__", "tags", "tenant")

    def __init__(self, within: _Transaction, tenant: Hashable, tags: frozenset[str]) -> None:
        super().__init__(within.tell)
        self.tenant = tenant
        self.tags = tags
        within.changes.add(self)


class ChangesByTransaction:
    """Gathers changes until the transactions of this thread are committed.

    Args:
        tell: Gets the changes of each transaction that was committed.
    """

    def __init__(self, tell: Callable[[Changes], None]) -> None:
        self._tell = tell
        self._open = threading.local()

    def add(self, tenant: Hashable, tags: Iterable[str], *, using: str) -> None:
        """Add a change; it is told at once if no transaction is open.

        Args:
            tenant: The tenant whose data has changed.
            tags: The tags to invalidate.
            using: The alias of the database that has changed.
        """
        # What is open is held weakly: it ends with its transaction, whether that is committed or rolled back. If
        # it should live on, the next transaction tells its changes too, which invalidates more and loses nothing.
        known: weakref.ref[_Transaction] | None = vars(self._open).get(using)
        within = None if known is None else known()
        if within is None or within.is_told:
            within = _Transaction(self._tell)
            vars(self._open)[using] = weakref.ref(within)
        change = _Change(within, tenant, frozenset(tags))
        if not will_commit(transaction.get_connection(using)):
            change()  # no transaction is open, or Django does not report its commit
            return
        transaction.on_commit(change, using=using)
