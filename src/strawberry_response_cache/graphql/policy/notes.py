"""Notes on a schema: what keeps it from being cached as its annotations say, and is no mistake."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graphql import GraphQLObjectType, GraphQLSchema, is_object_type

from strawberry_response_cache.graphql._compat.definitions import key_without_identity
from strawberry_response_cache.graphql._compat.django_fields import functions_with_info
from strawberry_response_cache.graphql.policy.demands import Defaults, demand_of
from strawberry_response_cache.graphql.policy.entities import opens_entities
from strawberry_response_cache.graphql.policy.reasons import Reason
from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules
from strawberry_response_cache.graphql.policy.written_as import WrittenAs

_MOST_NAMED: Final = 5
_NOT_OF_USERS: Final = frozenset({WrittenAs.ENTITIES, WrittenAs.NOWHERE})
_NOTHING: Final = (
    "No field has a cache_control with a ttl, so nothing of this schema is cached. Put "
    "@cache_control(ttl=...) above a field of the query type."
)


@dataclass(frozen=True, slots=True)
class Note:
    """One note.

    Attributes:
        text: What is not cached, and what to write to change that.
        coordinates: The fields that it is about; empty if it is about the whole schema.
    """

    text: str
    coordinates: frozenset[str] = frozenset()


def notes_on(
    schema: GraphQLSchema, rules: SchemaRules, defaults: Defaults, *, has_session: bool
) -> tuple[Note, ...]:
    """Return the notes on a schema.

    Args:
        schema: The executable schema.
        rules: Its rules.
        defaults: The defaults from the extension's configuration.
        has_session: Whether the extension has ``session=``.
    """
    written = {root.name for root in (schema.mutation_type, schema.subscription_type) if root}
    read = [rule for rule in rules.fields() if rule.parent.name not in written]
    query = schema.query_type.name if schema.query_type else None
    opens = any(map(_may_be_cached, read)) or opens_entities(schema, rules, defaults)
    if not defaults.ttl and not opens:
        return (Note(_NOTHING),)
    kinds = [each for each in schema.type_map.values() if is_object_type(each)]
    return (*_notes(read, query, defaults, has_session=has_session), *_notes_on_keys(kinds))


def _notes(
    rules: list[FieldRule], query: str | None, defaults: Defaults, *, has_session: bool
) -> Iterator[Note]:
    private = [rule.coordinate for rule in rules if rule.private and rule.ttl]
    if private and not has_session:
        yield Note(
            f"{_first_coordinates(private)}: PRIVATE, and the extension has no session=, so a response with it is not "
            "cached. Give the extension session=, a function that identifies the user.",
            frozenset(private),
        )
    for rule in rules:
        has_scope = any(hint.scope is not None for hint in rule.hints)
        if rule.parent.name == query and rule.ttl and not has_scope:
            asking = [*functions_with_info(rule.graphql_field)]
            if asking:
                yield Note(
                    f"{rule.coordinate}: it is PRIVATE, because {_first_coordinates(asking)}, which may choose other rows for "
                    "each user, receives info. Write scope=CacheScope.PUBLIC if it does not read the user, or "
                    "scope=CacheScope.PRIVATE if it does.",
                    frozenset({rule.coordinate}),
                )
    longest = defaults.max_ttl
    cut = [rule.coordinate for rule in rules if longest and rule.ttl and rule.ttl > longest]
    if cut:
        yield Note(
            f"{_first_coordinates(cut)}: max_ttl on the extension cuts the ttl to {longest:g} s.",
            frozenset(cut),
        )
    for rule in rules:
        if rule.lacks_identity:
            yield Note(
                f"{rule.coordinate}: it has no entry of its own, because {rule.parent.name} has no plain id "
                "that tells its objects apart; it is cached only as part of its parent. Write "
                "cache_control(..., key=...) with an attribute's name or a function of the parent, or "
                "inherit=True.",
                frozenset({rule.coordinate}),
            )


def _notes_on_keys(kinds: list[GraphQLObjectType]) -> Iterator[Note]:
    for kind in kinds:
        if (key := key_without_identity(kind)) is not None:
            yield Note(
                f'{kind.name}: its @key "{key}" is not one field, so it tells no objects apart, and a mutation that '
                f"returns a {kind.name} invalidates every response with a {kind.name}. Give the class a property id "
                "that joins the fields of the key. This does not concern objects of other classes that have an "
                "attribute id.",
                frozenset(f"{kind.name}.{name}" for name in kind.fields),
            )


def never_cached(
    schema: GraphQLSchema, rules: SchemaRules, defaults: Defaults
) -> dict[str, list[str]]:
    """Return the coordinates of the query type's fields that are never cached, under the value of their `Reason`.

    Fields that Strawberry or another library adds are left out, because you cannot annotate them.

    Args:
        schema: The executable schema.
        rules: Its rules.
        defaults: The defaults from the extension's configuration.
    """
    found: dict[str, list[str]] = {}
    for rule in rules.fields():
        if rule.parent is not schema.query_type or rule.written in _NOT_OF_USERS:
            continue
        demand = demand_of(rule, defaults, is_root=True, by_itself=rule.by_itself)
        reason = None if demand.problem is None else demand.problem.reason
        if reason is None and demand.ttl == 0:
            reason = Reason.TTL_ZERO
        if reason is not None:
            found.setdefault(reason.value, []).append(rule.coordinate)
    return found


def _may_be_cached(rule: FieldRule) -> bool:
    """Whether a field has a hint, and a ttl of its own or of its types."""
    return bool(rule.ttl) and rule.hinted


def _first_coordinates(coordinates: list[str]) -> str:
    named = ", ".join(coordinates[:_MOST_NAMED])
    more = len(coordinates) - _MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
