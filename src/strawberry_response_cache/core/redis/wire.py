"""Encodes calls, and assigns replies to calls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from redis.exceptions import NoScriptError

from strawberry_response_cache.core.protocol import READ, RUN_ID, Call
from strawberry_response_cache.core.protocol.script import Script


class ForeignReplyError(Exception):
    """The reply belongs to another call: the connection is out of step and has to be closed."""


_READ_MANY: Final = "MGET"
_MOST_JOINED: Final = 100
"""Calls that one run of a script answers: a server does nothing else meanwhile, and a lookup takes it ten
microseconds."""


@dataclass(slots=True)
class _Command:
    """What is sent as one command, for one call or for several.

    Attributes:
        what: A script, or the name of the command.
        positions: The calls that it is for.
        keys: The keys that each call adds.
        arguments: The arguments that each call adds.
        before: The keys that they share, which come first.
        after: The arguments that they share, which come last.
    """

    what: Script | str
    positions: list[int]
    keys: list[str] = field(repr=False)
    arguments: list[Any] = field(repr=False)
    before: tuple[str, ...] = field(default=(), repr=False)
    after: tuple[Any, ...] = field(default=(), repr=False)


class Letter:
    """Calls as they are sent: calls of a script that may be joined are one command, and so are the reads after them.

    Args:
        calls: The calls, in order.
        run_id: The server's run id, which replaces `RUN_ID`.
        by_text: Whether to send the text of scripts, for a server that does not have them.

    Attributes:
        packed: The bytes to send, in the server's protocol (RESP).
        commands: How many commands these are, and so how many replies.

    Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """

    __slots__ = ("_calls", "_commands", "commands", "packed")

    def __init__(self, calls: Sequence[Call], run_id: str, *, by_text: bool = False) -> None:
        self._calls = calls
        self._commands = _joined(calls)
        self.commands = len(self._commands)
        self.packed = _pack(self._commands, run_id, by_text=by_text)

    def replies(self, replies: Sequence[Any]) -> list[Any]:
        """Return the reply to each call, for those to the commands.

        Every script begins each answer with the call's first argument, a random word of the caller. Without this
        check, a connection that lost or gained a reply would return one key's answer for another key.

        Returns:
            For each call of a script the words after the first; for others the reply as it is; an error for each call
            of a command that failed.

        Raises:
            ForeignReplyError: If a reply is that to another call.
        """
        shares: list[Any] = [None] * len(self._calls)
        for command, reply in zip(self._commands, replies, strict=True):
            if isinstance(reply, Exception):
                each: Sequence[Any] = [reply] * len(command.positions)
            elif isinstance(command.what, Script):
                each = self._words(command, reply)
            else:
                each = reply if len(command.positions) > 1 else (reply,)
            if not isinstance(each, list | tuple) or len(each) != len(command.positions):
                raise ForeignReplyError
            for at, share in zip(command.positions, each, strict=True):
                shares[at] = share
        return shares

    def _words(self, command: _Command, reply: object) -> list[Any]:
        """Return what a script said to each call."""
        lines = reply.decode("ascii", "replace").split("\n") if isinstance(reply, bytes) else [""]
        shares = [line.split(" ") for line in lines]
        for words, at in zip(shares, command.positions, strict=False):
            if words.pop(0) != self._calls[at][2][0]:
                raise ForeignReplyError
        return shares


def _joined(calls: Sequence[Call]) -> list[_Command]:
    """Return the commands to send. Others than calls that may be joined keep their place among all."""
    commands: list[_Command] = []
    open_ones: dict[Any, tuple[_Command, _Command]] = {}
    at, count = 0, len(calls)
    while at < count:
        what, keys, arguments = calls[at]
        if isinstance(what, str) or what.shares is None:
            open_ones.clear()
            commands.append(_Command(what, [at], list(keys), list(arguments)))
            at += 1
            continue
        first, last = what.shares
        shared = (what.sha, keys[:first], arguments[-last:])
        known = open_ones.get(shared)
        if known is None or len(known[0].positions) >= _MOST_JOINED:
            check = _Command(what, [], [], [], keys[:first], arguments[-last:])
            known = open_ones[shared] = check, _Command(READ, [], [], [])
            commands += known
        check, read = known
        check.positions.append(at)
        check.keys += keys[first:]
        check.arguments += arguments[:-last]
        at += 1
        if at < count and calls[at][0] == READ:
            read.positions.append(at)
            read.keys += calls[at][1]
            at += 1
    return [command for command in commands if command.positions]


def _pack(commands: Iterable[_Command], run_id: str, *, by_text: bool) -> bytes:
    """Return commands in the server's protocol."""
    pieces: list[bytes] = []
    text: list[str] = []
    for command in commands:
        what, keys = command.what, (*command.before, *command.keys)
        words: list[Any]
        if isinstance(what, Script):
            name, script = ("EVAL", what.text) if by_text else ("EVALSHA", what.sha)
            words = [name, script, str(len(keys)), *keys, *command.arguments, *command.after]
        else:
            many = what == READ and len(command.positions) > 1
            words = [_READ_MANY if many else what, *keys, *command.arguments]
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
