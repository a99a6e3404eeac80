"""The Markdown table of all measurements."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_COLUMNS = ("what", "who", "median", "minimum", "of a bare GET", "counted")


@dataclass(frozen=True, slots=True)
class Row:
    """What one candidate did in one scene.

    Attributes:
        what: The scene.
        who: The candidate.
        seconds: One sample for each round.
        bare: The samples of the bare GET in the same rounds; empty where none was measured.
        counted: What was counted meanwhile, such as runs of the generator.
    """

    what: str
    who: str
    seconds: Sequence[float]
    bare: Sequence[float] = ()
    counted: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the row as text."""
        ratio = ""
        if self.bare:
            # Who took long was measured in the first rounds only.
            ratios = (own / bare for own, bare in zip(self.seconds, self.bare, strict=False))
            ratio = f"{statistics.median(ratios):.2f}"
        median, minimum = statistics.median(self.seconds), min(self.seconds)
        return (self.what, self.who, duration(median), duration(minimum), ratio, self.counted)


def duration(seconds: float) -> str:
    """Write a duration in the unit that fits it.

    Example:
        >>> duration(0.000123), duration(0.0123), duration(12.3)
        ('123 µs', '12.3 ms', '12.3 s')
    """
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:  # noqa: PLR2004 - the next unit begins there
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def count(numbers: Sequence[int], noun: str) -> str:
    """Write what was counted in each round: one number if it was always the same.

    Example:
        >>> count([1, 1], "run"), count([2, 5], "run")
        ('1 run', '2 to 5 runs')
    """
    low, high = min(numbers), max(numbers)
    plural = "" if high == 1 else "s"
    return f"{low} {noun}{plural}" if low == high else f"{low} to {high} {noun}{plural}"


def render(rows: Sequence[Row]) -> str:
    """Return the table, with each scene named once."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    scene = ""
    for row in rows:
        what, *others = row.cells()
        lines.append(_line(["" if what == scene else what, *others]))
        scene = what
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
