"""Which code around resolvers and results is known to treat every request alike, and which is not.

Classes of packages that are not installed are stood in for: they are known by module and name.
"""

import sys
from types import ModuleType
from typing import Any

import pytest
from graphql import MiddlewareManager
from graphql.execution import Executor
from graphql.execution.incremental import IncrementalExecutor
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from strawberry_response_cache.graphql._compat.executor import CachingExecutor
from strawberry_response_cache.graphql.policy.custom_code import (
    has_later,
    is_plain_caching,
    is_plain_executor,
    may_decide_per_request,
    may_see_results,
    problem_of_executor,
    problem_of_hooks,
    problem_of_middleware,
)
from strawberry_response_cache.graphql.policy.reasons import Reason

HARMLESS = [
    "sentry_sdk.integrations.strawberry.SentryAsyncExtension",
    "sentry_sdk.integrations.strawberry.SentrySyncExtension",
    "strawberry.extensions.directives.DirectivesExtension",
    "strawberry.extensions.directives.DirectivesExtensionSync",
    "strawberry.extensions.tracing.apollo.ApolloTracingExtension",
    "strawberry.extensions.tracing.apollo.ApolloTracingExtensionSync",
    "strawberry.extensions.tracing.apollo_federation.ApolloFederationTracingExtension",
    "strawberry.extensions.tracing.apollo_federation.ApolloFederationTracingExtensionSync",
    "strawberry.extensions.tracing.datadog.DatadogTracingExtension",
    "strawberry.extensions.tracing.datadog.DatadogTracingExtensionSync",
    "strawberry.extensions.tracing.opentelemetry.OpenTelemetryExtension",
    "strawberry.extensions.tracing.opentelemetry.OpenTelemetryExtensionSync",
    "strawberry_django.optimizer.DjangoOptimizerExtension",
]
READING = "strawberry.extensions.parser_cache.ParserCache"
NOT_READING_DATA = [
    "strawberry.extensions.add_validation_rules.AddValidationRules",
    "strawberry.extensions.disable_introspection.DisableIntrospection",
    "strawberry.extensions.disable_validation.DisableValidation",
    "strawberry.extensions.mask_errors.MaskErrors",
    "strawberry.extensions.max_aliases.MaxAliasesLimiter",
    "strawberry.extensions.max_tokens.MaxTokensLimiter",
    "strawberry.extensions.pydantic_error_extension.PydanticErrorExtension",
    "strawberry.extensions.pyinstrument.PyInstrument",
    "strawberry.extensions.query_depth_limiter.QueryDepthLimiter",
    "strawberry.extensions.validation_cache.ValidationCache",
]
OURS: Any = ResponseCacheExtension(ResponseCache.from_url("memory://", prefix="known"), tenant=None)
NOBODY: frozenset[object] = frozenset()


def hooked(*names: str) -> type[SchemaExtension]:
    """Return a class of extensions of the user's own with hooks."""

    def hook(self: Any, *_: Any, **__: Any) -> Any:
        raise AssertionError

    return type("Hooked", (SchemaExtension,), dict.fromkeys(names, hook))


def made(kind: type) -> Any:
    return object.__new__(kind)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, name: str) -> type[SchemaExtension]:
    """A class with a name that is known, and with hooks of each kind."""
    module, _, short = name.rpartition(".")
    kind: Any = hooked("on_operation", "on_parse", "on_execute", "get_results", "resolve")
    kind.__module__, kind.__qualname__ = module, short
    holder: Any = ModuleType(module)
    setattr(holder, short, kind)
    monkeypatch.setitem(sys.modules, module, holder)
    return kind  # type: ignore[no-any-return]


# -- Executors --------------------------------------------------------------------------------------------


@pytest.mark.combined
@pytest.mark.parametrize(
    "kind", [Executor, IncrementalExecutor, StrawberryGraphQLCoreExecutionContext]
)
def test_executors_of_graphql_core_and_strawberry_are_known_code_and_subclasses_are_custom(
    kind: Any,
) -> None:
    assert is_plain_executor(kind)
    assert not is_plain_caching(kind)
    further = type("Further", (kind,), {})
    assert not is_plain_executor(further)
    problem = problem_of_executor(further, NOBODY)
    assert problem is not None
    assert problem.reason is Reason.CUSTOM_CODE
    assert "Further" in problem.advice
    assert problem_of_executor(further, frozenset({further})) is None


def test_the_executor_of_this_package_is_known_code_and_its_subclasses_are_custom() -> None:
    assert is_plain_caching(CachingExecutor)
    assert not is_plain_caching(type("Further", (CachingExecutor,), {}))


# -- Hooks around resolvers -------------------------------------------------------------------------------


@pytest.mark.combined
@pytest.mark.parametrize("name", HARMLESS)
def test_resolve_hooks_of_known_harmless_extensions_are_no_custom_code(
    stand_in: type, name: str
) -> None:
    assert problem_of_hooks([made(stand_in)], NOBODY) is None
    replaced = made(stand_in)
    replaced.resolve = lambda *_, **__: "hidden"
    assert problem_of_hooks([replaced], NOBODY) is not None, "of this one object"
    assert problem_of_hooks([made(type("Further", (stand_in,), {}))], NOBODY) is not None


