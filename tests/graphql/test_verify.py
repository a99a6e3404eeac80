"""``verify`` executes hits all the same, in their request, and compares what the cache would have answered."""

import asyncio
import contextvars
import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.dataloader import DataLoader
from strawberry.scalars import JSON
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    CacheStatistics,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.graphql._verify import Verification
from tests.graphql.both_ways import FORMS, WAYS, BothWays, formed
from tests.graphql.generated import EXAMPLES
from tests.graphql.ledger import outcome, reason, status

MARK: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="")


@dataclass
class World:
    """What resolvers read."""

    number: int | float | None = 1
    titles: list[str] = field(default_factory=lambda: ["a", "b"])
    runs: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] | None = None
    error: Exception | None = None


def world_of(info: strawberry.Info, what: str) -> World:
    world: World = info.context["world"]
    world.runs.append(what)
    if world.meanwhile is not None:
        world.meanwhile()
    if world.error is not None:
        raise world.error
    return world


@strawberry.type
class Book:
    id: strawberry.ID
    title: str

    @cache_control(ttl=600)
    @strawberry.field
    def price(self, info: strawberry.Info) -> float | None:
        return world_of(info, f"price {self.id}").number


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def number(self, info: strawberry.Info) -> float | None:
        return world_of(info, "number").number

    @cache_control(ttl=60)
    @strawberry.field
    def books(self, info: strawberry.Info) -> list[Book]:
        titles = world_of(info, "books").titles
        return [Book(id=strawberry.ID(str(n)), title=title) for n, title in enumerate(titles)]

    @cache_control(ttl=60)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str | None:
        """Is PUBLIC and should not be."""
        world_of(info, "me")
        user: str | None = info.context["user"]
        return user

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> float | None:
        return world_of(info, "mine").number

    @cache_control(ttl=60)
    @strawberry.field
    def admins(self, info: strawberry.Info) -> str | None:
        """Refuses in its resolver, where no cache looks."""
        world_of(info, "admins")
        if info.context["user"] != "alice":
            raise PermissionError
        return "for admins"

    @cache_control(ttl=60)
    @strawberry.field
    async def loaded(self, info: strawberry.Info) -> str:
        return str(await info.context["loader"].load(MARK.get()))

    @strawberry.field
    def listed(self, info: strawberry.Info) -> list[Book]:
        return [Book(id=strawberry.ID(str(n)), title="listed") for n in range(3)]

    @strawberry.field
    def fresh(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self, info: strawberry.Info) -> float | None:
        return world_of(info, "change").number


class Shown(BothWays):
    """The schema, with one world."""

    def __init__(self, cache: ResponseCache, **options: Any) -> None:
        super().__init__(Query, cache, **({"verify": 1.0} | options))
        self.cache = cache
        self.world = World()

    async def ask(self, query: str, *args: Any, **named: Any) -> ExecutionResult:
        context: dict[str, Any] = {"world": self.world, "user": "alice"}
        return await super().ask(query, *args, **(context | named))

    @property
    def storers(self) -> Any:
        """Whose entries this process knows."""
        verification = self.extension._options.verification
        assert verification is not None
        return verification._storers._kept

    @property
    def verified(self) -> dict[str, int]:
        return {name: n for name, n in self.cache.statistics().verified.items() if n}


# -- Which answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
async def test_a_hit_is_executed_and_its_real_result_is_sent(
    memory_cache: ResponseCache, way: str, form: str
) -> None:
    shown = Shown(memory_cache)
    for number in (1, 2, 3):
        shown.world.number = number
        result = await shown.ask("{ number }", way=way, form=form)
        assert result.data is not None
        assert result.data["number"] == number
    assert shown.world.runs == ["number"] * 3
    assert shown.verified == {"changed": 2}


@pytest.mark.parametrize("way", WAYS)
async def test_a_hit_in_local_memory_is_executed_and_verified(
    new_cache: Callable[..., ResponseCache], way: str
) -> None:
    cache = new_cache("memory://", local_bytes=1_000_000)
    served, shown = Shown(cache, verify=0.0), Shown(cache)
    while not cache.statistics().operations.local_hits:  # until its messages arrive
        await served.ask("{ number }", way=way)
    await shown.ask("{ number }", way=way)
    assert shown.world.runs == ["number"]
    assert shown.verified == {"equal": 1}


