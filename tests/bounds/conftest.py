"""How memory is counted: in the blocks that the interpreter has given out and not got back."""

import gc
import sys
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

KeepsNothing: TypeAlias = Callable[[Callable[[], Awaitable[None]], int], Awaitable[None]]


def blocks() -> int:
    """Count the blocks in use: every object that is kept has at least one."""
    for _ in range(3):  # what a finalizer let go can have finalizers
        gc.collect()
    return sys.getallocatedblocks()


@pytest.fixture
def keeps_nothing() -> KeepsNothing:
    """Check that a round of work on ever new things ends with the memory it began with."""

    async def check(work: Callable[[], Awaitable[None]], things: int) -> None:
        for _ in range(2):  # the interpreter and the libraries fill caches of their own
            await work()
        kept = []
        for _ in range(
            5
        ):  # what is still to be read at a glance is not kept; what is kept is so each time
            before = blocks()
            await work()
            kept.append(blocks() - before)
            if kept[-1] < things / 2:
                return
        pytest.fail(f"{kept} blocks were kept for {things} things each")

    return check
