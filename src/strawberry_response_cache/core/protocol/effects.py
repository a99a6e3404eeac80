"""Effects: requests to the store, each a batch of calls for one slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from strawberry_response_cache.core.protocol.answers import Unavailable, failure
from strawberry_response_cache.core.protocol.script import Script

R_co = TypeVar("R_co", covariant=True)

StoreCall: TypeAlias = tuple[Script | str, Sequence[str], Sequence[Any]]
"""A script or the name of a command, its keys and its arguments. A script's answer begins with its first argument."""


class _RunId:
    """The type of `RUN_ID`."""

    def __repr__(self) -> str:
        return "RUN_ID"


RUN_ID: Final = _RunId()
"""A placeholder in a call's arguments for the run id of the server to which the call is sent."""


READ: Final = "GET"
"""The command that reads an entry, or several at once."""


class Effect(Generic[R_co]):
    """A request to the store, as one batch of calls on one connection.

    It is no `Protocol`, because ``isinstance`` takes twenty times as long with one.
    """

    __slots__ = ()

    def calls(self) -> Sequence[StoreCall]:
        """Return the calls to send, in order."""
        raise NotImplementedError

    def interpret(self, replies: Sequence[Any]) -> R_co:
        """Return the result for the replies. A reply may be an exception."""
        raise NotImplementedError

    def unavailable(self, error: BaseException) -> R_co:
        """Return the result if the store did not answer: the failure, unless an effect says otherwise."""
        return cast("R_co", failure(error))


class Together(Effect[list[Any]]):
    """Several effects of one slot, as one request.

    Attributes:
        effects: The effects.
    """

    __slots__ = ("_shares", "effects")

    def __init__(self, effects: Sequence[Effect[Any]]) -> None:
        self.effects = effects
        self._shares = [effect.calls() for effect in effects]

    def calls(self) -> Sequence[StoreCall]:
        """Return the calls of all effects, in order."""
        return [call for share in self._shares for call in share]

    def interpret(self, replies: Sequence[Any]) -> list[Any]:
        """Return the result of each effect."""
        results, at = [], 0
        for effect, share in zip(self.effects, self._shares, strict=True):
            results.append(effect.interpret(replies[at : at + len(share)]))
            at += len(share)
        return results

    def unavailable(self, error: BaseException) -> list[Any]:
        """Return the result of each effect for a store that did not answer."""
        return [effect.unavailable(error) for effect in self.effects]


class Housekeeping(Effect[Unavailable | None]):
    """An effect that returns nothing; only its failure matters."""

    __slots__ = ()

    def interpret(self, replies: Sequence[Any]) -> Unavailable | None:
        """Return the failure of the first call that failed; None if none did."""
        return next((failure(reply) for reply in replies if isinstance(reply, Exception)), None)


@dataclass(frozen=True, slots=True)
class Ping(Housekeeping):
    """Checks that the server answers."""

    def calls(self) -> Sequence[StoreCall]:
        """Return one command."""
        return (("PING", (), ()),)
