"""One server process: started in a directory of its own, paused, killed, started again."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.ports import LOOPBACK
from tests.servers.waiting import wait_until

_ATTEMPTS: Final = 5


class ServerDidNotStartError(RuntimeError):
    """The process ended before it answered; the message ends with its log."""


def quoted(value: str) -> str:
    """Return a value as a configuration file takes it, whatever characters it has."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Node:
    """A server process of the Redis family, which listens on the loopback interface only.

    Args:
        program: The path of the program.
        port: Where it listens.
        settings: Directives of its configuration file and what stands behind each; `{directory}`
            is replaced by the directory of the process.
        arguments: What stands behind the configuration file on the command line.
        connection: Options of `redis.Redis` that reach it with all rights; the port and a deadline
            are there already.
    """

    def __init__(
        self,
        program: Path,
        port: int,
        settings: Mapping[str, object],
        *,
        arguments: Sequence[str] = (),
        connection: Mapping[str, Any] | None = None,
    ) -> None:
        self.port = port
        self.directory = Path(tempfile.mkdtemp(prefix="vk-"))  # short, as socket paths have to be
        self._connection = {"host": LOOPBACK, "port": port, **(connection or {})}
        self._log = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        configuration = self.directory / "conf"
        directives = {"bind": LOOPBACK, "port": port, "dir": "{directory}", **settings}
        configuration.write_text(
            "".join(
                f"{name} {str(value).replace('{directory}', str(self.directory))}\n"
                for name, value in directives.items()
            )
        )
        self._command = [str(program), str(configuration), *arguments]

    def __repr__(self) -> str:
        """Name the node as failed assertions show it."""
        return f"<Node {self.port}>"

    @property
    def address(self) -> str:
        """Host and port, as URLs and redirections write them."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def client(self, **options: Any) -> Any:
        """Return a plain client of this very process, which repeats nothing."""
        chosen: dict[str, Any] = {"socket_timeout": 20, "retry": Retry(NoBackoff(), 0)}
        return redis.Redis(**(self._connection | chosen | options))

    def start(self) -> None:
        """Start the process, for the first time or again, and wait until it answers.

        Raises:
            ServerDidNotStartError: If it ended instead, such as for want of its port.
            TimeoutError: If it never answered.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.directory, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._answers, f"{self!r} answers")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise ServerDidNotStartError(self._log.read_text(errors="replace")[-2000:])
        try:
            with self.client() as client:
                # Whoever else took the port meanwhile would answer as well.
                return bool(client.info("server")["process_id"] == self._process.pid)
        except redis.RedisError:
            return False

    def pause(self) -> None:
        """Stop the process in its tracks (SIGSTOP): connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let a paused process go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once (SIGKILL), paused or not; its directory and port stay its own."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the process and remove what it left."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        """Return the node."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def launch(make: Callable[[], Node]) -> Node:
    """Make a node and start it, on another port if someone was faster.

    Args:
        make: Makes the node, each time on a port that looks free.

    Raises:
        ServerDidNotStartError: If it never came up; the message ends with its log.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        node = make()
        try:
            node.start()
        except ServerDidNotStartError:
            node.close()
            if attempt == _ATTEMPTS:
                raise
        except BaseException:
            node.close()
            raise
        else:
            return node
    raise AssertionError
