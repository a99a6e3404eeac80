"""Calls to bytes, and replies back to the calls that they answer."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from redis.exceptions import NoScriptError

from strawberry_response_cache.core.protocol import RUN_ID, Call
from strawberry_response_cache.core.protocol.scripts import Script


class ForeignReplyError(Exception):
    """A reply is not the one to this call: the connection is out of step and must go."""


def pack(calls: Iterable[Call], run_id: str, *, by_text: bool = False) -> bytes:
    """Return calls in the server's protocol (RESP).

    Args:
        calls: The calls, in order.
        run_id: What takes the place of `RUN_ID`: the id of the server at the other end.
        by_text: Whether to send scripts themselves, to a server that does not know them yet.
    """
    pieces: list[bytes] = []
    text: list[str] = []
    for what, keys, arguments in calls:
        if isinstance(what, Script):
            name, script = ("EVAL", what.text) if by_text else ("EVALSHA", what.sha)
            words: tuple[Any, ...] = (name, script, len(keys), *keys, *arguments)
        else:
            words = (what, *keys, *arguments)
        text.append(f"*{len(words)}\r\n")
        for word in words:
            if isinstance(word, bytes):
                text.append(f"${len(word)}\r\n")
                pieces += _encoded(text), word
                text = ["\r\n"]
                continue
            said = word if type(word) is str else run_id if word is RUN_ID else str(word)
            text.append(f"${len(said)}\r\n{said}\r\n")
    pieces.append(_encoded(text))
    return b"".join(pieces)


def _encoded(text: list[str]) -> bytes:
    """Return text as bytes, one for each character, as it was counted.

    Everything that is said is ASCII, but for what a damaged reply brought and means nothing anyway.
    """
    return "".join(text).encode("ascii", "replace")


def checked(call: Call, reply: Any) -> Any:  # noqa: ANN401 - whatever a server says
    """Return a reply, if it is the one to this call.

    Every script answers with its first argument, a random word of the caller, before all else. A
    connection that lost or gained a reply would otherwise hand one key's answer to another.

    Returns:
        The words after the first; what is no script's answer as it is.

    Raises:
        ForeignReplyError: If it is the reply to something else.
    """
    what, _, arguments = call
    if not isinstance(what, Script) or isinstance(reply, Exception):
        return reply
    words = reply.decode("ascii", "replace").split(" ") if isinstance(reply, bytes) else [""]
    if words[0] != arguments[0]:
        raise ForeignReplyError
    return words[1:]


def split(replies: Iterable[Any], calls: Sequence[Sequence[Call]]) -> list[Sequence[Any]]:
    """Give each list of calls its own replies."""
    stream = iter(replies)
    return [tuple(islice(stream, len(share))) for share in calls]


def unknown_scripts(shares: Sequence[Sequence[Any]]) -> list[int]:
    """Return which shares of the replies say that the server does not know a script."""
    return [
        index
        for index, share in enumerate(shares)
        if any(isinstance(reply, NoScriptError) for reply in share)
    ]
