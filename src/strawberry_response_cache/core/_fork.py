"""Locks that a forked child replaces, because other threads of its parent may have held them.

Those threads do not exist in the child, so the locks would never be released there.
"""

import os
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

L = TypeVar("L")

_renewed: Final[dict[tuple[int, str], tuple[weakref.ref[Any], Callable[[], object]]]] = {}
"""The owner and the factory of each lock, by the owner's identity and the attribute's name."""


def renewed_in_child(owner: object, name: str, make: Callable[[], L]) -> L:
    """Return a new lock for an attribute; a forked child gets another new lock there.

    Args:
        owner: The object, or module, that has the attribute.
        name: The name of the attribute.
        make: Creates the lock, such as `threading.Lock`.

    Example:
        >>> import threading
        >>> class Counter:
        ...     def __init__(self) -> None:
        ...         self.lock = renewed_in_child(self, "lock", threading.Lock)
        >>> Counter().lock.locked()
        False
    """
    key = (id(owner), name)
    # The weak reference calls back `pop(key, reference)` when its owner is freed; `reference` is only the default.
    _renewed[key] = weakref.ref(owner, partial(_renewed.pop, key)), make
    return make()


def renewed() -> list[tuple[object, str]]:
    """Return the owner and the attribute of each lock that `renewed_in_child` made."""
    found = [(known(), name) for (_, name), (known, _) in list(_renewed.items())]
    return [(owner, name) for owner, name in found if owner is not None]


def _renew() -> None:
    for (_, name), (known, make) in list(_renewed.items()):
        if (owner := known()) is not None:
            setattr(owner, name, make())


os.register_at_fork(after_in_child=_renew)
