"""A Prometheus of its own, which scrapes one service for as long as it is needed."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

HERE: Final = Path(__file__).parent
DASHBOARD: Final = HERE / "dashboard.json"
ALERTS: Final = HERE / "alerts.yml"

_CONFIGURATION: Final = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: ledger
    metrics_path: {path}
    static_configs: [{{targets: ["{target}"]}}]
"""
_START: Final = 60.0


def why_not() -> str | None:
    """Return why there is no Prometheus here; None if there is one."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return (
        f"{' and '.join(missing)} not on PATH: Debian's package is prometheus" if missing else None
    )


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus.

    Attributes:
        client: Asks its API.
    """

    client: httpx.Client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an expression now: its series, each with a value.

        Raises:
            ValueError: If it is not valid.
        """
        return self._result("/api/v1/query", query=expression)

    def query_range(
        self, expression: str, *, begin: float, end: float, step: float
    ) -> list[dict[str, Any]]:
        """Return the result of an expression over time: its series, each with values.

        Args:
            expression: The expression.
            begin: Seconds since the epoch.
            end: Seconds since the epoch.
            step: Seconds between two values.

        Raises:
            ValueError: If it is not valid.
        """
        return self._result(
            "/api/v1/query_range", query=expression, start=begin, end=end, step=step
        )

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert that is pending or firing."""
        answer = self.client.get("/api/v1/alerts").json()
        return {each["labels"]["alertname"]: each["state"] for each in answer["data"]["alerts"]}

    def _result(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        answer = self.client.get(path, params={name: str(of) for name, of in parameters.items()})
        said = answer.json()
        if said["status"] != "success":
            raise ValueError(said["error"])
        result: list[dict[str, Any]] = said["data"]["result"]
        return result


@contextmanager
def scraping(
    metrics_url: str, folder: Path, rules: str, *, port: int | None = None
) -> Iterator[Prometheus]:
    """Start a Prometheus that scrapes a service each second.

    Args:
        metrics_url: The address of the metrics.
        folder: An empty folder for its data.
        rules: Its rules, as in `alerts.yml`.
        port: Its port; None takes a free one.

    Raises:
        TimeoutError: If it does not start.
    """
    url = httpx.URL(metrics_url)
    (folder / "rules.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(
        _CONFIGURATION.format(rules="rules.yml", path=url.path, target=f"{url.host}:{url.port}")
    )
    port = port or free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        try:
            _wait_until_ready(client, process)
            yield Prometheus(client)
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + _START
    while time.monotonic() < ends and process.poll() is None:
        try:
            if client.get("/-/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    msg = "Prometheus did not start"
    raise TimeoutError(msg)


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- The dashboard -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """An expression of the dashboard.

    Attributes:
        panel: The title of its panel.
        kind: The kind of the panel.
        unit: The unit of its values, as Grafana calls it.
        expression: The expression, with the variables of the dashboard filled in.
        legend: How a series is called, with `{{label}}` for a label.
    """

    panel: str
    kind: str
    unit: str
    expression: str
    legend: str

    def name_of(self, labels: dict[str, str]) -> str:
        """Return what a series with these labels is called."""
        shown = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), self.legend)
        return " ".join(shown.split())


def targets(window: str) -> list[Target]:
    """Return the expressions of the dashboard.

    Args:
        window: What stands for Grafana's ``$__rate_interval``, such as ``30s``.
    """
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    return [
        Target(
            panel["title"],
            panel["type"],
            panel["fieldConfig"]["defaults"]["unit"],
            target["expr"].replace("$__rate_interval", window).replace("$name", ".*"),
            target["legendFormat"],
        )
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