async def test_verify_executes_the_share_of_hits_that_it_names(memory_cache: ResponseCache) -> None:
    shown = Shown(memory_cache, verify=0.3)
    await shown.ask("{ number }")
    state = random.getstate()
    random.seed(7)
    try:
        for _ in range(60):
            await shown.ask("{ number }")
    finally:
        random.setstate(state)
    assert 9 < len(shown.world.runs) - 1 < 27
    assert shown.verified == {"equal": len(shown.world.runs) - 1}


async def test_nothing_is_verified_by_default(memory_cache: ResponseCache) -> None:
    shown = Shown(memory_cache, verify=0.0)
    for _ in range(3):
        await shown.ask("{ number }")
    assert shown.world.runs == ["number"]
    assert shown.verified == {}


async def test_a_verified_run_has_the_context_and_the_loaders_of_the_request(
    memory_cache: ResponseCache,
) -> None:
    """Its context, its context variables and its loaders are those of the request."""
    loads: list[list[str]] = []

    async def load(keys: list[str]) -> list[str]:
        loads.append(keys)
        return [f"{key} {MARK.get()}" for key in keys]

    shown = Shown(memory_cache)
    for mark in ("first", "second"):
        MARK.set(mark)
        result = await shown.ask("{ loaded }", loader=DataLoader(load))
        assert result.data == {"loaded": f"{mark} {mark}"}
    assert loads == [["first"], ["second"]]


@pytest.mark.parametrize("way", WAYS)
async def test_a_function_as_verify_chooses_for_each_request(
    memory_cache: ResponseCache, way: str
) -> None:
    shown = Shown(memory_cache, verify=lambda context: context["share"])
    await shown.ask("{ number }", way=way, share=1)
    for share, runs in ((0, 1), (False, 1), (1, 2), (True, 3), (0.0, 3)):
        await shown.ask("{ number }", way=way, share=share)
        assert len(shown.world.runs) == runs


async def _soon(_: object) -> float:
    return 1.0


