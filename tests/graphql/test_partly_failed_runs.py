"""A run in which one field failed stores the others and a marker, which leads every worker to them, one by one."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from strawberry.scalars import JSON

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from tests.conftest import UntilJoined
from tests.graphql.ledger import outcome, status

FACES = ["sync", "async"]
both = pytest.mark.parametrize("face", FACES)
NewCache = Callable[..., ResponseCache]


def _seen(info: strawberry.Info, field: str) -> None:
    context = info.context
    context["ran"].append(field)
    if (say := context.get("say", {}).get(field)) is not None:
        say(info)
    if field in context.get("down", ()):
        raise ConnectionError


@strawberry.type
class Book:
    id: strawberry.ID
    title: str

    @cache_control(inherit=True)
    @strawberry.field
    def broken(self, info: strawberry.Info) -> str | None:
        _seen(info, "broken")
        return "whole"


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["steady"])
    @strawberry.field
    def steady(self, info: strawberry.Info, number: int = 1) -> int:
        _seen(info, "steady")
        return number

    @cache_control(ttl=60, tags=["shaky"])
    @strawberry.field
    def shaky(self, info: strawberry.Info) -> int | None:
        _seen(info, "shaky")
        return 2

    @cache_control(ttl=3600)
    @strawberry.field
    def lasting(self, info: strawberry.Info) -> int | None:
        _seen(info, "lasting")
        return 3

    @cache_control(ttl=3600)
    @strawberry.field
    def long(self, info: strawberry.Info) -> int | None:
        _seen(info, "long")
        return 4

    @cache_control(ttl=60)
    @strawberry.field
    def nothing(self, info: strawberry.Info) -> int | None:
        _seen(info, "nothing")
        return None

    @cache_control(ttl=60)
    @strawberry.field
    def book(self, info: strawberry.Info) -> Book:
        _seen(info, "book")
        return Book(id=strawberry.ID("1"), title="Emma")

    @cache_control(ttl=60)
    @strawberry.field
    def text(self, info: strawberry.Info, more: bool = False) -> str:
        _seen(info, "text")
        return "x" * 600

    @cache_control(ttl=60)
    @strawberry.field
    def mine(self, info: strawberry.Info) -> str:
        _seen(info, "mine")
        if info.context["user"] != "ann":
            return "of all"
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return "of ann"

    @cache_control(ttl=60)
    @strawberry.field
    def strayed(self, info: strawberry.Info) -> int | None:
        try:
            _seen(info, "strayed")
        except ConnectionError:
            message = "of another service"
            raise GraphQLError(message, path=["viewer"]) from None
        return 5

    @cache_control(ttl=60)
    @strawberry.field
    def popped(self, info: strawberry.Info, where: JSON) -> str:
        _seen(info, "popped")
        sent: Any = where
        return f"of {sent.pop('owner', 'nobody')}"

    @cache_control(ttl=60)
    @strawberry.field
    async def relayed(self, info: strawberry.Info) -> str | None:
        result = await info.schema.execute("{ said }", context_value=info.context)
        said = result.data and result.data["said"]
        return None if said is None else str(said)

    @cache_control(ttl=60, vary=["lang"])
    @strawberry.field
    def said(self, info: strawberry.Info) -> str:
        return f"in {info.context['lang']}"

    @cache_control(ttl=60, vary=["lang"])
    @strawberry.field
    def spoken(self, info: strawberry.Info) -> str | None:
        _seen(info, "spoken")
        return "spoken"

    @strawberry.field
    def number(self, info: strawberry.Info) -> int:
        _seen(info, "number")
        return 1

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        _seen(info, "me")
        return str(info.context["user"])


class Workers:
    """Two workers with caches of their own on one server."""

    def __init__(self, caches: list[ResponseCache], face: str = "async", **options: Any) -> None:
        self.caches, self._face = caches, face
        told: dict[str, Any] = {
            "session": lambda c: c["user"],
            "vary": {"lang": lambda c: c.get("lang", "en")},
        }
        options = {"tenant": None, "debug": True} | told | options
        self.schemas = [
            strawberry.Schema(Query, extensions=[ResponseCacheExtension(cache, **options)])
            for cache in caches
        ]
        self.last: Any = None

    async def ask(
        self, worker: int, query: str, variables: Any = None, **context: Any
    ) -> list[str]:
        """Which resolvers ran."""
        given: dict[str, Any] = {"ran": [], "user": "ann"} | context
        schema = self.schemas[worker]
        if self._face == "sync":
            result = await asyncio.to_thread(
                schema.execute_sync, query, variables, context_value=given
            )
        else:
            result = await schema.execute(query, variables, context_value=given)
        self.last = result
        return list(given["ran"])

    async def fail(self, query: str, **context: Any) -> None:
        """Let a field of an operation fail in one worker, which stores the other fields and a marker."""
        await self.ask(0, query, **context)


@pytest.fixture
def two(new_cache: NewCache, valkey_url: str) -> Callable[..., Workers]:
    """Make two workers."""

    def make(face: str = "async", *, settings: Any = None, **options: Any) -> Workers:
        caches = [new_cache(valkey_url, **(settings or {})) for _ in range(2)]
        return Workers(caches, face, **options)

    return make


Two = Callable[..., Workers]
QUERY, DOWN = "{ steady shaky }", {"down": ["shaky"]}


@both
async def test_no_worker_runs_the_fields_without_errors_again(two: Two, face: str) -> None:
    workers = two(face)
    assert await workers.ask(0, QUERY, **DOWN) == ["steady", "shaky"]
    for worker in (1, 0, 1):
        assert await workers.ask(worker, QUERY, **DOWN) == ["shaky"]
        assert workers.last.data == {"steady": 1, "shaky": None}
        assert len(workers.last.errors) == 1
        said = outcome(workers.last)
        assert (said["status"], said["reason"]) == ("bypass", "errors")
        assert {each["field"]: each["status"] for each in said["fields"]} == {
            "Query.steady": "hit",
            "Query.shaky": "bypass",
        }


async def test_the_marker_is_kept_in_local_memory(two: Two) -> None:
    workers = two(settings={"local_bytes": 1_000_000})
    await workers.fail(QUERY, **DOWN)
    assert await workers.ask(0, QUERY, **DOWN) == ["shaky"]


async def test_the_operation_is_stored_as_a_whole_again_when_the_marker_has_ended(
    two: Two, raw_valkey: Any
) -> None:
    workers = two()
    await workers.fail(QUERY, **DOWN)
    assert await workers.ask(1, QUERY) == ["shaky"]
    for key in raw_valkey.keys("*:e:*"):
        if raw_valkey.strlen(key) == min(map(raw_valkey.strlen, raw_valkey.keys("*:e:*"))):
            marker = key
    raw_valkey.delete(marker)
    await workers.ask(1, QUERY)
    assert await workers.ask(0, QUERY) == []
    assert status(workers.last) == "hit"


async def test_other_operations_read_the_fields_stored_by_a_partly_failed_run(two: Two) -> None:
    workers = two()
    await workers.fail("{ steady lasting shaky }", **DOWN)
    await workers.ask(0, "{ other: steady shaky }", **DOWN)
    assert await workers.ask(1, "{ other: steady shaky }", **DOWN) == ["shaky"]


@pytest.mark.parametrize(
    ("query", "down", "again"),
    [
        ("{ a: steady b: steady c: steady(number: 2) shaky }", "shaky", ["shaky"]),
        ("{ ...F shaky } fragment F on Query { steady }", "shaky", ["shaky"]),
        ("{ steady @include(if: true) book @skip(if: true) { id } shaky }", "shaky", ["shaky"]),
        ("{ steady book { title broken } }", "broken", ["book", "broken"]),
        ("{ steady lasting }", "lasting", ["lasting"]),
        ("{ lasting shaky }", "shaky", ["shaky"]),
        ("{ steady nothing shaky }", "shaky", ["shaky"]),
    ],
)
async def test_every_root_field_without_an_error_is_stored(
    two: Two, query: str, down: str, again: list[str]
) -> None:
    workers = two()
    await workers.ask(0, query, down=[down])
    expected = workers.last
    assert await workers.ask(1, query, down=[down]) == again
    assert workers.last.data == expected.data
    assert [each.message for each in workers.last.errors] == [
        each.message for each in expected.errors
    ]


async def test_with_several_slots_each_field_has_a_slot_of_its_own(two: Two) -> None:
    workers = two(settings={"slots_per_tenant": 4})
    for number in range(6):
        query = f"{{ steady(number: {number}) book {{ title }} shaky }}"
        await workers.fail(query, **DOWN)
        await workers.fail(query, **DOWN)  # those of other slots are stored when they are looked up
        assert await workers.ask(1, query, **DOWN) == ["shaky"]


# -- What holds for each ------------------------------------------------------------------------------


async def test_a_field_that_had_an_entry_of_its_own_keeps_its_own_tags(two: Two) -> None:
    workers = two()
    await workers.ask(0, "{ lasting shaky }", **DOWN)
    await workers.caches[1].invalidate("shaky")
    assert await workers.ask(1, "{ lasting shaky }", **DOWN) == ["shaky"]


async def test_a_field_that_is_invalidated_during_the_run_is_not_stored(
    new_cache: NewCache, valkey_url: str
) -> None:
    began, go_on, runs = asyncio.Event(), asyncio.Event(), Counter[str]()

    @strawberry.type
    class Slow:
        @cache_control(ttl=60, tags=["one"])
        @strawberry.field
        def one(self) -> int:
            runs["one"] += 1
            return runs["one"]

        @cache_control(ttl=60)
        @strawberry.field
        async def two(self) -> int | None:
            began.set()
            await go_on.wait()
            raise ConnectionError

    cache = new_cache(valkey_url)
    schema = strawberry.Schema(Slow, extensions=[ResponseCacheExtension(cache, tenant=None)])
    first = asyncio.create_task(schema.execute("{ one two }"))
    await began.wait()
    await cache.invalidate("one")
    go_on.set()
    assert (await first).data == {"one": 1, "two": None}
    later = [(await schema.execute("{ one two }")).data for _ in range(4)]
    assert later[0] == {"one": 2, "two": None}
    assert later[-1] == later[-2], "it is stored again"


async def test_the_marker_is_stored_for_a_minute_at_most(two: Two, raw_valkey: Any) -> None:
    workers = two(settings={"jitter": 0.0})
    await workers.fail("{ lasting long }", down=["long"])
    lives = sorted(raw_valkey.pttl(key) for key in raw_valkey.keys("*:e:*"))
    assert len(lives) == 2
    assert 0 < lives[0] <= 60_000 < lives[1]


async def test_after_a_failure_a_field_that_a_resolver_made_private_stays_private(two: Two) -> None:
    workers, query = two(), "{ mine shaky }"
    await workers.ask(0, "{ mine number }", user="ann")
    await workers.fail(query, user="bob", **DOWN)
    await workers.ask(0, "{ mine number }", user="ann")
    assert workers.last.data["mine"] == "of ann"


async def test_a_field_whose_error_names_another_path_is_not_stored(two: Two) -> None:
    workers = two()
    for worker in (0, 1, 0):
        await workers.ask(worker, "{ steady strayed }", down=["strayed"])
    await workers.ask(1, "{ steady strayed }")
    assert workers.last.data == {"steady": 1, "strayed": 5}


async def test_what_a_resolver_does_to_its_arguments_is_not_in_the_keys_of_its_field(
    two: Two,
) -> None:
    workers = two()
    query = "query ($w: JSON!) { popped(where: $w) shaky }"
    for worker in (0, 1):
        await workers.ask(worker, query, {"w": {"owner": "ann"}}, **DOWN)
    await workers.ask(0, "query ($w: JSON!) { popped(where: $w) number }", {"w": {}})
    assert workers.last.data["popped"] == "of nobody"


async def test_an_inner_operation_that_varies_is_not_stored_without_what_it_varies_by(
    two: Two,
) -> None:
    workers = two()
    for lang in ("de", "fr", "de", "fr"):
        await workers.ask(0, "{ relayed spoken }", lang=lang, down=["spoken"])
        assert workers.last.data == {"relayed": f"in {lang}", "spoken": None}


async def test_private_fields_are_stored_for_their_session_only(two: Two) -> None:
    workers, query = two(), "{ me other: me shaky }"
    await workers.fail(query, **DOWN)
    assert await workers.ask(1, query, **DOWN) == ["shaky"]
    assert workers.last.data == {"me": "ann", "other": "ann", "shaky": None}
    await workers.fail(query, user="bob", **DOWN)
    assert await workers.ask(1, query, user="bob", **DOWN) == ["shaky"]
    assert workers.last.data == {"me": "bob", "other": "bob", "shaky": None}
    assert await workers.ask(0, query, user=None, **DOWN) == ["me", "me", "shaky"]


# -- What the annotations and the extension say of each -----------------------------------------------


async def test_with_a_negative_ttl_of_zero_null_fields_are_not_stored_after_a_failure(
    two: Two,
) -> None:
    workers, query = two(negative_ttl=0), "{ steady nothing shaky }"
    await workers.fail(query, **DOWN)
    assert await workers.ask(1, query, **DOWN) == ["nothing", "shaky"]


async def test_with_store_after_2_the_first_partly_failed_run_stores_nothing(
    two: Two, raw_valkey: Any
) -> None:
    workers = two(store_after=2)
    await workers.ask(0, QUERY, **DOWN)
    assert raw_valkey.keys("*:e:*") == []
    await workers.ask(0, QUERY, **DOWN)
    assert len(raw_valkey.keys("*:e:*")) == 2, "the marker and the field"


async def test_cacheable_is_not_called_for_results_that_failed_in_part(
    two: Two, raw_valkey: Any
) -> None:
    judged: list[Any] = []
    workers = two(cacheable=lambda result, _: not judged.append(result))  # type: ignore[func-returns-value] # so it is
    await workers.ask(0, QUERY, **DOWN)
    assert judged == []
    assert len(raw_valkey.keys("*:e:*")) == 1, "the marker"


async def test_an_answer_built_from_an_operation_that_failed_in_part_is_not_stored(
    new_cache: NewCache, valkey_url: str
) -> None:
    runs = Counter[str]()

    @strawberry.type
    class Outer(Query):
        @cache_control(ttl=60)
        @strawberry.field
        async def relayed(self, info: strawberry.Info) -> str:
            runs["relayed"] += 1
            result = await info.schema.execute("{ steady shaky }", context_value=info.context)
            return str(result.data)

    extension = ResponseCacheExtension(
        new_cache(valkey_url), tenant=None, vary={"lang": lambda _: "en"}
    )
    schema = strawberry.Schema(Outer, extensions=[extension])
    for number in (1, 2):
        context = {"ran": [], "user": None, **DOWN}
        result = await schema.execute("{ relayed }", context_value=context)
        assert result.data == {"relayed": "{'steady': 1, 'shaky': None}"}
        assert runs["relayed"] == number


@both
async def test_verify_finds_a_field_stored_for_another_session_after_a_failure(
    two: Two, face: str
) -> None:
    @strawberry.type
    class Leaking(Query):
        @cache_control(ttl=60)
        @strawberry.field
        def leaking(self, info: strawberry.Info) -> str:
            return str(info.context["user"])

    workers = two(face)
    extension = ResponseCacheExtension(
        workers.caches[0],
        tenant=None,
        session=lambda c: c["user"],
        verify=1.0,
        vary={"lang": lambda _: "en"},
    )
    workers.schemas[0] = strawberry.Schema(Leaking, extensions=[extension])
    for user in ("ann", "ann", "bob"):
        await workers.ask(0, "{ leaking steady shaky }", user=user, **DOWN)
        assert workers.last.data == {"leaking": user, "steady": 1, "shaky": None}
    verified = workers.caches[0].statistics().verified
    assert verified == {"equal": 3, "changed": 0, "scope": 1}


async def test_one_lookup_reads_the_marker_and_one_more_reads_all_the_fields(two: Two) -> None:
    workers, query = two(), "{ lasting long steady shaky }"
    await workers.fail(query, down=["shaky"])
    cache = workers.caches[1]
    assert await workers.ask(1, query, down=["shaky"]) == ["shaky"]
    assert cache.statistics().store["get"].calls == 3, "and one for the lease of what failed"


async def test_callers_that_joined_a_partly_failed_run_do_not_run_its_other_fields(
    two: Two, until_joined: UntilJoined
) -> None:
    gate, runs = asyncio.Event(), Counter[str]()

    @strawberry.type
    class Slow:
        @cache_control(ttl=60)
        @strawberry.field
        async def steady(self) -> int:
            runs["steady"] += 1
            await gate.wait()
            return 1

        @cache_control(ttl=60)
        @strawberry.field
        def shaky(self) -> int | None:
            runs["shaky"] += 1
            raise ConnectionError

    cache = two().caches[0]
    schema = strawberry.Schema(Slow, extensions=[ResponseCacheExtension(cache, tenant=None)])
    asked = [asyncio.create_task(schema.execute(QUERY)) for _ in range(5)]
    await until_joined(cache, 4)
    gate.set()
    results = await asyncio.gather(*asked)
    assert [each.data for each in results] == [{"steady": 1, "shaky": None}] * 5
    assert [len(each.errors or ()) for each in results] == [1] * 5
    assert runs["steady"] == 1
