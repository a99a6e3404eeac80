"""Dashboard and alert rules, evaluated by Prometheus itself against what it scraped from the example under load."""

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from monitoring.prometheus import ALERTS, Prometheus, free_port, scraping, targets, why_not
from tests.conftest import Eventually, running_server
from tests.example_schema.conftest import RunningService, started

ROOT = Path(__file__).parents[2]
WINDOW = "10s"
DURATION = re.compile(r"\b(?:\d+[smhd])+\b")

pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.xdist_group("monitoring"),
]


@dataclass(frozen=True)
class Watched:
    """The example under load, and a Prometheus that scrapes it."""

    service: RunningService
    prometheus: Prometheus
    valkey: Any


def in_a_hurry(rules: str) -> str:
    """Return the rules as they are, but for their times, which are of minutes and days."""
    rules = re.sub(r"^ +for: .*\n", "", rules, flags=re.MULTILINE)
    lines = [
        line if "record:" in line else DURATION.sub(WINDOW, line) for line in rules.splitlines()
    ]
    return "\n".join(lines).replace(f"offset {WINDOW}", "offset 1s")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    arguments = ("--metrics", "--load", "--mistakes", "--verify", "0.5")
    with running_server() as valkey:
        url = f"redis://127.0.0.1:{valkey.port}"
        with started(folder / "ledger.sqlite3", *arguments, redis_url=url) as service:
            (metrics,) = [line.split()[-1] for line in service.lines if line.startswith("Metrics ")]
            rules = in_a_hurry(ALERTS.read_text("utf-8"))
            with scraping(metrics, folder, rules) as prometheus:
                yield Watched(service, prometheus, valkey)


def values_of(result: list[dict[str, Any]]) -> list[float]:
    return [float(series["value"][1]) for series in result]


@pytest.mark.parametrize("target", targets(WINDOW), ids=lambda each: f"{each.panel}-{each.legend}")
async def test_no_panel_is_empty(watched: Watched, target: Any, eventually: Eventually) -> None:
    def shown() -> list[float]:
        # NaN is nothing: no call was made in the window.
        values = values_of(watched.prometheus.query(target.expression))
        return [value for value in values if not math.isnan(value)]

    await eventually(shown)


async def test_the_panel_of_the_hit_ratio_shows_a_ratio_between_0_2_and_1_under_load(
    watched: Watched, eventually: Eventually
) -> None:
    def share() -> bool:
        (ratio,) = values_of(watched.prometheus.query(expression)) or [float("nan")]
        return 0.2 < ratio < 1

    (expression,) = [
        each.expression for each in targets(WINDOW) if each.panel.startswith("Hit ratio of what")
    ]
    await eventually(share)


def rules_of(text: str) -> list[tuple[str, str]]:
    """Return the name and the expression of each rule."""
    named = re.findall(r"- (?:alert|record): (\S+)", text)
    found = re.split(r"- (?:alert|record): \S+\n +expr: ", text)[1:]
    ends = re.compile(r"\n +(?:for|labels|annotations|- )|\n\n")
    return [
        (name, " ".join(ends.split(rest)[0].removeprefix(">-").split()))
        for name, rest in zip(named, found, strict=True)
    ]


@pytest.mark.parametrize(("name", "expression"), rules_of(in_a_hurry(ALERTS.read_text("utf-8"))))
async def test_each_alert_rule_reads_metrics_that_exist(
    watched: Watched, eventually: Eventually, name: str, expression: str
) -> None:
    # Without its threshold, a rule that has nothing to report has a value still.
    without_threshold = re.sub(r" [<>] [\d.]+$", "", expression)
    assert ("ratio" in name) or without_threshold != expression
    await eventually(lambda: values_of(watched.prometheus.query(without_threshold)))


async def test_an_alert_reports_a_public_field_that_differs_between_users(
    watched: Watched, eventually: Eventually
) -> None:
    def is_reported() -> bool:
        for user in ("alice", "bob"):
            watched.service.ask("{ greeting }", user=user)
        return "ResponseCacheScopeDiffers" in watched.prometheus.alerts()

    await eventually(is_reported)


async def test_alerts_report_an_outage_and_end_after_it(
    watched: Watched, eventually: Eventually
) -> None:
    reported = {"ResponseCacheBreakerOpen", "ResponseCacheInvalidationsPending"}
    watched.valkey.terminate()
    await eventually(lambda: reported <= watched.prometheus.alerts().keys())
    watched.valkey.start()
    await eventually(lambda: not reported & watched.prometheus.alerts().keys())


def test_prometheus_accepts_the_rules_and_the_configuration() -> None:
    for arguments in (("rules", str(ALERTS)), ("config", str(ALERTS.with_name("prometheus.yml")))):
        subprocess.run(["promtool", "check", *arguments], check=True, capture_output=True)


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    tests = Path(shutil.copy(Path(__file__).with_name("rules_test.yml"), tmp_path))
    done = subprocess.run(
        ["promtool", "test", "rules", str(tests)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def addresses() -> Iterator[dict[str, str]]:
    """What the one command prints: the addresses of what it has started."""
    command = [
        *(sys.executable, "-m", "monitoring"),
        *("--port", str(free_port()), "--redis-deadline", "30"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found: dict[str, str] = {}
            for line in process.stdout:
                if "Ctrl-C" in line:
                    break
                name, _, address = line.partition(" ")
                found[name] = address.strip()
            yield found
        finally:
            process.terminate()
        assert process.wait(60) == 0


async def test_one_command_starts_the_example_and_prometheus(
    addresses: dict[str, str], eventually: Eventually
) -> None:
    assert addresses["Metrics"].endswith("/metrics")
    with redis.Redis.from_url(addresses["Redis"]) as client:
        await eventually(lambda: client.keys("{ledger:*:e:*"))
    with httpx.Client(base_url=addresses["Prometheus"], timeout=60, trust_env=False) as client:
        await eventually(lambda: Prometheus(client).query("response_cache_requests_total"))


def test_a_redis_deadline_that_the_example_refuses_is_reported() -> None:
    command = [sys.executable, "-m", "monitoring", "--redis-deadline", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: argument --redis-deadline: " in done.stderr
    assert done.stderr.splitlines()[-1] == "Error: the example did not start."
