"""The servers that are compared, each pinned to the first core."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parent / "peers"
_DOCUMENT: Final = (
    "query Books($n: Int!, $k: Int!) { books(n: $n, k: $k) "
    "{ id title author { id name } reviews { id body stars } } }"
)
_STARTUP: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server under test.

    Attributes:
        name: What the table calls it.
        mode: Where it caches: none, memory or redis.
        command: Starts it.
        environment: What it reads beside the port.
        uses_redis: Whether it asks Redis, or hears from it.
    """

    name: str
    mode: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    uses_redis: bool


def python_servers(redis_port: int) -> Iterator[Server]:
    """Return this package's middleware and views, Strawberry's view with its extension and alone, and a constant."""
    for kind, view, mode in (
        ("asgi", "constant", "none"),
        ("asgi", "middleware", "memory"),
        ("asgi", "middleware", "redis"),
        ("asgi", "stock", "none"),
        ("asgi", "stock", "memory"),
        ("asgi", "stock", "redis"),
        ("asgi", "ours", "memory"),
        ("asgi", "ours", "redis"),
        ("wsgi", "stock", "none"),
        ("wsgi", "ours", "memory"),
        ("wsgi", "ours", "redis"),
    ):
        place = f"benchmarks.http.app:{kind}"
        uvicorn = ("-m", "uvicorn", "--factory", place, "--log-level", "warning", "--port", "PORT")
        threads = ("--threads", "8", "--graceful-timeout", "1", "--bind", "127.0.0.1:PORT")
        gunicorn = ("-m", "gunicorn", f"{place}()", *threads)
        served = {"asgi": "ASGI", "wsgi": "Django"}[kind]
        whose = {
            "constant": "a constant answer",
            "middleware": "this package's middleware",
            "ours": "this package's view",
            "stock": "Strawberry's view",
        }[view]
        yield Server(
            name=f"{served}, {whose}",
            mode=mode,
            command=(sys.executable, *(uvicorn if kind == "asgi" else gunicorn)),
            environment={"VIEW": view, "CACHE": mode, "REDIS_PORT": str(redis_port)},
            uses_redis=mode != "none",
        )


def peers(redis_port: int, installed: Path | None) -> Iterator[Server]:
    """Return the JavaScript servers; none without Node and their packages.

    Args:
        redis_port: Where Redis listens.
        installed: The folder in which ``npm install`` ran; None takes that of this benchmark.
    """
    folder = installed or PEERS
    node = shutil.which("node")
    if node is None or not (folder / "node_modules").is_dir():
        print(f"The JavaScript servers are left out: run npm install in {folder.name}/ with Node.")
        return
    for name in ("apollo", "mercurius", "yoga"):
        for mode in ("memory", "redis"):
            yield Server(
                name=name,
                mode=mode,
                command=(node, str(folder / f"{name}.mjs")),
                environment={"CACHE": mode, "REDIS_PORT": str(redis_port)},
                uses_redis=mode == "redis",
            )


def body(n: int, k: int) -> bytes:
    """Return the request for n books with a key."""
    variables = {"n": n, "k": k}
    return json.dumps(
        {"query": _DOCUMENT, "operationName": "Books", "variables": variables}
    ).encode()


def path_of(server: Server) -> str:
    """Return the path on which a server answers."""
    return (
        "/"
        if "benchmarks.http.app:asgi" in server.command or server.name == "apollo"
        else "/graphql"
    )


@contextlib.contextmanager
def serving(server: Server) -> Iterator[int]:
    """Start a server on the first core, and stop it.

    Returns:
        The port on which it listens.

    Raises:
        RuntimeError: If it does not answer.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [each.replace("PORT", str(port)) for each in server.command]
    environment = {**os.environ, **server.environment, "PORT": str(port)}
    with subprocess.Popen(
        pinned(0, command), env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            _wait(server, port, process)
            yield port
        finally:
            process.terminate()


def pinned(core: int, command: list[str]) -> list[str]:
    """Return a command that runs on one core, where that can be said."""
    taskset = shutil.which("taskset")
    return command if taskset is None else [taskset, "-c", str(core), *command]


def _wait(server: Server, port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _STARTUP
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            answer(port, path_of(server), body(1, 0))
            return
        time.sleep(0.05)
    msg = f"{server.name} did not start"
    raise RuntimeError(msg)


def answer(port: int, path: str, sent: bytes) -> bytes:
    """Ask once.

    Raises:
        OSError: If nobody listens yet.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, sent, {"content-type": "application/json"})
        return connection.getresponse().read()
    finally:
        connection.close()
