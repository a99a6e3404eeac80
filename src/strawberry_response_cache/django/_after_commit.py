"""Collects the changes of one transaction, and passes them on once after its commit; never after a rollback."""

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
        tell: Receives all of them.

    Attributes:
        changes: The changes. Only Django keeps them alive, and it drops those of a savepoint that is rolled back.
        is_told: Whether the changes were passed on.
    """

    __slots__ = ("__weakref__", "_tell", "changes", "is_told")

    def __init__(self, tell: Callable[[Changes], None]) -> None:
        self._tell = tell
        self.changes: weakref.WeakSet[_Change] = weakref.WeakSet()
        self.is_told = False

    def tell(self) -> None:
        """Pass all changes on; do nothing if they were passed on before."""
        if self.is_told:
            return
        self.is_told = True
        found: defaultdict[Hashable, set[str]] = defaultdict(set)
        for each in self.changes:
            found[each.tenant] |= each.tags
        self._tell(found)


class _Change(AfterCommit):
    """One change, which Django calls after the commit. The first call passes on all changes of the transaction."""

    __slots__ = ("__weakref__", "tags", "tenant")

    def __init__(self, within: _Transaction, tenant: Hashable, tags: frozenset[str]) -> None:
        super().__init__(within.tell)
        self.tenant = tenant
        self.tags = tags
        within.changes.add(self)


class ChangesByTransaction:
    """Gathers changes until the transactions of this thread are committed.

    Args:
        tell: Receives the changes of each transaction that was committed.
    """

    def __init__(self, tell: Callable[[Changes], None]) -> None:
        self._tell = tell
        self._open = threading.local()

    def add(self, tenant: Hashable, tags: Iterable[str], *, using: str) -> None:
        """Add a change; pass it on at once if no transaction is open.

        Args:
            tenant: The tenant whose data has changed.
            tags: The tags to invalidate.
            using: The alias of the database that has changed.
        """
        # Django alone keeps this object alive, until the transaction is committed or rolled back. If it stays alive,
        # the next transaction passes on its changes too, which invalidates more and loses nothing.
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
