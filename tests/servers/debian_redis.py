"""The distribution's own Redis, with TLS in the server itself, where it is installed."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.servers.certificates import Certificates
from tests.servers.node import Node, launch
from tests.servers.ports import unused_port
from tests.servers.standalone import Standalone
from tests.servers.tls import tls_url

PROGRAM = "redis-server"
_OLDEST = 7


@cache
def why_not() -> str:
    """Return why there is no such server on this machine, or nothing if there is one."""
    program = shutil.which(PROGRAM)
    if program is None:
        return f"{PROGRAM} is not on PATH; on Debian: apt-get install {PROGRAM}"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"Redis server v=(\d+)", told.stdout)
    if version is None or int(version[1]) < _OLDEST:
        return f"{PROGRAM} on PATH is no Redis {_OLDEST} or newer: {told.stdout.strip()}"
    return ""


def version() -> tuple[int, int]:
    """Return its version; ask `why_not` before."""
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=(\d+)\.(\d+)", told.stdout)
    assert found is not None
    return int(found[1]), int(found[2])


def plain_node() -> Node:
    """Start it without TLS on a free port; ask `why_not` before."""
    program = Path(shutil.which(PROGRAM) or PROGRAM)
    return launch(lambda: Node(program, unused_port(), {"save": '""'}))


@contextmanager
def debian_redis(certificates: Certificates) -> Iterator[Standalone]:
    """Run it with TLS only; ask `why_not` before."""
    program = Path(shutil.which(PROGRAM) or PROGRAM)

    def make() -> Node:
        port = unused_port()
        settings = {
            "port": 0,
            "tls-port": port,
            "tls-cert-file": certificates.certificate,
            "tls-key-file": certificates.key,
            "tls-ca-cert-file": certificates.authority,
            "tls-auth-clients": "no",
            "save": '""',
        }
        trusted = {"ssl": True, "ssl_ca_certs": str(certificates.authority)}
        return Node(program, port, settings, connection=trusted)

    with launch(make) as node:
        yield Standalone(node, tls_url(node.port, certificates))
