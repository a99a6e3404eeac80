"""Elastic APM: its instrumentation of graphql-core names modules of graphql-core 2 only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import elasticapm
from elasticapm.transport.base import Transport

from tests.instrumentation.requests import Package, run

_sent: list[Any] = []


class Collecting(Transport):
    def queue(self, event_type: str, data: dict[str, Any], flush: bool = False) -> None:
        if event_type in {"transaction", "span", "error"}:
            said = data.get("name") or data["exception"]["message"]
            _sent.append([event_type, said, data.get("span_count")])


def start() -> None:
    """Start a client and patch all that Elastic knows."""
    elasticapm.Client(
        service_name="test",
        transport_class=f"{__name__}.Collecting",
        central_config=False,
        cloud_provider=False,
        metrics_interval="0ms",
        breakdown_metrics=False,
        span_frames_min_duration=-1,
        exit_span_min_duration="0ms",
    )
    elasticapm.instrument()


@contextmanager
def around() -> Iterator[None]:
    """Stand for a transaction, as Elastic's integration of a server starts one."""
    client = elasticapm.get_client()
    if client is None:  # it is not started yet
        yield
        return
    client.begin_transaction("request")
    yield
    client.end_transaction("POST /graphql", "success")


def told() -> list[Any]:
    """Return what would have been sent."""
    told = _sent[:]
    _sent.clear()
    return told


if __name__ == "__main__":
    run(Package(start=start, told=told, around=around))
