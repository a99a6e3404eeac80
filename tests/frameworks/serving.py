"""The examples of `docs/examples/frameworks`, each behind the server that people run it with."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.servers.ports import LOOPBACK, unused_port
from tests.servers.waiting import wait_until

EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples" / "frameworks"


@dataclass(frozen=True, kw_only=True)
class Framework:
    """An example and its server.

    Attributes:
        command: What follows ``python -m``; ``{port}`` stands for the port, ``{workers}`` for how many.
        path: Where the view is.
        is_async: Whether it executes operations in an event loop.
        streams: Whether it sends responses in parts: server-sent events, and ``@defer``.
        has_websockets: Whether it takes subscriptions over websockets.
        closing: How many processes close their cache. uvicorn ends without Python's exit hooks.
    """

    command: str
    path: str = "/graphql"
    is_async: bool = True
    streams: bool = True
    has_websockets: bool = True
    closing: int = 2


_UVICORN: Final = "uvicorn {app} --workers {workers} --port {port} --log-level warning"
_GUNICORN: Final = "gunicorn {app} --workers {workers} --bind 127.0.0.1:{port} --log-level warning"


def _uvicorn(app: str) -> str:
    return _UVICORN.replace("{app}", app)


def _gunicorn(app: str) -> str:
    return _GUNICORN.replace("{app}", app)


FRAMEWORKS: Final = {
    "starlette": Framework(command=_uvicorn("on_starlette:app"), path="/graphql/"),
    "fastapi": Framework(command=_uvicorn("on_fastapi:app")),
    "django": Framework(
        command=_gunicorn("on_django:wsgi --threads 4"),
        is_async=False,
        streams=False,
        has_websockets=False,
    ),
    "async django": Framework(
        command=_uvicorn("on_django:asgi --lifespan off"),
        path="/async",
        has_websockets=False,
        closing=0,
    ),
    "flask": Framework(
        command=_gunicorn("on_flask:app --threads 4"),
        is_async=False,
        streams=False,
        has_websockets=False,
    ),
    "async flask": Framework(
        command=_gunicorn("on_flask:app --threads 4"),
        path="/async",
        streams=False,
        has_websockets=False,
    ),
    "aiohttp": Framework(
        command=_gunicorn("on_aiohttp:make_app --worker-class aiohttp.GunicornWebWorker")
    ),
    "litestar": Framework(command=_uvicorn("on_litestar:app")),
    "quart": Framework(
        command="hypercorn on_quart:app --workers {workers} --bind 127.0.0.1:{port}"
    ),
    "sanic": Framework(
        command="sanic on_sanic:app --workers {workers} --port {port} --no-motd",
        has_websockets=False,
    ),
    "channels": Framework(command="daphne on_channels:app -p {port} -v 0", closing=1),
}


@contextmanager
def served(framework: Framework, environment: dict[str, str], *, workers: int = 2) -> Iterator[str]:
    """Serve an example on loopback, and yield its URL.

    Args:
        framework: The example and its server.
        environment: Variables of the process.
        workers: How many processes answer, where the server has several.
    """
    port = unused_port()
    url = f"http://{LOOPBACK}:{port}{framework.path}"
    words = framework.command.format(port=port, workers=workers).split()
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=EXAMPLES,
        env=os.environ | environment,
        start_new_session=True,  # the workers are of its group
    )

    def answers() -> bool:
        assert process.poll() is None, "the server ended"
        try:
            response = httpx.get(url, params={"query": "{ __typename }"}, headers={"x-tenant": "a"})
        except httpx.TransportError:
            return False
        assert response.json() == {"data": {"__typename": "Query"}}, response.text
        return True

    try:
        wait_until(answers, "the server answers", patience=180)
        yield url
        _stop(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server; Sanic tells a worker nothing that is just starting, so it is asked again."""
    for _ in range(6):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
        return
    raise TimeoutError
