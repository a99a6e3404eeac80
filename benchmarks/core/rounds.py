"""Measuring in turns: A B C A B C, so that a noisy moment falls on everybody."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

BUDGET: Final = 12.0
"""Seconds for the rounds of one scene: a slow machine measures fewer, and ends in time all the same."""
_FEWEST: Final = 2
LONG: Final = 5.0
"""Seconds: who takes longer is measured once."""

Samples = dict[str, list[float]]
"""Seconds for each candidate, one for each round."""


def within_budget(rounds: int) -> Iterator[int]:
    """Count rounds, until there were so many or the budget is spent; two at least."""
    ends = time.monotonic() + BUDGET
    for number in range(rounds):
        if number >= _FEWEST and time.monotonic() > ends:
            return
        yield number


async def interleaved(
    rounds: int, subjects: Mapping[str, Callable[[], Awaitable[float]]]
) -> Samples:
    """Let async subjects measure themselves in turns."""
    samples: Samples = {name: [] for name in subjects}
    for _ in within_budget(rounds):
        for name, measure in subjects.items():
            if not samples[name] or samples[name][-1] < LONG:
                samples[name].append(await measure())
    return samples


def interleaved_sync(rounds: int, subjects: Mapping[str, Callable[[], float]]) -> Samples:
    """Let sync subjects measure themselves in turns."""
    samples: Samples = {name: [] for name in subjects}
    for _ in within_budget(rounds):
        for name, measure in subjects.items():
            if not samples[name] or samples[name][-1] < LONG:
                samples[name].append(measure())
    return samples


async def seconds_per_call(calls: int, call: Callable[[], Awaitable[object]]) -> float:
    """Time async calls, one after the other."""
    started = time.perf_counter()
    for _ in range(calls):
        await call()
    return (time.perf_counter() - started) / calls


def seconds_per_call_sync(calls: int, call: Callable[[], object]) -> float:
    """Time calls, one after the other."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls
