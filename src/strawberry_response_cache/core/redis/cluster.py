"""A cluster: the map of its slots, read from it and corrected by its redirects, and the links to its nodes.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError

from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core.protocol import StoreCall
from strawberry_response_cache.core.redis.connection_factory import ClusterSource, ConnectionFactory
from strawberry_response_cache.core.redis.link import Link
from strawberry_response_cache.core.redis.recoveries import Recoveries

L = TypeVar("L", bound=Link)

Node = tuple[str, int]
"""The host and port of a primary."""

CLUSTER_SLOTS: Final = ("CLUSTER", (), ("SLOTS",))


def slot_of(key: str) -> int:
    """Return the slot of a key, by its hash tag."""
    return key_slot(key.encode())


LEARN_INTERVAL: Final = 0.1
"""Seconds between two reads of a cluster's slots, while a map of them is known."""


class SlotMap:
    """The primaries of the 16,384 slots."""

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}
        self.is_stale = True

    def node(self, slot: int) -> Node | None:
        """Return the primary of a slot, if it is known."""
        return self._nodes.get(slot)

    def primaries(self) -> tuple[Node, ...]:
        """Return all primaries that serve a slot."""
        return tuple(sorted(set(self._nodes.values())))

    def moved(self, slot: int, node: Node) -> None:
        """Note a redirect. More are likely, so the map has to be read again."""
        self._nodes[slot] = node
        self.is_stale = True

    def learn(
        self,
        reply: Any,  # noqa: ANN401 - whatever a server says
        asked: Node,
        remap: Callable[[str, int], Node] = lambda host, port: (host, port),
    ) -> None:
        """Replace the map by an answer to ``CLUSTER SLOTS``.

        Args:
            reply: The answer. Replicas are ignored: entries are read from primaries.
            asked: The node that gave it; a node without a host has the same host.
            remap: See `Remap`.

        Raises:
            ValueError: If the answer is malformed.
        """
        nodes: dict[int, Node] = {}
        try:
            for first, last, primary, *_ in reply:
                host = (primary[0] or b"").decode() or asked[0]
                node = remap(host, int(primary[1]))
                nodes.update(dict.fromkeys(range(int(first), int(last) + 1), node))
        except (AttributeError, TypeError, IndexError, ValueError) as error:
            raise ValueError from error
        self._nodes = nodes
        self.is_stale = False


def candidates(slots: SlotMap, seeds: Iterable[Node]) -> list[Node]:
    """Return the nodes to ask for the map: first the known primaries, then the other seeds."""
    known = slots.primaries()
    return [*known, *(seed for seed in seeds if seed not in known)]


class ClusterNodes(Generic[L]):
    """The primaries of a cluster, and a link to each."""

    def __init__(
        self,
        source: ClusterSource,
        settings: CacheSettings,
        new_link: Callable[[ConnectionFactory, CacheSettings, Recoveries], L],
    ) -> None:
        self._source = source
        self._settings = settings
        self._new_link = new_link
        self._slots = SlotMap()
        self._links: dict[Node, L] = {}
        self._read_deadline = source.template.deadline(settings.read_deadline)
        self._learnt_at = float("-inf")
        self.users = 0
        self.recoveries = Recoveries()

    @property
    def has_open_breaker(self) -> bool:
        """Whether the breaker of a primary in the map is open. Links to nodes that left the cluster do not count."""
        links = map(self._links.get, self._slots.primaries())
        return any(link is not None and link.has_open_breaker for link in links)

    def sources(self) -> Iterable[ConnectionFactory]:
        """Return the connection factory of each known primary."""
        return [self._source.template.at(*node) for node in self._slots.primaries()]

    def _link(self, node: Node) -> L:
        link = self._links.get(node)
        if link is None:
            made = self._new_link(self._source.template.at(*node), self._settings, self.recoveries)
            link = self._links.setdefault(node, made)  # another thread may have made one
        return link

    def _known(self, slot: int | None) -> Node | None:
        """Return the primary of a slot, or any for None, if it is known."""
        if slot is None:
            return next(iter(self._slots.primaries()), None)
        return self._slots.node(slot)


# -- Redirects ---------------------------------------------------------------------------------------

_ASKING: Final[StoreCall] = ("ASKING", (), ())


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


def slot_of_calls(calls: Sequence[StoreCall]) -> int | None:
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


def asking(calls: Sequence[StoreCall]) -> list[StoreCall]:
    """Return the calls, with ``ASKING``, for a node to which a slot is being moved."""
    return [step for call in calls for step in (_ASKING, call)]


def without_asking(replies: Sequence[Any]) -> Sequence[Any]:
    """Return the replies without those to ``ASKING``."""
    return replies[1::2]
