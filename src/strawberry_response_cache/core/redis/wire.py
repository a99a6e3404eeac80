"""Encodes calls, and assigns replies to calls."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from redis.exceptions import NoScriptError

from strawberry_response_cache.core.protocol import READ, RUN_ID, StoreCall
from strawberry_response_cache.core.protocol.script import Script


class ForeignReplyError(Exception):
    """The reply belongs to another call: the connection is out of step and has to be closed."""


_READ_MANY: Final = "MGET"


class Letter:
    """Calls as they are sent.

    Args:
        calls: The calls, in order.
        run_id: The server's run id, which replaces `RUN_ID`.
        by_text: Whether to send the text of scripts, for a server that does not have them.

    Attributes:
        packed: The bytes to send, in the server's protocol (RESP).
        calls: The calls; each has one reply.

    Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """

    __slots__ = ("calls", "packed")

    def __init__(self, calls: Sequence[StoreCall], run_id: str, *, by_text: bool = False) -> None:
        self.calls = calls
        self.packed = _pack(calls, run_id, by_text=by_text)

    def replies(self, replies: Sequence[Any]) -> list[Any]:
        """Return the reply to each call, and check that it belongs to the call.

        Every script begins its answer with the call's first argument, a random word of the caller. Without this
        check, a connection that lost or gained a reply would return one key's answer for another key.

        Returns:
            For each call of a script the words after the first; for others the reply as it is.

        Raises:
            ForeignReplyError: If a reply is that to another call.
        """
        shares: list[Any] = []
        for (what, keys, arguments), reply in zip(self.calls, replies, strict=True):
            share = reply
            if isinstance(reply, Exception):
                pass
            elif isinstance(what, Script):
                share = (
                    reply.decode("ascii", "replace").split(" ") if type(reply) is bytes else [""]
                )
                if share.pop(0) != arguments[0]:
                    raise ForeignReplyError
            elif what == READ and (len(reply) if type(reply) is list else 1) != len(keys):
                raise ForeignReplyError
            shares.append(share)
        return shares


def _pack(calls: Iterable[StoreCall], run_id: str, *, by_text: bool) -> bytes:
    """Return calls in the server's protocol."""
    pieces: list[bytes] = []
    text: list[str] = []
    for what, keys, arguments in calls:
        if isinstance(what, Script):
            name, script = ("EVAL", what.text) if by_text else ("EVALSHA", what.sha)
            begin: tuple[str, ...] = name, script, str(len(keys))
        else:
            begin = (_READ_MANY if what == READ and len(keys) > 1 else what,)
        text.append(f"*{len(begin) + len(keys) + len(arguments)}\r\n")
        text += [f"${len(word)}\r\n{word}\r\n" for word in (*begin, *keys)]
        for word in arguments:
            if isinstance(word, bytes):
                text.append(f"${len(word)}\r\n")
                pieces += _encoded(text), word
                text = ["\r\n"]
            else:
                said = run_id if word is RUN_ID else str(word)
                text.append(f"${len(said)}\r\n{said}\r\n")
    pieces.append(_encoded(text))
    return b"".join(pieces)


def _encoded(text: list[str]) -> bytes:
    """Return text as bytes, one for each character, because the lengths count characters.

    All texts are ASCII, except those from a damaged reply, which are unusable anyway.
    """
    return "".join(text).encode("ascii", "replace")


def split(replies: Iterable[Any], calls: Sequence[Sequence[StoreCall]]) -> list[Sequence[Any]]:
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
