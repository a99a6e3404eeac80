"""For how long callers wait for the runs of others, and whether there is one that is worth it.

Time is counted in turns of the event loop: where the machine stands still, nobody is blamed for it.
"""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from tests.fuzz.behaviour import Invalidate, Question
from tests.fuzz.options import Options
from tests.fuzz.world import Key, all_keys

_TURN: Final = 0.05
_SLACK: Final = 5.0
"""Seconds that anything else may take: the network, commits, ordinary runs."""


class Clock:
    """Seconds, counted in turns of the event loop."""

    def __init__(self) -> None:
        self.now = 0.0

    async def run(self) -> None:
        """Count until it is cancelled."""
        while True:
            await asyncio.sleep(_TURN)
            self.now += _TURN


@dataclass(eq=False, slots=True)
class Run:
    """One run of a generator, in nanoseconds.

    Attributes:
        are_tags_known: Whether its tags are known before its value is.
        began_ns: When it began.
        ended_ns: When it ended; 0 while it goes on.
    """

    are_tags_known: bool
    began_ns: int
    ended_ns: int = 0

    def was_under_way(self, since_ns: int) -> bool:
        """Whether it was, at this moment or later."""
        return not self.ended_ns or self.ended_ns >= since_ns


class Waits:
    """Judges the waits of one process.

    Args:
        options: The run.
    """

    def __init__(self, options: Options) -> None:
        self._budget = options.wait_budget
        # Of what other processes do, nothing is known here; nor whose parts were invalidated.
        self._knows_all = options.processes == 1 and not options.nesting
        self._runs: defaultdict[int, list[Run]] = defaultdict(list)
        self._invalidated: defaultdict[int, list[tuple[int, bool]]] = defaultdict(list)

    def begins(self, question: Question, *, are_tags_known: bool) -> Run:
        """Note that a generator runs."""
        run = Run(are_tags_known and not question.tags_from_value, time.monotonic_ns())
        self._runs[question.key.number].append(run)
        return run

    def invalidated(self, invalidate: Invalidate) -> None:
        """Note an invalidation that this process made, and that was acknowledged."""
        now = time.monotonic_ns()
        for key in all_keys(nesting=False):
            if _concerns(invalidate, key):
                self._invalidated[key.number].append((now, invalidate.kind == "tags"))

    def too_long(self, key: Key, asked_ns: int, seconds: float) -> str | None:
        """Return what is wrong with a wait that is over.

        Args:
            key: What was asked for.
            asked_ns: When the caller began to ask.
            seconds: For how long it waited.
        """
        if (wrong := over_budget(self._budget, seconds)) is not None:
            return wrong
        if self._knows_all and seconds > _SLACK and not self._was_worth_it(key, asked_ns):
            return f"waited for {seconds:.1f} s, and nothing that was under way was of use to it"
        return None

    def _was_worth_it(self, key: Key, asked_ns: int) -> bool:
        """Whether a run was under way that no invalidation before had made useless."""
        invalidated = [each for each in self._invalidated[key.number] if each[0] < asked_ns]
        return any(
            not any(
                run.began_ns < at_ns and (run.are_tags_known or not by_tags)
                for at_ns, by_tags in invalidated
            )
            for run in self._runs[key.number]
            if run.was_under_way(asked_ns)
        )


def over_budget(budget: float, seconds: float) -> str | None:
    """Return what is wrong with a wait that took longer than a budget."""
    if seconds <= budget + _SLACK:
        return None
    return f"waited for {seconds:.1f} s, with a budget of {budget} s"


def _concerns(invalidate: Invalidate, key: Key) -> bool:
    if invalidate.key.tenant != key.tenant:
        return False
    match invalidate.kind:
        case "tags":
            return not set(invalidate.tags).isdisjoint(key.tags)
        case "key":
            return invalidate.key.number == key.number
        case "clear":
            return True
