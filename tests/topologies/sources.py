"""What generators read from: a database whose content changes and whose reads can be held up."""

import threading

PATIENCE = 60


class Database:
    """One row, read by generators of either face.

    Attributes:
        content: What the row holds.
        reads: How often it was read.
    """

    def __init__(self, content: str = "old") -> None:
        self.content = content
        self.reads = 0
        self._being_read = threading.Event()
        self._go = threading.Event()

    def read(self) -> str:
        """Read the row."""
        self.reads += 1
        return self.content

    def read_slowly(self) -> str:
        """Read the row, and return it when `let_go` says so: it may be outdated by then."""
        content = self.read()
        self._being_read.set()
        assert self._go.wait(PATIENCE)
        return content

    def is_being_read(self) -> bool:
        """Whether a slow read has begun."""
        return self._being_read.is_set()

    def let_go(self) -> None:
        """Let slow reads return."""
        self._go.set()
