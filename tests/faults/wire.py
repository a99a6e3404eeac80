"""What can happen to bytes on their way: each fault says what becomes of the bytes at hand."""

import math
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """What happens next on one stream.

    Attributes:
        take: How many of the pending bytes this step consumes.
        give: What goes on in their place.
        wait: Seconds before that; a change of the fault meanwhile calls the step off.
        cut: Whether the connection ends after it.
        then: What is in force after it, if that changes.
    """

    take: int
    give: bytes
    wait: float = 0
    cut: bool = False
    then: "Fault | None" = None


class Fault(Protocol):
    """Decides on bytes; offsets count from the moment when it came into force, on each stream."""

    def step(self, pending: bytes, offset: int) -> Step:
        """Return what happens to the pending bytes, the first of which is at the offset."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """No fault."""

    def step(self, pending: bytes, offset: int) -> Step:
        return Step(len(pending), pending)


@dataclass(frozen=True, slots=True)
class Delay:
    """Everything arrives, later."""

    seconds: float

    def step(self, pending: bytes, offset: int) -> Step:
        return Step(len(pending), pending, wait=self.seconds)


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing arrives as long as this is in force, and nothing is lost."""

    def step(self, pending: bytes, offset: int) -> Step:
        return Step(len(pending), pending, wait=math.inf)


@dataclass(frozen=True, slots=True)
class Truncate:
    """The first bytes arrive, the rest never does; the connection stays."""

    first: int

    def step(self, pending: bytes, offset: int) -> Step:
        return Step(len(pending), pending[: max(0, self.first - offset)])


SILENCE = Truncate(0)
"""Everything is read, nothing arrives."""


@dataclass(frozen=True, slots=True)
class Lose:
    """What arrives next is lost, and then all is well."""

    def step(self, pending: bytes, offset: int) -> Step:
        return Step(len(pending), b"", then=Pass())


@dataclass(frozen=True, slots=True)
class Cut:
    """The first bytes arrive, then the connection is gone.

    Attributes:
        after: How many arrive.
        once: Whether only the first connection that gets there is cut, and then all is well.
    """

    after: int = 0
    once: bool = False

    def step(self, pending: bytes, offset: int) -> Step:
        allowed = max(0, self.after - offset)
        ends = len(pending) >= allowed
        then = Pass() if ends and self.once else None
        return Step(len(pending), pending[:allowed], cut=ends, then=then)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Everything arrives, with bits flipped.

    Attributes:
        at: The offset of the byte.
        mask: The bits of it.
        once: Whether everything after it passes as it is, on later connections too.
    """

    at: int
    mask: int = 1
    once: bool = False

    def step(self, pending: bytes, offset: int) -> Step:
        damaged = bytearray(pending)
        hit = 0 <= self.at - offset < len(pending)
        if hit:
            damaged[self.at - offset] ^= self.mask
        then = Pass() if hit and self.once else None
        return Step(len(pending), bytes(damaged), then=then)


@dataclass(frozen=True, slots=True)
class Trickle:
    """Everything arrives, byte by byte."""

    pause: float

    def step(self, pending: bytes, offset: int) -> Step:
        return Step(1, pending[:1], wait=self.pause)
