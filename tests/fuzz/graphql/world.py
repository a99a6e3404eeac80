"""The data that all requests collide on, and what each field of the schema has to answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

TENANTS: Final = ("acme", "zeta")
SESSIONS: Final = ("ann", "ann", "bob", "bob", None)
"""From which requests are drawn: two users, whom both tenants have, and no session."""
LOCALES: Final = ("de", "en")
STAFF: Final = frozenset({"ann"})
"""Who may see what is guarded below a cached field: such a decision holds for a session."""

ACCOUNTS: Final = ("1", "2", "3")
OPENED: Final = "9"
"""The account that the mutation `open` returns, which no query asks for."""
TOPICS: Final = ("x", "y")
USERS: Final = ("ann", "bob")

NAMES: Final = (
    *(f"account {each}" for each in ACCOUNTS),
    "accounts",
    "rate",
    *(f"topic {each}" for each in TOPICS),
    "memo",
    "drafts",
    *(f"user {each}" for each in USERS),
)
"""The data of each tenant."""
DATA: Final = len(TENANTS) * len(NAMES)


def datum(tenant: str, name: str) -> int:
    """Return the number of a datum."""
    return TENANTS.index(tenant) * len(NAMES) + NAMES.index(name)


def data_of(tenant: str) -> range:
    """Return the numbers of a tenant's data."""
    first = datum(tenant, NAMES[0])
    return range(first, first + len(NAMES))


# -- What a resolver answers -------------------------------------------------------------------------

GUEST: Final = "guest"
"""Stands for the session in the answers of a request without one."""
EVERYONE: Final = "*"
"""Stands for the session in answers that are the same for all."""


class Stamp(NamedTuple):
    """What a field answers: everything that the answer depends on, and the version that was read."""

    tenant: str
    whose: str
    what: str
    """The field and its arguments, so that an answer of another field is seen."""
    datum: int
    version: int

    def __str__(self) -> str:
        return " ".join(map(str, self))

    @classmethod
    def parse(cls, text: object) -> "Stamp | None":
        """Return what a field answered; None if it is something else."""
        if not isinstance(text, str) or text.count(" ") != 4:
            return None
        tenant, whose, what, number, version = text.split(" ")
        return cls(tenant, whose, what, int(number), int(version))


# -- What each field has to answer -------------------------------------------------------------------

Whose: TypeAlias = Literal["everyone", "session", "request"]
Shape: TypeAlias = Literal["stamp", "stamps", "object", "accounts", "objects", "id", "true"]
Guard: TypeAlias = Literal["", "request", "session"]
REDACTED: Final = "REDACTED"
REFUSED: Final = "refused"
"""What a permission class says that raises."""
FAILED: Final = "drawn to fail"
"""What a resolver says that was drawn to fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a field has to answer, whoever asks.

    Attributes:
        shape: What kind of thing.
        datum: The name of the datum that a stamp is made of, with placeholders such as ``{id}``.
        placeholders: What tells it apart from other answers of the same field, with placeholders.
        whose: For whom an answer is.
        guard: By what its permission class decides: something of the request, or the session; empty
            if it has none.
        refusal: What it answers instead, if the permission class does not raise.
        users_only: Whether a request without a session is answered with null.
    """

    shape: Shape = "stamp"
    datum: str = "memo"
    placeholders: str = ""
    whose: Whose = "everyone"
    guard: Guard = ""
    refusal: Any = None
    users_only: bool = False

    def what(self, coordinate: str, placeholders: Mapping[str, str]) -> str:
        """Return the `Stamp.what` of the field."""
        return f"{coordinate}/{self.placeholders.format_map(placeholders)}"


PROMISES: Final[Mapping[str, Promise]] = {
    "Query.account": Promise(shape="object"),
    "Query.accounts": Promise(shape="accounts"),
    "Query.me": Promise(shape="object", users_only=True),
    "Query.rate": Promise(shape="object"),
    "Query.notice": Promise(datum="topic {topic}", placeholders="{topic}"),
    "Query.memo": Promise(),
    "Query.greeting": Promise(placeholders="{locale}"),
    "Query.drafts": Promise(datum="drafts", whose="session"),
    "Query.limited": Promise(),
    "Query.skipped": Promise(whose="request"),
    "Query.now": Promise(whose="request"),
    "Query.vault": Promise(guard="request"),
    "Query.safe": Promise(guard="request", refusal=REDACTED),
    "Query.desk": Promise(shape="stamps", guard="request", refusal=[]),
    "Account.id": Promise(shape="id", placeholders="{id}"),
    "Account.name": Promise(datum="account {id}", placeholders="{id}"),
    "Account.listed": Promise(datum="accounts", placeholders="{id}"),
    "Account.balance": Promise(datum="account {id}", placeholders="{id}"),
    "Account.remark": Promise(datum="account {id}", placeholders="{id}", whose="session"),
    "Account.secret": Promise(datum="account {id}", placeholders="{id}", guard="session"),
    "Account.history": Promise(shape="objects"),
    "Line.text": Promise(datum="account {id}", placeholders="{id}"),
    "User.id": Promise(shape="id", placeholders="{session}"),
    "User.name": Promise(datum="user {session}", placeholders="{session}", whose="session"),
    "User.inbox": Promise(datum="user {session}", placeholders="{session}", whose="session"),
    "Rate.percent": Promise(datum="rate"),
    "Mutation.deposit": Promise(shape="object"),
    "Mutation.withdraw": Promise(shape="true"),
    "Mutation.open": Promise(shape="object"),
    "Mutation.reprice": Promise(shape="object"),
    "Mutation.announce": Promise(shape="true"),
    "Mutation.note": Promise(shape="true"),
    "Mutation.publish": Promise(shape="true"),
    "Mutation.rename": Promise(shape="object"),
}
