"""The clients themselves, run by Node: `npm ci --prefix tests/clients` installs them."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
import uvicorn

from strawberry_response_cache import ResponseCache
from tests.clients.service import application
from tests.example_schema.conftest import started

HERE: Final = Path(__file__).parent
NODE: Final = shutil.which("node")
ASKED: Final = ["miss", "hit", "bypass", "miss", "hit"]

pytestmark = pytest.mark.skipif(
    NODE is None or not (HERE / "node_modules").is_dir(),
    reason="needs Node and `npm ci --prefix tests/clients`",
)


def play(url: str, *names: str) -> dict[str, list[dict[str, Any]]]:
    """Let the clients ask a service, and return the requests of each."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, "clients.mjs", url, *names],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {line["client"]: line["requests"] for line in lines}


def statuses(requests: list[dict[str, Any]]) -> list[str]:
    """Return what the cache said of each request, without refused persisted queries."""
    return [request["status"] for request in requests if request["status"] is not None]


@contextmanager
def served(cache: ResponseCache) -> Iterator[str]:
    """Serve the application of the persisted queries in a thread, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application(cache), lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"
        finally:
            server.should_exit = True
            thread.join()


def test_requests_of_each_client_are_hits_of_the_example(tmp_path: Path) -> None:
    with started(tmp_path / "ledger.sqlite3") as example:
        said = play(example.api, "ApolloPost", "ApolloGet", "UrqlPost", "UrqlGet", "Relay")
    assert {name: statuses(requests) for name, requests in said.items()} == dict.fromkeys(
        said, ASKED
    )


def test_clients_send_what_was_recorded() -> None:
    recorded = map(json.loads, (HERE / "recorded.jsonl").read_text().splitlines())
    with (
        ResponseCache.from_url("memory://", prefix="clients") as cache,
        served(cache) as url,
    ):
        said = play(url)
    assert said == {line["client"]: line["requests"] for line in recorded}
