"""How much faster the example answers a repeated balance sheet than the first time.

Starts the example with all its entries, asks over HTTP for the balance sheet of each tenant once
(a miss computes it from every entry) and then again and again (hits), in one run:

    uv run python -m benchmarks.first_light
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

QUERY = "{ balanceSheet { totals { kind balance } accounts { kind balance } } }"
PEOPLE = [("acme", "alice"), ("globex", "carol"), ("initech", "dave")]
HITS = 50


def main() -> None:
    """Measure and print the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "example_schema", "--port", "0"]
        database = str(Path(folder) / "ledger.sqlite3")
        with subprocess.Popen(
            [*command, "--database", database], stdout=subprocess.PIPE, text=True
        ) as service:
            try:
                _measure(_address(service))
            finally:
                service.terminate()


def _address(service: "subprocess.Popen[str]") -> str:
    """Return the address that the service prints when it is ready."""
    address = ""
    for line in service.stdout or ():
        address = address or "".join(re.findall(r"^GraphQL API +(\S+)$", line))
        if line.startswith("Press Ctrl-C"):
            return address
    msg = "The example did not start."
    raise SystemExit(msg)


def _measure(address: str) -> None:
    misses, hits = [], []
    with httpx.Client(timeout=120) as client:
        # The first request of a connection pays for the connection; it asks for something else.
        for tenant, user in PEOPLE:
            headers = {"X-Tenant": tenant, "X-User": user}
            _ask(client, address, headers, "{ accounts { id } }", "miss")
            misses.append(_ask(client, address, headers, QUERY, "miss"))
            hits += [_ask(client, address, headers, QUERY, "hit") for _ in range(HITS)]
    miss, hit = statistics.median(misses), statistics.median(hits)
    print(f"miss   median {miss * 1000:8.1f} ms   of {len(misses)}")
    print(f"hit    median {hit * 1000:8.1f} ms   of {len(hits)}")
    print(
        f"ratio  {miss / hit:.0f}, and {min(misses) / max(hits):.0f} of the fastest miss to the slowest hit"
    )


def _ask(
    client: httpx.Client, address: str, headers: dict[str, str], query: str, wanted: str
) -> float:
    started = time.perf_counter()
    answer = client.post(address, json={"query": query}, headers=headers)
    seconds = time.perf_counter() - started
    status = answer.raise_for_status().json()["extensions"]["responseCache"]["status"]
    if status != wanted:
        msg = f"A {wanted} was expected, and it was a {status}."
        raise SystemExit(msg)
    return seconds


if __name__ == "__main__":
    main()
