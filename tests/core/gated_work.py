"""Work that tests watch and hold back while it runs in a thread."""

import contextlib
import threading
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import pytest


class GatedWork:
    """The calls of a function: which threads they ran in, and a gate before those outside of the main thread.

    Attributes:
        threads: The thread of each call.
        errors: What the next calls raise; the last of them first.
        began: Set when the function has been called.
        go_on: The gate. It is open until a test clears it.
    """

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.errors: list[BaseException] = []
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def note(self) -> None:
        """Note a call, and wait at the gate."""
        self.threads.append(threading.get_ident())
        self.began.set()
        if threading.get_ident() != threading.main_thread().ident:
            assert self.go_on.wait(60)
        if self.errors:
            raise self.errors.pop()


@contextlib.contextmanager
def gated(
    monkeypatch: pytest.MonkeyPatch, name: Literal["compressobj", "decompressobj"]
) -> Iterator[GatedWork]:
    """Watch a function of zlib, and open the gate at the end.

    Args:
        monkeypatch: Puts the watched function in the place of zlib's.
        name: Its name.
    """
    work, original = GatedWork(), getattr(zlib, name)

    def noting(*arguments: Any, **named: Any) -> Any:
        work.note()
        return original(*arguments, **named)

    monkeypatch.setattr(zlib, name, noting)
    yield work
    work.go_on.set()
