"""A picture of a panel as SVG: small, without fonts and without anything from elsewhere."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

Series = list[tuple[str, list[tuple[float, float]]]]
"""The series of a panel: names with their points, each a time and a value."""

_COLORS: Final = ("#1f77b4", "#e07b00", "#2c7a3f", "#c02942", "#7b52ab", "#8c564b", "#c2549d")
_UNITS: Final = {"s": " s", "reqps": "/s", "ops": "/s", "bytes": " B", "short": ""}
_SIZE: Final = 10
"""Of text, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel and its place, in pixels.

    Attributes:
        title: Its title.
        kind: Grafana's type: ``row``, ``stat``, ``timeseries``, or another one, which is drawn as bars.
        unit: The unit of its values, as Grafana calls it.
        place: Left, top, width and height.
        series: What it shows.
        period: The times at which it begins and ends.
    """

    title: str
    kind: str
    unit: str
    place: tuple[float, float, float, float]
    series: Series
    period: tuple[float, float]

    def drawn(self) -> Iterator[str]:
        """Yield the elements of SVG."""
        left, top, width, height = self.place
        if self.kind == "row":
            yield _text(left + 4, top + 14, self.title, size=13, weight="bold")
            return
        yield (
            f'<rect x="{left + 3:g}" y="{top + 3:g}" width="{width - 6:g}" height="{height - 6:g}" '
            'fill="#fff" stroke="#ccc"/>'
        )
        yield _text(left + 10, top + 18, self.title, weight="bold")
        draw = {"stat": self._number, "timeseries": self._lines}.get(self.kind, self._bars)
        yield from draw()

    def _number(self) -> Iterator[str]:
        left, top, width, height = self.place
        shown = _mean([value for _, points in self.series for _, value in points])
        at = left + width / 2, top + height / 2 + 14
        yield _text(*at, self._shown(shown), size=24, color=_COLORS[2], anchor="middle")

    def _lines(self) -> Iterator[str]:
        left, top, width, height = self.place
        legend_rows = math.ceil(len(self.series) / 3)
        x0, x1 = left + 54, left + width - 14
        y0, y1 = top + height - 22, top + 26 + 13 * legend_rows
        known = [value for _, points in self.series for _, value in points if value == value]  # noqa: PLR0124 - not NaN
        step = _nice(max(known, default=0.0) / 4 or 0.25)
        most = step * max(1, math.ceil(max(known, default=0.0) / step))
        begin, span = self.period[0], max(self.period[1] - self.period[0], 1.0)
        for number in range(round(most / step) + 1):
            y = y0 - (y0 - y1) * number * step / most
            yield f'<path d="M{x0:g} {y:.1f}H{x1:g}" stroke="#e4e4e4"/>'
            yield _text(x0 - 4, y + 3, self._shown(number * step), anchor="end")
        for seconds in range(0, int(span) + 1, 30):
            x = x0 + (x1 - x0) * seconds / span
            yield _text(x, y0 + 13, f"{seconds} s", anchor="middle")
        for number, (name, points) in enumerate(self.series):
            color = _COLORS[number % len(_COLORS)]
            column, row = number % 3, number // 3
            yield _text(
                left + 12 + column * (width - 20) / 3, top + 32 + 13 * row, name, color=color
            )
            for path in _paths(points, (begin, span, most), (x0, x1, y0, y1)):
                yield f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>'

    def _bars(self) -> Iterator[str]:
        left, top, width, height = self.place
        means = {name: _mean([value for _, value in points]) for name, points in self.series}
        names = sorted(means, key=means.__getitem__, reverse=True)
        most = max(means.values(), default=0.0) or 1.0
        space = (height - 34) / max(len(names), 1)
        for number, name in enumerate(names):
            y, long = top + 28 + number * space, (width - 260) * means[name] / most
            yield (
                f'<rect x="{left + 180:g}" y="{y:.1f}" width="{long:.1f}" height="{space * 0.7:.1f}" '
                'fill="#9dbfe0"/>'
            )
            middle = y + space * 0.35 + 3
            yield _text(left + 172, middle, name, anchor="end")
            yield _text(left + 186 + long, middle, self._shown(means[name]))

    def _shown(self, value: float) -> str:
        if self.unit == "percentunit":
            return f"{value:.0%}"
        return f"{value:.3g}{_UNITS.get(self.unit, '')}"


def picture(width: float, height: float, panels: Sequence[Panel]) -> str:
    """Return the picture of all panels as SVG.

    Args:
        width: In pixels.
        height: In pixels.
        panels: What stands in it.
    """
    elements = "\n".join(element for panel in panels for element in panel.drawn())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" '
        f'font-size="{_SIZE}">\n<rect width="100%" height="100%" fill="#f6f6f6"/>\n{elements}\n</svg>\n'
    )


def _paths(
    points: list[tuple[float, float]],
    scale: tuple[float, float, float],
    place: tuple[float, float, float, float],
) -> Iterator[str]:
    """Yield the lines of a series, which is interrupted where it has no value."""
    (begin, span, most), (x0, x1, y0, y1) = scale, place
    path: list[str] = []
    for at, value in [*points, (0.0, math.nan)]:
        if not math.isnan(value):
            x, y = x0 + (x1 - x0) * (at - begin) / span, y0 - (y0 - y1) * value / most
            path.append(f"{x:.0f} {y:.1f}")
        elif path:
            yield "M" + "L".join(path)
            path = []


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = _SIZE,
    weight: str = "",
    color: str = "#333",
    anchor: str = "",
) -> str:
    further = "".join(
        f' {name}="{value}"'
        for name, value in {
            "font-size": "" if size == _SIZE else size,
            "font-weight": weight,
            "text-anchor": anchor,
        }.items()
        if value
    )
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{color}"{further}>{escape(text)}</text>'


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else 0.0


def _nice(step: float) -> float:
    """Return the next larger of 1, 2, 2.5 and 5, times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= step * 0.999)
