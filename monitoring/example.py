"""The example under load, as a process of its own."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Example(NamedTuple):
    """The running example.

    Attributes:
        redis: The host and port of the server of its cache.
        metrics: The address of its metrics.
    """

    redis: str
    metrics: str


@contextlib.contextmanager
def example(
    folder: Path, redis_url: str | None = None, *, redis_deadline: str | None = None
) -> Iterator[Example]:
    """Start the example under load, with its mistakes.

    Args:
        folder: A folder for its database.
        redis_url: The server of its cache; None starts one.
        redis_deadline: How many seconds Redis may take to answer; None takes the default of the example.

    Raises:
        ValueError: If it does not start; it has printed why.
    """
    command = [
        *(sys.executable, "-m", "example_schema", "--port", "0", "--entries", "30000"),
        *("--database", str(folder / "ledger.sqlite3"), "--metrics", "--load", "--mistakes"),
        *("--verify", "0.05"),
        *(() if redis_deadline is None else ("--redis-deadline", redis_deadline)),
    ]
    variables = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    with subprocess.Popen(
        command,
        env=variables if redis_url is None else {**variables, "REDIS_URL": redis_url},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            shown = ""
            for line in process.stdout:
                shown += line
                found = re.search(r"^Cache .* at (\S+)\nMetrics +(\S+)$", shown, re.MULTILINE)
                if found is not None:
                    yield Example(*found.groups())
                    return
            msg = "the example did not start"
            raise ValueError(msg)
        finally:
            process.terminate()
