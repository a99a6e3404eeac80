"""PostgreSQL of Debian's packages, in a directory of its own, where it is installed."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.servers.ports import LOOPBACK, unused_port
from tests.servers.waiting import wait_until

_DEBIANS: Final = Path("/usr/lib/postgresql")
_USER: Final = "postgres"
"""Who runs it instead of root, which it refuses."""
_FAST: Final = {"fsync": "off", "full_page_writes": "off", "max_connections": "100"}


def _programs() -> Path | None:
    """Return the directory of the newest version's programs."""
    found = sorted(_DEBIANS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def why_not() -> str:
    """Return why there is no PostgreSQL on this machine, or nothing if there is one."""
    if _programs() is None:
        return f"there is no PostgreSQL in {_DEBIANS}; on Debian: apt-get install postgresql"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(_USER)
        except KeyError:
            return f"PostgreSQL refuses to run as root, and there is no user {_USER}"
    return ""


@contextmanager
def postgresql() -> Iterator[dict[str, Any]]:
    """Run a server on the loopback interface, and yield the entry of ``DATABASES``; ask `why_not` before."""
    programs = _programs()
    assert programs is not None
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    demoted: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(directory, _USER, _USER)
        demoted = {"user": _USER, "group": _USER, "extra_groups": []}
    data, port = directory / "data", unused_port()
    subprocess.run(
        [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            _USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ],
        check=True,
        cwd=directory,
        stdout=subprocess.DEVNULL,
        **demoted,
    )
    settings = {"listen_addresses": LOOPBACK, "unix_socket_directories": directory, **_FAST}
    chosen = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (directory / "log").open("w") as log:
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-p", str(port), *chosen],
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
            **demoted,
        )
    ready = [str(programs / "pg_isready"), "-h", LOOPBACK, "-p", str(port), "-U", _USER]

    def answers() -> bool:
        assert server.poll() is None, (directory / "log").read_text()
        asked = subprocess.run(ready, check=False, stdout=subprocess.DEVNULL)
        return asked.returncode == 0

    try:
        wait_until(answers, "PostgreSQL answers")
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": _USER,
            "HOST": LOOPBACK,
            "PORT": port,
        }
    finally:
        server.send_signal(signal.SIGINT)  # it ends its sessions
        server.wait(60)
        shutil.rmtree(directory)
