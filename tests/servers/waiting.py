"""Waiting for a state that another process reaches in its own time."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 60.0
"""Seconds after which a state counts as never reached; a busy machine needs a few of them."""

_GLANCE: Final = 0.01


def wait_until(condition: Callable[[], object], what: str, *, patience: float = PATIENCE) -> None:
    """Look again and again until a condition holds.

    Args:
        condition: What to look at. Its own errors pass through.
        what: The state awaited, for the message.
        patience: Seconds to wait at most.

    Raises:
        TimeoutError: If the state was not reached in time.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            msg = f"not reached within {patience} seconds: {what}"
            raise TimeoutError(msg)
        time.sleep(_GLANCE)
