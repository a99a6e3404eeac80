"""Replies are read as they arrive: split anywhere, of any type, and never as something else than was sent."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import exceptions

from strawberry_response_cache.core.redis.replies import NonsenseError, Replies


def said(reply: Any) -> bytes:
    """Return a reply as a server says it."""
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case list():
            return b"*%d\r\n" % len(reply) + b"".join(map(said, reply))
        case Exception():
            return b"-%b\r\n" % str(reply).encode()
        case _:
            return b"$%d\r\n%b\r\n" % (len(reply), reply)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return data in pieces; some of them may be empty."""
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


scalars = st.one_of(st.none(), st.binary(max_size=300), st.integers(-(2**63), 2**63 - 1))
replies = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=8)


@given(st.lists(replies, min_size=1, max_size=5), st.lists(st.integers(0, 10_000), max_size=8))
def test_replies_are_read_wherever_their_bytes_are_split(
    expected: list[Any], places: list[int]
) -> None:
    pieces = cut(b"".join(map(said, expected)), places)
    reading = Replies(len(expected))

    whole = [reading.feed(piece) for piece in pieces if piece]

    assert whole == [False] * (len(whole) - 1) + [True]
    assert reading.all == expected


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4), st.integers(1, 4))
def test_any_bytes_are_replies_or_incomplete_or_raise_nonsense_error(
    data: bytes, places: list[int], count: int
) -> None:
    reading = Replies(count)
    try:
        for piece in cut(data, places):
            if reading.feed(piece):
                break
    except NonsenseError:
        return
    assert len(reading.all) <= count


@given(st.lists(replies, min_size=2, max_size=4))
def test_more_replies_than_calls_are_an_error(more: list[Any]) -> None:
    with pytest.raises(NonsenseError):
        Replies(len(more) - 1).feed(b"".join(map(said, more)))


@pytest.mark.parametrize(
    "data",
    [
        b"!5\r\nhello\r\n",
        b"$5\r\nhello, world\r\n",
        b"$x\r\n",
        b"$-2\r\n",
        b"$999999999999\r\n",
        b"*99999999\r\n",
        b"*-2\r\n",
        b"*1\r\n" * 9 + b":1\r\n",
        b":one\r\n",
        b"-MOVED nonsense\r\n",
        b"x" * 70_000,
    ],
)
def test_bytes_that_no_server_sends_are_refused(data: bytes) -> None:
    with pytest.raises(NonsenseError):
        Replies(1).feed(data)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("NOSCRIPT No matching script.", exceptions.NoScriptError),
        ("READONLY You can't write against a read only replica.", exceptions.ReadOnlyError),
        ("NOAUTH Authentication required.", exceptions.AuthenticationError),
        ("WRONGPASS invalid username-password pair", exceptions.AuthenticationError),
        ("NOPERM User x has no permissions", exceptions.NoPermissionError),
        ("MOVED 3999 127.0.0.1:6381", exceptions.MovedError),
        ("ASK 3999 127.0.0.1:6381", exceptions.AskError),
        ("OOM command not allowed", exceptions.OutOfMemoryError),
        ("LOADING the dataset", exceptions.BusyLoadingError),
        ("CLUSTERDOWN Hash slot not served", exceptions.ClusterDownError),
        ("TRYAGAIN Multiple keys request", exceptions.TryAgainError),
        ("ERR anything else", exceptions.ResponseError),
    ],
)
def test_an_error_reply_becomes_the_error_class_of_redis_py(
    line: str, kind: type[Exception]
) -> None:
    reading = Replies(2)
    assert reading.feed(b"-%b\r\n+OK\r\n" % line.encode())
    error, fine = reading.all
    assert type(error) is kind
    assert fine == b"OK"


def test_a_moved_error_names_the_slot_and_its_new_node() -> None:
    reading = Replies(1)
    reading.feed(b"-MOVED 3999 ::1:6381\r\n")
    assert (reading.all[0].slot_id, reading.all[0].node_addr) == (3999, ("::1", 6381))


def test_a_large_reply_is_joined_once_and_not_for_each_chunk() -> None:
    reading = Replies(1)
    data = said(b"x" * 4_000_000)
    pieces = cut(data, list(range(0, len(data), 1000)))
    joined = 0
    for piece in pieces:
        before = reading._bytes
        reading.feed(piece)
        if reading._bytes is not before:
            joined += len(reading._bytes)

    assert reading.all == [b"x" * 4_000_000]
    assert joined < 2 * len(data)


def test_large_elements_of_an_array_are_joined_once_and_not_for_each_element() -> None:
    """The reply to the lookups of a list may have many large entries."""
    reading = Replies(1)
    elements = [bytes([number]) * 40_000 for number in range(100)]
    data = said(elements)
    joined, made = 0, dict[int, bytes]()
    for piece in cut(data, list(range(0, len(data), 1000))):
        before = reading._bytes
        reading.feed(piece)
        if reading._bytes is not before:
            joined += len(reading._bytes)
        for items, _ in reading._open:
            made.update({id(each): each for each in items})

    assert reading.all == [elements]
    assert joined < 2 * len(data)
    assert len(made) <= len(elements)