@pytest.mark.combined
@pytest.mark.parametrize("name", [READING, *NOT_READING_DATA, "strawberry.extensions.other.Other"])
def test_resolve_hooks_of_other_extensions_are_custom_code(stand_in: type, name: str) -> None:
    problem = problem_of_hooks([made(stand_in)], NOBODY)
    assert problem is not None
    assert (problem.reason, name in problem.advice) == (Reason.CUSTOM_CODE, True)
    assert problem_of_hooks([made(stand_in)], frozenset({stand_in})) is None


def test_each_resolve_hook_is_checked_and_a_function_can_be_trusted() -> None:
    def one(*_: Any) -> None: ...

    def other(*_: Any) -> None: ...

    trusted = frozenset({one})
    assert problem_of_hooks([], NOBODY) is None
    assert problem_of_hooks([one, one], trusted) is None
    problem = problem_of_hooks([one, other], trusted)
    assert problem is not None
    assert "other" in problem.advice
    assert problem_of_hooks([other, one], trusted) is not None


def test_middlewares_and_custom_middleware_managers_are_custom_code_unless_trusted() -> None:
    def middleware(*_: Any) -> None: ...

    class Further(MiddlewareManager):
        pass

    assert problem_of_middleware(None, NOBODY) is None
    assert problem_of_middleware(MiddlewareManager(), NOBODY) is None
    assert problem_of_middleware(MiddlewareManager(middleware), NOBODY) is not None
    assert problem_of_middleware(MiddlewareManager(middleware), frozenset({middleware})) is None
    problem = problem_of_middleware(Further(), NOBODY)
    assert problem is not None
    assert (problem.reason, "Further" in problem.advice) == (Reason.CUSTOM_CODE, True)
    assert problem_of_middleware(Further(), frozenset({Further})) is None
    assert problem_of_middleware(Further(middleware), frozenset({Further})) is not None


# -- Hooks around operations ------------------------------------------------------------------------------


@pytest.mark.combined
@pytest.mark.parametrize("name", [*HARMLESS, READING])
def test_extensions_that_never_change_documents_have_no_later_on_parse_hook(
    stand_in: type, name: str
) -> None:
    assert not has_later("on_parse", [OURS, made(stand_in)], OURS)


@pytest.mark.combined
@pytest.mark.parametrize("name", NOT_READING_DATA)
def test_extensions_that_may_change_documents_have_a_later_on_parse_hook(
    stand_in: type, name: str
) -> None:
    assert has_later("on_parse", [OURS, made(stand_in)], OURS)


def test_only_extensions_listed_after_this_packages_with_the_hook_have_a_later_hook() -> None:
    parsing, executing = made(hooked("on_parse")), made(hooked("on_execute"))
    assert has_later("on_parse", None, OURS), "they are not known"
    assert not has_later("on_parse", [OURS], OURS)
    assert not has_later("on_parse", [parsing, OURS], OURS)
    assert not has_later("on_parse", [parsing, OURS, executing], OURS)
    assert has_later("on_parse", [OURS, parsing], OURS)
    assert has_later("on_parse", [OURS, parsing, executing], OURS)
    assert has_later("on_parse", [OURS, executing, parsing], OURS)
    assert not has_later("on_validate", [OURS, parsing], OURS)


@pytest.mark.combined
@pytest.mark.parametrize("name", [*HARMLESS, READING, *NOT_READING_DATA])
def test_known_extensions_neither_see_results_nor_decide_per_request(
    stand_in: type, name: str
) -> None:
    others = [OURS, made(stand_in)]
    assert not may_see_results(others, OURS)
    assert not may_decide_per_request(others, OURS, NOBODY)


@pytest.mark.combined
@pytest.mark.parametrize(
    ("hook", "sees"),
    [
        ("on_operation", True),
        ("on_execute", True),
        ("get_results", True),
        ("on_parse", False),
        ("on_validate", False),
    ],
)
def test_an_unknown_hook_may_decide_per_request_and_see_results_if_it_runs_around_the_execution(
    hook: str, *, sees: bool
) -> None:
    kind = hooked(hook)
    for others in ([OURS, made(kind)], [made(kind), OURS], [made(hooked()), made(kind)]):
        assert may_see_results(others, OURS) is sees
        assert may_decide_per_request(others, OURS, NOBODY)
    trusted = frozenset({kind})
    assert not may_see_results([OURS, made(kind)], OURS, trusted)
    assert not may_decide_per_request([OURS, made(kind)], OURS, trusted)


def test_extensions_without_hooks_neither_see_results_nor_decide_per_request() -> None:
    for others in ([], [OURS], [OURS, made(hooked())], [made(hooked("resolve"))]):
        assert not may_see_results(others, OURS)
        assert not may_decide_per_request(others, OURS, NOBODY)


def test_without_a_list_of_extensions_some_may_see_results_and_decide_per_request() -> None:
    assert may_see_results(None, OURS)
    assert may_decide_per_request(None, OURS, NOBODY)
