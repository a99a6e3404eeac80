"""Threads, event loops and forked processes share one cache object, and generate each value once."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strawberry_response_cache.core import ResponseCache
from tests.conftest import UNHURRIED
from tests.core.crowd import EVERYONE, Crowd

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Where each run of a generator leaves a line."""
    file = tmp_path / "runs"
    file.touch()
    return file


@pytest.fixture(params=[0, 1_000_000], ids=["without local memory", "with local memory"])
def shared(valkey_url: str, request: pytest.FixtureRequest) -> Iterator[ResponseCache]:
    """One cache for all callers."""
    settings = UNHURRIED | {"local_bytes": request.param}
    cache = ResponseCache.from_url(valkey_url, prefix="test", telemetry=False, **settings)
    yield cache
    cache.close()


def test_64_threads_and_two_event_loops_generate_each_key_once_after_each_invalidation(
    shared: ResponseCache, runs: Path
) -> None:
    expected = []
    with Crowd(shared, runs) as crowd:
        for generation in range(3):
            for key in ("a", "b"):
                value = f"{key}, generation {generation}"
                expected.append(value)
                assert crowd.ask(key, value) == [value] * EVERYONE
            shared.invalidate_sync("t")

    assert runs.read_text().splitlines() == expected


FORK = """
import os, sys, traceback
from pathlib import Path
from strawberry_response_cache.core import ResponseCache
from tests.core.crowd import EVERYONE, Crowd

cache = ResponseCache.from_url(
    sys.argv[1], prefix="test", telemetry=False, lease=60, wait_budget=120,
    read_deadline=20, connect_deadline=20, invalidate_deadline=20, early_refresh=0,
)
runs = Path(sys.argv[2])

def ask_for_all(crowd):
    for key in ("a", "b", "c"):
        assert crowd.ask(key, key) == [key] * EVERYONE

with Crowd(cache, runs) as crowd:
    crowd.ask("warm", "warm")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with Crowd(cache, runs) as child:
                ask_for_all(child)
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    ask_for_all(crowd)
    assert os.waitpid(pid, 0)[1] == 0
    cache.invalidate_sync("t")
    assert crowd.ask("a", "anew") == ["anew"] * EVERYONE
cache.close()
"""


@pytest.mark.exhaustive
def test_after_a_fork_the_callers_of_both_processes_generate_each_key_once(
    valkey_url: str, raw_valkey: Any, runs: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, valkey_url, str(runs)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert Counter(runs.read_text().split()) == Counter(["warm", "a", "b", "c", "anew"])
