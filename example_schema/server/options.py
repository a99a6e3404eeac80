"""The command line."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strawberry_response_cache import CacheConfigurationError, CacheSettings

_ENTRIES = 300_000


@dataclass(frozen=True)
class Options:
    """How the service was asked to run."""

    host: str
    port: int
    database: Path
    entries: int
    trace: bool
    metrics: bool
    """Whether there is a Prometheus endpoint."""
    load: bool
    """Whether the service asks itself, so that there is something to see."""
    verify: float
    """The share of hits that are executed all the same and compared."""
    mistakes: bool
    """Whether the schema has the fields of `mistakes.py`."""
    redis_url: str | None
    redis_deadline: float
    """In seconds."""


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line and the environment; exit with a message if they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m example_schema",
        description="A multi-tenant ledger over GraphQL, with a response cache.",
        epilog="REDIS_URL in the environment chooses the Redis server of the cache. "
        "Without it, an embedded Valkey is started and stopped with the service.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="listen here (%(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8000, help="listen here, 0 for a free port (%(default)s)"
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=Path(".ledger", "ledger.sqlite3"),
        help="the SQLite file, made and filled if it is not there (%(default)s)",
    )
    parser.add_argument(
        "--entries",
        type=_count,
        default=_ENTRIES,
        help="how many entries a new database gets, all tenants together (%(default)s)",
    )
    parser.add_argument("--trace", action="store_true", help="print OpenTelemetry spans")
    parser.add_argument(
        "--metrics", action="store_true", help="serve metrics for Prometheus under /metrics"
    )
    parser.add_argument(
        "--verify",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="execute this share of hits all the same, and compare (%(default)s)",
    )
    parser.add_argument(
        "--load", action="store_true", help="ask the service all the time, as users would"
    )
    parser.add_argument(
        "--mistakes",
        action="store_true",
        help="add fields that are annotated wrongly, to find them",
    )
    parser.add_argument(
        "--redis-deadline",
        type=_seconds,
        default=CacheSettings().read_deadline,
        help="how many seconds Redis may take to answer, before the request goes on without the "
        "cache (%(default)s)",
    )
    options = parser.parse_args(arguments)
    return Options(
        host=options.host,
        port=options.port,
        database=options.database,
        entries=options.entries,
        trace=options.trace,
        metrics=options.metrics,
        load=options.load,
        verify=options.verify,
        mistakes=options.mistakes,
        redis_url=os.environ.get("REDIS_URL") or None,
        redis_deadline=options.redis_deadline,
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:  # noqa: PLR2004 - the range of TCP ports needs no name.
        message = f"{port} is not a port"
        raise argparse.ArgumentTypeError(message)
    return port


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        message = f"{share} is not between 0 and 1"
        raise argparse.ArgumentTypeError(message)
    return share


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        message = "at least one entry is needed"
        raise argparse.ArgumentTypeError(message)
    return count


def _seconds(text: str) -> float:
    try:
        return CacheSettings(read_deadline=float(text)).read_deadline
    except CacheConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
