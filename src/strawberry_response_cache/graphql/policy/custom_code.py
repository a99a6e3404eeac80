"""Custom code around resolvers that may change or refuse values per request, and the known harmless kinds."""

import functools
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from types import FunctionType
from typing import Any, Final

from graphql.execution import Executor, MiddlewareManager
from graphql.execution.incremental import IncrementalExecutor
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache.graphql._compat.executor import CachingExecutor, own_executors
from strawberry_response_cache.graphql._compat.known_code import is_known, qualified_name
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_PLAIN_EXECUTORS: Final = frozenset(
    {Executor, IncrementalExecutor, StrawberryGraphQLCoreExecutionContext}
)
# Their `resolve` hooks return the resolver's value. The directives extension acts only on directives, and an
# operation with directives other than @skip and @include is not cached. They are listed by name, because
# their modules import packages that may not be installed. `tests/instrumentation` runs each with its package.
_HARMLESS_HOOKS: Final = frozenset(
    {
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
    }
)
# Their `on_parse` hooks do not change the document.
_READING_HOOKS: Final = _HARMLESS_HOOKS | {"strawberry.extensions.parser_cache.ParserCache"}
# Their other hooks read the errors of a result, and never its data.
_NOT_READING_DATA: Final = _READING_HOOKS | {
    f"strawberry.extensions.{name}"
    for name in (
        "add_validation_rules.AddValidationRules",
        "disable_introspection.DisableIntrospection",
        "disable_validation.DisableValidation",
        "mask_errors.MaskErrors",
        "max_aliases.MaxAliasesLimiter",
        "max_tokens.MaxTokensLimiter",
        "pydantic_error_extension.PydanticErrorExtension",
        "pyinstrument.PyInstrument",
        "query_depth_limiter.QueryDepthLimiter",
        "validation_cache.ValidationCache",
    )
}
_HOOKS_BEFORE_RESULTS: Final = frozenset({"on_parse", "on_validate"})


@functools.lru_cache(512)
def is_plain_caching(kind: type) -> bool:
    """Whether an executor class is plain, see `is_plain_executor`, and lets a run answer in its place."""
    return issubclass(kind, CachingExecutor) and is_plain_executor(kind)  # type: ignore[arg-type] # classes are hashable


@functools.lru_cache(512)
def is_plain_executor(kind: type) -> bool:
    """Whether an executor class is graphql-core's or Strawberry's, or this package's subclass of one."""
    return problem_of_executor(kind, frozenset()) is None


def problem_of_executor(kind: type[Executor[Any]], trusted: AbstractSet[object]) -> Problem | None:
    """Return a problem if the executor class is neither plain (see `is_plain_executor`) nor trusted."""
    base = next(each for each in kind.__mro__ if each not in own_executors)
    if base in _PLAIN_EXECUTORS or base in trusted:
        return None
    return Problem(
        Reason.CUSTOM_CODE,
        None,
        f"The executor {qualified_name(base)} may decide per request; name it in trusted_extensions if it "
        "does not.",
    )


def problem_of_hooks(hooks: Iterable[object], trusted: AbstractSet[object]) -> Problem | None:
    """Return a problem if a `resolve` hook is neither known nor trusted."""
    for hook in hooks:
        if type(hook) in trusted or any(hook is each for each in trusted):
            continue
        if is_known(type(hook), _HARMLESS_HOOKS) and "resolve" not in vars(hook):
            continue
        kind = hook if isinstance(hook, FunctionType) else type(hook)
        return Problem(
            Reason.CUSTOM_CODE,
            None,
            f"The resolve hook of {qualified_name(kind)} may decide per request; name {kind.__qualname__} in "
            "trusted_extensions if it does not.",
        )
    return None


def problem_of_middleware(
    manager: MiddlewareManager | None, trusted: AbstractSet[object]
) -> Problem | None:
    """Return a problem if the middleware manager is neither known nor trusted."""
    if manager is None:
        return None
    kind = type(manager)
    if kind is MiddlewareManager or kind in trusted:
        return problem_of_hooks(manager.middlewares, trusted)
    return Problem(
        Reason.CUSTOM_CODE,
        None,
        f"The middleware manager {qualified_name(kind)} may decide per request; name it in trusted_extensions "
        "if it does not.",
    )


def has_later(
    hook: str, extensions: Sequence[SchemaExtension] | None, ours: SchemaExtension
) -> bool:
    """Whether an extension registered after this package's has a hook that may change the document.

    Args:
        hook: The hook's name, such as ``on_parse``.
        extensions: All extensions of one request; None if they are not known, which counts as yes.
        ours: This package's extension.
    """
    if extensions is None:
        return True
    later: list[type[SchemaExtension]] = []
    for each in extensions:
        later = [] if each is ours else [*later, type(each)]
    return any(_may_act(hook, kind) for kind in later)  # type: ignore[arg-type] # classes are hashable


@functools.lru_cache(512)
def _may_act(hook: str, kind: type[SchemaExtension]) -> bool:
    """Whether a class of extensions overrides a hook, and is not known to leave the document unchanged."""
    is_own = getattr(kind, hook) is not getattr(SchemaExtension, hook)
    return is_own and not is_known(kind, _READING_HOOKS)


def may_see_results(
    extensions: Sequence[SchemaExtension] | None,
    ours: SchemaExtension,
    trusted: AbstractSet[object] = frozenset(),
) -> bool:
    """Whether another extension has a hook that may read the data of a result.

    Args:
        extensions: All extensions of one request; None if they are not known, which counts as yes.
        ours: This package's extension.
        trusted: Classes that count as known.
    """
    return _any_other(_may_see_results, extensions, ours, trusted)


def may_decide_per_request(
    extensions: Sequence[SchemaExtension] | None,
    ours: SchemaExtension,
    trusted: AbstractSet[object],
) -> bool:
    """Whether another extension has a hook that may admit some requests only, or answer them differently.

    Args:
        extensions: As in `may_see_results`.
        ours: This package's extension.
        trusted: Classes that count as known.
    """
    return _any_other(_may_decide_per_request, extensions, ours, trusted)


def _any_other(
    has_hook: Callable[..., bool],
    extensions: Sequence[SchemaExtension] | None,
    ours: SchemaExtension,
    trusted: AbstractSet[object],
) -> bool:
    if extensions is None:
        return True
    others = {type(each) for each in extensions if each is not ours}
    return any(map(has_hook, others - trusted))


@functools.lru_cache(512)
def _may_see_results(kind: type[SchemaExtension]) -> bool:
    """Whether a class of extensions has an unknown hook that is called when there may be a result."""
    return _has_unknown_hook(kind, _HOOKS_BEFORE_RESULTS)


@functools.lru_cache(512)
def _may_decide_per_request(kind: type[SchemaExtension]) -> bool:
    """Whether a class of extensions has an unknown hook of any step."""
    return _has_unknown_hook(kind, frozenset())


def _has_unknown_hook(kind: type[SchemaExtension], but: AbstractSet[str]) -> bool:
    hooks = {name for name in dir(kind) if name.startswith("on_")} - but
    defining = {
        next(base for base in kind.__mro__ if hook in vars(base))
        for hook in (*hooks, "get_results")
    }
    return any(not is_known(each, _NOT_READING_DATA) for each in defining - {SchemaExtension})
