"""A field is answered from an entry of its own where the operation around it cannot be."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
    skip_cache,
)
from tests.conftest import Eventually, UntilJoined
from tests.core.test_round_trips import Bill
from tests.graphql.ledger import outcome, reason, status
from tests.graphql.library import Library, fields


@pytest.fixture
def library(cache: ResponseCache) -> Library:
    return Library(cache)


@pytest.fixture
def inside(memory_cache: ResponseCache) -> Library:
    """A library over a cache inside this process, for what does not depend on the store."""
    return Library(memory_cache)


@pytest.fixture(params=["execute", "execute_sync"])
def ask(request: pytest.FixtureRequest, library: Library) -> Callable[..., Any]:
    if request.param == "execute":
        return library.ask

    async def ask_sync(query: str, **more: Any) -> ExecutionResult:
        return library.ask_sync(query, **more)

    return ask_sync


async def answered(library: Library, query: str, **who: Any) -> tuple[ExecutionResult, set[str]]:
    """Ask; return the result and what ran for it."""
    library.calls.clear()
    return await library.ask(query, **who), set(library.calls)


# -- What is answered from entries ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "cached"),
    [
        ("{ fresh shelf { id title } }", {"shelf"}),
        ("{ fresh shelf { id pages author { id name } } }", {"shelf", "pages", "author", "name"}),
        ("{ fresh listed { pages } }", {"pages"}),
        ("{ fresh listed { author { name } } }", {"author", "name"}),
        ("{ fresh found { ... on Book { pages } ... on Film { minutes } } }", {"pages", "minutes"}),
        (
            "{ fresh works { id ... on Book { pages } ... on Film { minutes } } }",
            {"pages", "minutes"},
        ),
        ("{ fresh nothing { id } }", {"nothing"}),
        (
            "{ fresh x: shelf { y: id ...f } } fragment f on Book { z: pages(chapter: 2) }",
            {"shelf", "pages"},
        ),
        ("{ fresh shelf { id } shelf { title } }", {"shelf"}),
        ("{ fresh shelf @include(if: true) { id title @skip(if: true) } }", {"shelf"}),
        ("{ shelf { fresh } listed { pages note blurb } }", {"pages", "note", "blurb"}),
        ("{ __schema { queryType { name } } shelf { id } }", {"shelf"}),
        ("{ guarded fresh }", {"guarded"}),
    ],
)
async def test_one_uncacheable_field_does_not_stop_other_fields_from_being_cached(
    library: Library, ask: Callable[..., Any], query: str, cached: set[str]
) -> None:
    first = await ask(query)
    ran = set(library.calls)
    library.calls.clear()
    second = await ask(query)
    plain = await library.ask_plain(query)
    assert first.errors is second.errors is plain.errors is None
    assert first.data == second.data == plain.data
    assert list(second.data) == list(plain.data or ())
    assert cached <= ran
    assert not cached & set(library.calls)
    assert status(second) == "bypass"


async def test_debug_says_what_became_of_each_field(library: Library) -> None:
    query = "{ fresh shelf { id } listed { pages note } }"
    await library.ask(query)
    said: Any = outcome(await library.ask(query))
    assert said["status"] == "bypass"
    assert said["reason"] == "root_without_hint"
    # However long the machine took between the two requests: what is left and what is gone are the whole.
    assert [each.pop("ttl") + each.pop("age") for each in said["fields"]] == [
        pytest.approx(60, abs=1),
        pytest.approx(300, abs=1),
        pytest.approx(300, abs=1),
    ]
    assert said["fields"] == [
        {
            "field": "Query.shelf",
            "status": "hit",
            "scope": "PUBLIC",
            "limitedBy": "Query.shelf",
            "count": 1,
        },
        {
            "field": "Book.pages",
            "status": "hit",
            "scope": "PUBLIC",
            "limitedBy": "Book.pages",
            "count": 3,
        },
        {
            "field": "Book.note",
            "status": "hit",
            "scope": "PRIVATE",
            "limitedBy": "Book.note",
            "count": 3,
        },
    ]


async def test_a_field_that_outlives_its_operation_has_an_entry_of_its_own(
    library: Library,
) -> None:
    first = await library.ask("{ shelf { id pages } }")
    assert (status(first), fields(first)) == ("miss", {"Book.pages": "miss"})
    again, ran = await answered(library, "{ shelf { id pages } }")
    assert (status(again), fields(again), ran) == ("hit", {}, set())
    other, ran = await answered(library, "{ shelf { title pages } }")
    assert (status(other), fields(other)) == ("miss", {"Book.pages": "hit"})
    assert ran == {"shelf"}


async def test_a_cacheable_operation_without_longer_lived_fields_has_one_entry(
    library: Library, raw: Any
) -> None:
    await library.ask("{ shelf { id title } x: shelf(count: 1) { id } }")
    assert len(raw.keys("*:e:*")) == 1


async def test_public_fields_are_shared_in_operations_with_private_fields(library: Library) -> None:
    await library.ask("{ me shelf { id } }", user="alice")
    bob, ran = await answered(library, "{ me shelf { id } }", user="bob")
    assert (status(bob), ran) == ("miss", {"me"})
    assert bob.data is not None
    assert bob.data["me"] == "bob of acme"
    nobody, ran = await answered(library, "{ me shelf { id } }", user=None)
    assert (reason(nobody), ran) == ("private_without_session", {"me"})


async def test_the_ttl_of_a_field_is_at_most_the_lowest_of_its_nested_fields(
    inside: Library,
) -> None:
    result = await inside.ask("{ fresh listed { author { id name } } }")
    said: Any = outcome(result)
    assert [(each["field"], each["ttl"]) for each in said["fields"]] == [
        ("Author.name", 600),
        ("Book.author", 300),
    ]


# -- One key implies one answer --------------------------------------------------------------------------

BASE = "{ fresh shelf(count: 2) { id pages } }"


@pytest.mark.parametrize(
    ("other", "more"),
    [
        ("{fresh,x:shelf(count:2){id pages}}", {}),
        ("query Q { fresh shelf(count: 2) { id pages } }", {}),
        ("query ($n: Int!) { fresh shelf(count: $n) { id pages } }", {"variables": {"n": 2}}),
        ("query ($n: Int! = 2) { fresh shelf(count: $n) { id pages } }", {}),
        ("{ fresh shelf(width: 1.5, count: 2, by: null) { id pages } }", {}),
        ("{ shelf(count: 2) { id pages } fresh }", {}),
        ("{ fresh shelf(count: 2) @skip(if: false) { id pages title @skip(if: true) } }", {}),
        (
            "query ($w: Boolean!) { fresh shelf(count: 2) { id pages title @include(if: $w) } }",
            {"variables": {"w": False}},
        ),
        (BASE, {"user": "bob"}),
        (BASE, {"user": None}),
        (BASE, {"locale": "de"}),
    ],
)
async def test_a_field_shares_its_entry_however_its_operation_is_written(
    inside: Library, other: str, more: dict[str, Any]
) -> None:
    await inside.ask(BASE)
    result, ran = await answered(inside, other, **more)
    assert (fields(result)["Query.shelf"], ran) == ("hit", {"fresh"})
    assert result.data == (await inside.ask_plain(other, **more)).data


@pytest.mark.parametrize(
    ("query", "other", "more"),
    [
        (BASE, "{ fresh shelf(count: 3) { id pages } }", {}),
        (BASE, "{ fresh shelf(count: 2, mark: 2) { id pages } }", {}),
        (BASE, '{ fresh shelf(count: 2, mark: "") { id pages } }', {}),
        (BASE, "{ fresh shelf(count: 2, width: 2) { id pages } }", {}),
        (BASE, "{ fresh shelf(count: 2, by: {}) { id pages } }", {}),
        (BASE, '{ fresh shelf(count: 2, by: {author: "2"}) { id pages } }', {}),
        (BASE, "{ fresh shelf(count: 2) { pages id } }", {}),
        (BASE, "{ fresh shelf(count: 2) { id x: pages } }", {}),
        (BASE, "{ fresh shelf(count: 2) { id pages(chapter: 2) } }", {}),
        (BASE, '{ fresh shelf(count: 2) { id pages(unit: "null") } }', {}),
        (BASE, "{ fresh shelf(count: 2) { id } }", {}),
        (BASE, BASE, {"tenant": "globex"}),
        (
            "query ($c: Int) { fresh shelf(count: 2) { pages(chapter: $c) } }",
            "query ($c: Int) { fresh shelf(count: 2) { pages(chapter: $c) } }",
            {"variables": {"c": 5}},
        ),
        (
            "{ fresh shelf(by: {years: [1, 2]}) { id } }",
            "{ fresh shelf(by: {years: [2, 1]}) { id } }",
            {},
        ),
        (
            "query ($w: Boolean!) { fresh shelf { id title @include(if: $w) } }",
            "query ($w: Boolean!) { fresh shelf { id title @include(if: $w) } }",
            {"variables": {"w": True}},
        ),
    ],
)
async def test_a_field_with_another_selection_argument_or_tenant_has_another_entry(
    inside: Library, query: str, other: str, more: dict[str, Any]
) -> None:
    variables = {"w": False} if "$w" in query else None
    await inside.ask(query, variables=variables)
    result, ran = await answered(inside, other, **more)
    assert "shelf" in ran
    assert fields(result)["Query.shelf"] == "miss"
    assert result.data == (await inside.ask_plain(other, **more)).data


async def test_varied_values_and_sessions_have_entries_of_their_own(inside: Library) -> None:
    query = "{ listed(count: 1) { blurb note } }"
    for who in ({"user": "alice"}, {"user": "bob"}, {"locale": "de"}):
        for _ in range(2):
            result = await inside.ask(query, **who)
            assert result.data == (await inside.ask_plain(query, **who)).data
    assert inside.calls["note"] == 2
    assert inside.calls["blurb"] == 2


async def test_an_object_that_is_reached_in_two_ways_has_one_entry(inside: Library) -> None:
    await inside.ask("{ fresh listed(count: 2) { pages } }")
    _, ran = await answered(inside, "{ found { ... on Book { pages } } works { id } }")
    assert "pages" not in ran


# -- Guards -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["members { id }", "membersSoon"])
async def test_the_permission_checks_of_a_field_run_once_on_every_request_before_its_entry_is_used(
    inside: Library, field: str
) -> None:
    query = f"{{ {field} }}"
    for expected in ("miss", "hit"):
        result, _ = await answered(inside, query)
        assert inside.calls["check"] == 1
        assert list(fields(result).values()) == [expected]
        assert result.data == (await inside.ask_plain(query)).data
    refused, ran = await answered(inside, query, may=False)
    assert ran == {"check"}
    assert inside.calls["check"] == 1, "also where it refuses what is stored"
    plain = await inside.ask_plain(query, may=False)
    assert refused.data == plain.data
    assert [error.formatted for error in refused.errors or ()] == [
        error.formatted for error in plain.errors or ()
    ]


async def test_execute_sync_runs_the_permission_checks_of_a_field_before_its_entry_is_used(
    inside: Library,
) -> None:
    for expected in ("miss", "hit"):
        result = inside.ask_sync("{ members { id } }")
        assert fields(result) == {"Query.members": expected}
    inside.calls.clear()
    refused = inside.ask_sync("{ members { id } }", may=False)
    assert refused.data is None
    assert inside.calls == {"check": 1}


async def test_a_guarded_field_is_private_unless_its_hint_says_public(
    inside: Library,
) -> None:
    await inside.ask("{ guarded members { id } }", user="alice")
    bob, ran = await answered(inside, "{ guarded members { id } }", user="bob")
    assert bob.data is not None
    assert bob.data["guarded"] == "guarded for bob"
    assert ran == {"check", "guarded"}
    nobody = await inside.ask("{ guarded }", user=None)
    assert nobody.data == {"guarded": "guarded for None"}


async def test_a_guarded_field_below_a_cached_one_makes_it_private(inside: Library) -> None:
    query = "{ fresh shelf { secret } }"
    await inside.ask(query, user="alice")
    alice, ran = await answered(inside, query, user="alice")
    assert ran == {"fresh"}
    bob = await inside.ask(query, user="bob")
    assert bob.data is not None
    assert bob.data["shelf"][0] == {"secret": "secret for bob"}
    assert alice.data is not None
    assert alice.data["shelf"][0] == {"secret": "secret for alice"}


async def test_a_request_that_joins_a_flight_checks_its_own_permission(
    inside: Library,
    memory_cache: ResponseCache,
    eventually: Eventually,
    until_joined: UntilJoined,
) -> None:
    gate = asyncio.Event()
    query = "{ membersSlow }"
    first = asyncio.create_task(inside.ask(query, gate=gate))
    await eventually(lambda: inside.calls["members_slow"])
    second = asyncio.create_task(inside.ask(query, gate=gate, may=False))
    third = asyncio.create_task(inside.ask(query, gate=gate))
    await until_joined(memory_cache, 2)
    gate.set()
    assert (await first).data == (await third).data == {"membersSlow": "for members"}
    assert (await second).data is None
    assert inside.calls["members_slow"] == 1


async def test_a_thread_that_joins_a_flight_checks_its_own_permission(
    inside: Library, memory_cache: ResponseCache, until_joined: UntilJoined
) -> None:
    query = "{ membersInThreads }"
    going = asyncio.get_running_loop().create_future()
    leave = threading.Event()

    def wait(_: Any) -> None:
        going.get_loop().call_soon_threadsafe(going.set_result, None)
        assert leave.wait(60)

    try:
        first = asyncio.create_task(asyncio.to_thread(inside.ask_sync, query, say=wait))
        await going
        second = asyncio.create_task(asyncio.to_thread(inside.ask_sync, query, may=False))
        third = asyncio.create_task(asyncio.to_thread(inside.ask_sync, query))
        await until_joined(memory_cache, 2, synchronous=True)
    finally:
        leave.set()
    assert (await first).data == (await third).data == {"membersInThreads": "for members"}
    assert (await second).data is None
    assert inside.calls["members_in_threads"] == 1


# -- Errors, and what resolvers say ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "{ fresh shelf { id broken } }",
        "{ fresh shelf { id dented } }",
        "{ fresh listed { id broken } }",
        "{ fresh listed { id dented } }",
        "{ fresh x: listed(count: 1) { y: dented } z: shelf { w: broken } }",
        "{ found { ... on Book { broken } } }",
    ],
)
async def test_errors_below_a_field_are_reported_as_without_a_cache_and_nothing_is_stored(
    library: Library, ask: Callable[..., Any], raw: Any, query: str
) -> None:
    for _ in range(2):
        result = await ask(query)
        plain = await library.ask_plain(query)
        assert result.data is None or {**result.data, "fresh": 1} == {
            **(plain.data or {}),
            "fresh": 1,
        }
        assert sorted(map(str, result.errors or ())) == sorted(map(str, plain.errors or ()))
        assert [error.path for error in result.errors or ()] == [
            error.path for error in plain.errors or ()
        ]
    assert not raw.keys("*:e:*")


async def test_a_failing_field_does_not_keep_others_from_being_stored(inside: Library) -> None:
    await inside.ask("{ fresh listed { dented pages } }")
    _, ran = await answered(inside, "{ fresh listed { dented pages } }")
    assert ran == {"fresh", "listed", "dented"}


async def test_a_restriction_of_a_resolver_counts_for_the_field_that_holds_it(
    inside: Library,
) -> None:
    def say(info: strawberry.Info) -> None:
        skip_cache(info)

    await inside.ask("{ fresh listed { said pages } }", say=say)
    _, ran = await answered(inside, "{ fresh listed { said pages } }", say=say)
    assert ran == {"fresh", "listed", "said"}


async def test_a_field_that_becomes_private_is_stored_for_its_session_only(inside: Library) -> None:
    query = "{ fresh listed(count: 1) { said } mine }"

    def say(info: strawberry.Info) -> None:
        restrict_cache(info, scope=CacheScope.PRIVATE)

    for user in ("alice", "bob", None, "alice"):
        result = await inside.ask(query, user=user, say=say)
        assert result.data is not None
        assert result.data["listed"] == [{"said": f"said to {user}"}]
        assert result.data["mine"] == f"mine: {user}"
    again, ran = await answered(inside, query, user="alice", say=say)
    assert ran == {"fresh", "listed"}
    assert fields(again) == {"Book.said": "hit", "Query.mine": "hit"}


async def test_a_private_field_makes_the_public_operation_around_it_private(
    inside: Library,
) -> None:
    """The operation goes through the cache as a whole; one of its parts turned out to be private."""

    def say(info: strawberry.Info) -> None:
        restrict_cache(info, scope=CacheScope.PRIVATE)

    query = "{ shelf(count: 1) { said } }"
    for user in ("alice", "bob", "alice", "bob", None):
        result = await inside.ask(query, user=user, say=say)
        assert result.data == {"shelf": [{"said": f"said to {user}"}]}
    # Another selection takes the field from its entry: the private part is what makes it private.
    other = "{ shelf(count: 1) { id said } }"
    for user in ("alice", "bob", None):
        result = await inside.ask(other, user=user)
        assert result.data == {"shelf": [{"id": "1", "said": f"said to {user}"}]}


async def test_an_operation_that_holds_a_field_that_is_not_stored_is_not_stored(
    inside: Library,
) -> None:
    query = "{ shelf(count: 1) { id said } }"
    for _ in range(2):
        result, ran = await answered(inside, query, say=skip_cache)
        assert ran == {"shelf", "said"}
        assert reason(result) == "uncacheable_part"


# -- Invalidations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["Book", "Book:1", "[Book]", "Author", "Author:2"])
async def test_an_invalidation_of_an_object_in_a_field_removes_the_fields_entry(
    library: Library, cache: ResponseCache, tag: str
) -> None:
    query = "{ fresh shelf(count: 1) { id author { id } } }"
    await library.ask(query)
    await cache.for_tenant("acme").invalidate(tag)
    _, ran = await answered(library, query)
    assert "shelf" in ran


@pytest.mark.parametrize(("tag", "ran"), [("Book", 3), ("Book:1", 1), ("Book:7", 0), ("[Book]", 0)])
async def test_an_invalidation_of_the_parent_object_removes_the_fields_entry(
    library: Library, cache: ResponseCache, tag: str, ran: int
) -> None:
    query = "{ fresh listed { pages } }"
    await library.ask(query)
    await cache.for_tenant("acme").invalidate(tag)
    await answered(library, query)
    assert library.calls["pages"] == ran


async def test_an_invalidation_of_a_nested_object_invalidates_the_operation_that_holds_it(
    inside: Library, memory_cache: ResponseCache
) -> None:
    await inside.ask("{ fresh listed(count: 1) { pages } }")
    whole = "{ shelf(count: 1) { id author { name } } }"
    await inside.ask(whole)
    assert status(await inside.ask(whole)) == "hit"
    await memory_cache.for_tenant("acme").invalidate("Author:2")
    assert status(await inside.ask(whole)) == "miss"


async def test_tags_with_placeholders_are_filled_from_arguments_and_parent(
    library: Library, cache: ResponseCache
) -> None:
    acme = cache.for_tenant("acme")
    for query in (
        '{ fresh listed { copies(shelfMark: "A") } }',
        '{ shelf { id copies(shelfMark: "A") } }',
    ):
        for tag, invalidated in (
            ("shelf:A", True),
            ("shelf:B", False),
            ("book-of-1", True),
            ("book-of-9", False),
        ):
            await library.ask(query)
            await acme.invalidate(tag)
            _, ran = await answered(library, query)
            assert ("copies" in ran) is invalidated, (query, tag)


async def test_a_mutation_neither_reads_nor_writes_fields_and_invalidates_them(
    inside: Library,
) -> None:
    change = "mutation { rename { id pages author { name } } }"
    for _ in range(2):
        _, ran = await answered(inside, change)
        assert ran == {"pages", "author", "name"}
    query = "{ fresh listed(count: 2) { author { id } pages } }"
    await inside.ask(query)
    _, ran = await answered(inside, query)
    assert ran == {"fresh", "listed"}
    await inside.ask(change)
    _, ran = await answered(inside, "{ fresh listed(count: 1) { author { id } } }")
    assert "author" in ran


async def test_a_field_of_a_query_that_ran_across_a_mutation_is_not_served_afterwards(
    library: Library, eventually: Eventually
) -> None:
    gate = asyncio.Event()
    query = "{ fresh books { id title } }"
    slow = asyncio.create_task(library.ask(query, gate=gate))
    await eventually(lambda: library.calls["books"])
    await library.ask("mutation { rename { id } }")
    gate.set()
    await slow
    _, ran = await answered(library, query)
    assert "books" in ran


# -- What it costs --------------------------------------------------------------------------------------


async def test_fifty_callers_run_a_field_once(
    library: Library, cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate = asyncio.Event()
    asked = [
        asyncio.create_task(library.ask("{ fresh books { id } }", gate=gate)) for _ in range(50)
    ]
    await until_joined(cache, 49)
    gate.set()
    results = await asyncio.gather(*asked)
    assert library.calls["books"] == 1
    assert all(result.errors is None for result in results)


@pytest.mark.parametrize("query", ["{ slow }", "{ fresh slow }"], ids=["operation", "field"])
async def test_one_request_refreshes_a_stale_entry_and_the_others_are_served_it(
    library: Library, raw: Any, query: str, eventually: Callable[..., Any]
) -> None:
    await library.ask(query)
    (key,) = raw.keys("*:e:*")
    await eventually(lambda: raw.pttl(key) <= 600_000)
    gate = asyncio.Event()
    refreshing = asyncio.create_task(library.ask(query, gate=gate))
    await eventually(lambda: library.calls["slow"] == 2)
    async with asyncio.timeout(60):
        other = await library.ask(query, gate=gate)
    assert other.data is not None
    assert other.data["slow"] == 1
    assert "stale" in {status(other), *fields(other).values()}
    gate.set()
    refreshed = (await refreshing).data
    assert refreshed is not None
    assert refreshed["slow"] == 2
    assert library.calls["slow"] == 2


@pytest.mark.parametrize("face", ["execute", "execute_sync"])
async def test_fields_of_a_list_are_read_in_batches_of_a_hundred(
    valkey_cache: ResponseCache, raw_valkey: Any, face: str
) -> None:
    library = Library(valkey_cache)
    query = "{ fresh listed(count: 200) { id pages } }"

    async def ask() -> ExecutionResult:
        return library.ask_sync(query) if face == "execute_sync" else await library.ask(query)

    await ask()
    await ask()
    library.calls.clear()
    bill = Bill(raw_valkey)
    result = await ask()
    trips = bill.round_trips()
    assert bill.commands() == {"evalsha": 3}, "the clock, and twice a hundred fields"
    assert fields(result) == {"Book.pages": "hit"}
    # The clock first. A large batch is written, and so read, in several pieces.
    assert trips <= 6
    assert set(library.calls) == {"fresh", "listed"}


@pytest.mark.parametrize("face", ["execute", "execute_sync"])
async def test_root_fields_are_read_in_one_round_trip(
    valkey_cache: ResponseCache, raw_valkey: Any, face: str
) -> None:
    library = Library(valkey_cache)
    query = "{ fresh a: shelf { id } b: shelf(count: 1) { id } nothing { id } }"

    async def ask() -> ExecutionResult:
        return library.ask_sync(query) if face == "execute_sync" else await library.ask(query)

    await ask()
    await ask()
    bill = Bill(raw_valkey)
    await ask()
    assert bill.round_trips() == 1
    assert bill.commands() == {"evalsha": 1}, "the clock, and three fields"


async def test_an_operation_without_fields_with_own_entries_is_executed_unchanged(
    inside: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is installed on its executor."""
    seen: list[Any] = []
    query = "{ fresh listed { id title } }"
    schema = inside.schema
    await inside.ask(query)  # the executor is exchanged when the schema is first used
    base = schema.execution_context_class

    execute = base.execute_operation

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self)
        return execute(self, *args, **kwargs)

    monkeypatch.setattr(base, "execute_operation", watched)
    await inside.ask(query)
    assert "execute_field" not in vars(seen[-1])
    await inside.ask("{ fresh listed { pages } }")
    assert "execute_field" in vars(seen[-1])


