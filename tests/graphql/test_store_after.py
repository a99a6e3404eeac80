"""`store_after=2`: what is asked for only once is not stored."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from strawberry_response_cache.graphql._sightings import Sightings, _places
from tests.conftest import UntilJoined
from tests.graphql.ledger import outcome, reason, status


@strawberry.type
class Account:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    def balance(self) -> int:
        return 12


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    async def account(self, info: strawberry.Info) -> Account:
        context = info.context or {}
        context.get("runs", []).append("account")
        if (gate := context.get("gate")) is not None:
            await gate.wait()
        return Account(id=strawberry.ID("1"))

    @cache_control(ttl=60)
    @strawberry.field
    def private(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return "private"

    @strawberry.field
    def fresh(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def touch(self) -> Account:
        return Account(id=strawberry.ID("1"))


QUERY = "{ account { id } }"


def schema_of(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    chosen = {"tenant": None, "session": lambda _: "alice", "store_after": 2} | options
    extension = ResponseCacheExtension(cache, debug=True, **chosen)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


async def test_a_response_is_stored_when_it_is_asked_for_again(cache: ResponseCache) -> None:
    schema = schema_of(cache)
    first = outcome(await schema.execute(QUERY))
    assert (first["status"], first["reason"]) == ("bypass", "seen_once")
    assert "store_after" in first["advice"]
    assert [status(await schema.execute(QUERY)) for _ in range(2)] == ["miss", "hit"]
    # A regular key stays known: what is invalidated is stored again at once.
    await schema.execute("mutation { touch { id } }")
    assert [status(await schema.execute(QUERY)) for _ in range(2)] == ["miss", "hit"]


async def test_each_process_hits_what_another_stored(cache: ResponseCache) -> None:
    one, other = schema_of(cache), schema_of(cache)
    for _ in range(2):
        await one.execute(QUERY)
    assert status(await other.execute(QUERY)) == "hit"


async def test_by_default_a_response_is_stored_at_once(cache: ResponseCache) -> None:
    schema = schema_of(cache, store_after=1)
    assert [status(await schema.execute(QUERY)) for _ in range(2)] == ["miss", "hit"]


async def test_requests_of_another_tenant_do_not_count(cache: ResponseCache) -> None:
    schema = schema_of(cache, tenant=lambda context: context["tenant"])
    for tenant in ("a", "b"):
        said = reason(await schema.execute(QUERY, context_value={"tenant": tenant}))
        assert said == "seen_once"


async def test_fields_with_entries_of_their_own_are_stored_when_they_are_asked_for_again(
    cache: ResponseCache,
) -> None:
    schema = schema_of(cache)
    said = []
    for alias in ("a", "b", "c"):  # the field's own alias is no part of its key
        result = outcome(await schema.execute(f"{{ fresh {alias}: account {{ id }} }}"))
        said.append([each.get("reason", each["status"]) for each in result["fields"]])
    assert said == [["seen_once"], ["miss"], ["hit"]]


async def test_concurrent_requests_that_join_one_run_count_as_repeats(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    schema = schema_of(cache)
    gate = asyncio.Event()
    runs: list[str] = []
    contexts = [{"runs": runs, "gate": gate} for _ in range(3)]
    tasks = [asyncio.create_task(schema.execute(QUERY, context_value=each)) for each in contexts]
    await until_joined(cache, 2)
    gate.set()
    assert "miss" in [status(await each) for each in tasks]
    assert runs == ["account"]
    assert status(await schema.execute(QUERY)) == "hit"


async def test_a_response_that_turns_private_is_stored_at_its_second_request(
    cache: ResponseCache,
) -> None:
    schema = schema_of(cache)
    said = [outcome(await schema.execute("{ private }")) for _ in range(4)]
    assert [each.get("reason") for each in said] == ["seen_once", None, None, None]
    assert [each["status"] for each in said[1:]] == ["miss", "hit", "hit"]


async def test_invented_aliases_leave_nothing_in_the_server(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url)
    schema = schema_of(cache)
    for number in range(50):
        for query in (
            f"{{ a{number}: account {{ id }} }}",
            f"{{ fresh account {{ a{number}: id }} }}",
        ):
            assert (await schema.execute(query)).errors is None
    await cache.aclose()
    assert raw_valkey.keys("*:e:*") == []


def test_the_memory_of_sightings_is_bounded_and_keeps_the_latest_keys() -> None:
    sightings = Sightings(most=1_000)
    size = sum(len(each._bits) for each in (*sightings._once, *sightings._again))
    assert size == 2**20
    sightings.note("regular")
    for number in range(10_000):
        sightings.note(f"{os.getpid()} {number}")
        if number % 500 == 0:
            sightings.note("regular")
    assert sightings.has_again("regular")
    sightings.note("once")
    assert not sightings.has_again("once")
    assert size == sum(len(each._bits) for each in (*sightings._once, *sightings._again))
    # The oldest is forgotten: it is seen for the first time again.
    for number in range(3_000):
        sightings.note(f"later {number}")
    sightings.note("once")
    assert not sightings.has_again("once")


@pytest.mark.exhaustive
def test_few_unseen_keys_are_mistaken_for_seen_ones() -> None:
    sightings = Sightings()
    for number in range(150_000):
        sightings.note(f"key {number}")
    asked = [f"other {number}" for number in range(2_000)]
    for each in asked:
        sightings.note(each)
    assert sum(map(sightings.has_again, asked)) < 40


def test_a_full_filter_becomes_the_older_one_and_the_one_before_is_dropped() -> None:
    def again(*keys: str) -> list[bool]:
        found = []
        for key in keys:
            sightings.note(key)
            found.append(sightings.has_again(key))
        return found

    sightings = Sightings(most=4)
    assert again("a", "b", "c", "d") == [False] * 4  # full: these are the older generation now
    assert again("a", "a") == [True] * 2
    assert again("e", "f") == [False] * 2
    assert again("b") == [True]  # full again, with what was seen of it again
    assert [sightings.has_again(each) for each in "ab"] == [True, True]
    assert again("c", "d") == [False] * 2
    assert again("a", "b") == [True] * 2  # full once more
    assert again("e", "f") == [False] * 2
    assert again("c", "d") == [True] * 2


def test_each_third_of_a_hash_gives_one_place_in_the_filter() -> None:
    part = 2**21
    for first, second, third in [(0, 0, 0), (1, 2, 3), (part - 1, 0, 1), (5, part - 1, part - 1)]:
        number = first + second * part + third * part**2
        assert _places(number) == (first, second, third)
        assert _places(number - 2**63)[:2] == (first, second)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_counts_the_requests_that_its_parent_saw() -> None:
    sightings = Sightings()
    sightings.note("key")
    with sightings._lock:
        child = os.fork()
        if child == 0:
            sightings.note("key")
            os._exit(0 if sightings.has_again("key") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
