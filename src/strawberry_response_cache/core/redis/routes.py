"""How an effect finds its server, and finds it again when a cluster has moved its slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import AskError, MovedError

from strawberry_response_cache.core.protocol import Call
from strawberry_response_cache.core.redis.slots import Node, slot_of

_ASKING: Final[Call] = ("ASKING", (), ())


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a node says that a slot is served.

    Attributes:
        slot: The slot.
        node: Its primary.
        once: Whether only this effect goes there, since the slot is on its way.
    """

    slot: int
    node: Node
    once: bool


def slot_of_calls(calls: Sequence[Call]) -> int | None:
    """Return the slot of an effect, whose keys all lie in one; None if it has no key."""
    keys = calls[0][1]
    return slot_of(keys[0]) if keys else None


def redirect_in(replies: Sequence[Any], asked: Node) -> Redirect | None:
    """Return where replies send the effect, if they do; a node without a host is the one asked.

    An effect of which something failed here is not over by being done there.
    """
    errors = [reply for reply in replies if isinstance(reply, Exception)]
    redirects = [error for error in errors if isinstance(error, AskError)]  # MovedError is one, too
    if not redirects or len(redirects) < len(errors):
        return None
    host, port = redirects[0].node_addr
    once = not isinstance(redirects[0], MovedError)
    return Redirect(int(redirects[0].slot_id), (str(host) or asked[0], int(port)), once)


def asking(calls: Sequence[Call]) -> list[Call]:
    """Return calls for a node that a slot is on its way to."""
    return [step for call in calls for step in (_ASKING, call)]


def without_asking(replies: Sequence[Any]) -> Sequence[Any]:
    """Return the replies to the calls that `asking` was given."""
    return replies[1::2]
