"""Measuring in turns: A B C A B C, so that a noisy moment falls on everybody."""

import time
from collections.abc import Awaitable, Callable, Mapping

Samples = dict[str, list[float]]
"""Seconds for each candidate, one for each round."""


async def interleaved(
    rounds: int, subjects: Mapping[str, Callable[[], Awaitable[float]]]
) -> Samples:
    """Let async subjects measure themselves in turns."""
    samples: Samples = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, measure in subjects.items():
            samples[name].append(await measure())
    return samples


def interleaved_sync(rounds: int, subjects: Mapping[str, Callable[[], float]]) -> Samples:
    """Let sync subjects measure themselves in turns."""
    samples: Samples = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, measure in subjects.items():
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
