"""What is not surely cacheable is not cached, and says why and what to write."""

from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from graphql import FieldNode, GraphQLError, visit
from graphql.language import REMOVE, Visitor
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.extensions.tracing import OpenTelemetryExtension
from strawberry.permission import BasePermission
from strawberry.scalars import JSON
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import Ledger, outcome, reason, status


@pytest.mark.parametrize(
    ("query", "expected", "named"),
    [
        ("{ unannotated }", "root_without_hint", "Query.unannotated"),
        ("{ accounts { id } unannotated }", "root_without_hint", "Query.unannotated"),
        ("{ accounts { unannotated } }", "resolver_without_hint", "Account.unannotated"),
        ("{ never }", "ttl_zero", "ttl=0"),
        ("{ accounts { id } never }", "ttl_zero", "ttl=0"),
        ("{ __schema { queryType { name } } }", "introspection", "Introspection"),
        ('{ accounts { id } __type(name: "Query") { name } }', "introspection", "Introspection"),
        ("{ __typename }", "without_ttl", "cache_control(ttl=...)"),
        ("mutation { post }", "mutation", "always run"),
    ],
)
async def test_the_reason_names_the_field_and_the_advice_says_what_to_write(
    ledger: Ledger, query: str, expected: str, named: str
) -> None:
    for _ in range(2):
        said = outcome(await ledger.ask(query))
        assert (said["status"], said["reason"]) == ("bypass", expected)
        assert named in said["advice"]


async def test_an_uncached_operation_stores_nothing_in_redis(ledger: Ledger, raw: Any) -> None:
    for query in ("{ unannotated }", "{ never }", "mutation { post }", "{ nonsense }"):
        await ledger.ask(query)
    assert raw.keys() == []


async def test_a_result_with_errors_is_never_stored(ledger: Ledger, raw: Any) -> None:
    for _ in range(2):
        result = await ledger.ask("{ failing }")
        assert result.errors
        assert reason(result) == "errors"
    assert ledger.calls["failing"] == 2
    assert not [key for key in set(raw.keys()) if b":e:" in key or b":l:" in key]


async def test_only_the_selected_operation_and_its_fragments_count(ledger: Ledger) -> None:
    document = """
        query Cached { ...Used }
        query Other { unannotated ...Unused }
        fragment Used on Query { accounts { id } }
        fragment Unused on Query { never }
    """
    result = await ledger.ask(document, operation_name="Cached")
    assert status(result) == "miss"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("@skip(if: true)", "miss"),
        ("@skip(if: false)", "bypass"),
        ("@include(if: false)", "miss"),
        ("@include(if: true)", "bypass"),
        ("@include(if: false) @skip(if: false)", "miss"),
        ("@skip(if: $yes)", "miss"),
        ("@include(if: $yes)", "bypass"),
    ],
)
@pytest.mark.parametrize("shape", ["field", "inline", "slots_per_tenant"])
async def test_skip_and_include_count_as_the_variables_decide(
    ledger: Ledger, condition: str, expected: str, shape: str
) -> None:
    left_out = {
        "field": f"unannotated {condition}",
        "inline": f"... {condition} {{ unannotated }}",
        "slots_per_tenant": f"...F {condition}",
    }[shape]
    declared = "($yes: Boolean = true)" if "$yes" in condition else ""
    fragment = "fragment F on Query { unannotated }" if shape == "slots_per_tenant" else ""
    query = f"query Q{declared} {{ accounts {{ id }} {left_out} }} {fragment}"
    result = await ledger.ask(query)
    assert result.errors is None
    assert status(result) == expected


async def test_include_true_and_include_false_have_entries_of_their_own(ledger: Ledger) -> None:
    query = "query ($more: Boolean!) { accounts { id name @include(if: $more) } }"
    more = await ledger.ask(query, variable_values={"more": True})
    less = await ledger.ask(query, variable_values={"more": False})
    assert (status(more), status(less)) == ("miss", "miss")
    assert more.data != less.data


async def test_a_request_with_a_root_value_is_not_cached(ledger: Ledger) -> None:
    assert reason(await ledger.ask("{ accounts { id } }", root_value={"a": 1})) == "root_value"


async def test_a_request_is_cached_with_known_extensions_and_not_with_unknown_ones(
    ledger: Ledger,
) -> None:
    query = "{ accounts { id } }"
    known = {"persistedQuery": {"version": 1, "sha256Hash": "x"}}
    assert status(await ledger.ask(query, operation_extensions=known)) == "miss"
    other = await ledger.ask(query, operation_extensions={**known, "trace": 1})
    assert reason(other) == "request_extensions"


