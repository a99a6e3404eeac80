"""Words that nobody else has: for leases, write ids and epochs."""

import itertools
import os
import secrets
from typing import Final


class _Tokens:
    """Tokens of this process: random once, then counted, which takes a tenth of the time."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin anew: a forked child would go on with the tokens of its parent."""
        self._begins_with = secrets.token_urlsafe(12)
        self._numbers = itertools.count()

    def next(self) -> str:
        # All are of one length: none begins like another.
        return f"{self._begins_with}{next(self._numbers):010x}"


_tokens: Final = _Tokens()
os.register_at_fork(after_in_child=_tokens.begin)


def new_token() -> str:
    """Return a token that nobody else has: for leases, write ids and epochs."""
    return _tokens.next()