# -- What is written wrongly -------------------------------------------------------------------------------


def checked(query: type, **options: Any) -> None:
    cache = ResponseCache.from_url("memory://", prefix="wrong")
    extension = ResponseCacheExtension(cache, tenant=None, **options)
    extension.check(strawberry.Schema(query, extensions=[extension]))


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (lambda: cache_control(ttl=60, key=""), "not the name of an attribute"),
        (lambda: cache_control(ttl=60, key="a b"), "not the name of an attribute"),
        (lambda: cache_control(ttl=60, key=5), "key is a int"),  # type: ignore[arg-type] # what is tested
        (lambda: cache_control(inherit=True, key="id"), "inherit=True"),
        (lambda: cache_control(ttl=60, tags=[""]), "is empty"),
        (lambda: cache_control(ttl=60, tags=["x" * 2000]), "longer than"),
        (lambda: cache_control(ttl=60, tags=["a\nb"]), "control character"),
        (lambda: cache_control(ttl=60, tags=["a{b}"]), "none of"),
        (lambda: cache_control(ttl=60, tags=["a{result.id}"]), "none of"),
    ],
)
def test_a_bad_key_or_tag_is_refused_where_it_is_written(
    hint: Callable[[], object], message: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=message):
        hint()


def test_every_mistake_is_listed_by_its_field() -> None:
    @cache_control(ttl=5, key="id")
    @strawberry.type
    class Kind:
        id: strawberry.ID

        @cache_control(ttl=60, tags=["a:{args.other}"])
        @strawberry.field
        def named(self, one: int) -> int:
            raise AssertionError

    @strawberry.type
    class Root:
        @cache_control(ttl=60, key="id")
        @strawberry.field
        def kind(self) -> Kind:
            raise AssertionError

        @cache_control(ttl=60, tags=["a:{parent.id}"])
        @strawberry.field
        def parented(self) -> int:
            raise AssertionError

    with pytest.raises(CacheConfigurationError) as raised:
        checked(Root)
    said = str(raised.value)
    assert "Kind: key is only for fields" in said
    assert "Kind.named: tags[0] names the argument 'other'" in said
    assert "(there are: one)" in said
    assert "Query.kind: a root field has no parent; remove its key" not in said
    assert "Root.kind: a root field has no parent; remove its key" in said
    assert "Root.parented: tags[0] names the parent" in said