async def test_a_variable_that_is_not_json_is_not_cached(ledger: Ledger) -> None:
    class Upload(int):
        """Stands for what an integration passes beside JSON."""

    query = "query ($n: Int!) { accounts(first: $n) { id } }"
    assert reason(await ledger.ask(query, variable_values={"n": Upload(1)})) == "variables"


async def test_a_result_that_json_would_change_is_not_stored(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def pair(self) -> JSON:
            return (1, 2)  # type: ignore[return-value] # JSON is declared as a type of its own

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    for _ in range(2):
        result = await schema.execute("{ pair }")
        assert result.data == {"pair": (1, 2)}
        assert reason(result) == "unserializable"


async def test_a_result_over_the_size_limit_is_not_stored(
    new_cache: Callable[..., ResponseCache],
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def long(self, length: int) -> str:
            return "x" * length

    cache = new_cache("memory://", max_entry_bytes=100)
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    assert reason(await schema.execute("{ long(length: 200) }")) == "too_large"
    assert status(await schema.execute("{ long(length: 20) }")) == "miss"


# -- Code that may decide per request -----------------------------------------------------------------


class IsAlice(BasePermission):
    message = "not alice"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return bool(info.context == "alice")


class Shout(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return str(next_(source, info, **kwargs)).upper()


class PerRequest(StrawberryField):
    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        return "per request"


@strawberry.type
class Guarded:
    open: str
    guarded: str = strawberry.field(permission_classes=[IsAlice])
    shared: str = cache_control(ttl=60, scope=CacheScope.PUBLIC)(
        strawberry.field(permission_classes=[IsAlice], default="s")
    )
    extended: str = strawberry.field(extensions=[Shout()])
    special: str = PerRequest(python_name="special")  # type: ignore[assignment] # as strawberry.field is typed


@strawberry.type
class GuardedQuery:
    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[IsAlice])  # type: ignore[untyped-decorator] # Strawberry's
    def root(self) -> str:
        return "for alice"

    @cache_control(ttl=60)
    @strawberry.field
    def thing(self) -> Guarded:
        return Guarded(open="o", guarded="g", extended="e", special="s")

    @cache_control(ttl=60)
    @strawberry.field(extensions=[Shout()])  # type: ignore[untyped-decorator] # Strawberry's
    def extended(self) -> str:
        return "e"


def guarded_schema(cache: ResponseCache, *others: Any, **more: Any) -> strawberry.Schema:
    options = {name: more.pop(name) for name in ("guarded", "trusted_extensions") if name in more}
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda context: context, debug=True, **options
    )
    return strawberry.Schema(GuardedQuery, extensions=[extension, *others], **more)


@pytest.mark.parametrize("query", ["{ root }", "{ thing { open } root }"])
async def test_the_permission_check_of_a_root_field_runs_on_every_request(
    memory_cache: ResponseCache, query: str
) -> None:
    schema = guarded_schema(memory_cache)
    for _ in range(2):
        allowed = await schema.execute(query, context_value="alice")
        assert allowed.errors is None
        assert reason(allowed) == "guarded"
        refused = await schema.execute(query, context_value="mallory")
        assert refused.errors
        assert "not alice" in str(refused.errors)


async def test_a_permission_below_a_cached_field_makes_the_response_private_to_its_session(
    memory_cache: ResponseCache,
) -> None:
    schema = guarded_schema(memory_cache)
    for expected in ("miss", "hit"):
        allowed = await schema.execute("{ thing { open guarded } }", context_value="alice")
        assert allowed.errors is None
        assert (status(allowed), outcome(allowed)["scope"]) == (expected, "PRIVATE")
        refused = await schema.execute("{ thing { open guarded } }", context_value="mallory")
        assert "not alice" in str(refused.errors)
    nobody = await schema.execute("{ thing { open guarded } }", context_value="")
    assert reason(nobody) == "private_without_session"


async def test_a_public_hint_does_not_make_a_guarded_nested_field_public(
    memory_cache: ResponseCache,
) -> None:
    schema = guarded_schema(memory_cache)
    result = await schema.execute("{ thing { shared } }", context_value="alice")
    assert outcome(result)["scope"] == "PRIVATE"


async def test_guarded_uncacheable_caches_nothing_with_a_guarded_field(
    memory_cache: ResponseCache,
) -> None:
    schema = guarded_schema(memory_cache, guarded="uncacheable")
    result = await schema.execute("{ thing { open guarded } }", context_value="alice")
    assert reason(result) == "guarded"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ extended }", "custom_code"),
        ("{ thing { extended } }", "custom_code"),
        ("{ thing { special } }", "resolver_without_hint"),
    ],
)
async def test_custom_code_around_a_field_makes_it_uncacheable(
    memory_cache: ResponseCache, query: str, expected: str
) -> None:
    result = await guarded_schema(memory_cache).execute(query)
    assert result.errors is None
    assert reason(result) == expected


