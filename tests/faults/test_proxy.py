"""The proxy of these tests applies the fault that is set, and counts connections and bytes."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.conftest import Eventually
from tests.faults.commands import Commands
from tests.faults.proxy import Proxy
from tests.faults.wire import (
    SILENCE,
    Corrupt,
    Cut,
    Delay,
    Fault,
    Hold,
    Lose,
    Pass,
    Step,
    Trickle,
    Truncate,
)

GET = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
REPLY = b"$5\r\nvalue\r\n"


@pytest.fixture
def stocked(proxy: Proxy, raw_valkey: Any) -> Proxy:
    """A proxy in front of a server that has a value under one key."""
    raw_valkey.set("a", "value")
    return proxy


@pytest.fixture
def connect(stocked: Proxy) -> Iterator[Callable[[], socket.socket]]:
    """Open connections to the proxy, without a client library."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(
            socket.create_connection(("127.0.0.1", stocked.port), timeout=30)
        )


def read(connection: socket.socket, length: int) -> bytes:
    """Read this many bytes, or what came before the end."""
    data = b""
    while len(data) < length and (more := connection.recv(length - len(data))):
        data += more
    return data


def is_silent(connection: socket.socket) -> bool:
    """Whether nothing comes, not even an end; it is seen by what comes after it."""
    connection.settimeout(0.2)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(30)
    return False


