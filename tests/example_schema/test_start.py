"""Starting and stopping: what is printed, what may be missing, and what is left behind."""

from __future__ import annotations

import shlex
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.example_schema.conftest import run_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.example_schema.conftest import FailToStart, RunningService, StartService


def paste(command: str) -> str:
    """Run a printed curl command and return what it shows."""
    if shutil.which("curl"):
        # The very point is that a shell understands the line.
        finished = subprocess.run(  # noqa: S602
            command, shell=True, capture_output=True, text=True, timeout=60, check=True
        )
        return finished.stdout
    # Without curl: the same request, read from the same line.
    words = shlex.split(command)
    headers = dict(
        words[index + 1].split(": ", 1) for index, word in enumerate(words) if word == "-H"
    )
    (url,) = [word for word in words if word.startswith("http://")]
    answer = httpx.post(url, content=words[words.index("--data") + 1], headers=headers, timeout=60)
    lines = [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\n".join([*lines, "", answer.text])


def test_the_printed_command_shows_a_miss_then_a_hit_and_the_time(service: RunningService) -> None:
    first, second = paste(service.curl), paste(service.curl)

    for shown, status in ((first, "miss"), (second, "hit")):
        headers, _, body = shown.replace("\r\n", "\n").rpartition("\n\n")
        assert "server-timing: total;dur=" in headers.lower()
        assert f'"status":"{status}"' in body.replace(" ", "")
        assert '"balanceSheet"' in body


@pytest.mark.exhaustive
def test_ctrl_c_ends_the_embedded_valkey_too_and_a_second_start_keeps_the_database_and_traces(
    start: StartService,
) -> None:
    """The end of the fixture `service` shows the same for SIGTERM."""
    post = (
        'mutation { postEntry(input: {accountId: "1", amount: "1.00", postedOn: "2026-01-31", '
        'memo: "Kept"}) { id } }'
    )
    with start() as service:
        assert any(line.startswith("Filling ") for line in service.lines)
        entry_id = service.ask(post)["data"]["postEntry"]["id"]
        run = run_of(service.valkey)
        assert run is not None
        service.stop(signal.SIGINT)
    assert run_of(service.valkey) != run

    with start("--trace") as service:
        assert not any(line.startswith("Filling ") for line in service.lines)
        newest = service.ask('{ entries(accountId: "1", first: 1) { edges { node { id } } } }')
        assert newest["data"]["entries"]["edges"] == [{"node": {"id": entry_id}}]
        service.ask("{ accounts { id } }")
        lines = service.read_until("response_cache.get", "response_cache.put", "POST /graphql")
        service.stop()
    assert_spans_stand_below_their_request(lines)


def assert_spans_stand_below_their_request(lines: list[str]) -> None:
    """Look at what --trace printed of one request."""
    server = next(line for line in lines if "POST /graphql" in line)
    assert server.startswith("POST /graphql")
    assert "http.response.status_code=200" in server
    for name in ("response_cache.get", "response_cache.put"):
        assert next(line for line in lines if name in line).startswith("  ")


@pytest.mark.exhaustive
def test_without_redis_requests_are_answered_and_nothing_is_cached(
    start: StartService, closed_port: int
) -> None:
    redis_url = f"redis://default:opensesame@127.0.0.1:{closed_port}/0"
    # Nothing can be stored late here, and a mutation waits for its invalidation as long as it may.
    with start("--redis-deadline", "1", redis_url=redis_url) as service:
        answers = [service.ask("{ accounts { id } }") for _ in range(2)]
        posted = service.ask(
            'mutation { postEntry(input: {accountId: "1", amount: "1.00", '
            'postedOn: "2026-01-31", memo: "Uncached"}) { memo } }'
        )
        service.stop()
        printed = "\n".join(service.lines) + service.stderr.read_text()

    for answer in answers:
        assert len(answer["data"]["accounts"]) == 40
        assert answer["extensions"]["responseCache"]["status"] == "bypass"
    assert posted["data"]["postEntry"] == {"memo": "Uncached"}
    assert f"Warning: Redis at 127.0.0.1:{closed_port} does not answer." in printed
    assert "opensesame" not in printed


@pytest.mark.parametrize(
    "redis_url",
    [
        "http://default:opensesame@127.0.0.1:6379",
        "redis://default:open/sesame@127.0.0.1:6379",
        "127.0.0.1:6379",
    ],
)
def test_a_wrong_redis_url_is_refused_without_printing_its_password(
    fail_to_start: FailToStart, redis_url: str
) -> None:
    finished = fail_to_start(redis_url=redis_url)

    assert finished.returncode == 1
    assert finished.stderr.startswith("Error: REDIS_URL cannot be used")
    assert "sesame" not in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_port_in_use_is_reported_in_one_line(fail_to_start: FailToStart) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = fail_to_start("--port", str(port))

    assert finished.returncode == 1
    assert finished.stderr.startswith(f"Error: Cannot listen on 127.0.0.1:{port}: ")
    assert finished.stderr.count("\n") == 1


def test_an_unwritable_database_is_reported_in_one_line(
    fail_to_start: FailToStart, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")

    finished = fail_to_start("--database", str(tmp_path / "file" / "ledger.sqlite3"))

    assert finished.returncode == 1
    assert finished.stderr.startswith("Error: The database ")
    assert finished.stderr.count("\n") == 1


@pytest.mark.exhaustive
def test_an_interrupted_first_start_leaves_no_database(start: StartService, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    arguments = ("--database", str(folder / "ledger.sqlite3"), "--entries", "3000000")

    with start(*arguments, ready="Filling ") as service:
        service.stop()

    assert not folder.exists() or list(folder.iterdir()) == []
