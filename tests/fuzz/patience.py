"""Waiting for what has to happen, on machines that may be very slow."""

import asyncio
from collections.abc import Callable

_TURN = 0.05
_TURNS = 600


async def eventually(condition: Callable[[], object], *, times: int = 1) -> bool:
    """Wait until a condition holds; False if it does not come to that.

    The wait is measured in turns of the event loop, half a minute's worth: where every step takes a
    second because the machine is busy, it is that much longer.

    Args:
        condition: What is waited for.
        times: How often that wait is repeated.
    """
    for _ in range(times * _TURNS):
        if condition():
            return True
        await asyncio.sleep(_TURN)
    return bool(condition())
