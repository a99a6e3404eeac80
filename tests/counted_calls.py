"""Counts the calls of this package's functions: what a request costs, however busy the machine is."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import strawberry_response_cache

_PACKAGE: Final = str(Path(strawberry_response_cache.__file__).parent)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count calls of this package's functions; each resumption of a coroutine or generator is one."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_PACKAGE):
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
