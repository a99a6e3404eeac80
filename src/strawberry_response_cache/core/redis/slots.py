"""The map of a cluster's slots: read from the cluster and corrected by its redirects.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from redis.crc import key_slot

Node = tuple[str, int]
"""The host and port of a primary."""

CLUSTER_SLOTS: Final = ("CLUSTER", (), ("SLOTS",))


def slot_of(key: str) -> int:
    """Return the slot of a key, by its hash tag."""
    return key_slot(key.encode())


LEARN_INTERVAL: Final = 0.1
"""Seconds between two looks at a cluster's slots, while there is a map to go by."""


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
    """Return the nodes to ask for the map: first the known primaries."""
    known = slots.primaries()
    return [*known, *(seed for seed in seeds if seed not in known)]
