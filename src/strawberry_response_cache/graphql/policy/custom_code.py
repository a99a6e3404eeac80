"""Custom code around resolvers that may change or refuse values per request, and the known harmless kinds."""

import functools
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from graphql.execution import Executor, MiddlewareManager
from graphql.execution.incremental import IncrementalExecutor
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache.graphql._compat.executor import own_executors
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_PLAIN_EXECUTORS: Final = frozenset(
    {Executor, IncrementalExecutor, StrawberryGraphQLCoreExecutionContext}
)
# Strawberry's own `resolve` hooks return the resolver's value. The directives extension acts only on
# directives, and an operation with directives other than @skip and @include is not cached. They are
# listed by name, because some import packages that may not be installed.
_HARMLESS_HOOKS: Final = frozenset(
    f"strawberry.extensions.{name}"
    for name in (
        "directives.DirectivesExtension",
        "directives.DirectivesExtensionSync",
        "tracing.apollo.ApolloTracingExtension",
        "tracing.apollo.ApolloTracingExtensionSync",
        "tracing.apollo_federation.ApolloFederationTracingExtension",
        "tracing.apollo_federation.ApolloFederationTracingExtensionSync",
        "tracing.datadog.DatadogTracingExtension",
        "tracing.datadog.DatadogTracingExtensionSync",
        "tracing.opentelemetry.OpenTelemetryExtension",
        "tracing.opentelemetry.OpenTelemetryExtensionSync",
    )
) | {"strawberry_django.optimizer.DjangoOptimizerExtension"}
# Their `on_parse` hooks do not change the document.
_READING_HOOKS: Final = _HARMLESS_HOOKS | {
    "strawberry.extensions.parser_cache.ParserCache",
    "sentry_sdk.integrations.strawberry.SentryAsyncExtension",
    "sentry_sdk.integrations.strawberry.SentrySyncExtension",
}


def problem_of_executor(kind: type[Executor[Any]], trusted: AbstractSet[object]) -> Problem | None:
    """Return a problem if the executor class is neither Strawberry's nor trusted."""
    base = next(each for each in kind.__mro__ if each not in own_executors)
    if base in _PLAIN_EXECUTORS or base in trusted:
        return None
    return Problem(
        Reason.CUSTOM_CODE,
        None,
        f"The executor {name_of(base)} may decide per request; name it in trusted_extensions if it "
        "does not.",
    )


def problem_of_hooks(hooks: Iterable[object], trusted: AbstractSet[object]) -> Problem | None:
    """Return a problem if a `resolve` hook is neither Strawberry's nor trusted."""
    for hook in hooks:
        kind = type(hook)
        if name_of(kind) in _HARMLESS_HOOKS or kind in trusted:
            continue
        if any(hook is each for each in trusted):
            continue
        return Problem(
            Reason.CUSTOM_CODE,
            None,
            f"The resolve hook of {name_of(kind)} may decide per request; name {kind.__qualname__} in "
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
        f"The middleware manager {name_of(kind)} may decide per request; name it in trusted_extensions "
        "if it does not.",
    )


def has_later(
    hook: str, extensions: Sequence[SchemaExtension] | None, ours: SchemaExtension
) -> bool:
    """Whether an extension registered after this package's has an unknown hook.

    Args:
        hook: The hook's name, such as ``on_parse``.
        extensions: All extensions of one request; None if they are not known.
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
    """Whether a class of extensions has an unknown hook."""
    is_own = getattr(kind, hook) is not getattr(SchemaExtension, hook)
    return is_own and name_of(kind) not in _READING_HOOKS


def name_of(kind: type) -> str:
    """Return the module and qualified name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"
