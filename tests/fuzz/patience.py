"""Waiting for what has to happen, on machines that may be very slow."""

import asyncio
from collections.abc import Callable

_TURN = 0.05
_TURNS = 600


async def eventually(condition: Callable[[], object]) -> bool:
    """Wait until a condition holds; False if it does not come to that.

    The wait is measured in turns of the event loop, half a minute's worth: where every step takes a
    second because the machine is busy, it is that much longer.
    """
    for _ in range(_TURNS):
        if condition():
            return True
        await asyncio.sleep(_TURN)
    return bool(condition())
