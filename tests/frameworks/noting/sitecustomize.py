"""Imported by each server's processes: notes which of them close a cache."""

import os
from pathlib import Path
from typing import Any

from strawberry_response_cache import ResponseCache

cache: Any = ResponseCache


def note(name: str) -> None:
    """Make a method of caches append the number of the process to a file."""
    method = getattr(cache, name)

    def noting(self: ResponseCache) -> Any:
        with Path(os.environ["CLOSED_BY"]).open("a") as file:
            file.write(f"{os.getpid()}\n")
        return method(self)

    setattr(cache, name, noting)


note("close")
note("aclose")