async def test_a_verify_function_that_raises_or_returns_no_share_verifies_nothing(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once per interval, and the request is answered as without it."""
    answers: list[Any] = [KeyError("plugh"), None, 1.5, -1, "plugh", float("nan")]

    def share(_: object) -> float:
        answer = answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    shown = Shown(memory_cache, verify=share)
    for _ in range(len(answers)):
        result = await shown.ask("{ number }")
        answers.append(answers.pop(0))
    assert status(result) == "hit"
    assert shown.world.runs == ["number"]
    (line,) = caplog.messages
    assert "function verify (" in line
    assert "(KeyError); the request is not verified" in line
    assert "plugh" not in line


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), "1", None, _soon])
def test_a_share_is_a_number_from_0_to_1(memory_cache: ResponseCache, wrong: Any) -> None:
    with pytest.raises(CacheConfigurationError, match=r"verify is a .* from 0 to 1"):
        ResponseCacheExtension(memory_cache, tenant=None, verify=wrong)


async def test_mutations_are_never_verified(memory_cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, verify=1.0, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    context = {"world": World(), "user": "alice"}
    for _ in range(2):
        result = await schema.execute("mutation { change }", context_value=context)
        assert reason(result) == "mutation"
    assert context["world"].runs == ["change"] * 2  # type: ignore[attr-defined]
    assert not any(memory_cache.statistics().verified.values())


# -- What a verified run leaves alone --------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
async def test_a_verified_run_stores_nothing(
    memory_cache: ResponseCache, way: str, form: str
) -> None:
    shown, served = Shown(memory_cache), Shown(memory_cache, verify=0.0)
    for number in (1, 2):
        shown.world.number = served.world.number = number
        await shown.ask("{ number }", way=way, form=form)
    result = await served.ask("{ number }", way=way, form=form)
    assert result.data is not None
    assert result.data["number"] == 1
    assert memory_cache.statistics().store["put"].calls == 1


@pytest.mark.parametrize("form", FORMS)
async def test_a_verified_run_takes_no_lease(memory_cache: ResponseCache, form: str) -> None:
    """A request that finds the entry gone meanwhile does not wait for the verified run."""
    shown, served = Shown(memory_cache), Shown(memory_cache, verify=0.0)
    await shown.ask("{ number }", form=form)
    inside = asyncio.Event()
    seen: list[dict[str, Any]] = []

    def meanwhile() -> None:
        memory_cache.clear_sync()
        result = asyncio.run(served.ask("{ number }", form=form))
        seen.append(outcome(result).get("fields", [outcome(result)])[0])
        inside.set()

    shown.world.meanwhile = meanwhile
    await shown.ask("{ number }", way="execute_sync", form=form)
    assert inside.is_set()
    assert [each["status"] for each in seen] == ["miss"]
    assert "reason" not in seen[0]


async def test_verified_runs_do_not_wait_for_each_other(
    new_cache: Callable[..., ResponseCache],
) -> None:
    """Two requests that come together both run, and neither waits for the other."""
    cache = new_cache("memory://", wait_budget=600)
    shown = Shown(cache)
    arrived: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]

    async def load(keys: list[str]) -> list[str]:
        mine = int(keys[0])
        arrived[mine].set()
        await arrived[1 - mine].wait()
        return keys

    async def ask(number: int) -> ExecutionResult:
        MARK.set(str(number))
        return await shown.ask("{ loaded }", loader=DataLoader(load))

    async with asyncio.timeout(30):
        results = await asyncio.gather(ask(0), ask(1))
    assert [each.data for each in results] == [{"loaded": "0"}, {"loaded": "1"}]
    operations = cache.statistics().operations
    assert (operations.misses, operations.coalesced, operations.total) == (1, 1, 2)


async def test_a_generator_that_used_a_verified_answer_stores_nothing(
    memory_cache: ResponseCache,
) -> None:
    shown = Shown(memory_cache, verify=lambda context: context["share"])
    await shown.ask("{ number }", share=0)
    loads = 0
    for share, expected in ((1, 1), (1, 2), (0, 3), (0, 3)):

        async def load(share: int = share) -> float:
            nonlocal loads
            loads += 1
            result = await shown.ask("{ number }", share=share)
            assert result.data is not None
            return float(result.data["number"])

        await memory_cache.remember(["total"], 60, load)
        assert loads == expected


@strawberry.type
class Stale:
    @cache_control(ttl=0.01, stale=600)
    @strawberry.field
    def number(self, info: strawberry.Info) -> float | None:
        return world_of(info, "number").number


@pytest.mark.parametrize("way", WAYS)
async def test_a_failed_refresh_is_not_hidden_by_the_stale_answer(
    memory_cache: ResponseCache, way: str
) -> None:
    shown = BothWays(Stale, memory_cache, verify=1.0)
    world = World()
    await shown.ask("{ number }", way=way, world=world)
    world.error = RuntimeError("no luck")
    await asyncio.sleep(0.02)  # past its ttl
    if way == "execute":
        result = await shown.schema.execute("{ number }", context_value={"world": world})
    else:
        result = shown.schema.execute_sync("{ number }", context_value={"world": world})
    assert [each.message for each in result.errors or []] == ["no luck"]
    assert world.runs == ["number"] * 2
    statistics = memory_cache.statistics()
    assert statistics.operations.stale_hits == 1
    assert statistics.loads["operation"].calls == 2


@pytest.mark.parametrize("way", WAYS)
async def test_no_field_of_a_verified_operation_is_verified_by_itself(
    memory_cache: ResponseCache, way: str
) -> None:
    shown = Shown(memory_cache)
    for _ in range(2):
        await shown.ask("{ books { title price } }", way=way)
    assert shown.verified == {"equal": 1}
    assert memory_cache.statistics().fields.total == 2


# -- The comparison --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
async def test_verify_tells_equal_changed_and_wrong_scope_apart(
    memory_cache: ResponseCache, way: str, form: str
) -> None:
    shown = Shown(memory_cache)

    async def ask(query: str, **context: Any) -> object:
        result = await shown.ask(query, way=way, form=form, **context)
        said = outcome(result)
        return said.get("fields", [said])[0].get("verified")

    assert await ask("{ me }") is None
    assert await ask("{ me }") == "equal"
    assert await ask("{ me }", user="bob") == "scope"
    assert await ask("{ number }") is None
    assert await ask("{ number }", user="bob") == "equal"
    shown.world.number = 2
    assert await ask("{ number }") == "changed"
    assert shown.verified == {"equal": 2, "scope": 1, "changed": 1}


async def test_an_entry_of_another_process_is_never_a_wrong_scope(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not known whose it is, also where this process stored the same entry before."""
    here, there = Shown(memory_cache), Shown(memory_cache)
    await here.ask("{ number }")
    await memory_cache.clear()
    await there.ask("{ number }", user="bob")
    here.world.number = 2
    await here.ask("{ number }", user="bob")
    assert here.verified == {"changed": 1}
    assert caplog.messages == []


async def test_a_session_that_had_a_hit_does_not_count_as_having_stored_the_entry(
    memory_cache: ResponseCache,
) -> None:
    shown = Shown(memory_cache, verify=lambda context: context["share"])
    await shown.ask("{ me }", user="alice", share=0)
    for share in (0, 1):
        await shown.ask("{ me }", user="bob", share=share)
    assert shown.verified == {"scope": 1}


async def test_an_error_counts_as_a_change_where_both_answers_are_null(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.type
    class Nothing:
        @cache_control(ttl=60)
        @strawberry.field
        def notes(self, info: strawberry.Info) -> str | None:
            if info.context["user"] == "alice":
                return None
            raise PermissionError

    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda context: context["user"], verify=1.0
    )
    schema = strawberry.Schema(Nothing, extensions=[extension])
    for user in ("alice", "bob"):
        result = await schema.execute("{ notes }", context_value={"user": user})
        assert result.data == {"notes": None}
    verified = memory_cache.statistics().verified
    assert (verified["changed"], verified["scope"]) == (1, 0)


async def test_a_private_hit_is_compared_within_its_own_session(
    memory_cache: ResponseCache,
) -> None:
    shown = Shown(memory_cache)
    for number, user in ((1, "alice"), (2, "bob"), (3, "alice")):
        shown.world.number = number
        await shown.ask("{ mine }", user=user)
    assert shown.verified == {"changed": 1}


async def test_requests_without_a_session_count_as_one_session(memory_cache: ResponseCache) -> None:
    shown = Shown(memory_cache)
    await shown.ask("{ me }", user="alice")
    await shown.ask("{ me }", user=None)
    assert shown.verified == {"scope": 1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
async def test_an_invalidation_during_a_verified_run_ends_the_comparison(
    memory_cache: ResponseCache, way: str, form: str
) -> None:
    shown = Shown(memory_cache)
    await shown.ask("{ number }", way=way, form=form)
    shown.world.number = 2
    shown.world.meanwhile = memory_cache.clear_sync
    result = await shown.ask("{ number }", way=way, form=form)
    assert result.data is not None
    assert result.data["number"] == 2
    assert shown.verified == {}


async def test_an_entry_stored_anew_during_a_verified_run_ends_the_comparison(
    memory_cache: ResponseCache,
) -> None:
    """Although it holds the same again."""
    shown, served = Shown(memory_cache), Shown(memory_cache, verify=0.0)
    await shown.ask("{ number }")

    def meanwhile() -> None:
        memory_cache.clear_sync()
        asyncio.run(served.ask("{ number }", user="carol"))
        shown.world.number = 2

    shown.world.meanwhile = meanwhile
    await shown.ask("{ number }", user="bob", way="execute_sync")
    assert shown.verified == {}


@pytest.mark.parametrize("way", WAYS)
async def test_a_verified_run_that_failed_is_not_compared(
    memory_cache: ResponseCache, way: str
) -> None:
    shown = Shown(memory_cache)
    for form in FORMS:
        shown.world.error = None
        await shown.ask("{ number }", way=way, form=form)
        shown.world.error = RuntimeError("no luck")
        context, query = {"world": shown.world, "user": "bob"}, formed("{ number }", form)
        if way == "execute":
            result = await shown.schema.execute(query, context_value=context)
        else:
            result = shown.schema.execute_sync(query, context_value=context)
        assert [each.message for each in result.errors or []] == ["no luck"]
    assert shown.verified == {}


async def test_a_stale_answer_is_not_compared(memory_cache: ResponseCache) -> None:
    """It may be another than the data of now, which others refresh meanwhile."""
    shown, inside = BothWays(Stale, memory_cache, verify=1.0), list[str]()
    world = World()
    await shown.ask("{ number }", world=world)
    await asyncio.sleep(0.02)  # past its ttl

    def meanwhile() -> None:
        world.meanwhile, world.number = None, 2
        result = asyncio.run(shown.ask("{ number }", world=world))
        inside.append(f"{result.data}")

    world.meanwhile = meanwhile
    await shown.ask("{ number }", way="execute_sync", world=world)
    assert inside == ["{'number': 2.0}"]
    assert memory_cache.statistics().operations.stale_hits == 1
    assert not any(memory_cache.statistics().verified.values())


async def test_an_answer_that_is_no_json_is_not_compared(memory_cache: ResponseCache) -> None:
    @strawberry.type
    class Anything:
        @cache_control(ttl=60)
        @strawberry.field
        def anything(self, info: strawberry.Info) -> JSON:
            return info.context["value"]  # type: ignore[no-any-return] # whatever the test wants

    extension = ResponseCacheExtension(memory_cache, tenant=None, verify=1.0)
    schema = strawberry.Schema(Anything, extensions=[extension])
    value: object
    for value in (1, object()):
        result = await schema.execute("{ anything }", context_value={"value": value})
        assert result.data == {"anything": value}
    assert not any(memory_cache.statistics().verified.values())


async def test_with_an_unusable_session_a_difference_counts_as_a_change(
    memory_cache: ResponseCache,
) -> None:
    shown = Shown(memory_cache, session=lambda context: context["user"])
    await shown.ask("{ me }")
    await shown.ask("{ me }", user=3.5)
    assert shown.verified == {"changed": 1}


async def test_a_refusal_below_a_stored_operation_is_a_change(memory_cache: ResponseCache) -> None:
    class Refuses(strawberry.BasePermission):
        message = "no"

        def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
            return not info.context.get("refused")

    @strawberry.type
    class Drawer:
        @cache_control(inherit=True)
        @strawberry.field(permission_classes=[Refuses])  # type: ignore[untyped-decorator] # its overloads
        def inside(self) -> str | None:
            return "a letter"

    @strawberry.type
    class Desk:
        @cache_control(ttl=60)
        @strawberry.field
        def drawer(self) -> Drawer:
            return Drawer()

    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda _: "alice", verify=1.0
    )
    schema = strawberry.Schema(Desk, extensions=[extension])
    for refused in (False, True):
        result = await schema.execute("{ drawer { inside } }", context_value={"refused": refused})
        assert bool(result.errors) is refused
    assert memory_cache.statistics().verified == {"equal": 0, "changed": 1, "scope": 0}


@pytest.mark.parametrize("form", FORMS)
async def test_a_refusal_of_another_session_where_an_answer_is_stored_is_a_wrong_scope(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    shown = Shown(memory_cache)
    await shown.ask("{ admins }", form=form)
    context = {"world": shown.world, "user": "bob"}
    result = await shown.schema.execute(formed("{ admins }", form), context_value=context)
    assert result.errors
    assert shown.verified == {"scope": 1}
    assert any(line.startswith("Query.admins ") for line in caplog.messages)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (["a", "b"], ["a", "b"], "equal"),
        (["a", "b"], ["b", "a"], "changed"),
        (["a", "b"], ["a"], "changed"),
        ([], [], "equal"),
    ],
)
async def test_lists_are_compared_in_their_order(
    memory_cache: ResponseCache, before: list[str], after: list[str], verdict: str
) -> None:
    shown = Shown(memory_cache)
    for titles in (before, after):
        shown.world.titles = titles
        await shown.ask("{ books { title } }")
    assert shown.verified == {verdict: 1}


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (1, 1.0, "equal"),
        (0.1, 0.1, "equal"),
        (0.1, 0.1 + 2**-54, "changed"),
        (0, None, "changed"),
        (None, None, "equal"),
    ],
)
async def test_numbers_are_compared_as_json(
    memory_cache: ResponseCache, before: float | None, after: float | None, verdict: str
) -> None:
    shown = Shown(memory_cache)
    for number in (before, after):
        shown.world.number = number
        await shown.ask("{ number }")
    assert shown.verified == {verdict: 1}


