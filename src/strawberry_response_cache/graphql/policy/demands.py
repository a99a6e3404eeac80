"""What one selected field demands of the response: a ttl, a scope, or that it is not cached, and why.

A field demands the same wherever it is selected, except at the root.
"""

from dataclasses import dataclass

from graphql import GraphQLObjectType

from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.resolver_kind import ResolverKind
from strawberry_response_cache.graphql.policy.rules import FieldRule
from strawberry_response_cache.graphql.policy.written_as import WrittenAs


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for every field, from the extension's configuration.

    Attributes:
        ttl: The extension's ``default_ttl``, in seconds.
        guarded_is_private: Whether a guarded field below a cached one is stored as PRIVATE; otherwise
            it makes the operation uncacheable.
        max_ttl: The extension's ``max_ttl``, in seconds: no field demands a longer ttl.
        negative_ttl: The extension's ``negative_ttl``, in seconds, for a root field that is null.
    """

    ttl: float | None = None
    guarded_is_private: bool = True
    max_ttl: float | None = None
    negative_ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What one selected field demands of every response that holds it.

    Attributes:
        ttl: Seconds; None if it inherits its parent's.
        stale: Seconds; used only if there is a ttl.
        private: Whether it belongs to one session.
        problem: Why no response that holds it can be cached; None if it can.
    """

    ttl: float | None
    stale: float
    private: bool
    problem: Problem | None


def demand_of(
    rule: FieldRule, defaults: Defaults, *, is_root: bool, by_itself: bool = False
) -> Demand:
    """Return what a selected field demands of the response that holds it, or of its own entry.

    Args:
        rule: The field's rule.
        defaults: The defaults from the extension's configuration.
        is_root: Whether it is a field of the query type.
        by_itself: Whether this is for its own entry, which its guards check on every request.
    """
    ttl, silent = _ttl_demanded(rule, defaults.ttl, is_root=is_root)
    if ttl is not None and defaults.max_ttl is not None:
        ttl = min(ttl, defaults.max_ttl)
    if by_itself:
        private = rule.private or (rule.guarded and not rule.public)
        return Demand(ttl, rule.stale or 0.0, private, _custom_code(rule) or silent)
    # The decision of a guard below holds only for the session for which it was made.
    private = rule.private or (rule.guarded and not is_root)
    guarded = _guarded(rule, defaults, is_root=is_root)
    return Demand(ttl, rule.stale or 0.0, private, guarded or _custom_code(rule) or silent)


def _guarded(rule: FieldRule, defaults: Defaults, *, is_root: bool) -> Problem | None:
    if not rule.guarded:
        return None
    if is_root and rule.around_guards is not None:
        advice = (
            f"The field extension {rule.around_guards} stands around the permission classes of "
            f"{rule.coordinate}, so they cannot be asked on a hit; name them in permission_classes=, or put "
            "their PermissionExtension last in extensions=."
        )
    elif is_root:
        advice = (
            f"The permission classes of {rule.coordinate} run on every request, so the operation is not "
            "stored as a whole; its root fields have entries of their own, see 'fields'."
        )
    elif defaults.guarded_is_private:
        return None
    else:
        advice = (
            f"{rule.coordinate} has permission classes, and the extension says "
            "guarded='uncacheable'; select it in a query of its own, or write guarded='private'."
        )
    return Problem(Reason.GUARDED, rule.coordinate, advice)


def _custom_code(rule: FieldRule) -> Problem | None:
    code = rule.custom_code
    if rule.source is not ResolverKind.CUSTOM or code is None:
        return None
    trust = f"name {code.trusted} in trusted_extensions if it does not, or " if code.trusted else ""
    return Problem(
        Reason.CUSTOM_CODE,
        rule.coordinate,
        f"{rule.coordinate} runs {code.what}, which may decide per request; {trust}select the field in a "
        "query of its own.",
    )


def _ttl_demanded(
    rule: FieldRule, default_ttl: float | None, *, is_root: bool
) -> tuple[float | None, Problem | None]:
    """Return the ttl that a field demands, None if it inherits its parent's; and the problem, if any."""
    known = rule.cap if rule.ttl is None else rule.ttl
    inherits = (rule.inherit or rule.inherits_by_type) and not is_root
    if default_ttl is not None:
        return (known if inherits else _ttl_by_default(rule, default_ttl, is_root=is_root)), None
    is_plain = rule.source is ResolverKind.ATTRIBUTE and not is_root
    if not rule.hinted and not is_plain:
        # ttl=0 on the type forbids caching anyway, but this advice has to be followed first.
        reason = Reason.ROOT_WITHOUT_HINT if is_root else Reason.RESOLVER_WITHOUT_HINT
        return rule.ttl, Problem(reason, rule.coordinate, _hint_to_write(rule, is_root=is_root))
    if rule.ttl is None and not inherits and not is_plain:
        return rule.cap, Problem(
            Reason.WITHOUT_TTL,
            rule.coordinate,
            f"{rule.coordinate} has a cache_control without a ttl, and not every type that it "
            "can return has one; write cache_control(ttl=...) on the field or on those types.",
        )
    return known, None


def _hint_to_write(rule: FieldRule, *, is_root: bool) -> str:
    """Return the advice that says which hint to write, and where it can be written."""
    match rule.written:
        case WrittenAs.NOWHERE:
            return (
                f"{rule.coordinate} is not defined in your code, so it cannot have a hint; select it in a "
                "query of its own."
            )
        case WrittenAs.ENTITIES:
            return (
                f"A hint cannot be written at {rule.coordinate}. Each object that a gateway asks for has an entry of its "
                "own, where its type has @cache_control(ttl=...) and the operation asks for nothing else, without an "
                "alias or a directive. Or set default_ttl on the extension."
            )
        case WrittenAs.ANNOTATION:
            hint = "cache_control(ttl=...)" if is_root else "cache_control(inherit=True)"
            return (
                f"{rule.coordinate} is an annotation; write "
                f"{rule.python_name}: ... = strawberry.field(directives=[{hint}]) in its class."
            )
        case WrittenAs.RESOLVER:
            wanted = "cache_control(ttl=...)" if is_root else "cache_control(inherit=True) or a ttl"
            return f"Put @{wanted} above {rule.place}."


def _ttl_by_default(rule: FieldRule, default_ttl: float, *, is_root: bool) -> float | None:
    """Return the ttl by Apollo's rule: scalars below the root inherit the ttl of their parent.

    Source: https://www.apollographql.com/docs/apollo-server/performance/caching#default-maxage
    """
    if rule.ttl is not None:
        return rule.ttl
    if rule.leaf and not is_root:
        return None
    return default_ttl if rule.cap is None else min(rule.cap, default_ttl)


def problem_of_unknown(parent: GraphQLObjectType, name: str) -> Problem:
    """Return the problem with a field that has no rule."""
    if name.startswith("__"):
        return Problem(Reason.INTROSPECTION, None, "Introspection is never cached.")
    # Only in a document that was not validated.
    return Problem(Reason.CUSTOM_CODE, f"{parent.name}.{name}", "The field does not exist.")
