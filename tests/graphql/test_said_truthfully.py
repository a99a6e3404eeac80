"""What the cache says of an operation is what it did, and what it advises can be written."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis
import strawberry
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.federation import Schema as FederationSchema
from strawberry.federation import type as federated
from strawberry.permission import BasePermission

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    Explanation,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
    restrict_cache,
)
from strawberry_response_cache.core import _interval
from tests.conftest import UntilJoined
from tests.graphql.ledger import outcome, reason, status

FACES = ["execute", "execute_sync"]


async def ask(schema: strawberry.Schema, face: str, query: str, context: Any = None) -> Any:
    if face == "execute_sync":
        return schema.execute_sync(query, context_value=context)
    return await schema.execute(query, context_value=context)


# -- Lifetimes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("private", [True, False])
async def test_a_miss_reports_the_ttl_as_lowered_by_a_resolver(
    cache: ResponseCache, face: str, private: bool
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=600)
        @strawberry.field
        def draft(self, info: strawberry.Info) -> int:
            restrict_cache(info, ttl=50, scope=CacheScope.PRIVATE if private else None)
            restrict_cache(info, ttl=500)
            return 1

        @cache_control(ttl=600)
        @strawberry.field
        def other(self) -> int:
            return 1

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "alice", debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    missed = outcome(await ask(schema, face, "{ draft other }"))
    hit = outcome(await ask(schema, face, "{ draft other }"))
    scope = "PRIVATE" if private else "PUBLIC"
    assert missed == {
        "status": "miss",
        "age": 0,
        "ttl": 50,
        "scope": scope,
        "limitedBy": "Query.draft",
    }
    assert hit["status"] == "hit"
    assert 40 <= hit["ttl"] + hit["age"] <= 50
    assert "limitedBy" not in hit, "which resolver limited it is not stored"


@pytest.mark.parametrize("face", FACES)
async def test_a_miss_that_could_not_be_stored_reports_store_failure_and_no_ttl(
    new_cache: Callable[..., ResponseCache], new_server: Any, face: str
) -> None:
    """The operation and a field by itself, on a server that is full when they are stored."""
    server = new_server()
    with redis.Redis(port=server.port) as raw:

        def fill() -> int:
            raw.config_set("maxmemory-policy", "noeviction")
            raw.config_set("maxmemory", "1")
            return 1

        @strawberry.type
        class Query:
            @cache_control(ttl=600)
            @strawberry.field
            def stored(self) -> int:
                return fill()

            @strawberry.field
            def uncached(self) -> int:
                return 1

        cache = new_cache(f"redis://127.0.0.1:{server.port}")
        schema = strawberry.Schema(
            Query, extensions=[ResponseCacheExtension(cache, tenant=None, debug=True)]
        )
        whole = outcome(await ask(schema, face, "{ stored }"))
        raw.config_set("maxmemory", "0")
        (field,) = outcome(await ask(schema, face, "{ stored uncached }"))["fields"]

    for told in (whole, field):
        assert (told["status"], told["reason"]) == ("miss", "store_failure")
        assert told["advice"] == "Redis failed; the log names the server and the error."
        assert "ttl" not in told


async def test_a_miss_reports_the_lifetime_that_a_part_left(cache: ResponseCache) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=600)
        @strawberry.field
        async def rates(self) -> list[int]:
            async def load() -> list[int]:
                return [1]

            return (await cache.remember(["rates"], 40, load)).value

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    for expected in ("miss", "hit"):
        told = outcome(await schema.execute("{ rates }"))
        assert told["status"] == expected
        assert 30 <= told["ttl"] + told["age"] <= 40
        assert "limitedBy" not in told


async def test_a_response_invalidated_while_it_was_generated_has_the_reason_refused(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=600, tags=["stock"])
        @strawberry.field
        async def stock(self) -> int:
            await cache.invalidate("stock")
            return 1

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    told = outcome(await strawberry.Schema(Query, extensions=[extension]).execute("{ stock }"))
    assert (told["status"], told["reason"]) == ("miss", "refused")
    assert "ttl" not in told, "nothing was stored"


# -- Log lines -----------------------------------------------------------------------------------------------


def broken_tenant(context: Any) -> str:
    return str(context["header"])


@pytest.mark.parametrize("face", FACES)
async def test_a_failing_function_is_logged_once_per_interval_with_its_place(
    memory_cache: ResponseCache,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    face: str,
) -> None:
    # On a slow machine, ten seconds are over before the test is.
    monkeypatch.setattr(_interval, "SECONDS", 3600)

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def number(self, of: int) -> int:
            return of

        @strawberry.field
        def fresh(self) -> int:
            return 0

    extension = ResponseCacheExtension(memory_cache, tenant=broken_tenant, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    aliases = " ".join(f"a{n}: number(of: {n})" for n in range(100))
    for query in (f"{{ {aliases} }}", f"{{ fresh {aliases} }}", "{ number(of: 1) }"):
        result = await ask(schema, face, query, {"s3cret": 1})
        assert (result.errors, reason(result)) == (None, "context_failed")
        assert "tenant" in outcome(result)["advice"]
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert f"{__name__}.broken_tenant, line " in record.getMessage()
    assert "KeyError" in record.getMessage()
    assert "s3cret" not in caplog.text


def test_the_warning_about_a_missing_session_names_the_private_field(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE)
        @strawberry.field
        def me(self) -> int:
            return 1

    extension = ResponseCacheExtension(memory_cache, tenant=None, session=lambda _: None)
    schema = strawberry.Schema(Query, extensions=[extension])
    for _ in range(2):
        schema.execute_sync("{ me }")
    (record,) = caplog.records
    assert "Query.me is PRIVATE" in record.getMessage()
    assert "nothing to change if nobody is logged in" in record.getMessage()


def test_a_private_field_without_session_says_what_to_write(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def me(self, info: strawberry.Info) -> int:
            restrict_cache(info, scope=CacheScope.PRIVATE)
            return 1

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, extensions=[extension])
    for _ in range(2):
        schema.execute_sync("{ me }")
    (record,) = caplog.records
    assert "give it a function that identifies the user" in record.getMessage()


# -- Advice ----------------------------------------------------------------------------------------------------


class Stamping(FieldExtension):
    """May change what it hands on."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        return next_(source, info, **kwargs)


