"""What the cached values are made of: versions of data, in memory that all processes share.

A write raises a datum's version and invalidates afterwards. When the invalidation was acknowledged, the datum's
floor rises to that version: whoever asks from then on must be given at least that.
"""

import contextlib
import fcntl
import mmap
import threading
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_RUNS_REMEMBERED = 16
_STOPPED, _SUSPECT, _DATA, _VERSIONS = 0, 1, 2, 3


class Truth:
    """The shared memory, as one process sees it.

    Numbers are whole cells of eight bytes. Changes are made under a lock that dies with its process;
    reads need none, since no number ever falls.

    Args:
        path: The file behind the memory; `create` makes it.

    Attributes:
        data: How many data there are; they are numbered from 0.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._cells = memoryview(self._memory).cast("Q")
        self._threads = threading.Lock()
        self.data = self._cells[_DATA]
        self._floors = _VERSIONS + self.data
        self._tenant = self._floors + self.data

    @classmethod
    def create(cls, path: Path, *, data: int, keys: int) -> "Truth":
        """Make the file, with everything at zero.

        Args:
            path: Where.
            data: How many data there are.
            keys: How many keys there are whose runs are noted.
        """
        cells = array("Q", [0]) * (_VERSIONS + 2 * data + keys * 2 * _RUNS_REMEMBERED)
        cells[_DATA] = data
        path.write_bytes(cells.tobytes())
        return cls(path)

    def close(self) -> None:
        """Let go of the memory."""
        self._cells.release()
        self._memory.close()
        self._file.close()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    # -- Data --------------------------------------------------------------------------------------

    def write(self, data: Iterable[int]) -> dict[int, int]:
        """Raise the versions of some data, and return them."""
        with self._alone():
            written = {}
            for datum in data:
                self._cells[_VERSIONS + datum] += 1
                written[datum] = self._cells[_VERSIONS + datum]
            return written

    def acknowledge(self, written: Mapping[int, int]) -> None:
        """Note that the invalidations which followed a write were acknowledged."""
        with self._alone():
            for datum, version in written.items():
                floor = self._floors + datum
                self._cells[floor] = max(version, self._cells[floor])

    def versions(self, data: Iterable[int]) -> dict[int, int]:
        """Return what some data is now."""
        return {datum: self._cells[_VERSIONS + datum] for datum in data}

    def floors(self, data: Iterable[int]) -> dict[int, int]:
        """Return what an answer to a question asked now must at least hold."""
        return {datum: self._cells[self._floors + datum] for datum in data}

    # -- Runs --------------------------------------------------------------------------------------

    def claim(self, key: int, started_ns: int, ended_ns: int) -> bool:
        """Note a run whose value was stored; False if it overlaps another one of the same key.

        Whoever stores has held the lease throughout, so two such runs never overlap.
        """
        with self._alone():
            first = self._tenant + key * 2 * _RUNS_REMEMBERED
            runs = self._cells[first : first + 2 * _RUNS_REMEMBERED]
            starts, ends = runs[0::2].tolist(), runs[1::2].tolist()
            oldest = ends.index(min(ends))
            runs[2 * oldest], runs[2 * oldest + 1] = started_ns, ended_ns
            return not any(
                start < ended_ns and started_ns < end
                for start, end in zip(starts, ends, strict=True)
            )

    # -- The end -----------------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether all are to come to an end."""
        return self._cells[_STOPPED] != 0

    def stop(self, suspect: int | None = None) -> None:
        """Bring all to an end, because time is up or because of what was seen somewhere."""
        with self._alone():
            if suspect is not None and not self._cells[_SUSPECT]:
                self._cells[_SUSPECT] = suspect + 1
            self._cells[_STOPPED] = 1

    @property
    def suspect(self) -> int | None:
        """The number of the key, or of the datum, at which the first violation was seen."""
        return self._cells[_SUSPECT] - 1 if self._cells[_SUSPECT] else None