class Broken:
    """An object whose attributes raise."""

    id = "1"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@pytest.mark.parametrize(
    ("key", "source"),
    [
        (lambda parent: parent.nothing, Broken()),
        (lambda parent: {1, 2}, Broken()),
        (lambda parent: None, Broken()),
        ("missing", Broken()),
    ],
)
async def test_a_field_whose_parent_has_no_usable_key_is_not_cached(
    memory_cache: ResponseCache, key: Any, source: object, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[object] = []

    @strawberry.type
    class Thing:
        @cache_control(ttl=60, key=key)
        @strawberry.field
        def size(self) -> int:
            calls.append(self)
            return 1

    @strawberry.type
    class Root:
        @strawberry.field
        def thing(self) -> Thing:
            return source  # type: ignore[return-value] # as an ORM would

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Root, extensions=[extension])
    for _ in range(2):
        result = await schema.execute("{ thing { size } }")
        assert result.data == {"thing": {"size": 1}}
        assert fields(result) == {"Thing.size": "bypass"}
    assert len(calls) == 2
    assert "missing" not in caplog.text


async def test_a_key_function_distinguishes_parents_with_equal_ids(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.type
    class Account:
        id: strawberry.ID
        as_of: strawberry.Private[int]

        @cache_control(ttl=60, key=lambda account: [account.id, account.as_of])
        @strawberry.field
        def balance(self) -> int:
            return self.as_of

    @strawberry.type
    class Root:
        @strawberry.field
        def account(self, as_of: int) -> Account:
            return Account(id=strawberry.ID("1"), as_of=as_of)

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Root, extensions=[extension])
    for as_of in (1, 2, 1):
        result = await schema.execute(f"{{ account(asOf: {as_of}) {{ balance }} }}")
        assert result.data == {"account": {"balance": as_of}}
    assert fields(result) == {"Account.balance": "hit"}
