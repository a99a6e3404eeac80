"""The example under load and a Prometheus that scrapes it: `uv run python -m monitoring`."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from monitoring.example import example
from monitoring.prometheus import ALERTS, scraping, why_not


def main() -> None:
    """Start both, print their addresses, and stop them at Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m monitoring", description=__doc__)
    parser.add_argument("--port", type=int, default=9090, help="of Prometheus (%(default)s)")
    port = parser.parse_args().port
    if (problem := why_not()) is not None:
        sys.exit(problem)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory() as name,
        example(Path(name)) as metrics,
        scraping(metrics, Path(name), ALERTS.read_text("utf-8"), port=port),
    ):
        try:
            print(f"Metrics     {metrics}\nPrometheus  http://127.0.0.1:{port}")
            print("\nPress Ctrl-C to stop.", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            print("Stopping.")


if __name__ == "__main__":
    main()
