"""Minutes of load on real servers: ``python -m tests.services.django --seconds 60``.

For each server and database, one line: requests, stale answers, rows of others, and the SQL of hits and misses. The
end is 1 if anything was wrong.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from tests.services.django.load import Report, run
from tests.services.django.serving import DATABASES, SERVERS, served
from tests.services.postgres import why_not


def statements(counted: Counter[int]) -> str:
    """Return how many statements requests made: the fewest, the mean, the most."""
    if not counted:
        return "none asked"
    mean = sum(number * times for number, times in counted.items()) / counted.total()
    return f"{min(counted)}/{mean:.1f}/{max(counted)}"


def line(name: str, report: Report) -> str:
    """Return what happened, in one line."""
    status = " ".join(f"{name} {count}" for name, count in sorted(report.statuses.items()))
    sql = ", ".join(f"{each} {statements(report.statements[each])}" for each in ("hit", "miss"))
    changes = report.counted.total() - report.counted["read"] - report.counted["compared"]
    return (
        f"{name:30} {report.counted.total()} requests ({changes} changes; {status}), "
        f"{report.number_of('stale')} stale, {report.number_of('foreign')} of others, "
        f"SQL {sql}, {len(report.wrong)} wrong"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Load each server on each database."""
    parser = argparse.ArgumentParser(prog="python -m tests.services.django", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--server", choices=SERVERS)
    parser.add_argument("--database", choices=DATABASES)
    chosen = parser.parse_args(arguments)
    wrong: list[str] = []
    for database in [chosen.database] if chosen.database else DATABASES:
        if database == "postgresql" and (reason := why_not()):
            print(f"PostgreSQL is skipped: {reason}")
            continue
        for server in [chosen.server] if chosen.server else SERVERS:
            with served(server, database) as url:
                report = run(url, chosen.seconds)
            print(line(f"{server} on {database}", report), flush=True)
            wrong += report.wrong
    print(*wrong[:20], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
