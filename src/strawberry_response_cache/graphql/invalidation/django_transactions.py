"""Invalidations after the transactions of Django that are open in this thread; Django is not imported.

Source: https://docs.djangoproject.com/en/stable/topics/db/transactions/#performing-actions-after-commit
"""

import sys
from collections.abc import Callable
from typing import Any, Final

_ON_COMMIT: Final = "django.db.transaction"


def is_djangos(on_commit: object) -> bool:
    """Whether a function is Django's own ``transaction.on_commit``."""
    transaction = sys.modules.get(_ON_COMMIT)
    return transaction is not None and on_commit is transaction.on_commit


def after_open_transactions(function: Callable[[], object]) -> bool:
    """Call a function after each transaction that is open in this thread, of any database.

    Django does not call it if a transaction is rolled back, or a savepoint around this call.

    Args:
        function: What is called, once for each transaction.

    Returns:
        Whether there is an open transaction.
    """
    databases: Any = sys.modules.get("django.db")
    transaction: Any = sys.modules.get(_ON_COMMIT)
    if (
        databases is None
        or transaction is None
        or not sys.modules["django.conf"].settings.configured
    ):
        return False
    open_ones = [
        connection.alias
        for connection in databases.connections.all(initialized_only=True)
        if connection.in_atomic_block
    ]
    for alias in open_ones:
        transaction.on_commit(function, using=alias)
    return bool(open_ones)
