"""What can be asked of the store, and how it is said: calls of one slot, in one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from strawberry_response_cache.core.protocol.judgements import Unavailable, failure
from strawberry_response_cache.core.protocol.scripts import Script

R_co = TypeVar("R_co", covariant=True)

Call: TypeAlias = tuple[Script | str, tuple[str, ...], tuple[Any, ...]]
"""A script or a command's name, its keys, its arguments. A script's first argument comes back."""


class _RunId:
    """The type of `RUN_ID`."""

    def __repr__(self) -> str:
        return "RUN_ID"


RUN_ID: Final = _RunId()
"""Stands among a call's arguments for the run id of whichever server the call is sent to."""


class Effect(Protocol[R_co]):
    """Something to ask of the store, in one batch of calls on one connection."""

    def calls(self) -> Sequence[Call]:
        """Return the calls to send, in order."""
        ...

    def interpret(self, replies: Sequence[Any]) -> R_co:
        """Return what the replies mean. A reply may be an exception."""
        ...

    def unavailable(self, error: BaseException) -> R_co:
        """Return what it means that the store did not answer."""
        ...


class Housekeeping(Effect[Unavailable | None]):
    """An effect whose answer matters to nobody but the log."""

    __slots__ = ()

    def interpret(self, replies: Sequence[Any]) -> Unavailable | None:
        """Return the failure, if it failed."""
        return next((failure(reply) for reply in replies if isinstance(reply, Exception)), None)

    def unavailable(self, error: BaseException) -> Unavailable | None:
        """Return the failure."""
        return failure(error)


@dataclass(frozen=True, slots=True)
class Ping(Housekeeping):
    """Ask whether the server answers."""

    def calls(self) -> Sequence[Call]:
        """One command."""
        return (("PING", (), ()),)
