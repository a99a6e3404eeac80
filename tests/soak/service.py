"""The service under load: what is true, its schema, and one caller of it."""

import asyncio
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import strawberry
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.soak.machine import Moment, Standstill

ITEMS: Final = 100
PAGE: Final = 10
GENERATION: Final = 0.005
"""Seconds that a resolver takes."""
TENANTS: Final = ("red", "blue")
WRITES: Final = 0.03
"""The share of mutations."""

_QUERIES: Final = (
    "query ($x: Int!) { item(x: $x) { id version } }",
    "query ($x: Int!) { now item(x: $x) { id version } }",
    "query ($x: Int!) { page(x: $x) { id version } }",
)
_MUTATION: Final = "mutation ($x: Int!) { bump(x: $x) { id version } }"


class Source:
    """The version of each item of each tenant, and the last one whose mutation was answered."""

    def __init__(self) -> None:
        self.versions: Counter[tuple[str, int]] = Counter()
        self.answered: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()

    def bump(self, tenant: str, x: int) -> int:
        """Change an item and return its version."""
        with self._lock:
            self.versions[tenant, x] += 1
            return self.versions[tenant, x]

    def answer(self, tenant: str, x: int, version: int) -> None:
        """Note that a mutation was answered: whoever asks from now on sees its version."""
        with self._lock:
            self.answered[tenant, x] = max(version, self.answered[tenant, x])


@strawberry.type
class Item:
    id: int
    version: int


def schema(cache: ResponseCache | None, source: Source, *, in_threads: bool) -> strawberry.Schema:
    """Make the schema, with resolvers that block a thread or that wait in the loop; without a cache it is bare."""

    def found(info: strawberry.Info, x: int) -> Item:
        return Item(id=x, version=source.versions[info.context["tenant"], x])

    def blocking_item(info: strawberry.Info, x: int) -> Item:
        time.sleep(GENERATION)
        return found(info, x)

    def blocking_page(info: strawberry.Info, x: int) -> list[Item]:
        time.sleep(GENERATION)
        return [found(info, number) for number in range(x, x + PAGE)]

    async def waiting_item(info: strawberry.Info, x: int) -> Item:
        await asyncio.sleep(GENERATION)
        return found(info, x)

    async def waiting_page(info: strawberry.Info, x: int) -> list[Item]:
        await asyncio.sleep(GENERATION)
        return [found(info, number) for number in range(x, x + PAGE)]

    find_item: Any = blocking_item if in_threads else waiting_item
    find_page: Any = blocking_page if in_threads else waiting_page
    hint = cache_control(ttl=30)

    @strawberry.type
    class Query:
        item: Item = hint(strawberry.field(resolver=find_item))
        page: list[Item] = hint(strawberry.field(resolver=find_page))

        @strawberry.field
        def now(self) -> float:
            return time.monotonic()

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def bump(self, info: strawberry.Info, x: int) -> Item:
            return Item(id=x, version=source.bump(info.context["tenant"], x))

    if cache is None:
        return strawberry.Schema(Query, Mutation)
    extension = ResponseCacheExtension(cache, tenant=lambda context: context["tenant"], debug=True)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


class Report:
    """What happened in one round.

    Attributes:
        counted: Queries by the status that the cache told.
        queries: When each query ended, the seconds that it took, and how many of them the machine stood still.
        mutations: The same of the mutations.
        wrong: What failed or was stale, in words.
    """

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.queries: list[tuple[float, float, float]] = []
        self.mutations: list[tuple[float, float, float]] = []
        self.wrong: list[str] = []


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, and what its answer must hold at least.

    Attributes:
        arguments: Of `Schema.execute`.
        tenant: Who asks.
        floors: The versions of its items that were answered before.
        writes: Whether it is a mutation.
        began: When it was sent.
        moment: What the machine had counted until then.
    """

    arguments: dict[str, Any]
    tenant: str
    floors: list[int]
    writes: bool
    began: float
    moment: Moment


class Caller:
    """Sends one request after the other and judges each answer.

    Args:
        source: What is true.
        report: Where it notes what happened.
        standstill: Tells how long the machine stood still.
        seed: Of its choices.
    """

    def __init__(self, source: Source, report: Report, standstill: Standstill, seed: int) -> None:
        self._standstill = standstill
        self._source = source
        self._report = report
        self._draw = random.Random(seed)  # noqa: S311 - a seed repeats the choices

    def request(self) -> Request:
        """Choose what to ask next."""
        tenant, x = self._draw.choice(TENANTS), int(ITEMS * self._draw.random() ** 3)
        writes = self._draw.random() < WRITES
        query = _MUTATION if writes else self._draw.choice(_QUERIES)
        return Request(
            arguments={
                "query": query,
                "variable_values": {"x": x},
                "context_value": {"tenant": tenant},
            },
            tenant=tenant,
            floors=[self._source.answered[tenant, number] for number in range(x, x + PAGE)],
            writes=writes,
            moment=self._standstill.now(),
            began=time.monotonic(),
        )

    def judge(self, request: Request, result: ExecutionResult) -> None:
        """Note how long a request took, and whether its answer was right."""
        ended = time.monotonic()
        report = self._report
        times = report.mutations if request.writes else report.queries
        still = self._standstill.since(request.moment)
        times.append((ended, ended - request.began, still))
        if result.errors or result.data is None:
            report.wrong.append(f"failed: {result.errors}")
        elif request.writes:
            changed = result.data["bump"]
            self._source.answer(request.tenant, changed["id"], changed["version"])
        else:
            told = (result.extensions or {}).get("responseCache", {})
            report.counted[str(told.get("status"))] += 1
            items = result.data.get("page") or [result.data["item"]]
            versions = [item["version"] for item in items]
            if any(
                version < floor for version, floor in zip(versions, request.floors, strict=False)
            ):
                report.wrong.append(f"stale: {told}")