# -- The alarm -------------------------------------------------------------------------------------------


async def test_a_wrong_scope_is_one_error_per_field_and_interval(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    shown = Shown(memory_cache)
    for user in ("plugh1", "plugh2", "plugh3"):
        told = await shown.ask("{ me }", user=user)
        await shown.ask("{ again: me }", user=user)
    assert told.extensions is not None
    assert "CacheScope.PRIVATE" in told.extensions["responseCache"]["advice"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(
        "Query.me gave a session another answer than the one that another"
    )
    assert vars(record)["response_cache.field"] == "Query.me"
    assert "plugh" not in repr(vars(record))
    assert shown.verified == {"scope": 4}


async def test_a_changed_answer_is_counted_and_not_logged(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    shown = Shown(memory_cache)
    for number in (1, 2):
        shown.world.number = number
        await shown.ask("{ number }")
    assert shown.verified == {"changed": 1}
    assert caplog.messages == []


async def test_sessions_are_remembered_as_digests_and_never_in_redis(
    valkey_url: str, raw_valkey: Any, new_cache: Callable[..., ResponseCache]
) -> None:
    shown = Shown(new_cache(valkey_url))
    for user in ("plugh1", "plugh2"):
        await shown.ask("{ me number }", user=user)
    assert shown.verified == {"scope": 1}
    keys = raw_valkey.keys("*")
    held = [raw_valkey.dump(key) for key in keys]
    digests = [each.value for each in shown.storers.values()]
    assert [len(each) for each in digests] == [8]
    for secret in (b"plugh2", *digests):
        assert not any(secret in each for each in (*keys, *held))


def test_the_sessions_of_the_latest_16_000_entries_are_known_and_no_more() -> None:
    verification = Verification(1.0)
    for number in range(20_000):
        verification.note_stored(str(number), "alice")
    known = [each for each in range(20_000) if verification.is_of_another(str(each), "bob")]
    assert 16_000 <= len(known) < 17_000
    assert 19_999 in known


# -- Shadow mode -----------------------------------------------------------------------------------------


STORY = (
    ("alice", "{ number }", 1),
    ("alice", "{ number }", 1),
    ("bob", "{ number me }", 2),
    ("bob", "{ fresh number me }", 2),
    ("alice", "{ fresh me number }", 3),
    ("alice", "{ mine }", 3),
    ("bob", "{ mine }", 3),
    ("alice", "{ mine }", 4),
    ("alice", "{ listed { title price } }", 4),
    ("bob", "{ listed { title price } }", 5),
    ("bob", "{ books { title } }", 5),
    ("bob", "{ books { title price } }", 5),
    ("bob", "{ books { price } number }", 6),
    ("bob", "{ fresh books { title price } }", 6),
)


@pytest.mark.parametrize("way", WAYS)
async def test_in_shadow_mode_nothing_is_served_and_statistics_equal_those_of_a_serving_cache(
    new_cache: Callable[..., ResponseCache], way: str
) -> None:
    """Two caches get the same requests; one serves hits, the other verifies all of them."""
    figures: list[CacheStatistics] = []
    for verify in (0.0, 1.0):
        cache = new_cache("memory://", prefix=f"shadow-{verify}")
        shown = Shown(cache, verify=verify)
        for user, query, number in STORY:
            shown.world.number = number
            result = await shown.ask(query, way=way, user=user)
            if verify:
                expected = await shown.ask_plain(
                    query, form="operation", world=World(number), user=user
                )
                assert result.data == expected.data
        figures.append(cache.statistics())
    served, shadowed = (
        {scope: _without_seconds(getattr(each, scope)) for scope in ("operations", "fields")}
        for each in figures
    )
    assert figures[0].bypasses == figures[1].bypasses
    assert shadowed == served


def _without_seconds(requests: Any) -> dict[str, Any]:
    return {name: getattr(requests, name) for name in ("hits", "misses", "coalesced", "bypasses")}


async def test_in_shadow_mode_the_seconds_saved_equal_those_of_a_serving_cache(
    memory_cache: ResponseCache,
) -> None:
    shown = Shown(memory_cache)
    shown.world.meanwhile = lambda: time.sleep(0.003)
    await shown.ask("{ number }")
    assert memory_cache.statistics().operations.saved == 0
    await shown.ask("{ number }")
    once = memory_cache.statistics().operations.saved
    assert once >= 0.003
    await shown.ask("{ number }")
    assert memory_cache.statistics().operations.saved == pytest.approx(2 * once)


@pytest.mark.parametrize("way", WAYS)
async def test_an_operation_stored_by_a_run_with_verified_fields_has_the_tags_of_that_run(
    memory_cache: ResponseCache, way: str
) -> None:
    """The run contains a field whose entry was found. Its tags are those of what was executed, not those of the entry."""

    @strawberry.type
    class Held:
        @cache_control(ttl=60)
        @strawberry.field
        def shelf(self, info: strawberry.Info) -> "Shelf":
            return Shelf(id=strawberry.ID("s"))

        @strawberry.field
        def fresh(self) -> int:
            return 1

    options: dict[str, Any] = {"verify": 1.0}
    shown = BothWays(Held, memory_cache, **options)
    world = World(titles=["a"])
    entry = "{ shelf { books { id } } }"
    await shown.ask(entry, way=way, form="field", world=world, user="alice")
    world.titles = ["a", "b"]  # which nobody invalidates
    await shown.ask(entry, way=way, world=world, user="alice")
    before = memory_cache.statistics().operations.misses
    await shown.ask(entry, way=way, world=world, user="alice")
    assert memory_cache.statistics().operations.misses == before
    await memory_cache.invalidate("Book:1")
    await shown.ask(entry, way=way, world=world, user="alice")
    assert memory_cache.statistics().operations.misses == before + 1


@strawberry.type
class Shelf:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    def books(self, info: strawberry.Info) -> list[Book]:
        titles = world_of(info, "books").titles
        return [Book(id=strawberry.ID(str(n)), title=title) for n, title in enumerate(titles)]


async def test_entries_stored_in_shadow_mode_are_served_afterwards(
    memory_cache: ResponseCache,
) -> None:
    """Lowering `verify` from 1.0 does not empty the cache."""
    shown, served = Shown(memory_cache), Shown(memory_cache, verify=0.0)
    await shown.ask("{ number }")
    assert status(await served.ask("{ number }")) == "hit"


async def test_debug_says_that_a_hit_was_verified(memory_cache: ResponseCache) -> None:
    shown = Shown(memory_cache)
    await shown.ask("{ number }")
    said = outcome(await shown.ask("{ number }"))
    assert (said["status"], said["reason"], said["verified"]) == ("bypass", "verified", "equal")
    assert "age" not in said


# -- Nothing else than without a cache -------------------------------------------------------------------


@pytest.fixture(scope="module")
def all_verified() -> Iterator[list[Shown]]:
    """With local memory, and without."""
    caches = [
        ResponseCache.from_url("memory://", prefix="all", local_bytes=size, telemetry=False)
        for size in (0, 1_000_000)
    ]
    yield [Shown(each) for each in caches]
    for each in caches:
        each.close()


@settings(max_examples=EXAMPLES)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["alice", "bob", None]),
            st.sampled_from([query for _, query, _ in STORY]),
            st.integers(0, 2),
            st.booleans(),
        ),
        max_size=8,
    ),
    local=st.booleans(),
    way=st.sampled_from(WAYS),
)
def test_with_verify_1_every_answer_is_that_of_a_schema_without_a_cache(
    all_verified: list[Shown], steps: list[tuple[Any, ...]], *, local: bool, way: str
) -> None:
    """Whatever changes without an invalidation, and whoever asks."""
    shown = all_verified[local]

    async def play() -> None:
        shown.cache.clear_sync()
        for user, query, number, clears in steps:
            if clears:
                await shown.cache.clear()
            world = World(number, ["a", "b", "c"][: number + 1])
            found = await shown.ask(query, way=way, user=user, world=world)
            expected = await shown.ask_plain(query, form="operation", world=world, user=user)
            assert found.data == expected.data

    before = faults.count
    asyncio.run(play())
    assert faults.count == before
