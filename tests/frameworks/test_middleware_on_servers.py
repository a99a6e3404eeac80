"""The middleware on the servers of ASGI, over HTTP/1.1 and HTTP/2."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.servers.ports import LOOPBACK, unused_port
from tests.servers.waiting import wait_until

ROOT: Final = Path(__file__).parents[2]
APP: Final = "tests.middleware.fronted:app"
SERVERS: Final = {
    "uvicorn": f"uvicorn {APP} --port {{port}} --log-level warning",
    "hypercorn": f"hypercorn {APP} --bind {LOOPBACK}:{{port}}",
    "granian": f"granian {APP} --interface asgi --http auto --host {LOOPBACK} --port {{port}} --no-log",
}
on_each_server = pytest.mark.parametrize(
    ("port", "served"),
    [
        ("uvicorn", "HTTP/1.1"),
        *((name, spoken) for name in ("hypercorn", "granian") for spoken in ("HTTP/1.1", "HTTP/2")),
    ],
    indirect=True,
    scope="module",
)
BODY: Final = b'{"query":"{ word }"}'


@dataclass(frozen=True)
class Served:
    """A server that is running.

    Attributes:
        port: Where it listens.
        is_http_2: Whether it is asked over HTTP/2.
    """

    port: int
    is_http_2: bool = False

    def client(self) -> httpx.AsyncClient:
        """Return a client that knows which HTTP is spoken."""
        return httpx.AsyncClient(
            http1=not self.is_http_2,
            http2=self.is_http_2,
            base_url=f"http://{LOOPBACK}:{self.port}",
            headers={"x-tenant": "acme", "content-type": "application/json"},
            limits=httpx.Limits(max_connections=200),
            timeout=60,
        )


async def entered(client: httpx.AsyncClient) -> int:
    """Return how often the application was entered."""
    return int((await client.get("/entered")).text)


@pytest.fixture(scope="module")
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    name: str = request.param
    pytest.importorskip(name, reason="needs the group frameworks")
    number = unused_port()
    process = subprocess.Popen(
        [sys.executable, "-m", *SERVERS[name].format(port=number).split()],
        cwd=ROOT,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT)))},
    )

    def answers() -> bool:
        assert process.poll() is None, "the server ended"
        try:
            return httpx.get(f"http://{LOOPBACK}:{number}/entered").is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "the server answers", patience=180)
        yield number
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


@pytest.fixture(scope="module")
def served(port: int, request: pytest.FixtureRequest) -> Served:
    return Served(port, request.param == "HTTP/2")


async def in_parts(body: bytes) -> AsyncIterator[bytes]:
    for number in range(len(body)):
        yield body[number : number + 1]


@on_each_server
async def test_hits_are_answered_and_the_application_is_not_entered(served: Served) -> None:
    async with served.client() as client:
        variables = {"length": 5 + served.is_http_2}
        query = "query Q($length: Int!) { word(length: $length) }"
        asked: dict[str, Any] = {"query": query, "variables": variables}
        url = {"query": query, "variables": json.dumps(variables)}
        posted = [await client.post("/graphql", json=asked) for _ in range(2)]
        got = [await client.get("/graphql", params=url) for _ in range(2)]
        before = await entered(client)
        posted += [await client.post("/graphql", json=asked) for _ in range(3)]
        got += [await client.get("/graphql", params=url) for _ in range(3)]
        known = {"if-none-match": got[0].headers["etag"]}
        not_modified = await client.get("/graphql", params=url, headers=known)
        assert await entered(client) == before
    protocol = "HTTP/2" if served.is_http_2 else "HTTP/1.1"
    assert {each.http_version for each in (*posted, *got, not_modified)} == {protocol}
    assert {each.content for each in (*posted, *got)} == {
        b'{"data":{"word":"%b"}}' % (b"a" * variables["length"])
    }
    assert (not_modified.status_code, not_modified.content) == (304, b"")
    assert len({each.headers["cache-control"] for each in (*posted, *got, not_modified)}) == 1


@on_each_server
async def test_tenants_in_turn_get_their_own_answers(served: Served) -> None:
    async with served.client() as client:
        for _ in range(4):
            for tenant in ("acme", "umbrella"):
                said = await client.post(
                    "/graphql", json={"query": "{ tenant }"}, headers={"x-tenant": tenant}
                )
                assert said.json() == {"data": {"tenant": tenant}}


@on_each_server
async def test_a_request_body_in_many_parts_is_answered(served: Served) -> None:
    async with served.client() as client:
        for _ in range(3):
            said = await client.post("/graphql", content=in_parts(BODY))
            assert said.json() == {"data": {"word": "aaa"}}


@on_each_server
async def test_long_request_bodies_and_long_responses_arrive_whole(served: Served) -> None:
    async with served.client() as client:
        for padding in (0, 70_000):
            query = "{ word(length: 400000) }" + " " * padding
            for _ in range(4):
                said = await client.post("/graphql", json={"query": query})
                assert len(said.json()["data"]["word"]) == 400_000


@on_each_server
async def test_many_requests_at_once_are_each_answered_once(served: Served) -> None:
    async with served.client() as client:

        async def ask(number: int) -> None:
            length = number % 7
            said = await client.post("/graphql", json={"query": f"{{ word(length: {length}) }}"})
            assert said.json() == {"data": {"word": "a" * length}}

        for _ in range(3):
            await asyncio.gather(*map(ask, range(70)))


@pytest.mark.parametrize("port", SERVERS, indirect=True, scope="module")
def test_a_slow_request_body_is_answered_while_other_clients_disconnect(port: int) -> None:
    """Over a socket, because HTTP clients send whole bodies and wait for the response."""
    head = (
        b"POST /graphql HTTP/1.1\r\nhost: a\r\nx-tenant: acme\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\nconnection: close\r\n\r\n" % len(BODY)
    )

    def opened() -> socket.socket:
        return socket.create_connection((LOOPBACK, port), timeout=60)

    for _ in range(4):
        with opened() as line:
            line.sendall(head + BODY[:7])  # it leaves in its body
        with opened() as line:
            line.sendall(head + BODY)  # it leaves before its answer
        with opened() as line:
            for byte in (head, *(BODY[n : n + 1] for n in range(len(BODY)))):
                line.sendall(byte)
            said = b"".join(iter(lambda line=line: line.recv(65_536), b""))  # type: ignore[misc]
            assert said.startswith(b"HTTP/1.1 200")
            assert said.count(b'{"data":{"word":"aaa"}}') == 1
