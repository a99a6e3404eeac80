"""Varnish and nginx with the configurations of the documentation, where they are installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.servers.ports import unused_port
from tests.servers.waiting import wait_until

EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples" / "http"
_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
PROGRAMS: Final = {"varnish": "varnishd", "nginx": "nginx"}


def program(name: str) -> str | None:
    """Return where a program is; None if it is not installed."""
    return shutil.which(name, path=_PATH)


def why_not(proxy: str) -> str:
    """Return why a proxy is not on this machine, or nothing if it is."""
    if program(PROGRAMS[proxy]) is None:
        return f"{PROGRAMS[proxy]} is not installed; on Debian: apt-get install {proxy}"
    return ""


def why_no_xkey() -> str:
    """Return why Varnish cannot purge by names on this machine, or nothing if it can."""
    if why := why_not("varnish"):
        return why
    if not any(Path("/usr/lib").glob("*/varnish/vmods/libvmod_xkey.so")):
        return "the module xkey is not installed; on Debian: apt-get install varnish-modules"
    return ""


@contextmanager
def proxy(name: str, service: int, directory: Path) -> Iterator[str]:
    """Run a proxy before a service, and yield its address.

    Args:
        name: ``varnish`` or ``nginx``.
        service: The port of the service.
        directory: An empty directory, for its files.
    """
    port = unused_port()
    command = {"varnish": _varnish, "nginx": _nginx}[name](service, port, directory)
    log = directory / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as run:
        try:
            wait_until(lambda: run.poll() is not None or _answers(port), f"{name} answers")
            assert run.poll() is None, log.read_text("utf-8")
            yield f"http://127.0.0.1:{port}/"
        finally:
            run.terminate()
            run.wait(60)


def _answers(port: int) -> bool:
    try:
        return (
            httpx.get(f"http://127.0.0.1:{port}/", params={"query": "{ now }"}).status_code == 200
        )
    except httpx.TransportError:
        return False


def _varnish(service: int, port: int, directory: Path) -> list[str]:
    written = directory / "varnish.vcl"
    text = (EXAMPLES / "varnish.vcl").read_text("utf-8")
    if not why_no_xkey():
        text += (EXAMPLES / "varnish-purge.vcl").read_text("utf-8")
    written.write_text(_replaced(text, '"8000"', f'"{service}"'), "utf-8")
    directory.chmod(0o755)
    return [
        str(program("varnishd")),
        "-F",
        *("-n", str(directory / "work")),
        *("-f", str(written)),
        *("-a", f"127.0.0.1:{port}"),
        *("-s", "malloc,16m"),
        *("-T", "none"),
        *("-j", "none"),
    ]


def _nginx(service: int, port: int, directory: Path) -> list[str]:
    text = (EXAMPLES / "nginx.conf").read_text("utf-8")
    text = _replaced(text, "127.0.0.1:8000", f"127.0.0.1:{service}")
    text = _replaced(text, "listen 80;", f"listen 127.0.0.1:{port};")
    text = _replaced(text, "/var/cache/nginx/graphql", str(directory / "cache"))
    kept = "".join(
        f"{name}_temp_path {directory / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    written = directory / "nginx.conf"
    written.write_text(
        f"{user}daemon off;\npid {directory / 'pid'};\nworker_processes 1;\n"
        f"error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{kept}{text}}}\n",
        "utf-8",
    )
    return [str(program("nginx")), "-c", str(written), "-p", str(directory), "-e", "stderr"]


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)
