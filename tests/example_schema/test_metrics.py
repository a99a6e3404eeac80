"""Metrics of the example under load."""

import functools
import re
from pathlib import Path

import httpx
import pytest

from tests.conftest import Eventually
from tests.example_schema.conftest import started


@pytest.mark.exhaustive
async def test_metrics_of_the_example_under_load_count_hits_misses_and_bypasses(
    tmp_path: Path, eventually: Eventually
) -> None:
    with started(tmp_path / "ledger.sqlite3", "--metrics", "--load", "--mistakes") as service:
        (address,) = [line.split()[-1] for line in service.lines if line.startswith("Metrics ")]

        def answered(result: str) -> float:
            text = httpx.get(address, timeout=60, trust_env=False).text
            lines = re.findall(r"^response_cache_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE)
            return sum(float(value) for labels, value in lines if f'result="{result}"' in labels)

        for result in ("hit", "miss", "bypass"):
            await eventually(functools.partial(answered, result))
