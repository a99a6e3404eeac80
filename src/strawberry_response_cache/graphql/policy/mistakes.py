"""Finds mistakes in the annotations of a schema, each with its coordinate."""

from collections.abc import Iterable, Iterator

from graphql import GraphQLField, GraphQLNamedType, GraphQLSchema
from strawberry.federation.schema_directives import Requires

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql.annotations.hints import Hint, hint_of
from strawberry_response_cache.graphql.policy.inherited import directives_of
from strawberry_response_cache.graphql.policy.placeholders import (
    invalidated_by,
    unfilled_forever,
    without_a_family,
)
from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules


def mistakes_in(
    schema: GraphQLSchema, rules: SchemaRules, known_vary: Iterable[str] | None
) -> tuple[str, ...]:
    """Return the mistakes in the annotations of a schema.

    Args:
        schema: The executable schema.
        rules: Its rules.
        known_vary: The names that the extension's ``vary`` defines; None where there is no extension.
    """
    known = None if known_vary is None else frozenset(known_vary)
    return (*rules.unbuilt, *_Mistakes(schema, rules, known).all())


class _Mistakes:
    def __init__(
        self, schema: GraphQLSchema, rules: SchemaRules, known_vary: frozenset[str] | None
    ) -> None:
        self._schema = schema
        self._rules = rules
        self._known_vary = known_vary
        self._roots = {
            root.name: kind
            for kind, root in {
                "query": schema.query_type,
                "mutation": schema.mutation_type,
                "subscription": schema.subscription_type,
            }.items()
            if root is not None
        }

    def all(self) -> Iterator[str]:
        for named in self._schema.type_map.values():
            yield from self._of_type(named)
        for rule in self._rules.fields():
            parent = rule.coordinate.partition(".")[0]
            yield from self._of_field(rule, self._roots.get(parent))

    def _of_type(self, named: GraphQLNamedType) -> Iterator[str]:
        try:
            hint = hint_of(directives_of(named), f"the type {named.name}")
        except CacheConfigurationError as error:
            yield f"{named.name}: {error}"
        else:
            if hint is not None:
                yield from self._of_hint(named, hint, self._roots.get(named.name))

    def _of_hint(self, named: GraphQLNamedType, hint: Hint, root: str | None) -> Iterator[str]:
        if root is not None:
            yield (
                f"{named.name}: a hint on the {root} type has no effect; put cache_control on "
                "its fields."
            )
        if hint.key is not None:
            yield f"{named.name}: key is only for fields; remove it."
        for template in hint.templates:
            yield f"{named.name}: {template.place} has placeholders, which only a field's tags may have."
        yield from self._of_vary(named.name, hint.vary)

    def _of_field(self, rule: FieldRule, root: str | None) -> Iterator[str]:
        if root in {"mutation", "subscription"} and rule.hinted:
            yield f"{rule.coordinate}: a {root} is never cached; remove its cache_control."
        if root in {"query", "subscription"} and rule.invalidates:
            yield (
                f"{rule.coordinate}: @invalidates is only for mutations; in a {root} call "
                "invalidate(info, ...)."
            )
        if rule.has_own_rows and rule.public:
            yield (
                f"{rule.coordinate}: get_queryset or an optimizer hint of its type, HasRetvalPerm, or current_user "
                "chooses what each request sees, so the field is PRIVATE always; remove scope=CacheScope.PUBLIC."
            )
        if root == "query" and rule.inherit:
            yield f"{rule.coordinate}: a root field has no parent to inherit from; give it a ttl."
        if root == "query" and rule.key is not None:
            yield f"{rule.coordinate}: a root field has no parent; remove its key."
        if rule.by_itself and rule.key is None and _requires(rule.graphql_field):
            yield (
                f"{rule.coordinate}: it requires fields that come with the representation, and the id does "
                "not say what they hold; write cache_control(..., key=...) with a function of the parent "
                "that returns the id and these fields."
            )
        yield from self._of_templates(rule)
        yield from self._of_vary(rule.coordinate, rule.vary)

    def _of_templates(self, rule: FieldRule) -> Iterator[str]:
        """Yield what is wrong with the placeholders of a field's tags; attributes of objects are checked only later."""
        invalidated = invalidated_by(rule.graphql_field) if rule.invalidates else ()
        for mistake in (
            *unfilled_forever((*rule.templates, *invalidated), rule.graphql_field),
            *without_a_family(invalidated, rule.graphql_field),
        ):
            yield f"{rule.coordinate}: {mistake}"
        if rule.parent is self._schema.query_type:
            for template in rule.templates:
                if any(placeholder[0] == "parent" for placeholder in template.placeholders):
                    yield (
                        f"{rule.coordinate}: {template.place} names the parent, and a root "
                        "field has none."
                    )

    def _of_vary(self, coordinate: str, names: tuple[str, ...]) -> Iterator[str]:
        for name in names:
            if self._known_vary is not None and name not in self._known_vary:
                known = ", ".join(sorted(self._known_vary)) or "none"
                yield (
                    f"{coordinate}: vary names {name!r}, which the extension does not define "
                    f"(defined: {known}); write ResponseCacheExtension(..., vary={{{name!r}: ...}})."
                )


def _requires(graphql_field: GraphQLField) -> bool:
    """Whether Apollo Federation passes the field values from other services (``@requires``).

    https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/directives#requires
    """
    directives = getattr(definition_of(graphql_field), "directives", ())
    return any(isinstance(each, Requires) for each in directives)
