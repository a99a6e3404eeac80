"""Which node of a cluster serves which keys, learnt from the cluster and corrected by its redirects."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from redis.crc import key_slot

Node = tuple[str, int]
"""Host and port of a primary."""

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
        """Return every primary that serves a slot."""
        return tuple(sorted(set(self._nodes.values())))

    def moved(self, slot: int, node: Node) -> None:
        """Note a redirect; others are likely, so the map is to be learnt again."""
        self._nodes[slot] = node
        self.is_stale = True

    def learn(
        self,
        reply: Any,  # noqa: ANN401 - whatever a server says
        asked: Node,
        remap: Callable[[str, int], Node] = lambda host, port: (host, port),
    ) -> None:
        """Take over an answer to ``CLUSTER SLOTS``.

        Args:
            reply: The answer; replicas in it are left out, since entries are read from primaries.
            asked: Who gave it: a node that announces no host is at the same.
            remap: Where a node is reached that announces itself under another address.

        Raises:
            ValueError: If it is no such answer.
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
    """Return the nodes to ask for the map, those that serve first."""
    known = slots.primaries()
    return [*known, *(seed for seed in seeds if seed not in known)]
