"""The machine and the versions, for whoever reads the table elsewhere."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from redis.utils import HIREDIS_AVAILABLE

from benchmarks.core.server import Server

PACKAGES = ("redis", "aiocache", "cashews", "dogpile.cache")


def description(server: Server) -> str:
    """Say on what and with what was measured."""
    parser = "hiredis" if HIREDIS_AVAILABLE else "its own parser"
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{server.version} on the same machine, {versions}; redis-py with {parser}; "
        f"load average {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