@federated(keys=["id"])
class Thing:
    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Thing":  # noqa: A002 - the key's name
        return cls(id=id)


@strawberry.type
class Advised:
    plain: int = 1

    @strawberry.field
    def made(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field(extensions=[Stamping()])  # type: ignore[untyped-decorator] # Strawberry's
    def stamped(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def thing(self) -> Thing:
        return Thing(id=strawberry.ID("1"))


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        ("{ plain }", "plain: ... = strawberry.field(directives=[cache_control(ttl=...)])"),
        ("{ made }", "Put @cache_control(ttl=...) above Query.made."),
        ("{ stamped }", f"{__name__}.Stamping"),
        (
            '{ _entities(representations: [{__typename: "Thing", id: "1"}]) { ... on Thing { id } } }',
            "where its type has @cache_control(ttl=...)",
        ),
    ],
)
def test_advice_names_code_of_the_user_that_can_be_changed(
    memory_cache: ResponseCache, query: str, advice: str
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = FederationSchema(query=Advised, types=[Thing], extensions=[extension])
    told = outcome(schema.execute_sync(query, root_value=None))
    assert advice in told["advice"]
    assert "above Query._entities" not in told["advice"]
    assert explain(schema, query).advice == told["advice"]


# -- explain and debug agree ------------------------------------------------------------------------------------


class Anyone(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return True


@pytest.mark.parametrize("face", FACES)
async def test_explain_and_debug_agree_on_the_own_entry_of_a_guarded_root_field(
    memory_cache: ResponseCache, face: str
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field(permission_classes=[Anyone])  # type: ignore[untyped-decorator] # Strawberry's
        def secret(self) -> int:
            return 1

    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda _: "alice", debug=True
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    explained: Explanation = explain(schema, "{ secret }")
    assert (explained.cacheable, explained.reason) == (False, "guarded")
    (field,) = explained.fields
    assert (field.own_ttl, field.own_scope) == (60, CacheScope.PRIVATE)
    line = "secret: Query.secret, guarded, but with an entry of its own for 60 s, PRIVATE"
    assert line in str(explained)
    for said in ("miss", "hit"):
        result = await ask(schema, face, "{ secret }")
        assert (status(result), reason(result)) == ("bypass", "guarded")
        (told,) = outcome(result)["fields"]
        assert (told["field"], told["status"], told["scope"]) == ("Query.secret", said, "PRIVATE")
        assert told["ttl"] in {59, 60}


@strawberry.type
class Page:
    id: strawberry.ID = strawberry.ID("1")

    @cache_control(ttl=30)
    @strawberry.field
    def short(self) -> int:
        return 1

    @cache_control(ttl=300)
    @strawberry.field
    def long(self) -> int:
        return 1

    @cache_control(ttl=300, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self) -> int:
        return 1


@strawberry.type
class Shelf:
    id: strawberry.ID = strawberry.ID("1")

    @cache_control(ttl=60)
    @strawberry.field
    def pages(self) -> list[Page]:
        return [Page()]


@strawberry.type
class Shelves:
    @cache_control(ttl=120)
    @strawberry.field
    def shelf(self) -> Shelf:
        return Shelf()

    @strawberry.field
    def fresh(self) -> int:
        return 1


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("form", ["{ SHELF }", "{ fresh SHELF }"])
@pytest.mark.parametrize("pages", ["short", "long", "mine", "short long", "short mine long"])
async def test_explain_and_debug_agree_on_the_entries_within_entries(
    memory_cache: ResponseCache, face: str, form: str, pages: str
) -> None:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda _: "alice", debug=True
    )
    schema = strawberry.Schema(Shelves, extensions=[extension])
    query = form.replace("SHELF", f"shelf {{ id pages {{ id {pages} }} }}")
    entries: set[tuple[str, str]] = set()
    pending = [*explain(schema, query).fields]
    while pending:
        each = pending.pop()
        pending += each.fields
        if each.own_scope is not None:
            entries.add((each.coordinate, each.own_scope.value))
    told = outcome(await ask(schema, face, query)).get("fields", [])
    assert {(each["field"], each["scope"]) for each in told} == entries


async def test_requests_that_joined_a_failing_run_report_errors_as_their_reason(
    memory_cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate = asyncio.Event()

    @strawberry.type
    class Failing:
        @cache_control(ttl=60)
        @strawberry.field
        async def fails(self) -> int:
            await gate.wait()
            raise ValueError

    schema = strawberry.Schema(
        Failing, extensions=[ResponseCacheExtension(memory_cache, tenant=None, debug=True)]
    )
    asking = [asyncio.create_task(schema.execute("{ fails }")) for _ in range(4)]
    await until_joined(memory_cache, 3)
    gate.set()
    results = await asyncio.gather(*asking)
    assert [reason(each) for each in results] == ["errors"] * 4


# -- What is off -------------------------------------------------------------------------------------------


@strawberry.type
class Mottos:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self, ids: list[int] | None = None) -> str:
        return f"once {ids}"

    @strawberry.field
    def fresh(self) -> int:
        return 1


@pytest.mark.parametrize("query", ["{ motto }", "{ motto fresh }"])
def test_explain_says_that_the_extension_is_off_as_debug_does(
    cache: ResponseCache, query: str
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, enabled=False, debug=True)
    schema = strawberry.Schema(Mottos, extensions=[extension])
    assert reason(schema.execute_sync(query)) == "disabled"
    told = explain(schema, query)
    assert (told.cacheable, told.reason) == (False, "disabled")
    assert all(each.own_ttl is None for each in told.fields)


def test_explain_raises_that_there_are_two_extensions_as_check_does(cache: ResponseCache) -> None:
    two = [ResponseCacheExtension(cache, tenant=None, debug=True) for _ in range(2)]
    schema = strawberry.Schema(Mottos, extensions=[*two])
    assert reason(schema.execute_sync("{ motto }")) == "misconfigured"
    for refuse in (lambda: explain(schema, "{ motto }"), lambda: two[0].check(schema)):
        with pytest.raises(CacheConfigurationError, match="two ResponseCacheExtensions; keep one"):
            refuse()


class Hooked(SchemaExtension):
    def resolve(self, _next: Any, root: Any, info: Any, *args: str, **kwargs: Any) -> Any:
        return _next(root, info, *args, **kwargs)


def test_explain_shows_no_entries_of_fields_where_a_hook_keeps_all_from_being_cached(
    cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Mottos, extensions=[extension, Hooked])
    result = schema.execute_sync("{ motto fresh }")
    assert reason(result) == "custom_code"
    assert "fields" not in outcome(result)
    told = explain(schema, "{ motto fresh }")
    assert told.reason == "custom_code"
    assert [each.own_ttl for each in told.fields] == [None, None]


# -- Variables and sessions ----------------------------------------------------------------------------------


class Replacing(SchemaExtension):
    def on_execute(self) -> Any:
        self.execution_context.variables = {"ids": [7]}
        yield


class Changing(SchemaExtension):
    def on_execute(self) -> Any:
        variables: Any = self.execution_context.variables
        variables["ids"][:] = [7]
        yield


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("other", [Replacing, Changing])
def test_the_key_uses_the_variables_as_replaced_by_another_extension(
    cache: ResponseCache, other: type[SchemaExtension], first: bool
) -> None:
    ours: Any = ResponseCacheExtension(cache, tenant=None, debug=True)
    both = [other, ours] if first else [ours, other]
    schema = strawberry.Schema(Mottos, extensions=both)
    text = "query ($ids: [Int!]!) { motto(ids: $ids) }"
    answers = [schema.execute_sync(text, {"ids": [number]}) for number in (1, 2)]

    assert [answer.data for answer in answers] == [{"motto": "once [7]"}] * 2
    assert [status(answer) for answer in answers] == ["miss", "hit"]


@pytest.mark.parametrize("session", [None, "", "0", 0, False])
def test_the_advice_names_the_values_that_count_as_no_session(
    cache: ResponseCache, session: Any
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE)
        @strawberry.field
        def me(self) -> str:
            return "me"

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: session, debug=True)
    result = strawberry.Schema(Query, extensions=[extension]).execute_sync("{ me }")
    assert reason(result) == "private_without_session"
    assert "None, a false value, 0 as a number or as text" in str(outcome(result)["advice"])


# -- How many ---------------------------------------------------------------------------------------------


@strawberry.type
class Counted:
    id: int

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> int:
        return self.id

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self) -> int:
        return self.id

    @cache_control(ttl=60)
    @strawberry.field
    def owner(self) -> "Counted":
        return self

    @strawberry.field
    def now(self) -> int:
        return self.id


@strawberry.type
class CountedQuery:
    @strawberry.field
    def rows(self) -> list[Counted]:
        return [Counted(id=number) for number in range(5)]


@pytest.mark.parametrize(
    ("selection", "field", "why"),
    [
        ("price", "price", None),
        ("mine", "mine", "private_without_session"),
        ("owner { now }", "owner", "resolver_without_hint"),
    ],
)
@pytest.mark.parametrize("face", FACES)
async def test_hits_misses_and_bypasses_of_a_field_are_counted_for_each_object(
    cache: ResponseCache, face: str, selection: str, field: str, why: str | None
) -> None:
    """In ``debug`` and in the cache's statistics, also for a field that bypasses the cache."""
    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: None, debug=True)
    schema = strawberry.Schema(CountedQuery, extensions=[extension])
    for number in (1, 2):
        result = await ask(schema, face, f"{{ rows {{ {selection} }} }}")
        (told,) = outcome(result)["fields"]
        assert (told["field"], told["count"]) == (f"Counted.{field}", 5)
        figures = cache.statistics()
        assert figures.fields.hits + figures.fields.misses + figures.fields.bypasses == 5 * number
        assert told.get("reason") == why
        if why is not None:
            assert figures.bypasses[why] == 5 * number
