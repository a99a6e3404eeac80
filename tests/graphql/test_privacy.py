"""One user's data never reaches another, and one tenant's never another tenant.

Each of these fails when its protection is taken out: the session or the tenant left out of the key,
PRIVATE read from the declared type only, or an unclear context taken for a public one.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.conftest import UntilJoined
from tests.graphql.ledger import Ledger, outcome, reason, status

PRIVATE = CacheScope.PRIVATE


async def test_alice_never_sees_what_bob_sees(ledger: Ledger) -> None:
    for _ in range(2):
        for user in ("alice", "bob"):
            assert (await ledger.ask("{ me }", user=user)).data == {"me": f"acme/{user}"}
    assert status(await ledger.ask("{ me }", user="bob")) == "hit"
    assert ledger.calls["me"] == 2


async def test_one_tenant_never_sees_what_another_sees(ledger: Ledger) -> None:
    for _ in range(2):
        for tenant in ("acme", "globex"):
            result = await ledger.ask("{ accounts(first: 1) { name } }", tenant=tenant)
            assert result.data == {"accounts": [{"name": f"{tenant} 0"}]}
    assert ledger.calls["accounts"] == 2


async def test_the_same_user_in_two_tenants_is_two_users(ledger: Ledger) -> None:
    for tenant in ("acme", "globex", "acme", "globex"):
        result = await ledger.ask("{ me }", tenant=tenant)
        assert result.data == {"me": f"{tenant}/alice"}


async def test_public_data_is_shared_by_all_sessions(ledger: Ledger) -> None:
    await ledger.ask("{ accounts { id } }", user="alice")
    assert status(await ledger.ask("{ accounts { id } }", user="bob")) == "hit"
    assert status(await ledger.ask("{ accounts { id } }", user=None)) == "hit"


@pytest.mark.parametrize(
    "query",
    [
        "{ me }",
        "{ mine: me }",
        "{ accounts { id } me }",
        "{ ... on Query { me } }",
        "{ ...F } fragment F on Query { me }",
        "{ ... @include(if: true) { me } }",
    ],
)
async def test_private_makes_the_whole_operation_private(ledger: Ledger, query: str) -> None:
    assert outcome(await ledger.ask(query))["scope"] == "PRIVATE"
    assert status(await ledger.ask(query, user="bob")) == "miss"
    assert status(await ledger.ask(query, user="alice")) == "hit"


@pytest.mark.parametrize("nobody", [None, "", 0, False])
async def test_private_without_a_session_is_not_cached(
    ledger: Ledger, nobody: object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            result = await ledger.ask("{ me }", user=nobody)
            assert (status(result), reason(result)) == ("bypass", "private_without_session")
    assert ledger.calls["me"] == 2
    (record,) = caplog.records
    assert record.__dict__["response_cache.field"] == "Query.me"


async def test_an_extension_without_session_never_caches_private_data(
    make_ledger: Callable[..., Ledger],
) -> None:
    assert reason(await make_ledger(session=None).ask("{ me }")) == "private_without_session"


async def test_sessions_of_different_types_with_similar_text_share_no_entry(ledger: Ledger) -> None:
    sessions = [1, "1", "true", UUID(int=1), str(UUID(int=1)), "alice", '"alice"', "int:1"]
    for session in sessions:
        assert status(await ledger.ask("{ me }", user=session)) == "miss"


class Role(str, Enum):  # noqa: UP042 - StrEnum prints its value, which is the point here
    """Its members print alike."""

    READER = "reader"
    WRITER = "writer"

    def __str__(self) -> str:
        return "role"


async def test_a_string_subclass_counts_by_its_value_not_by_how_it_prints(ledger: Ledger) -> None:
    for role in Role:
        assert status(await ledger.ask("{ me }", user=role)) == "miss"
        assert status(await ledger.ask("{ accounts { id } }", tenant=role)) == "miss"


@pytest.mark.parametrize("unusable", [object(), b"alice", True, 1.5, ["alice"], {1, 2}])
async def test_a_session_that_no_key_can_hold_is_not_cached(
    ledger: Ledger, unusable: object, caplog: pytest.LogCaptureFixture
) -> None:
    result = await ledger.ask("{ me }", user=unusable)
    assert (status(result), reason(result)) == ("bypass", "context_failed")
    assert "alice" not in caplog.text


async def test_the_log_says_that_a_tenant_is_an_empty_string(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    await ledger.ask("{ accounts { id } }", tenant="")
    assert "gave nothing usable (empty str)" in caplog.text


@pytest.mark.parametrize("unusable", [None, "", True, 1.5, object(), ["acme"]])
async def test_a_request_with_an_unusable_tenant_runs_uncached(
    ledger: Ledger, unusable: object
) -> None:
    for _ in range(2):
        result = await ledger.ask("{ accounts { id } }", tenant=unusable)
        assert (status(result), reason(result)) == ("bypass", "context_failed")
    assert result.errors is None
    assert ledger.calls["accounts"] == 2


async def test_an_int_tenant_counts_as_its_string(ledger: Ledger) -> None:
    await ledger.ask("{ accounts { id } }", tenant=7)
    assert status(await ledger.ask("{ accounts { id } }", tenant="7")) == "hit"


@pytest.mark.parametrize("broken", ["tenant", "session", "vary", "enabled"])
async def test_a_function_of_the_context_that_raises_lets_the_request_run_uncached(
    make_ledger: Callable[..., Ledger], broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> Any:
        msg = "s3cret-token"
        raise RuntimeError(msg)

    options = {broken: {"locale": fail} if broken == "vary" else fail}
    result = await make_ledger(**options).ask("{ me greeting }")
    assert result.errors is None
    assert result.data == {"me": "acme/alice", "greeting": "hello in en"}
    assert reason(result) == "context_failed"
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.__dict__["error.type"] == "RuntimeError"
    assert "s3cret" not in caplog.text


async def test_an_async_function_of_the_context_is_refused_without_an_event_loop(
    make_ledger: Callable[..., Ledger],
) -> None:
    async def session(_: object) -> str:
        return "everyone"

    ledger = make_ledger(session=session)
    assert reason(ledger.ask_sync("{ me }")) == "context_failed"


async def test_varied_values_are_part_of_the_key_only_where_a_field_names_them(
    ledger: Ledger,
) -> None:
    for locale in ("en", "de", "en", "de"):
        result = await ledger.ask("{ greeting }", context={"locale": locale})
        assert result.data == {"greeting": f"hello in {locale}"}
    assert ledger.calls["greeting"] == 2
    await ledger.ask("{ accounts { id } }", context={"locale": "en"})
    hit = await ledger.ask("{ accounts { id } }", context={"locale": "de"})
    assert status(hit) == "hit"


async def test_callers_of_different_sessions_never_join(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate = asyncio.Event()
    running = []

    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=PRIVATE)
        @strawberry.field
        async def me(self, info: strawberry.Info) -> str:
            running.append(info.context)
            await gate.wait()
            return str(info.context)

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda context: context)
    schema = strawberry.Schema(Query, extensions=[extension])
    users = ["alice", "bob"] * 10
    tasks = [asyncio.create_task(schema.execute("{ me }", context_value=user)) for user in users]
    await until_joined(cache, 18)
    gate.set()
    for user, task in zip(users, tasks, strict=True):
        assert (await task).data == {"me": user}
    assert sorted(running) == ["alice", "bob"]


# -- PRIVATE is the strictest over everything that speaks of a field ------------------------------------


@strawberry.interface
class Named:
    name: str


@cache_control(ttl=60, scope=PRIVATE)
@strawberry.interface
class Secret:
    name: str


@strawberry.type
class Open(Named):
    pass


@cache_control(ttl=60, scope=PRIVATE)
@strawberry.type
class Diary(Named):
    pass


@strawberry.type
class Chapter(Diary):
    """Inherits PRIVATE from its Python base."""


@strawberry.type
class Letter(Secret):
    """Inherits PRIVATE from its interface."""


@strawberry.interface
class WithPrivateField:
    code: str = strawberry.field(directives=[cache_control(scope=PRIVATE)])


@strawberry.type
class Overriding(WithPrivateField):
    code: str


@strawberry.type
class Page:
    items: list[Diary]


Either = Annotated[Open | Diary, strawberry.union("Either")]
PrivateUnion = Annotated[
    Open | Chapter, strawberry.union("PrivateUnion", directives=[cache_control(scope=PRIVATE)])
]


@strawberry.type
class PrivateQuery:
    @cache_control(ttl=60)
    @strawberry.field
    def diary(self) -> Diary:
        return Diary(name="x")

    @cache_control(ttl=60)
    @strawberry.field
    def chapter(self) -> Chapter:
        return Chapter(name="x")

    @cache_control(ttl=60)
    @strawberry.field
    def letter(self) -> Letter:
        return Letter(name="x")

    @cache_control(ttl=60)
    @strawberry.field
    def named(self) -> Named:
        return Open(name="x")

    @cache_control(ttl=60)
    @strawberry.field
    def either(self) -> Either:
        return Open(name="x")

    @cache_control(ttl=60)
    @strawberry.field
    def union(self) -> PrivateUnion:
        return Open(name="x")

    @cache_control(ttl=60)
    @strawberry.field
    def overriding(self) -> Overriding:
        return Overriding(code="x")

    @cache_control(ttl=60)
    @strawberry.field
    def page(self) -> Page | None:
        return Page(items=[Diary(name="x")])

    @cache_control(ttl=60)
    @strawberry.field
    def open(self) -> Open:
        return Open(name="x")


@pytest.mark.parametrize(
    ("query", "scope"),
    [
        ("{ diary { name } }", "PRIVATE"),
        ("{ chapter { name } }", "PRIVATE"),
        ("{ letter { name } }", "PRIVATE"),
        ("{ named { name } }", "PRIVATE"),
        ("{ either { ... on Open { name } } }", "PRIVATE"),
        ("{ union { ... on Open { name } } }", "PRIVATE"),
        ("{ overriding { code } }", "PRIVATE"),
        ("{ page { items { name } } }", "PRIVATE"),
        ("{ open { name } page { __typename } }", "PUBLIC"),
        ("{ open { name } }", "PUBLIC"),
    ],
)
async def test_private_is_read_from_every_type_that_a_field_can_return(
    memory_cache: ResponseCache, query: str, scope: str
) -> None:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda context: context, debug=True
    )
    schema = strawberry.Schema(PrivateQuery, types=[Chapter], extensions=[extension])
    result = await schema.execute(query, context_value="alice")
    assert result.errors is None
    assert outcome(result)["scope"] == scope
    other = await schema.execute(query, context_value="bob")
    assert status(other) == ("miss" if scope == "PRIVATE" else "hit")


async def test_two_schemas_with_different_names_on_one_prefix_share_no_entry(
    cache: ResponseCache,
) -> None:
    def schema_saying(answer: str, name: str) -> strawberry.Schema:
        @strawberry.type
        class Query:
            @cache_control(ttl=60)
            @strawberry.field
            def which(self) -> str:
                return answer

        extension = ResponseCacheExtension(cache, tenant=None, schema_name=name)
        return strawberry.Schema(Query, extensions=[extension])

    one, two = schema_saying("one", "first"), schema_saying("two", "second")
    assert (await one.execute("{ which }")).data == {"which": "one"}
    assert (await two.execute("{ which }")).data == {"which": "two"}


async def test_two_schemas_whose_resolvers_differ_share_no_entry_without_a_name(
    cache: ResponseCache,
) -> None:
    @strawberry.type(name="Query")
    class First:
        @cache_control(ttl=60)
        @strawberry.field
        def which(self) -> str:
            return "one"

    @strawberry.type(name="Query")
    class Second:
        @cache_control(ttl=60)
        @strawberry.field
        def which(self) -> str:
            return "two"

    for query, answer in ((First, "one"), (Second, "two")):
        extension = ResponseCacheExtension(cache, tenant=None)
        schema = strawberry.Schema(query, extensions=[extension])
        assert (await schema.execute("{ which }")).data == {"which": answer}


async def test_no_key_and_no_repr_contains_a_tenant_a_session_or_a_document(
    ledger: Ledger, raw: Any, cache: ResponseCache
) -> None:
    await ledger.ask("query Sup3rSecret { me }", user="us3r-secret", tenant="t3nant-secret")
    keys = b" ".join(raw.keys()).lower()
    assert b":e:" in keys
    assert b"secret" not in keys
    shown = repr(cache) + repr(cache.for_tenant("t3nant-secret")) + repr(ledger.schema.extensions)
    assert "secret" not in shown
