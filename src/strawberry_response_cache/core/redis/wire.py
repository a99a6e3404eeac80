"""Encodes calls, and assigns replies to calls."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from redis.exceptions import NoScriptError

from strawberry_response_cache.core.protocol import RUN_ID, Call
from strawberry_response_cache.core.protocol.scripts import Script


class ForeignReplyError(Exception):
    """The reply belongs to another call: the connection is out of step and has to be closed."""


def pack(calls: Iterable[Call], run_id: str, *, by_text: bool = False) -> bytes:
    """Return calls in the server's protocol (RESP).

    Args:
        calls: The calls, in order.
        run_id: The server's run id, which replaces `RUN_ID`.
        by_text: Whether to send the text of scripts, for a server that does not have them.

    Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """
    pieces: list[bytes] = []
    text: list[str] = []
    for what, keys, arguments in calls:
        if isinstance(what, Script):
            name, script = ("EVAL", what.text) if by_text else ("EVALSHA", what.sha)
            words: tuple[Any, ...] = (name, script, str(len(keys)), *keys, *arguments)
        else:
            words = (what, *keys, *arguments)
        text.append(f"*{len(words)}\r\n")
        for word in words:
            said = word
            if type(word) is not str:  # the most common type
                if isinstance(word, bytes):
                    text.append(f"${len(word)}\r\n")
                    pieces += _encoded(text), word
                    text = ["\r\n"]
                    continue
                said = run_id if word is RUN_ID else str(word)
            text.append(f"${len(said)}\r\n{said}\r\n")
    pieces.append(_encoded(text))
    return b"".join(pieces)


def _encoded(text: list[str]) -> bytes:
    """Return text as bytes, one for each character, because the lengths count characters.

    All texts are ASCII, except those from a damaged reply, which are unusable anyway.
    """
    return "".join(text).encode("ascii", "replace")


def checked(call: Call, reply: Any) -> Any:  # noqa: ANN401 - whatever a server says
    """Return a reply, if it is the reply to this call.

    Every script begins its answer with its first argument, a random word of the caller. Without this
    check, a connection that lost or gained a reply would return one key's answer for another key.

    Returns:
        The words after the first; the reply itself if the call is not a script.

    Raises:
        ForeignReplyError: If it is the reply to another call.
    """
    what, _, arguments = call
    if not isinstance(what, Script) or isinstance(reply, Exception):
        return reply
    words = reply.decode("ascii", "replace").split(" ") if isinstance(reply, bytes) else [""]
    if words[0] != arguments[0]:
        raise ForeignReplyError
    return words[1:]


def split(replies: Iterable[Any], calls: Sequence[Sequence[Call]]) -> list[Sequence[Any]]:
    """Split the replies into those of each list of calls."""
    stream = iter(replies)
    return [tuple(islice(stream, len(share))) for share in calls]


def unknown_scripts(shares: Sequence[Sequence[Any]]) -> list[int]:
    """Return the indexes of the shares in which the server does not have a script."""
    return [
        index
        for index, share in enumerate(shares)
        if any(isinstance(reply, NoScriptError) for reply in share)
    ]
