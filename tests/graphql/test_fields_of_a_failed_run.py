"""What a run in which one field failed stores of the others: only what an ordinary run would, and only where nothing is."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from strawberry.permission import BasePermission
from strawberry.scalars import JSON
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    restrict_cache,
    skip_cache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from tests.graphql.ledger import outcome

Say = Callable[[strawberry.Info], Any]


class Refuses(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return not info.context.get("refused")


class RefusesWithNull(Refuses):
    def on_unauthorized(self) -> None:
        return None


async def said(info: strawberry.Info, field: str) -> None:
    """Do what a test wants of the resolver of a field."""
    info.context["ran"].append(field)
    say = info.context["say"].get(field)
    if say is not None and (later := say(info)) is not None:
        await later


@strawberry.type
class Part:
    name: str

    @cache_control(inherit=True)
    @strawberry.field
    def needed(self, info: strawberry.Info) -> int:
        raise ConnectionError

    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[Refuses])  # type: ignore[untyped-decorator] # Strawberry types it so
    def guarded(self) -> int | None:
        return 1

    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[RefusesWithNull])  # type: ignore[untyped-decorator] # Strawberry types it so
    def hidden(self) -> int | None:
        return 1


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["steady"])
    @strawberry.field
    async def steady(self, info: strawberry.Info) -> str:
        await said(info, "steady")
        return info.context["value"]  # type: ignore[no-any-return] # it is a text

    @cache_control(ttl=60, tags=["other"])
    @strawberry.field
    async def other(self, info: strawberry.Info, where: JSON | None = None) -> int:
        await said(info, "other")
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    async def part(self, info: strawberry.Info) -> Part | None:
        await said(info, "part")
        return Part(name="a")

    @cache_control(ttl=60)
    @strawberry.field
    async def shaky(self, info: strawberry.Info) -> int | None:
        await said(info, "shaky")
        raise ConnectionError

    @cache_control(ttl=3600)
    @strawberry.field
    async def lasting(self, info: strawberry.Info) -> int | None:
        await said(info, "lasting")
        return 3

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    async def own(self, info: strawberry.Info) -> str:
        await said(info, "own")
        return f"of {info.context['user']}"

    @strawberry.field
    def fresh(self) -> int:
        return 0


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def change(self, info: strawberry.Info) -> int | None:
        await said(info, "change")
        raise ConnectionError


class Asked:
    """A schema over one cache."""

    def __init__(self, cache: ResponseCache, executor: Any = None, **options: Any) -> None:
        self.cache = cache
        chosen: dict[str, Any] = {"tenant": None, "session": lambda c: c["user"], "debug": True}
        extension = ResponseCacheExtension(cache, **chosen | options)
        own: Any = {} if executor is None else {"execution_context_class": executor}
        self._schema = strawberry.Schema(Query, Mutation, extensions=[extension], **own)
        self.last: Any = None

    async def ask(
        self, query: str, variables: Any = None, say: dict[str, Say] | None = None, **context: Any
    ) -> list[str]:
        """Which resolvers ran."""
        given: dict[str, Any] = {"ran": [], "user": "ann", "value": "old", "say": say or {}}
        given |= context
        self.last = await self._schema.execute(query, variables, context_value=given)
        return list(given["ran"])

    async def is_stored(self, field: str = "steady", **context: Any) -> bool:
        """Whether a field has an entry."""
        return field not in await self.ask(f"{{ {field} fresh }}", **context)


Make = Callable[..., Asked]
RawOf = Callable[[ResponseCache], Any]
QUERY = "{ steady shaky }"


@pytest.fixture
def make(new_cache: Callable[..., ResponseCache], empty_url: str) -> Make:
    return lambda **options: Asked(new_cache(empty_url), **options)


async def test_a_failed_run_stores_its_fields_and_the_marker_in_one_call(make: Make) -> None:
    asked = make()
    await asked.ask("{ steady other part { name } shaky }")
    store = asked.cache.statistics().store
    assert (store["get"].calls, store["put"].calls) == (1, 1)
    for field in ("steady", "other", "part { name }"):
        assert field.split()[0] not in await asked.ask(f"{{ {field} fresh }}")


async def test_an_operation_that_failed_in_part_reads_its_fields_one_by_one(make: Make) -> None:
    """Each request makes three lookups: the marker, the fields with a longer ttl, and the other fields."""
    asked, query = make(), "{ steady lasting shaky }"
    await asked.ask(query)
    calls = asked.cache.statistics().store["get"].calls
    for times in (1, 2):
        assert await asked.ask(query) == ["shaky"]
        told = outcome(asked.last)
        assert (told["status"], told["reason"]) == ("bypass", "errors")
        assert {each["field"]: (each["status"], each["count"]) for each in told["fields"]} == {
            "Query.steady": ("hit", 1),
            "Query.lasting": ("hit", 1),
            "Query.shaky": ("bypass", 1),
        }
        assert asked.cache.statistics().store["get"].calls == calls + 3 * times


def _fails(_: strawberry.Info) -> None:
    raise ConnectionError


async def test_a_failed_field_that_outlives_the_operation_is_not_stored(make: Make) -> None:
    asked = make()
    await asked.ask("{ steady lasting }", say={"lasting": _fails})
    assert asked.last.data == {"steady": "old", "lasting": None}
    assert await asked.is_stored("steady")
    assert not await asked.is_stored("lasting")
    assert asked.last.data["lasting"] == 3


def _restricted(info: strawberry.Info) -> None:
    restrict_cache(info, scope=CacheScope.PRIVATE)


def _modified(info: strawberry.Info) -> None:
    info.context["response"].headers["x-a"] = "b"


def _switched(info: strawberry.Info) -> None:
    info.context["user"] = "bob"


class Response:
    def __init__(self) -> None:
        self.headers: dict[str, str] = {}


@pytest.mark.parametrize("where", ["steady", "other", "shaky"])
@pytest.mark.parametrize("say", [skip_cache, _restricted, _modified, _switched])
async def test_what_forbids_storing_an_operation_forbids_storing_its_fields_after_a_failure(
    make: Make, say: Say, where: str
) -> None:
    asked = make()
    query, context = "{ steady other shaky }", {"response": Response()}
    await asked.ask(query, say={where: say}, **context)
    assert not await asked.is_stored(value="new", response=Response())
    assert asked.last.data["steady"] == "new"


async def test_fields_of_a_failed_run_are_stored_with_the_lowest_ttl_of_the_run(make: Make) -> None:
    asked = make()
    await asked.ask("{ steady other shaky }", say={"other": lambda i: restrict_cache(i, ttl=5)})
    assert await asked.is_stored()
    (field,) = outcome(asked.last)["fields"]
    assert field["ttl"] <= 5


@pytest.mark.parametrize("tag", ["steady", "other", "found"])
async def test_fields_of_a_failed_run_are_stored_with_all_tags_of_the_run(
    make: Make, tag: str
) -> None:
    asked = make()
    say: dict[str, Say] = {"shaky": lambda info: restrict_cache(info, tags=["found"])}
    await asked.ask("{ steady other shaky }", say=say)
    await asked.cache.invalidate(tag)
    assert not await asked.is_stored()


@pytest.mark.parametrize("guarded", ["guarded", "hidden"])
async def test_a_failed_run_in_which_a_permission_refused_stores_nothing(
    make: Make, guarded: str
) -> None:
    asked = make()
    query = f"{{ own part {{ {guarded} }} shaky }}"
    await asked.ask(query, refused=True)
    assert not await asked.is_stored("own")
    assert "part" in await asked.ask(f"{{ part {{ {guarded} }} fresh }}")
    await asked.ask(query.replace("own", "again: own"))
    assert await asked.is_stored("own")


async def test_a_root_field_that_a_nested_error_makes_null_is_not_stored_and_others_are(
    make: Make,
) -> None:
    asked = make()
    await asked.ask("{ steady part { name needed } }")
    assert asked.last.data == {"steady": "old", "part": None}
    assert await asked.is_stored()
    assert await asked.ask("{ part { name needed } fresh }") == ["part"]


async def test_an_error_counts_for_the_field_that_raised_it_whatever_its_path_says(
    make: Make,
) -> None:
    def strays(_: strawberry.Info) -> None:
        message = "of another service"
        raise GraphQLError(message, path=["steady"])

    asked = make()
    await asked.ask("{ steady part { name } }", say={"part": strays})
    assert await asked.is_stored()
    assert await asked.ask("{ part { name } fresh }") == ["part"]


class Replaces(StrawberryGraphQLCoreExecutionContext):
    """Answers that another field has failed than the one that did."""

    def execute_operation(self, *args: Any, **named: Any) -> Any:
        answer: Any = super().execute_operation(*args, **named)

        async def replaced() -> Any:
            result = await answer
            if result.errors:
                result.errors = [GraphQLError("of the executor", path=["steady"])]
            return result

        return replaced()


async def test_errors_that_an_executor_puts_in_place_of_those_found_store_no_field(
    make: Make,
) -> None:
    """Nobody knows then which fields have failed."""
    asked = make(executor=Replaces, trusted_extensions=[Replaces])
    await asked.ask(QUERY)
    assert [each.message for each in asked.last.errors] == ["of the executor"]
    assert not await asked.is_stored()


async def test_a_failed_run_in_which_a_resolver_changed_a_variable_stores_nothing(
    make: Make,
) -> None:
    asked = make()
    query = "query ($w: JSON) { steady other(where: $w) shaky }"
    say: dict[str, Say] = {"shaky": lambda info: info.variable_values["w"].clear()}
    await asked.ask(query, {"w": {"a": 1}}, say=say)
    assert not await asked.is_stored()


@pytest.mark.parametrize("says", ["invalidate", "clear", "forget", "invalidate by a resolver"])
async def test_a_field_invalidated_during_a_failed_run_is_not_stored(
    make: Make, raw_of: RawOf, says: str
) -> None:
    asked = make()
    raw = raw_of(asked.cache)
    await asked.ask("{ steady fresh }")
    (entry,) = raw.keys("*:e:*")

    async def goes(info: strawberry.Info) -> None:
        match says:
            case "invalidate":
                await asked.cache.invalidate("steady")
            case "clear":
                await asked.cache.clear()
            case "forget":
                await tenant_of(asked.cache).forget(_keys_of(entry.decode()))
            case _:
                await invalidate(info, "steady")
        raw.unlink(entry)  # so that nothing stands in the way of what the run stores

    await asked.ask(QUERY, say={"shaky": goes})
    assert not await asked.is_stored(value="new")
    assert asked.last.data["steady"] == "new"


def _keys_of(entry: str) -> EntryKeys:
    space, _, name = entry.partition(":e:")
    prefix, version, tenant = space.strip("{}").split(":")
    return EntryKeys(entry, f"{space}:l:{name}", f"{space}:t", f"{prefix}:{version}:news", tenant)


async def test_a_failed_run_that_lost_its_lease_stores_nothing(make: Make, raw_of: RawOf) -> None:
    asked = make()
    raw = raw_of(asked.cache)

    def loses(_: strawberry.Info) -> None:
        raw.delete(*raw.keys("*:l:*"))

    await asked.ask(QUERY, say={"shaky": loses})
    assert raw.keys("*:e:*") == []


async def test_private_fields_of_a_failed_run_are_stored_for_its_session_only(make: Make) -> None:
    asked = make()
    query = "{ own part { guarded needed } }"
    await asked.ask(query)
    assert await asked.is_stored("own")
    assert not await asked.is_stored("own", user="bob")
    assert asked.last.data["own"] == "of bob"


async def test_a_failed_run_does_not_replace_an_existing_entry_of_a_field(
    make: Make,
) -> None:
    asked = make()
    say: dict[str, Say] = {"steady": _restricted}
    await asked.ask("{ steady fresh }", say=say, value="of ann")
    await asked.ask(QUERY, user="bob", value="of all")
    await asked.ask("{ steady fresh }", say=say, value="new")
    assert asked.last.data["steady"] == "of ann"


async def test_a_failed_run_stores_no_field_that_another_caller_generates_meanwhile(
    make: Make,
) -> None:
    asked, began, go_on = make(), asyncio.Event(), asyncio.Event()

    async def waits(_: strawberry.Info) -> None:
        began.set()
        await go_on.wait()

    first = asyncio.create_task(asked.ask("{ steady fresh }", say={"steady": waits}, value="first"))
    await began.wait()
    second = Asked(asked.cache)
    await second.ask(QUERY, value="second")
    go_on.set()
    await first
    assert await second.is_stored()
    assert second.last.data["steady"] == "first"


async def test_a_mutation_that_failed_stores_nothing(make: Make, raw_of: RawOf) -> None:
    asked = make()
    raw = raw_of(asked.cache)
    await asked.ask("mutation { change other: change }")
    assert raw.keys("*:e:*") == []


async def test_a_failed_run_is_answered_although_redis_refuses_to_store_its_fields(
    valkey_cache: ResponseCache, raw_valkey: Any
) -> None:
    asked = Asked(valkey_cache)

    def fills(_: strawberry.Info) -> None:
        raw_valkey.config_set("maxmemory", "1")

    try:
        await asked.ask(QUERY, say={"shaky": fills})
    finally:
        raw_valkey.config_set("maxmemory", "0")
    assert asked.last.data == {"steady": "old", "shaky": None}
    assert [each.path for each in asked.last.errors] == [["shaky"]]
    assert raw_valkey.keys("*:e:*") == []
