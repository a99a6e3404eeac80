"""What a requester does next, drawn from its seed: queries, mutations, batches, and jobs beside them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from tests.fuzz.graphql.operations import Operation, queries, showing, writing
from tests.fuzz.graphql.world import ACCOUNTS, LOCALES, NAMES, SESSIONS, TENANTS, TOPICS
from tests.fuzz.options import Options

_PACES: Final = (0.01, 5)
"""Seconds between two writes of the datum that is written most often, and of the one that is least."""
_GUARDED: Final = ("vault", "safe", "desk")
_FAILING: Final = (
    "Query.account",
    "Query.accounts",
    "Query.me",
    "Query.rate",
    "Query.notice",
    "Query.memo",
    "Query.drafts",
    "Query.vault",
    "Account.balance",
    "Account.history",
    "User.inbox",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One operation, as it is sent.

    Attributes:
        operation: What is executed.
        variables: With these.
        token: Tells it apart from all others, if it is a mutation.
    """

    operation: Operation
    variables: Mapping[str, str]
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, and everything that its resolvers and permission classes will do.

    Attributes:
        name: Tells it apart from all others.
        tenant: Whose data it is about.
        session: The user; None for a guest.
        locale: What the extension's ``vary`` reads.
        sent: Its operations; several of them are a batch.
        refused: Fields whose permission classes refuse it.
        fails: Fields whose resolvers fail.
        debug: Whether its responses say what the cache did.
        patience: When it is cancelled, if it is.
    """

    name: str
    tenant: str
    session: str | None
    locale: str
    sent: tuple[Sent, ...]
    refused: frozenset[str]
    fails: frozenset[str]
    debug: bool
    patience: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """One write to the truth beside all requests, and the invalidation that follows it."""

    kind: Literal["tag", "clear"]
    tenant: str
    name: str
    """The datum that is written."""
    delay: float
    patience: float | None


class Behaviour(Protocol):
    """Draws what one requester does."""

    def next(self) -> Request | Job:
        """Draw what to do next."""
        ...

    def idle(self) -> float:
        """Draw how long to do nothing before."""
        ...


class Asking:
    """The behaviour of a requester who mostly queries, some operations more often than others.

    Args:
        options: The run.
        requester: Who it is; each draws from a seed of its own.
    """

    def __init__(self, options: Options, requester: str) -> None:
        self._options = options
        self._draw = _Draw(options, requester)
        self._queries = queries(_shared(options, "queries"))

    def next(self) -> Request | Job:
        """Draw what to do next."""
        draw = self._draw
        if draw.chance(self._options.invalidation_share):
            return draw.writing(draw.tenant(), draw.name())
        if draw.chance(self._options.batch_share):
            operations = [self._query() for _ in range(draw.random.randint(2, 4))]
            if draw.chance(0.3):
                operations.append(writing(draw.random, draw.name(users=False)))
            return draw.request(draw.tenant(), "", *operations)
        return draw.request(draw.tenant(), "", self._query())

    def _query(self) -> Operation:
        return self._queries[int(len(self._queries) * self._draw.random.random() ** 2)]

    def idle(self) -> float:
        """Draw how long to do nothing before."""
        return self._draw.random.uniform(0, 0.01)


class Writing:
    """The behaviour of a requester who writes one datum, at a pace of its own, and asks for it at once.

    Some data are written all the time and some hardly ever. So at whatever speed a machine runs, there
    are data whose invalidation just now and then falls into a commit.

    Args:
        options: The run.
        requester: Who it is; each draws from a seed of its own.
        number: Which of the data it writes.
    """

    def __init__(self, options: Options, requester: str, number: int) -> None:
        self._draw = _Draw(options, requester)
        data = [(tenant, name) for tenant in TENANTS for name in written(options)]
        _shared(options, "written").shuffle(data)
        self._tenant, self._name = data[number]
        shortest, longest = _PACES
        self._pace = shortest * (longest / shortest) ** (number / (len(data) - 1))
        self._has_written = False

    def next(self) -> Request | Job:
        """Draw what to do next."""
        self._has_written = not self._has_written
        if self._has_written:
            return self._draw.writing(self._tenant, self._name)
        return self._draw.showing(self._tenant, self._name)

    def idle(self) -> float:
        """Draw how long to do nothing before."""
        return 0 if self._has_written else self._draw.random.expovariate(1 / self._pace)


def written(options: Options) -> tuple[str, ...]:
    """Return the names of the data that a run writes."""
    return options.written or NAMES


class _Draw:
    """The decisions of one requester."""

    def __init__(self, options: Options, requester: str) -> None:
        self.random = random.Random(f"{options.seed} {requester}")  # noqa: S311 - it has to be reproducible
        self._options = options
        self._requester = requester.replace(" ", "-")
        self._count = 0

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def tenant(self) -> str:
        return self.random.choice(TENANTS)

    def name(self, *, users: bool = True) -> str:
        """Draw a datum, that of a user only where the request can be that user's."""
        names = [name for name in written(self._options) if users or not name.startswith("user")]
        return self.random.choice(names or NAMES[:1])

    def writing(self, tenant: str, name: str) -> Request | Job:
        """Draw a mutation, or a job, that writes a datum."""
        if self.chance(0.15):
            kind: Literal["tag", "clear"] = "clear" if self.chance(0.1) else "tag"
            delay = self.random.choice((0, 0, self.random.uniform(0, 0.005)))
            return Job(kind, tenant, name, delay, self._patience(0.05))
        return self.request(tenant, name, writing(self.random, name))

    def showing(self, tenant: str, name: str) -> Request:
        """Draw a query that shows a datum."""
        return self.request(tenant, name, showing(self.random, name))

    def request(self, tenant: str, name: str, *operations: Operation) -> Request:
        """Draw a request: about a datum if it is named, and then by the user whose it is."""
        kind, _, identity = name.partition(" ")
        self._count += 1
        number = f"{self._requester}-{self._count}"
        sent = []
        for place, operation in enumerate(operations):
            token = f"{number}-{place}"
            drawn = {
                "id": self.random.choice(ACCOUNTS),
                "topic": self.random.choice(TOPICS),
                "token": token,
                **({"id": identity} if kind == "account" else {}),
                **({"topic": identity} if kind == "topic" else {}),
            }
            variables = {name: drawn[name] for name in operation.variables}
            sent.append(Sent(operation, variables, token))
        fails = {self.random.choice(_FAILING)} if self.chance(0.08) else set()
        if self.chance(0.3):
            fails.add("Mutation.withdraw")
        return Request(
            name=number,
            tenant=tenant,
            session=identity if kind == "user" else self.random.choice(SESSIONS),
            locale=self.random.choice(LOCALES),
            sent=tuple(sent),
            refused=frozenset(each for each in _GUARDED if self.chance(0.3)),
            fails=frozenset(fails),
            debug=self.chance(0.8),
            patience=self._patience(0.08),
        )

    def _patience(self, share: float) -> float | None:
        return self.random.uniform(0, 0.04) if self.chance(share) else None


def _shared(options: Options, purpose: str) -> random.Random:
    """Return a draw that the requesters of a run agree on."""
    return random.Random(f"{options.seed} {purpose}")  # noqa: S311 - it has to be reproducible
