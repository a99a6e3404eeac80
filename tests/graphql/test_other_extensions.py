"""Beside other extensions hits behave as misses do, and what may decide per request is not cached."""

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import pydantic
import pytest
import strawberry
from graphql import ASTValidationRule, GraphQLError
from graphql.execution import MiddlewareManager
from graphql.validation import NoSchemaIntrospectionCustomRule
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strawberry import extensions as shipped
from strawberry.extensions import (
    AddValidationRules,
    DisableIntrospection,
    DisableValidation,
    FieldExtension,
    MaskErrors,
    MaxAliasesLimiter,
    MaxTokensLimiter,
    ParserCache,
    PydanticErrorExtension,
    QueryDepthLimiter,
    SchemaExtension,
    ValidationCache,
    tracing,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.graphql.ledger import Ledger, Mutation, Query, outcome, reason, status

Factory: TypeAlias = Callable[[], SchemaExtension]

ACCOUNTS = "{ accounts { id name balance } }"
FACES = ("execute", "execute_sync")
ORDERS = ("before ours", "after ours")


SHIPPED: dict[str, Factory] = {
    "AddValidationRules": lambda: AddValidationRules([NoSchemaIntrospectionCustomRule]),
    "DisableIntrospection": DisableIntrospection,
    "DisableValidation": DisableValidation,
    "MaskErrors": MaskErrors,
    "MaxAliasesLimiter": lambda: MaxAliasesLimiter(max_alias_count=15),
    "MaxTokensLimiter": lambda: MaxTokensLimiter(max_token_count=1000),
    "ParserCache": ParserCache,
    "PydanticErrorExtension": PydanticErrorExtension,
    "QueryDepthLimiter": lambda: QueryDepthLimiter(max_depth=10),
    "ValidationCache": ValidationCache,
} | {name: getattr(tracing, name) for name in tracing.__all__ if not name.startswith("Datadog")}
WITH_THEIR_PACKAGES = {"DatadogTracingExtension", "DatadogTracingExtensionSync", "PyInstrument"}
"""What `tests/instrumentation` tests, where their packages are installed."""


@pytest.fixture
def other(name: str) -> Factory:
    """Make the extension of a name."""
    return SHIPPED[name]


@pytest.fixture(params=ORDERS)
def beside(request: pytest.FixtureRequest, memory_cache: ResponseCache) -> Callable[..., Ledger]:
    """Make a ledger with another extension before ours, or after it."""

    def make(other: Factory, **options: Any) -> Ledger:
        ours = extended(memory_cache, **options)
        both: list[Any] = [ours, other]
        if request.param == "before ours":
            both.reverse()
        return Ledger(strawberry.Schema(Query, Mutation, extensions=both))

    return make


@pytest.fixture
def alone(memory_cache: ResponseCache) -> Ledger:
    """A ledger over the same cache, without the other extension."""
    return Ledger(strawberry.Schema(Query, Mutation, extensions=[extended(memory_cache)]))


def extended(cache: ResponseCache, **options: Any) -> ResponseCacheExtension:
    chosen: dict[str, Any] = {
        "tenant": lambda context: context["tenant"],
        "session": lambda context: context["user"],
        "vary": {"locale": lambda context: context["locale"]},
        "debug": True,
    } | options
    return ResponseCacheExtension(cache, **chosen)


def uncached(*others: Factory) -> Ledger:
    return Ledger(strawberry.Schema(Query, Mutation, extensions=others))


async def asked(ledger: Ledger, face: str, query: str, **request: Any) -> ExecutionResult:
    """Ask through one face, which has entries of its own: the tenant is named after it."""
    if face == "execute_sync":
        return ledger.ask_sync(query, tenant=face, **request)
    return await ledger.ask(query, tenant=face, **request)


def faces(name: str) -> tuple[str, ...]:
    """Return the ways to execute beside an extension.

    Tracers without "Sync" make every resolver asynchronous, with a cache and without.
    """
    is_async = name in tracing.__all__ and not name.endswith("Sync")
    return ("execute",) if is_async else FACES


def errors(result: ExecutionResult) -> list[Any]:
    return [error.formatted for error in result.errors or ()]


# -- What Strawberry ships ----------------------------------------------------------------------------


def test_each_extension_that_strawberry_ships_is_in_these_tests() -> None:
    kinds = {name: getattr(shipped, name) for name in shipped.__all__}
    schema_extensions = {
        name
        for name, kind in kinds.items()
        if inspect.isclass(kind) and issubclass(kind, SchemaExtension)
    }
    known = {*SHIPPED, *WITH_THEIR_PACKAGES, "SchemaExtension"}
    assert schema_extensions | set(tracing.__all__) | {"PyInstrument"} == known


@pytest.mark.parametrize("name", SHIPPED)
async def test_the_second_request_is_a_hit_with_the_data_of_the_first(
    beside: Callable[..., Ledger], name: str, other: Factory
) -> None:
    ledger, plain = beside(other), uncached()
    for face in faces(name):
        expected = await asked(plain, face, ACCOUNTS)
        for said in ("miss", "hit"):
            result = await asked(ledger, face, ACCOUNTS)
            assert (result.errors, status(result)) == (None, said)
            assert result.data == expected.data
    assert ledger.calls == plain.calls


@pytest.mark.parametrize("name", SHIPPED)
async def test_a_result_with_errors_is_what_it_is_without_a_cache_and_is_not_stored(
    beside: Callable[..., Ledger], name: str, other: Factory
) -> None:
    ledger, bare = beside(other), uncached(other)
    query = "{ failing accounts { id } }"
    for face in faces(name):
        expected = await asked(bare, face, query)
        assert expected.errors
        for _ in range(2):
            result = await asked(ledger, face, query)
            assert (errors(result), result.data) == (errors(expected), expected.data)
            assert reason(result) == "errors"
    assert ledger.calls["failing"] == 2 * bare.calls["failing"]


class NoNames(ASTValidationRule):
    def enter_field(self, node: Any, *_: Any) -> None:
        if node.name.value == "name":
            self.report_error(GraphQLError("no names", node))


@pytest.mark.parametrize(
    ("limit", "query"),
    [
        (lambda: AddValidationRules([NoNames]), ACCOUNTS),
        (lambda: MaxAliasesLimiter(max_alias_count=1), "{ a: accounts { b: id } }"),
        (lambda: MaxTokensLimiter(max_token_count=5), ACCOUNTS),
        (lambda: QueryDepthLimiter(max_depth=0), ACCOUNTS),
    ],
    ids=["AddValidationRules", "MaxAliasesLimiter", "MaxTokensLimiter", "QueryDepthLimiter"],
)
async def test_a_limiting_extension_refuses_although_the_answer_is_cached(
    beside: Callable[..., Ledger], alone: Ledger, limit: Factory, query: str
) -> None:
    limited, bare = beside(limit), uncached(limit)
    for face in FACES:
        assert status(await asked(alone, face, query)) == "miss"
        expected = await asked(bare, face, query)
        assert expected.errors
        for _ in range(2):
            result = await asked(limited, face, query)
            assert (errors(result), result.data) == (errors(expected), None)
        assert status(await asked(alone, face, query)) == "hit"


async def test_introspection_that_is_off_stays_off(
    beside: Callable[..., Ledger], alone: Ledger
) -> None:
    query = "{ accounts { id } __schema { queryType { name } } }"
    ledger, bare = beside(DisableIntrospection), uncached(DisableIntrospection)
    for face in FACES:
        assert (await asked(alone, face, query)).errors is None
        expected = await asked(bare, face, query)
        assert expected.errors
        for _ in range(2):
            result = await asked(ledger, face, query)
            assert (errors(result), result.data) == (errors(expected), None)


async def test_an_operation_answered_without_validation_is_refused_by_a_schema_with_validation(
    beside: Callable[..., Ledger], alone: Ledger
) -> None:
    query = "{ accounts { id nothing } }"
    lax, bare = beside(DisableValidation), uncached(DisableValidation)
    for face in FACES:
        expected = await asked(bare, face, query)
        assert expected.errors is None
        for _ in range(2):
            result = await asked(lax, face, query)
            assert (result.errors, result.data) == (None, expected.data)
            assert (status(result), reason(result)) == ("bypass", "custom_code")
        assert "nothing" in str((await asked(alone, face, query)).errors)


async def test_masked_errors_stay_masked(beside: Callable[..., Ledger]) -> None:
    ledger = beside(MaskErrors)
    for face in FACES:
        for _ in range(2):
            result = await asked(ledger, face, "{ failing accounts { id } }")
            (error,) = errors(result)
            assert error["message"] == "Unexpected error."
            assert "no luck" not in str(result)


@pytest.mark.parametrize("face", FACES)
async def test_errors_of_pydantic_are_reported_each_time(
    memory_cache: ResponseCache, face: str
) -> None:
    class Row(pydantic.BaseModel):
        amount: int

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def amount(self, sent: str) -> int | None:
            return Row.model_validate({"amount": sent}).amount

    extensions: list[Any] = [extended(memory_cache), PydanticErrorExtension]
    ledger = Ledger(strawberry.Schema(Query, extensions=extensions))
    for _ in range(2):
        (error,) = errors(await asked(ledger, face, '{ amount(sent: "x") }'))
        (found,) = error["extensions"]["validation_errors"]
        assert found["field"] == "amount"
    good = [await asked(ledger, face, '{ amount(sent: "1") }') for _ in range(2)]
    assert [status(result) for result in good] == ["miss", "hit"]


@pytest.mark.parametrize("name", ["ApolloTracingExtension", "ApolloTracingExtensionSync"])
async def test_apollo_tracing_lists_no_resolvers_for_a_hit(
    beside: Callable[..., Ledger], name: str
) -> None:
    ledger = beside(SHIPPED[name])
    for face in faces(name):
        for said, resolvers in (("miss", 3), ("hit", 0)):
            result = await asked(ledger, face, ACCOUNTS)
            assert result.extensions is not None
            assert set(result.extensions) == {"tracing", "responseCache"}
            assert status(result) == said
            assert len(result.extensions["tracing"]["execution"]["resolvers"]) == resolvers
            assert result.extensions["tracing"]["duration"] > 0


@pytest.mark.parametrize("name", ["OpenTelemetryExtension", "OpenTelemetryExtensionSync"])
async def test_opentelemetrys_extension_makes_spans_of_the_phases_of_a_hit(
    beside: Callable[..., Ledger], name: str
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    ledger = beside(lambda: getattr(tracing, name)(tracer_provider=provider))
    phases = ["GraphQL Parsing", "GraphQL Query", "GraphQL Validation"]
    resolving = [*["GraphQL Resolving: balance"] * 2, "GraphQL Resolving: accounts"]
    for face in faces(name):
        for said, expected in (("miss", [*phases, *resolving]), ("hit", phases)):
            exporter.clear()
            assert status(await asked(ledger, face, ACCOUNTS)) == said
            made = [span.name for span in exporter.get_finished_spans()]
            assert sorted(made) == sorted(expected)
    provider.shutdown()


# -- What any extension may do --------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True], ids=["at its beginning", "at its end"])
@pytest.mark.parametrize("step", ["on_operation", "on_parse", "on_validate", "on_execute"])
async def test_a_user_whom_a_hook_refuses_is_refused_although_the_answer_is_cached(
    beside: Callable[..., Ledger], step: str, late: bool
) -> None:
    def refuse(self: SchemaExtension) -> Any:
        if late:
            yield
        if self.execution_context.context["user"] == "mallory":
            msg = "refused"
            raise GraphQLError(msg)
        if not late:
            yield

    refusing = type("Refuse", (SchemaExtension,), {step: refuse})
    ledger, bare = beside(refusing), uncached(refusing)
    for face in FACES:
        expected = await asked(bare, face, ACCOUNTS, user="mallory")
        assert "refused" in str(expected.errors)
        for said in ("miss", "hit"):
            allowed = await asked(ledger, face, ACCOUNTS, user="alice")
            assert (allowed.errors, status(allowed)) == (None, said)
            refused = await asked(ledger, face, ACCOUNTS, user="mallory")
            assert (errors(refused), refused.data) == (errors(expected), expected.data)


async def test_a_result_set_by_another_extension_is_sent_and_not_stored(
    beside: Callable[..., Ledger], alone: Ledger
) -> None:
    class Answer(SchemaExtension):
        def on_execute(self) -> Any:
            if self.execution_context.context["user"] == "bob":
                self.execution_context.result = ExecutionResult(data={"own": 1}, errors=None)
            yield

    ledger = beside(Answer)
    for face in FACES:
        for said in ("miss", "hit"):
            assert (await asked(ledger, face, ACCOUNTS, user="bob")).data == {"own": 1}
            assert status(await asked(ledger, face, ACCOUNTS, user="alice")) == said
        assert status(await asked(alone, face, ACCOUNTS)) == "hit"


# -- Code that may decide per request, unless the user vouches for it ----------------------------------------


class Hook(SchemaExtension):
    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        return for_alice(_next(root, info, *args, **kwargs), info.context)


class AsyncHook(SchemaExtension):
    async def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        return for_alice(_next(root, info, *args, **kwargs), info.context)


class OnField(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return for_alice(next_(source, info, **kwargs), info.context)


class OnAsyncField(FieldExtension):
    async def resolve_async(
        self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        return for_alice(await next_(source, info, **kwargs), info.context)


class Executor(StrawberryGraphQLCoreExecutionContext):
    def complete_leaf_value(self, return_type: Any, result: Any) -> Any:  # type: ignore[override] # a static method there
        return for_alice(super().complete_leaf_value(return_type, result), self.context_value)


def for_alice(value: Any, context: Any) -> Any:
    return value if context["user"] == "alice" else "refused"


def deciding(
    cache: ResponseCache, code: type, *, trusted: Any = (), order: str = "after ours"
) -> strawberry.Schema:
    """Make a schema in which code around the resolver decides what each user sees."""

    async def asynchronous() -> str:
        return "secret"

    def synchronous() -> str:
        return "secret"

    resolver: Any = asynchronous if issubclass(code, OnAsyncField) else synchronous

    @strawberry.type
    class Query:
        secret: str = cache_control(ttl=60)(
            strawberry.field(
                resolver=resolver,
                extensions=[code()] if issubclass(code, FieldExtension) else [],
            )
        )

    extensions: list[Any] = [
        ResponseCacheExtension(
            cache,
            tenant=lambda context: context["tenant"],
            debug=True,
            trusted_extensions=trusted,
        )
    ]
    if issubclass(code, SchemaExtension):
        extensions.insert(0 if order == "before ours" else 1, code)
    executor = code if issubclass(code, Executor) else None
    return strawberry.Schema(Query, extensions=extensions, execution_context_class=executor)


OF_ONES_OWN = [
    (code, order)
    for code in (Hook, AsyncHook, OnField, OnAsyncField, Executor)
    for order in ORDERS
    if order == "after ours" or issubclass(code, SchemaExtension)
]


async def answered(schema: strawberry.Schema, face: str, user: str) -> ExecutionResult:
    context = {"tenant": face, "user": user}
    if face == "execute_sync":
        return schema.execute_sync("{ secret }", context_value=context)
    return await schema.execute("{ secret }", context_value=context)


def faces_of(code: type) -> tuple[str, ...]:
    return ("execute",) if issubclass(code, AsyncHook | OnAsyncField) else FACES


@pytest.mark.parametrize(("code", "order"), OF_ONES_OWN)
async def test_an_operation_around_custom_code_is_not_cached_and_its_advice_names_trust(
    memory_cache: ResponseCache, code: type, order: str
) -> None:
    schema = deciding(memory_cache, code, order=order)
    for face in faces_of(code):
        for user, seen in (("alice", "secret"), ("bob", "refused"), ("alice", "secret")):
            result = await answered(schema, face, user)
            assert (result.errors, result.data) == (None, {"secret": seen})
            assert (status(result), reason(result)) == ("bypass", "custom_code")
            assert "trusted_extensions" in outcome(result)["advice"]


@pytest.mark.parametrize(("code", "order"), OF_ONES_OWN)
async def test_trusted_code_is_cached(memory_cache: ResponseCache, code: type, order: str) -> None:
    schema = deciding(memory_cache, code, trusted=[code], order=order)
    for face in faces_of(code):
        for said in ("miss", "hit"):
            result = await answered(schema, face, "alice")
            assert (result.errors, result.data) == (None, {"secret": "secret"})
            assert status(result) == said


@pytest.mark.parametrize("code", [Hook, OnField, Executor])
async def test_trusting_a_class_does_not_trust_its_subclasses(
    memory_cache: ResponseCache, code: type
) -> None:
    schema = deciding(memory_cache, type("Further", (code,), {}), trusted=[code])
    for face in FACES:
        assert reason(await answered(schema, face, "alice")) == "custom_code"


async def test_a_subclass_of_an_extension_of_strawberry_is_custom_code(
    beside: Callable[..., Ledger],
) -> None:
    class Further(tracing.ApolloTracingExtension):
        pass

    assert reason(await beside(Further).ask(ACCOUNTS)) == "custom_code"
    trusting = beside(Further, trusted_extensions=[Further])
    assert [status(await trusting.ask(ACCOUNTS)) for _ in range(2)] == ["miss", "hit"]


@pytest.mark.parametrize(
    "module", ["billing.tracing", tracing.ApolloTracingExtension.__module__], ids=["other", "same"]
)
async def test_a_class_with_the_name_of_a_known_one_is_custom_code(
    beside: Callable[..., Ledger], module: str
) -> None:
    known = tracing.ApolloTracingExtension
    named_alike = type(known.__name__, (known,), {"__module__": module})
    assert reason(await beside(named_alike).ask(ACCOUNTS)) == "custom_code"


async def test_a_known_extension_with_an_added_hook_is_custom_code(
    beside: Callable[..., Ledger],
) -> None:
    def with_a_hook() -> SchemaExtension:
        made = tracing.ApolloTracingExtension()
        vars(made)["resolve"] = Hook().resolve
        return made

    assert reason(await beside(with_a_hook).ask(ACCOUNTS)) == "custom_code"


async def test_a_function_as_a_middleware_is_named_in_the_advice(
    memory_cache: ResponseCache,
) -> None:
    class Traced(strawberry.Schema):
        def _get_middleware_manager(self, extensions: list[SchemaExtension]) -> MiddlewareManager:
            return MiddlewareManager(for_each_field)

    for trusted, said in (((), "bypass"), ((for_each_field,), "miss")):
        extensions: list[Any] = [extended(memory_cache, trusted_extensions=trusted)]
        result = await Ledger(Traced(Query, extensions=extensions)).ask(ACCOUNTS)
        assert status(result) == said
        assert ("name for_each_field in" in outcome(result).get("advice", "")) == (not trusted)


def for_each_field(resolve: Any, root: Any, info: Any, **arguments: Any) -> Any:
    return resolve(root, info, **arguments)