async def test_a_resolve_hook_of_another_extension_makes_everything_uncacheable(
    memory_cache: ResponseCache,
) -> None:
    class Refuse(SchemaExtension):
        def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            if info.context != "alice":
                msg = "refused"
                raise GraphQLError(msg)
            return _next(root, info, *args, **kwargs)

    schema = guarded_schema(memory_cache, Refuse)
    for _ in range(2):
        allowed = await schema.execute("{ thing { open } }", context_value="alice")
        assert reason(allowed) == "custom_code"
        assert "Refuse" in outcome(allowed)["advice"]
        assert (await schema.execute("{ thing { open } }", context_value="bob")).errors


async def test_operations_are_cached_with_strawberrys_opentelemetry_extension(
    memory_cache: ResponseCache,
) -> None:
    schema = guarded_schema(memory_cache, OpenTelemetryExtension)
    assert status(await schema.execute("{ thing { open } }")) == "miss"
    assert status(await schema.execute("{ thing { open } }")) == "hit"


async def test_a_custom_executor_makes_everything_uncacheable(
    memory_cache: ResponseCache,
) -> None:
    class Own(StrawberryGraphQLCoreExecutionContext):
        executed = 0

        def execute_operation(self, *args: Any, **kwargs: Any) -> Any:
            type(self).executed += 1
            return super().execute_operation(*args, **kwargs)

    schema = guarded_schema(memory_cache, execution_context_class=Own)
    for _ in range(2):
        assert reason(await schema.execute("{ thing { open } }")) == "custom_code"
    executor: Any = schema.execution_context_class
    assert issubclass(executor, Own)
    assert executor.executed == 2


async def test_a_directive_of_the_query_makes_it_uncacheable(memory_cache: ResponseCache) -> None:
    @strawberry.directive(locations=[DirectiveLocation.FIELD])
    def upper(value: DirectiveValue[str]) -> str:
        return value.upper()

    schema = guarded_schema(memory_cache, directives=[upper])
    directed = await schema.execute("{ thing { open @upper } }")
    assert directed.data == {"thing": {"open": "O"}}
    assert reason(directed) == "directive"
    assert status(await schema.execute("{ thing { open } }")) == "miss"


@pytest.mark.parametrize(
    "query",
    [
        "query @shout { thing { open } }",
        "{ thing @shout { open } }",
        "{ thing { ... @shout { open } } }",
        "{ ...F @shout } fragment F on GuardedQuery { thing { open } }",
        "{ ...F } fragment F on GuardedQuery @shout { thing { open } }",
        "{ thing { ...F } } fragment F on Guarded @shout { open }",
    ],
)
@pytest.mark.parametrize("beside", ["", "fresh: __typename __schema { description } "])
async def test_a_directive_anywhere_in_the_query_makes_all_of_it_uncacheable(
    memory_cache: ResponseCache, query: str, beside: str
) -> None:
    @strawberry.directive(
        locations=[
            DirectiveLocation.QUERY,
            DirectiveLocation.FIELD,
            DirectiveLocation.INLINE_FRAGMENT,
            DirectiveLocation.FRAGMENT_SPREAD,
            DirectiveLocation.FRAGMENT_DEFINITION,
        ]
    )
    def shout(value: DirectiveValue[Any]) -> Any:
        return value  # of a field; elsewhere another extension may act on it

    schema = guarded_schema(memory_cache, directives=[shout])
    for _ in range(2):
        result = await schema.execute(query.replace("{ ", f"{{ {beside}", 1))
        assert result.data is not None
        assert result.data["thing"] == {"open": "o"}
        assert status(result) == "bypass"
        assert "fields" not in outcome(result)


async def test_a_replaced_document_is_validated_and_keyed_by_its_own_content(
    memory_cache: ResponseCache,
) -> None:
    """Two users send one text; what one of them may not see was cut out of the document."""

    class Cut(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> Any:
            return REMOVE if node.name.value == "guardless" else None

    class CutForBob(SchemaExtension):
        def on_parse(self) -> Any:
            yield
            context = self.execution_context
            if context.context == "bob" and context.graphql_document is not None:
                context.graphql_document = visit(context.graphql_document, Cut())

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def guardless(self) -> str:
            return "not for bob"

        @cache_control(ttl=60)
        @strawberry.field
        def open(self) -> str:
            return "for all"

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension, CutForBob])
    for _ in range(2):
        alice = await schema.execute("{ open guardless }", context_value="alice")
        bob = await schema.execute("{ open guardless }", context_value="bob")
        assert alice.data == {"open": "for all", "guardless": "not for bob"}
        assert bob.data == {"open": "for all"}
    assert (status(alice), status(bob)) == ("hit", "hit")
