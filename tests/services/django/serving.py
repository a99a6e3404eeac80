"""The project behind a real server, on a database of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.servers.ports import LOOPBACK, unused_port
from tests.servers.valkey import valkey_node
from tests.servers.waiting import wait_until
from tests.services.postgres import postgresql

ROOT: Final = Path(__file__).parents[3]
WORKERS: Final = 2
SERVERS: Final = {
    "gunicorn": "sync",
    "gunicorn --preload": "sync",
    "uvicorn": "async",
}
"""The servers, and the view that each serves."""
DATABASES: Final = ("sqlite", "postgresql")


def _command(server: str, port: int) -> list[str]:
    if server == "uvicorn":
        words = ["uvicorn", "tests.services.django.asgi:application", "--lifespan", "off"]
        words += ["--port", str(port), "--log-level", "warning"]
        # Its supervisor kills a worker that does not answer it for 5 s, which a busy machine may take.
        words += ["--timeout-worker-healthcheck", "120"]
    else:
        words = [*server.split(), "tests.services.django.wsgi:application", "--threads", "4"]
        words += ["--keep-alive", "75"]
        words += ["--bind", f"{LOOPBACK}:{port}", "--log-level", "warning"]
    return [sys.executable, "-m", *words, "--workers", str(WORKERS)]


@contextmanager
def _sqlite() -> Iterator[dict[str, Any]]:
    directory = tempfile.mkdtemp(prefix="shop-")
    try:
        yield {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(directory, "shop.sqlite3")),
            # Else a transaction that read first fails where another one writes: two cannot both go on.
            "OPTIONS": {
                "timeout": 60,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA synchronous=OFF",  # nobody needs it after the test
            },
        }
    finally:
        shutil.rmtree(directory)


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], url: str) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, env=environment)

    def answers() -> bool:
        assert process.poll() is None, "the server ended"
        try:
            return httpx.get(f"{url}/truth/", trust_env=False, timeout=20).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "the server answers")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@contextmanager
def served(server: str, database: str) -> Iterator[str]:
    """Serve the project on loopback, with two workers, and yield its URL.

    Args:
        server: One of `SERVERS`.
        database: One of `DATABASES`.
    """
    with ExitStack() as stack:
        redis = stack.enter_context(valkey_node())
        entry = stack.enter_context(postgresql() if database == "postgresql" else _sqlite())
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.services.django.settings",
            "SERVICE_VIEW": SERVERS[server],
            "SERVICE_DATABASE": json.dumps(entry),
            "SERVICE_REDIS": f"redis://{redis.address}",
        }
        prepare = [sys.executable, "-m", "tests.services.django.prepare"]
        subprocess.run(prepare, cwd=ROOT, env=environment, check=True)
        url = f"http://{LOOPBACK}:{(port := unused_port())}"
        stack.enter_context(_running(_command(server, port), environment, url))
        yield url
