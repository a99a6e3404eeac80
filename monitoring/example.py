"""The example under load, as a process of its own."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def example(folder: Path, redis_url: str | None = None) -> Iterator[str]:
    """Start the example under load, with its mistakes; provides the address of its metrics.

    Args:
        folder: A folder for its database.
        redis_url: The server of its cache; None starts one.
    """
    command = [
        *(sys.executable, "-m", "example_schema", "--port", "0", "--entries", "30000"),
        *("--database", str(folder / "ledger.sqlite3"), "--metrics", "--load", "--mistakes"),
        *("--verify", "0.05"),
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
            for line in process.stdout:
                if found := re.match(r"Metrics +(\S+)", line):
                    yield found[1]
                    return
            msg = "the example did not start"
            raise ValueError(msg)
        finally:
            process.terminate()
