"""Dashboard and alert rules are what the documentation says; `tests/monitoring` evaluates them."""

import re
from pathlib import Path

from monitoring.prometheus import ALERTS, DASHBOARD

ROOT = Path(__file__).parents[1]


def test_each_alert_has_a_section_that_says_what_to_do() -> None:
    page = (ROOT / "docs" / "production" / "operations.md").read_text("utf-8")
    text = ALERTS.read_text("utf-8")
    alerts = re.findall(r"- alert: (\w+)", text)
    assert re.findall(r"^### (ResponseCache\w+)$", page, re.MULTILINE) == alerts
    anchors = re.findall(r"runbook: docs/production/operations.md#(\w+)", text)
    assert anchors == [name.lower() for name in alerts]


def test_the_dashboard_has_panels_with_unique_ids() -> None:
    text = DASHBOARD.read_text("utf-8")
    assert "response_cache_requests_total" in text
    ids = re.findall(r'^      "id": (\d+)', text, re.MULTILINE)
    assert len(ids) == len(set(ids)) > 10
