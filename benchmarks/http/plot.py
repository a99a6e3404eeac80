"""Draws the figures of `benchmarks.http`: `python -m benchmarks.http.plot http.json http.svg`.

A column for each number of connections: requests per second above, the median latency below, by how much further away
Redis is. What does not use Redis is a dotted line.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

_ROWS: Final = (("per_second", "requests per second"), ("p50_ms", "median latency, ms"))
_MARKS: Final = {"redis": "o-", "memory": "s--"}


def drawn(figures: list[dict[str, Any]], n: int, servers: list[str]) -> Figure:
    """Return the plot.

    Args:
        figures: What `benchmarks.http` wrote.
        n: Books for each response.
        servers: Only servers whose names hold one of these; all if there are none.
    """
    wanted = [
        each
        for each in figures
        if each["n"] == n and (not servers or any(name in each["server"] for name in servers))
    ]
    columns = sorted({each["connections"] for each in wanted})
    names = list(dict.fromkeys(each["server"] for each in wanted))
    figure = Figure(figsize=(4 * len(columns), 7.5), layout="constrained")
    plots = figure.subplots(len(_ROWS), len(columns), squeeze=False, sharex=True, sharey="row")
    for row, (value, label) in enumerate(_ROWS):
        for column, connections in enumerate(columns):
            plot = plots[row][column]
            here = [each for each in wanted if each["connections"] == connections]
            for server, cache in dict.fromkeys((each["server"], each["cache"]) for each in here):
                points = sorted(
                    (each["delay_ms"], statistics.median(one[value] for one in each["rounds"]))
                    for each in here
                    if (each["server"], each["cache"]) == (server, cache)
                )
                said, color = f"{server}, {cache}", f"C{names.index(server)}"
                if len(points) == 1:
                    plot.axhline(points[0][1], color=color, linestyle=":", label=said)
                else:
                    plot.plot(*zip(*points, strict=True), _MARKS[cache], color=color, label=said)
            plot.set_yscale("log")
            plot.grid(alpha=0.3, which="both")
            if row == 0:
                plot.set_title(f"{connections} connection{'s' * (connections > 1)}")
            if row == len(_ROWS) - 1:
                plot.set_xlabel("Redis is further away by, ms")
        plots[row][0].set_ylabel(label)
    handles, labels = plots[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    return figure


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(prog="benchmarks.http.plot", description=__doc__)
    parser.add_argument("figures", type=Path, help="the JSON of benchmarks.http")
    parser.add_argument("image", type=Path, help="where the SVG is written")
    parser.add_argument("--n", type=int, default=20, help="books of a response")
    parser.add_argument("--servers", nargs="+", default=[], help="only those whose names hold one")
    asked = parser.parse_args()
    # The same figures give the same file; text stays text, which readers can search.
    mpl.rcParams |= {"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}
    figures = json.loads(asked.figures.read_text("utf-8"))
    figure = drawn(figures, asked.n, asked.servers)
    figure.savefig(asked.image, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
