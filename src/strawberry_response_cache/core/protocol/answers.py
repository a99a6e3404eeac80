"""The answers of the store: checked entries, leases, commits and failures."""

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


# -- Answers to a lookup -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fresh:
    """An entry within its ttl."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry within its stale window; with a lease, this caller refreshes it."""

    entry: Entry
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Granted:
    """No usable entry; this caller has the lease."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Held:
    """No usable entry; another caller has the lease, or the lookup requested none."""


@dataclass(frozen=True, slots=True)
class NoLease:
    """No usable entry; the server takes no writes."""

    trouble: Trouble = field(default=Trouble.OTHER, compare=False)
    """Why the server takes no writes."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The bytes of the checked entry are damaged; a lookup that rejects this write id deletes it."""

    write_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The entry was replaced between its check and the read."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store did not answer. Only the type of the error and its meaning are kept.

    The text of the error can hold the arguments of the command, so it is never passed on.
    """

    error_type: str
    """The error's qualified name."""
    asked: bool = True
    """Whether the server was asked at all."""
    sent: bool = True
    """Whether the server may have received the request."""
    trouble: Trouble = field(default=Trouble.OTHER, compare=False)
    """What is wrong with the server."""

    @property
    def error_name(self) -> str:
        """The name of the error without its module, for messages."""
        return self.error_type.rpartition(".")[2]


class NotAskedError(Exception):
    """The server was not asked, because it would not answer in time."""


class NotSentError(Exception):
    """There was no connection; the cause of this error says why."""


LookupAnswer: TypeAlias = (
    Fresh | Stale | Granted | Held | NoLease | Unreadable | Moved | Unavailable
)


def for_another(answer: LookupAnswer) -> LookupAnswer:
    """Return the answer as another caller of the same key gets it: without the lease, which belongs to one."""
    match answer:
        case Granted():
            return Held()
        case Stale(entry):
            return Stale(entry, None)
        case Unavailable():
            return replace(answer, sent=False)
        case _:
            return answer


# -- Other answers -------------------------------------------------------------------


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
    """The commit was refused: the lease was lost, or the tenant or a tag was invalidated meanwhile."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """There was no such lease; the lookup that requested it may still be on its way."""


Committed: TypeAlias = Stored | Refused | Unavailable


def failure(error: BaseException) -> Unavailable:
    """Return the failure for an error: its qualified type name, never its text."""
    if isinstance(error, NotSentError) and error.__cause__ is not None:
        return replace(failure(error.__cause__), sent=False)
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    was_asked = not isinstance(error, NotAskedError)
    return Unavailable(f"{module}{kind.__qualname__}", was_asked, was_asked, trouble_of(error))
