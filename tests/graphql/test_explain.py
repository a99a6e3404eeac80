"""What `explain` says is what happens, and it says what to write to change that."""

from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.permission import BasePermission

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    Explanation,
    Reason,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from strawberry_response_cache.graphql._options import options_of
from tests.graphql.ledger import Ledger, outcome

QUERIES = [
    "{ accounts { id name balance } }",
    "{ me }",
    "{ me accounts { id } greeting }",
    "{ accounts { id unannotated } }",
    "{ unannotated }",
    "{ never }",
    "{ __typename }",
    "{ accounts { id } __schema { description } }",
    "{ ...F } fragment F on Query { mine: me }",
    "mutation { post }",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_explain_agrees_with_the_outcome_of_the_request(ledger: Ledger, query: str) -> None:
    happened = outcome(await ledger.ask(query))
    said = explain(ledger.schema, query)
    assert said.cacheable is (happened["status"] == "miss")
    assert (None if said.reason is None else said.reason.value) == happened.get("reason")
    if said.cacheable:
        assert said.scope is not None
        assert (said.ttl, said.scope.value, said.limited_by) == (
            happened["ttl"],
            happened["scope"],
            happened["limitedBy"],
        )
    else:
        assert said.advice == happened["advice"]
        assert (said.ttl, said.scope) == (None, None)


def test_explain_calls_no_resolver_and_no_tenant_or_session_function(ledger: Ledger) -> None:
    def fail(_: Any) -> Any:
        raise AssertionError

    options: Any = options_of(ledger.schema)
    options.tenant = options.session = fail
    explain(ledger.schema, "{ accounts { id } me }")
    assert not ledger.calls


def test_explain_lists_every_field_with_its_ttl_scope_or_reason(ledger: Ledger) -> None:
    said = explain(
        ledger.schema,
        """{
            all: accounts { id ...B }
            me
            accounts { __typename }
        }
        fragment B on Account { balance name unannotated }""",
    )
    assert str(said).splitlines() == [
        (
            "Not cached: resolver_without_hint by Account.unannotated. Put @cache_control(inherit=True) "
            "or a ttl above Account.unannotated."
        ),
        "  all: Query.accounts, 60 s",
        "    id: Account.id, as its parent",
        "    balance: Account.balance, as its parent",
        "    name: Account.name, as its parent",
        "    unannotated: Account.unannotated, resolver_without_hint",
        "  me: Query.me, 30 s, PRIVATE",
        "  accounts: Query.accounts, 60 s",
    ]


def test_explain_shows_merged_fields_once(ledger: Ledger) -> None:
    said = explain(ledger.schema, "{ accounts { id } ... { accounts { name } } accounts { id } }")
    (accounts,) = said.fields
    assert [each.name for each in accounts.fields] == ["id", "name"]


@cache_control(ttl=0)
@strawberry.type
class Gone:
    why: str


@cache_control(ttl=10)
@strawberry.type
class Book:
    title: str


@strawberry.type
class Film:
    title: str


class Nobody(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return False


@strawberry.type
class Library:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self) -> Book | Film | Gone:
        raise AssertionError

    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[Nobody])  # type: ignore[untyped-decorator] # Strawberry's
    def guarded(self) -> str:
        raise AssertionError

    @strawberry.field
    def bare(self) -> Book:
        raise AssertionError


def test_explain_shows_fields_of_each_possible_type_and_which_type_is_never_stored() -> None:
    said = explain(
        strawberry.Schema(Library),
        "{ item { ... on Book { title } ... on Film { name: title } ... on Gone { why } } }",
    )
    assert str(said).splitlines() == [
        "Cached for 60 s, PUBLIC; limited by Library.item.",
        "  item: Library.item, 60 s, never stored with a Gone",
        "    title: Book.title, as its parent",
        "    name: Film.title, as its parent",
    ]


def test_explain_needs_no_extension_and_accepts_a_default_ttl() -> None:
    schema = strawberry.Schema(Library)
    assert explain(schema, "{ bare { title } }").reason is Reason.ROOT_WITHOUT_HINT
    said = explain(schema, "{ bare { title } }", default_ttl=5)
    assert (said.cacheable, said.ttl, said.limited_by) == (True, 10, "Library.bare")
    with pytest.raises(CacheConfigurationError, match="default_ttl"):
        explain(schema, "{ bare { title } }", default_ttl=-1)


def test_explain_gives_the_reason_for_a_guard_and_for_a_missing_session(
    memory_cache: ResponseCache,
) -> None:
    schema = strawberry.Schema(Library)
    assert explain(schema, "{ guarded }").reason is Reason.GUARDED

    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE)
        @strawberry.field
        def me(self) -> str:
            raise AssertionError

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    said = explain(strawberry.Schema(Query, extensions=[extension]), "{ me }")
    assert (said.reason, said.limited_by) == (Reason.PRIVATE_WITHOUT_SESSION, "Query.me")
    assert "session=" in said.advice


def test_explain_names_the_resolve_hook_of_another_extension(memory_cache: ResponseCache) -> None:
    class Upper(SchemaExtension):
        def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            return _next(root, info, *args, **kwargs)

    def said(**options: Any) -> Explanation:
        extension = ResponseCacheExtension(memory_cache, tenant=None, **options)
        schema = strawberry.Schema(Library, extensions=[extension, Upper])
        return explain(schema, "{ item { __typename } }")

    assert said().reason is Reason.CUSTOM_CODE
    assert "trusted_extensions" in said().advice
    assert said(trusted_extensions=[Upper]).cacheable


def test_explain_uses_the_variables_and_the_operation_name(ledger: Ledger) -> None:
    query = "query A($w: Boolean!) { accounts { id } unannotated @include(if: $w) } query B { me }"
    assert not explain(ledger.schema, query, {"w": True}, "A").cacheable
    assert explain(ledger.schema, query, {"w": False}, "A").cacheable
    assert explain(ledger.schema, query, operation_name="B").scope is CacheScope.PRIVATE


@pytest.mark.parametrize(
    ("query", "variables", "operation", "message"),
    [
        ("{ accounts", None, None, "Syntax Error"),
        ("{ nothing }", None, None, "Cannot query field 'nothing'"),
        ("query A { me } query B { me }", None, None, "Must provide operation name"),
        ("query A { me }", None, "B", "Unknown operation named 'B'"),
        ("query ($n: Int!) { accounts(first: $n) { id } }", {}, None, r"'?\$n'?"),
    ],
)
def test_explain_raises_graphqls_own_error_for_an_invalid_operation(
    ledger: Ledger, query: str, variables: Any, operation: str | None, message: str
) -> None:
    with pytest.raises(GraphQLError, match=message):
        explain(ledger.schema, query, variables, operation)


def test_explain_lists_the_root_fields_of_nested_fragments(ledger: Ledger) -> None:
    levels = 14
    fragments = " ".join(
        f"fragment F{n} on Query {{ a{n}: accounts {{ id }} b{n}: accounts {{ id }} ...F{n + 1} }}"
        for n in range(levels)
    )
    said = explain(ledger.schema, f"{{ ...F0 }} {fragments} fragment F{levels} on Query {{ me }}")
    assert len(said.fields) == 2 * levels + 1
