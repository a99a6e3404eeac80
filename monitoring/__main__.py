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
    parser.add_argument(
        "--redis-deadline",
        metavar="SECONDS",
        help="how long Redis may take to answer; write 1 on a slow machine",
    )
    options = parser.parse_args()
    port: int = options.port
    if (problem := why_not()) is not None:
        sys.exit(problem)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(port, options.redis_deadline)
    except (TimeoutError, ValueError) as error:
        sys.exit(f"Error: {error}.")


def _run(port: int, redis_deadline: str | None) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        example(Path(name), redis_deadline=redis_deadline) as running,
        scraping(running.metrics, Path(name), ALERTS.read_text("utf-8"), port=port),
    ):
        try:
            print(f"Redis       redis://{running.redis}")
            print(f"Metrics     {running.metrics}\nPrometheus  http://127.0.0.1:{port}")
            print("\nPress Ctrl-C to stop.", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            print("Stopping.")


if __name__ == "__main__":
    main()
