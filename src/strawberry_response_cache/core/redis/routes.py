"""Routes an effect to its node, also after a cluster has moved its slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import AskError, MovedError

from strawberry_response_cache.core.protocol import Call
from strawberry_response_cache.core.redis.slots import Node, slot_of

_ASKING: Final[Call] = ("ASKING", (), ())


@dataclass(frozen=True, slots=True)
class Redirect:
    """A node's redirect to another node.

    Attributes:
        slot: The slot.
        node: Its primary.
        once: Whether it is for this effect only, because the slot is being moved (``ASK``).
    """

    slot: int
    node: Node
    once: bool


def slot_of_calls(calls: Sequence[Call]) -> int | None:
    """Return the slot of an effect; all its keys are in one slot. None if it has no key."""
    keys = calls[0][1]
    return slot_of(keys[0]) if keys else None


def redirect_in(replies: Sequence[Any], asked: Node) -> Redirect | None:
    """Return the redirect in the replies, if there is one; an empty host means the node that was asked.

    An effect that has another error besides a redirect failed. It is not redirected.
    """
    errors = [reply for reply in replies if isinstance(reply, Exception)]
    redirects = [
        error for error in errors if isinstance(error, AskError)
    ]  # MovedError is a subclass
    if not redirects or len(redirects) < len(errors):
        return None
    host, port = redirects[0].node_addr
    once = not isinstance(redirects[0], MovedError)
    return Redirect(int(redirects[0].slot_id), (str(host) or asked[0], int(port)), once)


def asking(calls: Sequence[Call]) -> list[Call]:
    """Return the calls, with ``ASKING``, for a node to which a slot is being moved."""
    return [step for call in calls for step in (_ASKING, call)]


def without_asking(replies: Sequence[Any]) -> Sequence[Any]:
    """Return the replies without those to ``ASKING``."""
    return replies[1::2]
