"""Code beside the resolvers that may change or refuse a value per request, and what is known to be harmless."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

from graphql.execution import Executor
from graphql.execution.incremental import IncrementalExecutor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache.graphql._reasons import Problem, Reason

_PLAIN_EXECUTORS: Final = frozenset(
    {Executor, IncrementalExecutor, StrawberryGraphQLCoreExecutionContext}
)
# The `resolve` hooks that Strawberry ships hand on what the resolver returned. The directives
# extension acts only on directives, and an operation that uses any beside @skip and @include is not
# cached. By name, since some import what is not installed.
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
)


def problem_of_executor(kind: type[Executor[Any]], trusted: AbstractSet[object]) -> Problem | None:
    """Return a problem if the class below ours is neither Strawberry's nor trusted."""
    base = next(c for c in kind.__mro__ if "caches" not in vars(c))
    if base in _PLAIN_EXECUTORS or base in trusted:
        return None
    return Problem(
        Reason.CUSTOM_CODE,
        None,
        f"The executor {base.__qualname__} may decide per request; name it in trusted_extensions if "
        "it does not.",
    )


def problem_of_hooks(hooks: Iterable[object], trusted: AbstractSet[object]) -> Problem | None:
    """Return a problem if one of the `resolve` hooks is neither Strawberry's nor trusted."""
    for hook in hooks:
        kind = type(hook)
        name = kind.__qualname__
        if f"{kind.__module__}.{name}" in _HARMLESS_HOOKS or kind in trusted:
            continue
        if any(hook is each for each in trusted):
            continue
        return Problem(
            Reason.CUSTOM_CODE,
            None,
            f"The resolve hook of {name} may decide per request; name {name} in trusted_extensions "
            "if it does not.",
        )
    return None
