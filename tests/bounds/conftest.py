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
        before = blocks()
        await work()
        kept = blocks() - before
        assert kept < things / 2, f"{kept} blocks were kept for {things} things"

    return check