def is_over(connection: socket.socket) -> bool:
    """Wait for the end of a connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_without_a_fault_everything_passes_and_is_counted(
    stocked: Proxy, connect: Callable[[], socket.socket]
) -> None:
    for _ in range(2):
        connection = connect()
        connection.sendall(GET * 3)
        assert read(connection, len(REPLY) * 3) == REPLY * 3

    assert stocked.accepted == 2
    assert stocked.seen == {"GET": 6}
    assert stocked.received == len(GET) * 6
    assert stocked.answered == stocked.delivered == len(REPLY) * 6


@pytest.mark.parametrize(
    ("fault", "arrives", "then"),
    [
        (Delay(0.05), REPLY, is_silent),
        (Trickle(0.001), REPLY, is_silent),
        (Corrupt(4, 0x20), b"$5\r\nValue\r\n", is_silent),
        (Truncate(3), REPLY[:3], is_silent),
        (SILENCE, b"", is_silent),
        (Cut(3), REPLY[:3], is_over),
        (Cut(), b"", is_over),
        (Hold(), b"", is_silent),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_a_fault_applies_to_open_and_to_later_connections(
    stocked: Proxy,
    connect: Callable[[], socket.socket],
    fault: Fault,
    arrives: bytes,
    then: Callable[[socket.socket], bool],
) -> None:
    open_already = connect()
    open_already.sendall(GET)
    read(open_already, len(REPLY))
    stocked.replies(fault)

    for connection in (open_already, connect()):
        connection.sendall(GET)
        assert read(connection, len(arrives)) == arrives
        assert then(connection)


def test_a_held_reply_arrives_when_another_fault_is_set(
    stocked: Proxy, connect: Callable[[], socket.socket]
) -> None:
    stocked.replies(Hold())
    connection = connect()
    connection.sendall(GET)
    assert is_silent(connection)
    stocked.replies(Corrupt(0, 1))

    assert read(connection, len(REPLY)) == b"%" + REPLY[1:]


async def test_a_request_whose_client_hung_up_still_reaches_the_server(
    stocked: Proxy, connect: Callable[[], socket.socket], raw_valkey: Any, eventually: Eventually
) -> None:
    stocked.requests(Hold())
    connection = connect()
    connection.sendall(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n")
    await eventually(lambda: stocked.seen["INCR"])
    connection.close()
    stocked.heal()

    await eventually(lambda: raw_valkey.get("n") == b"1")


def test_a_black_hole_forwards_neither_requests_nor_replies(
    stocked: Proxy, connect: Callable[[], socket.socket], raw_valkey: Any
) -> None:
    stocked.black_hole()
    connection = connect()
    connection.sendall(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n")

    assert is_silent(connection)
    assert (stocked.accepted, stocked.seen, stocked.delivered) == (1, {"INCR": 1}, 0)
    assert raw_valkey.get("n") is None


def test_a_single_cut_happens_once(stocked: Proxy, connect: Callable[[], socket.socket]) -> None:
    stocked.replies(Cut(once=True))
    connection = connect()
    connection.sendall(GET)
    assert is_over(connection)

    connection = connect()
    connection.sendall(GET)
    assert read(connection, len(REPLY)) == REPLY


def test_a_single_loss_happens_once(stocked: Proxy, connect: Callable[[], socket.socket]) -> None:
    stocked.replies(Lose())
    connection = connect()
    connection.sendall(GET)
    assert is_silent(connection)

    connection.sendall(GET)
    assert read(connection, len(REPLY)) == REPLY


def test_refused_connections_are_refused_until_the_proxy_heals(
    stocked: Proxy, connect: Callable[[], socket.socket]
) -> None:
    for _ in range(3):
        connection = connect()
        stocked.refuse()
        assert is_over(connection)
        with pytest.raises(ConnectionRefusedError):
            connect()
        stocked.heal()
    connection = connect()
    connection.sendall(GET)
    assert read(connection, len(REPLY)) == REPLY


def test_connections_that_are_hung_up_on_are_counted(
    stocked: Proxy, connect: Callable[[], socket.socket]
) -> None:
    stocked.hang_up()
    assert is_over(connect())
    assert is_over(connect())
    assert stocked.traffic == (2, 0)


def test_connections_that_are_ignored_are_neither_made_nor_refused(stocked: Proxy) -> None:
    stocked.ignore()
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", stocked.port), timeout=0.2)
    assert stocked.accepted == 0


def test_after_all_connections_are_cut_a_new_one_works_at_once(
    stocked: Proxy, connect: Callable[[], socket.socket]
) -> None:
    connections = [connect(), connect()]
    for connection in connections:
        connection.sendall(GET)
        read(connection, len(REPLY))
    stocked.cut()

    assert [is_over(connection) for connection in connections] == [True, True]
    connection = connect()
    connection.sendall(GET)
    assert read(connection, len(REPLY)) == REPLY


async def test_flapping_goes_on_until_the_proxy_heals(
    stocked: Proxy, eventually: Eventually
) -> None:
    client = redis.Redis(port=stocked.port, socket_timeout=30, retry=Retry(NoBackoff(), 0))

    def answers() -> bool:
        try:
            return client.get("a") == b"value"
        except redis.ConnectionError:
            return False

    with client:
        stocked.flap(0.02)
        for _ in range(3):
            await eventually(lambda: not answers())
            await eventually(answers)
        stocked.heal()
        await asyncio.sleep(0.05)
        assert all(answers() for _ in range(50))


def test_a_hook_runs_before_its_command_reaches_the_server(
    stocked: Proxy, connect: Callable[[], socket.socket], raw_valkey: Any
) -> None:
    stocked.before("GET", lambda: raw_valkey.append("a", "!"))
    connection = connect()
    for answer in (b"$6\r\nvalue!\r\n", b"$7\r\nvalue!!\r\n"):
        connection.sendall(GET)
        assert read(connection, len(answer)) == answer


def test_a_hook_may_command_the_proxy(stocked: Proxy, connect: Callable[[], socket.socket]) -> None:
    stocked.before("GET", stocked.cut)
    connection = connect()
    connection.sendall(GET)
    assert is_over(connection)


def test_a_connection_ends_if_no_server_is_behind_the_proxy(unused_port: int) -> None:
    with (
        Proxy(unused_port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection,
    ):
        assert is_over(connection)


def test_a_proxy_can_be_closed_twice() -> None:
    proxy = Proxy(1)
    proxy.close()
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60)


def test_a_command_is_found_however_its_bytes_arrive() -> None:
    big = b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$9\r\n*1\r\n$1\r\nx\r\n"
    stream = GET + big + GET
    for size in range(1, len(stream) + 1):
        commands = Commands()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        found = [command for piece in pieces for command in commands.feed(piece)]
        assert found == [("GET", GET), ("SET", big), ("GET", GET)]


@pytest.mark.parametrize("fault", [Truncate(5), Cut(5), Corrupt(5), Corrupt(0), Pass()], ids=repr)
def test_the_offset_of_a_fault_counts_over_all_chunks_of_a_reply(fault: Fault) -> None:
    whole = fault.step(REPLY, 0)
    for border in range(1, len(REPLY)):
        first = fault.step(REPLY[:border], 0)
        second = Step(0, b"") if first.cut else fault.step(REPLY[border:], border)
        assert first.give + second.give == whole.give
        assert (first.cut or second.cut) == whole.cut


def _fails() -> None:
    raise LookupError


def test_an_error_of_a_hook_is_raised_when_the_proxy_closes(valkey: Any) -> None:
    proxy = Proxy(valkey.port)
    proxy.before("GET", _fails)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        connection.sendall(GET)
        assert is_over(connection)

    with pytest.raises(BaseExceptionGroup) as caught:
        proxy.close()
    assert caught.group_contains(LookupError)


def test_an_error_of_a_command_to_the_proxy_reaches_its_caller(proxy: Proxy) -> None:
    with pytest.raises(LookupError):
        proxy._perform(_fails)
