"""Defers invalidations until Django's transactions in this thread are committed; Django is not imported here.

Source: https://docs.djangoproject.com/en/stable/topics/db/transactions/#performing-actions-after-commit
"""

import sys
from collections.abc import Callable
from typing import Any, Final

from strawberry_response_cache.core._user_code import called
from strawberry_response_cache.core.drivers.driving import running_loop

_ON_COMMIT: Final = "django.db.transaction"


def is_djangos(on_commit: object) -> bool:
    """Whether a function is Django's own ``transaction.on_commit``."""
    transaction = sys.modules.get(_ON_COMMIT)
    return transaction is not None and on_commit is transaction.on_commit


class AfterCommit:
    """An invalidation that waits for a commit; Django drops it with a transaction or savepoint that is rolled back."""

    __slots__ = ("_function", "is_over")

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self.is_over = False

    def __call__(self) -> None:
        """Invalidate; Django calls this after the commit."""
        # Django's `captureOnCommitCallbacks` calls it, and leaves it in `run_on_commit`.
        self.is_over = True
        self._function()


def after_open_transactions(function: Callable[[], object]) -> bool:
    """Call a function after the commit of each transaction that is open in this thread, of any database.

    Django does not call it if a transaction is rolled back, or a savepoint around this call.

    Args:
        function: The function; it is called once for each transaction.

    Returns:
        Whether there is an open transaction that is not only that of a ``TestCase``.
    """
    open_ones = [each for each in _connections() if will_commit(each)]
    for connection in open_ones:
        sys.modules[_ON_COMMIT].on_commit(AfterCommit(function), using=connection.alias)
    return bool(open_ones)


def will_commit(connection: Any) -> bool:  # noqa: ANN401 - of Django
    """Whether a connection is in a transaction that the application has opened.

    The transaction around a ``TestCase`` of Django does not count: it is never committed.
    """
    return any(not getattr(each, "_from_testcase", False) for each in connection.atomic_blocks)


def is_before_commit() -> bool:
    """Whether an invalidation waits for a transaction that is open in this thread.

    Only code in this thread sees the changes of the transaction, and they may be rolled back.
    """
    return running_loop() is None and called(_is_one_awaited) is True


def _is_one_awaited() -> bool:
    return any(
        isinstance(function, AfterCommit) and not function.is_over
        for connection in _connections()
        for _, function, *_ in connection.run_on_commit
    )


def _connections() -> list[Any]:
    """Return the database connections of this thread; outside of a transaction, a connection has no atomic blocks."""
    databases: Any = sys.modules.get("django.db")
    if databases is None or not sys.modules["django.conf"].settings.configured:
        return []
    return list(databases.connections.all(initialized_only=True))
