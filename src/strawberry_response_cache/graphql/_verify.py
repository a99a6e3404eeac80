"""Which answers are verified, and which session stored an entry; see ``verify`` of `ResponseCacheExtension`."""

import hashlib
import inspect
import os
import random
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._user_code import Raised, called

Share: TypeAlias = float | Callable[[Any], float]
"""A number from 0 to 1, or a function of the context that returns one; True is 1, and False is 0."""

_MOST_BYTES: Final = 4 * 1024 * 1024
_SIZE: Final = 256
"""The approximate size of an entry's key and session here, in bytes: the latest 16,000 entries are known."""
_WITHOUT_SESSION: Final = "without"
_OF_SESSION: Final = "session:"


class Verification:
    """Chooses the operations that are verified, and remembers which session stored each entry of this process.

    Sessions are remembered as keyed digests. Neither the digests nor their key leave this process.

    Args:
        share: The share of operations to verify.

    Example:
        >>> verification = Verification(1.0)
        >>> verification.note_stored("an entry", "alice")
        >>> verification.is_of_another("an entry", "alice"), verification.is_of_another("an entry", "bob")
        (False, True)
        >>> verification.is_of_another("an entry of another process", "bob")
        False
    """

    def __init__(self, share: Share) -> None:
        self.share = share
        self._key = os.urandom(16)
        self._storers: Bounded[str, bytes] = Bounded(_MOST_BYTES)

    def chooses(self, context: object) -> bool | str:
        """Decide at random whether an operation is verified.

        Returns:
            The decision; if the function returned no share, the name of the type of its error, or of what it returned.
        """
        share = self.share if not callable(self.share) else called(self.share, context)
        is_share = called(is_a_share, share)
        if is_share is True:
            return random.random() < share  # type: ignore[operator] # noqa: S311 - checked
        if inspect.iscoroutine(share):
            share.close()
        error = is_share if type(share) is not Raised else share
        return error.kind if type(error) is Raised else type(share).__qualname__

    def note_stored(self, write_id: str, session: str | None) -> None:
        """Note which session stored an entry that all sessions share."""
        self._storers.put(write_id, self._digest(session), size=_SIZE)

    def is_of_another(self, write_id: str, session: str | None) -> bool:
        """Whether an entry is known to have been stored by another session."""
        storer = self._storers.get(write_id)
        return storer is not None and storer != self._digest(session)

    def _digest(self, session: str | None) -> bytes:
        text = _WITHOUT_SESSION if session is None else _OF_SESSION + session
        encoded = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(encoded, digest_size=8, key=self._key).digest()


def is_a_share(value: object) -> bool:
    """Whether a value is a share: a number from 0 to 1.

    Example:
        >>> [is_a_share(each) for each in (0, 0.01, True, 1.5, float("nan"), "1", None)]
        [True, True, True, False, False, False, False]
    """
    return isinstance(value, int | float) and 0 <= value <= 1
