"""The live migration of a cluster's slot, in steps between which a test can look."""

from collections.abc import Sequence
from typing import Final

from tests.servers.node import Node
from tests.servers.ports import LOOPBACK

_BATCH: Final = 100
_TIMEOUT_MS: Final = 20_000


class SlotMigration:
    """One slot on its way from one primary to another.

    Between `begin` and `finish` the source still owns the slot. It answers for the keys that it
    still has and redirects to the target (ASK) for the others; commands whose keys are on both
    sides are told to try again. After `finish` it redirects for good (MOVED).

    Args:
        slot: The slot.
        source: The node that owns it.
        target: The node that will.
        others: The remaining primaries.
    """

    def __init__(self, slot: int, source: Node, target: Node, others: Sequence[Node]) -> None:
        self._slot = slot
        self._source = source
        self._target = target
        self._others = tuple(others)

    def begin(self) -> None:
        """Open the slot on both sides; no key has moved yet."""
        self._set_slot(self._target, "IMPORTING", self._source)
        self._set_slot(self._source, "MIGRATING", self._target)

    def remaining_keys(self) -> list[str]:
        """Return keys that are still at the source, or no more than a hundred of them."""
        with self._source.client(decode_responses=True) as client:
            keys: list[str] = client.cluster("getkeysinslot", self._slot, _BATCH)
        return keys

    def move(self, *keys: str) -> None:
        """Move some keys; those which the source no longer has are passed over."""
        with self._source.client() as client:
            client.migrate(LOOPBACK, self._target.port, keys, 0, _TIMEOUT_MS)

    def move_all(self) -> None:
        """Move keys until the source has none: what is new meanwhile is made at the target."""
        while keys := self.remaining_keys():
            self.move(*keys)

    def finish(self) -> None:
        """Give the slot to the target."""
        for node in (self._target, self._source, *self._others):
            self._set_slot(node, "NODE", self._target)

    def _set_slot(self, node: Node, state: str, peer: Node) -> None:
        with peer.client() as client:
            identity = client.cluster("myid")
        with node.client() as client:
            client.cluster("setslot", self._slot, state, identity)
