"""The service as a process of its own, started and stopped as its users do it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx
import pytest
import redis

from example_schema.__main__ import main
from tests.servers.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
READY = "Press Ctrl-C to stop."
DEADLINE = 600.0
"""In seconds; after it, a process that hangs is killed, and whoever waits for it sees its end."""


@dataclass
class RunningService:
    """A started service and a client to talk to it."""

    process: subprocess.Popen[str]
    stdout: IO[str]
    stderr: Path
    client: httpx.Client
    lines: list[str] = field(default_factory=list)

    def read_until(self, *texts: str) -> list[str]:
        """Read what the service prints until it has printed each of the texts."""
        new: list[str] = []
        guard = threading.Timer(DEADLINE, self.process.kill)
        guard.start()
        try:
            while not all(any(text in line for line in new) for text in texts):
                line = self.stdout.readline()
                assert line, f"the service ended: {self.stderr.read_text()}"
                new.append(line.rstrip("\n"))
        finally:
            guard.cancel()
        self.lines += new
        return new

    @property
    def api(self) -> str:
        (address,) = re.findall(r"^GraphQL API +(\S+)$", "\n".join(self.lines), re.MULTILINE)
        return str(address)

    @property
    def curl(self) -> str:
        (command,) = [line.strip() for line in self.lines if line.startswith("  curl ")]
        return command

    @property
    def valkey(self) -> tuple[str, int]:
        (host, port) = re.findall(r"embedded Valkey at (\S+):(\d+)", "\n".join(self.lines))[0]
        return host, int(port)

    def post(self, query: str, headers: dict[str, str], **variables: object) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return self.client.post(self.api, json=body, headers=headers)

    def ask(
        self, query: str, tenant: str = "acme", user: str = "alice", **variables: object
    ) -> dict[str, Any]:
        """Return the answer to a query, errors included."""
        answer = self.post(query, {"X-Tenant": tenant, "X-User": user}, **variables)
        assert answer.status_code == httpx.codes.OK, answer.text
        parsed: dict[str, Any] = answer.json()
        return parsed

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        assert self.process.wait(DEADLINE) == 0, self.stderr.read_text()


def environment(redis_url: str | None = None) -> dict[str, str]:
    """Return the environment of a service, in which `REDIS_URL` is what a test wants it to be."""
    variables = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    # Each test's service starts in a second, not in ten, if the bytecode of the first is kept.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables if redis_url is None else {**variables, "REDIS_URL": redis_url}


def command(database: Path, *arguments: str) -> list[str]:
    """Return the command that starts a small service on a free port."""
    return [
        *(sys.executable, "-m", "example_schema", "--port", "0"),
        *("--entries", "6000", "--database", str(database)),
        # What was stored late on a busy machine was stored.
        *("--redis-deadline", "30", *arguments),
    ]


@contextmanager
def started(
    database: Path, *arguments: str, redis_url: str | None = None, ready: str = READY
) -> Iterator[RunningService]:
    """Start a service, wait until it is ready, and end it whatever happens."""
    stderr = database.with_suffix(".stderr")
    with (
        stderr.open("w") as stderr_file,
        subprocess.Popen(
            command(database, *arguments),
            cwd=REPOSITORY,
            env=environment(redis_url),
            stdout=subprocess.PIPE,
            stderr=stderr_file,
            text=True,
        ) as process,
        httpx.Client(timeout=60, trust_env=False) as client,
    ):
        try:
            assert process.stdout is not None
            service = RunningService(process, process.stdout, stderr, client)
            service.read_until(ready)
            yield service
        finally:
            # SIGTERM first, so that the service takes its Valkey with it.
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()


def run_of(address: tuple[str, int]) -> str | None:
    """Return the run id of the Valkey that listens there, or None.

    A port that one server gave back may belong to another test's server a moment later.
    """
    host, port = address
    with redis.Redis(host=host, port=port, socket_timeout=60) as client:
        try:
            return str(client.info("server")["run_id"])
        except redis.RedisError:
            return None


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with its own Valkey, which must be gone when the service is."""
    database = tmp_path_factory.mktemp("service") / "ledger.sqlite3"
    with started(database) as running:
        run = run_of(running.valkey)
        assert run is not None
        yield running
        running.client.close()
        running.stop()
        assert run_of(running.valkey) != run


StartService = Callable[..., AbstractContextManager[RunningService]]
"""Takes arguments of the command line, `redis_url=` and `ready=`, as `started` does."""


@dataclass(frozen=True)
class Ended:
    """What a service that could not start said on its way out."""

    returncode: int
    stdout: str
    stderr: str


FailToStart = Callable[..., Ended]
"""Takes arguments of the command line and `redis_url=`."""


@pytest.fixture
def start(tmp_path: Path) -> StartService:
    """Start services with options of the test's own."""
    return partial(started, tmp_path / "ledger.sqlite3")


@pytest.fixture
def fail_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[FailToStart]:
    """Run a service that cannot start in this process, which spares the seconds of starting one."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, redis_url: str | None = None) -> Ended:
        words = command(tmp_path / "ledger.sqlite3", *arguments)
        monkeypatch.setattr(sys, "argv", words[words.index("-m") + 1 :])
        monkeypatch.setattr(os, "environ", environment(redis_url))
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capfd.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with reserved_port() as port:
        yield port
