"""What the store can answer: judged entries and leases, commits, or nothing."""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from strawberry_response_cache.core.protocol.entry import Entry
from strawberry_response_cache.core.protocol.troubles import Trouble, trouble_of


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to store one entry, as of one moment of the tenant's clock."""

    token: str
    epoch: str
    clock: int


# -- What a lookup can find -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fresh:
    """An entry within its ttl."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry within its stale window; with a lease, the caller is the one to refresh it."""

    entry: Entry
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Granted:
    """Nothing usable, and the lease is the caller's."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing usable, and another caller holds the lease."""


@dataclass(frozen=True, slots=True)
class NoLease:
    """Nothing usable, and the server takes no writes."""

    trouble: Trouble = field(default=Trouble.OTHER, compare=False)
    """Why not."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The judged entry's bytes are damaged; looking up again with this write id deletes it."""

    write_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The entry was replaced between its judgement and its reading."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store did not answer; its type and what it comes to are all that is kept of the error.

    The error's own text can hold the command's arguments, so it is never passed on.
    """

    error_type: str
    """The error's qualified name."""
    asked: bool = True
    """Whether the server was to be asked at all."""
    sent: bool = True
    """Whether it may have heard of it."""
    trouble: Trouble = field(default=Trouble.OTHER, compare=False)
    """What is wrong with the server."""

    @property
    def error_name(self) -> str:
        """The error's name without its module, for people."""
        return self.error_type.rpartition(".")[2]


class NotAskedError(Exception):
    """The server was not asked, since asking it now would only cost time."""


class NotSentError(Exception):
    """There was no connection on which to ask; its cause says why."""


Judgement: TypeAlias = Fresh | Stale | Granted | Held | NoLease | Unreadable | Moved | Unavailable


def for_another(judgement: Judgement) -> Judgement:
    """Return what a judgement is for another caller of the same key: a lease is one caller's alone."""
    match judgement:
        case Granted():
            return Held()
        case Stale(entry):
            return Stale(entry, None)
        case Unavailable():
            return replace(judgement, sent=False)
        case _:
            return judgement


# -- What else there is to know -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a tenant's clock."""

    epoch: str
    clock: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The commit took place."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The commit was refused: the lease was lost, the tenant cleared, or a tag invalidated meanwhile."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """There was no such lease; the lookup that asked for it may still be on its way."""


Committed: TypeAlias = Stored | Refused | Unavailable


def failure(error: BaseException) -> Unavailable:
    """Return what may be said of an error: its qualified type name, never its text."""
    if isinstance(error, NotSentError) and error.__cause__ is not None:
        return replace(failure(error.__cause__), sent=False)
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    was_asked = not isinstance(error, NotAskedError)
    return Unavailable(f"{module}{kind.__qualname__}", was_asked, was_asked, trouble_of(error))
