"""What one run of the fuzz is made of."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

FaceName: TypeAlias = Literal["core", "graphql"]
"""What callers use: `ResponseCache` itself, or a Strawberry schema with the extension."""

_TAGS: Final = ("tags",) * 5
_KEY: Final = ("key",) * 4


class Fault(StrEnum):
    """What can be done to the server, to the network and to a worker while callers are at work."""

    RESTART = "restart"
    """The server is killed and comes back with its last snapshot, which is older than many invalidations."""
    WIPE = "wipe"
    """The server is killed and comes back empty."""
    FREEZE = "freeze"
    """The server stops answering for a moment and then goes on where it was."""
    DISCONNECT = "disconnect"
    """The server drops all connections."""
    FORGET_SCRIPTS = "forget_scripts"
    """The server forgets the scripts that it was taught."""
    EVICT = "evict"
    """The server loses a tag table, as by eviction."""
    CUT = "cut"
    """The network loses a connection, often in the middle of a reply."""
    CRASH = "crash"
    """A worker is killed, its leases with it, and another takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run: its size, what callers do, and what goes wrong meanwhile. Durations are in seconds."""

    seed: int = 0
    """From which every process draws its decisions; how they are scheduled is not reproducible."""
    seconds: float = 5
    face: FaceName = "core"
    processes: int = 2
    callers: int = 40
    """Asyncio tasks that ask, in each process."""
    threads: int = 2
    """Threads that ask, in each process; they use the sync face."""
    invalidation_share: float = 0.03
    """Of everything that these callers do, how much is an invalidation or a mutation; others do nothing else."""
    batch_share: float = 0.1
    """Of their questions, how much asks for several keys, or executes several operations, at once."""
    invalidation_kinds: tuple[Literal["tags", "key", "clear"], ...] = (*_TAGS, *_KEY, "clear")
    """From which each invalidation is drawn; the core's only."""
    written: tuple[str, ...] = ()
    """Which data the mutations of GraphQL write, by name; any, if empty."""
    ttls: tuple[float, ...] = (0.03, 0.1, 1, 5, 5, 5)
    stales: tuple[float, ...] = (0, 0, 0, 0.05, 0.5, 5)
    """From which the ttl and the stale window of each call are drawn; the core's only."""
    nesting: bool = True
    """Whether some generators are made of other cached values."""
    parts_without_ttl: bool = True
    """Whether such parts have a ttl of 0, sometimes."""
    hang_share: float = 0.0
    """How many of the runs hang: of the core's by themselves, and of GraphQL's resolvers."""
    hang: float = 12
    """For how long."""
    slots_per_tenant: int = 1
    local_bytes: int = 0
    local_max_lag: float = 0.3

    lease: float = 1
    wait_budget: float = 5
    read_deadline: float = 60
    connect_deadline: float = 60
    max_connections: int = 4
    breaker_failures: int = 5

    latency: float = 0.3
    """The longest that the network of every second process holds back what passes through it."""
    faults: tuple[Fault, ...] = ()
    fault_interval: float = 0.5
    """The longest pause between two faults."""

    mutant: str = ""
    """Which damage to do to the core, see `mutants`."""
    stop_at: str = ""
    """The kind of violation that ends the run; any, if empty."""

    def cache_settings(self) -> dict[str, Any]:
        """Return the settings of the caches under test."""
        return {
            "lease": self.lease,
            "wait_budget": self.wait_budget,
            "read_deadline": self.read_deadline,
            "connect_deadline": self.connect_deadline,
            "invalidate_deadline": self.connect_deadline,
            "max_connections": self.max_connections,
            "breaker_failures": self.breaker_failures,
            "slots_per_tenant": self.slots_per_tenant,
            "local_bytes": self.local_bytes,
            "local_max_lag": self.local_max_lag,
        }

    def most_connections(self) -> int:
        """Return how many connections the caches may open, where nothing cuts them.

        Tasks and threads have their own, those of tasks two more for invalidations; and the news are heard
        by each once.
        """
        return self.processes * (2 * self.max_connections + 2 + 2)
