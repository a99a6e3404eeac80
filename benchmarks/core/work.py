"""What is cached: the value, and the generator that a cache saves."""

import asyncio
import threading
import time

from pydantic_core import to_json

TTL = 3600

PATIENCE = 60
"""A deadline in seconds for the other caches, so that a busy machine does not end the run."""

VALUE = {
    "entries": [
        {
            "id": number,
            "account": f"Account {number % 40:03}",
            "debit": f"{number * 37 % 100_000 / 100:.2f}",
            "currency": "EUR",
            "booked": "2026-01-31T12:00:00Z",
            "open": number % 3 == 0,
            "note": None,
        }
        for number in range(132)
    ]
}
"""A page of a ledger: 16 kB as JSON."""

SIZE = len(to_json(VALUE))


class Work:
    """A generator of a value, which counts its runs.

    Args:
        value: What it generates.
        seconds: How long it takes.
    """

    def __init__(self, value: object = VALUE, seconds: float = 0) -> None:
        self._value = value
        self._seconds = seconds
        self._lock = threading.Lock()
        self.runs = 0

    async def generate(self) -> object:
        """Generate in an event loop."""
        self._count()
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return self._value

    def generate_sync(self) -> object:
        """Generate in a thread."""
        self._count()
        if self._seconds:
            time.sleep(self._seconds)
        return self._value

    def _count(self) -> None:
        with self._lock:
            self.runs += 1
