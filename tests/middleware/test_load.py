"""A thousand connections, while Redis is killed and started again: each request is answered, and rightly."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.servers.ports import LOOPBACK, unused_port
from tests.servers.valkey import valkey_node

ROOT: Final = Path(__file__).parents[2]
CONNECTIONS: Final = 1_000
ROUNDS: Final = 2


class Connection:
    """Sends one request after another over one connection, and counts the answers.

    Args:
        port: Where the server listens.
        number: Which of the connections it is; it decides what is asked.
    """

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        length = number % 50
        body = b'{"query":"{ word(length: %d) }"}' % length
        self._request = (
            b"POST /graphql HTTP/1.1\r\nhost: a\r\nx-tenant: tenant%d\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (number % 3, len(body), body)
        )
        self._expected = b'{"data":{"word":"%b"}}' % (b"a" * length)
        self.answered = 0
        self.wrong: list[bytes] = []

    async def run(self, is_over: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
        while not is_over.is_set():
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200") or body != self._expected:
                self.wrong.append(head + body)
            self.answered += 1
        writer.close()
        await writer.wait_closed()


async def until_each_was_answered(connections: list[Connection], times: int) -> None:
    """Wait until each connection was answered so many times more."""
    wanted = [each.answered + times for each in connections]
    while any(each.answered < most for each, most in zip(connections, wanted, strict=True)):
        await asyncio.sleep(0.05)


async def until_it_listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            return


@pytest.mark.exhaustive
async def test_no_request_fails_while_redis_goes_and_comes() -> None:
    port = unused_port()
    command = (
        f"-m uvicorn tests.middleware.fronted:app --port {port} --log-level error --backlog 2048"
    )
    with valkey_node() as valkey:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))),
            "RESPONSE_CACHE_URL": f"redis://{valkey.address}",
        }
        server = subprocess.Popen(  # noqa: ASYNC220 - before anything else runs
            [sys.executable, *command.split()], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(600):
                await until_it_listens(port)
                connections = [Connection(port, number) for number in range(CONNECTIONS)]
                is_over = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    for each in connections:
                        group.create_task(each.run(is_over))
                    for _ in range(ROUNDS):
                        await until_each_was_answered(connections, 1)
                        valkey.kill()
                        await until_each_was_answered(connections, 1)
                        await asyncio.to_thread(valkey.start)
                    await until_each_was_answered(connections, 1)
                    is_over.set()
            assert [each.wrong[0] for each in connections if each.wrong] == []
            entered = Connection(port, 0)
            entered._request = b"GET /entered HTTP/1.1\r\nhost: a\r\n\r\n"
            entered._expected = b""
            is_over.clear()
            asking = asyncio.create_task(entered.run(is_over))
            await until_each_was_answered([entered], 1)
            is_over.set()
            await asking
            answered = sum(each.answered for each in connections)
            assert int(entered.wrong[0].rpartition(b"\r\n")[2]) < answered
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait(60)
