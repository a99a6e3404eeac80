"""The policy of an object that a gateway of Apollo Federation asks for.

Nobody can annotate `Query._entities`. An object is cached if its type has a ttl, or the extension a ``default_ttl``.
Each object has an entry of its own.

https://www.apollographql.com/docs/graphos/reference/federation/subgraph-spec#resolving-entities
"""

from dataclasses import replace
from typing import Final

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
)

from strawberry_response_cache.graphql._compat.definitions import resolves_entities
from strawberry_response_cache.graphql.http.gateway_tags import ENTITIES
from strawberry_response_cache.graphql.policy.demands import Defaults
from strawberry_response_cache.graphql.policy.policy import Policy, Walk
from strawberry_response_cache.graphql.policy.resolver_kind import ResolverKind
from strawberry_response_cache.graphql.policy.rules import FieldRule, SchemaRules
from strawberry_response_cache.graphql.policy.selection import Selected

REPRESENTATIONS: Final = "representations"
"""The argument with what a gateway knows of each object."""


def entities_node(operation: OperationDefinitionNode) -> FieldNode | None:
    """Return the field ``_entities`` of an operation that selects nothing else, without alias or directive, or None."""
    if operation.operation is not OperationType.QUERY:
        return None
    selections = operation.selection_set.selections
    if len(selections) != 1 or not isinstance(node := selections[0], FieldNode):
        return None
    is_plain = node.alias is None and not node.directives
    return node if is_plain and node.name.value == ENTITIES else None


def _entities_rule(schema: GraphQLSchema, rules: SchemaRules) -> FieldRule | None:
    """Return the rule of `Query._entities`; None if the field may be another than Strawberry's.

    Strawberry's field resolves each object from nothing but its own representation.
    """
    root = schema.query_type
    rule = None if root is None else rules.field(root, ENTITIES)
    if rule is None or rule.source is ResolverKind.CUSTOM:
        return None
    return rule if resolves_entities(rule.graphql_field) else None


def entities_asked(
    schema: GraphQLSchema,
    rules: SchemaRules,
    operation: OperationDefinitionNode,
    policy: Policy,
    defaults: Defaults,
) -> FieldRule | None:
    """Return the rule of `Query._entities` if an operation selects only that and its objects may be stored, or None."""
    if policy.is_altered or entities_node(operation) is None:
        return None
    rule = _entities_rule(schema, rules)
    return rule if rule is not None and _has_ttl(rules, rule, defaults) else None


def opens_entities(schema: GraphQLSchema, rules: SchemaRules, defaults: Defaults) -> bool:
    """Whether any object that a gateway asks for may be stored."""
    rule = _entities_rule(schema, rules)
    return rule is not None and _has_ttl(rules, rule, defaults)


def _has_ttl(rules: SchemaRules, rule: FieldRule, defaults: Defaults) -> bool:
    return any(_ttl_of_type(rules, each, defaults) for each in rule.possible_types)


def work_out_entity_policy(
    rules: SchemaRules,
    kind: GraphQLObjectType,
    node: FieldNode,
    *,
    selected: Selected,
    defaults: Defaults,
) -> Policy:
    """Return the policy of the entry of an object, with everything that is selected of its type."""
    policy, of = Policy(), rules.type(kind)
    policy.fold_entity(kind, of, _ttl_of_type(rules, kind, defaults), defaults)
    if node.selection_set is not None:
        Walk(rules, selected, defaults, policy).run(node.selection_set, kind, is_root=False)
    policy.conclude()
    return policy


def entity_policies(
    rules: SchemaRules,
    operation: OperationDefinitionNode,
    *,
    selected: Selected,
    defaults: Defaults,
) -> list[Policy]:
    """Return one policy for each type of objects of which an operation selects something."""
    node, root = entities_node(operation), selected.schema.query_type
    if node is None or node.selection_set is None or root is None:
        return []
    kinds = rules.possible_types(get_named_type(root.fields[ENTITIES].type))
    return [
        work_out_entity_policy(rules, kind, node, selected=selected, defaults=defaults)
        for kind in kinds
        if any(selected.is_of(each, kind) for each in node.selection_set.selections)
    ]


def _ttl_of_type(rules: SchemaRules, kind: GraphQLObjectType, defaults: Defaults) -> float | None:
    ttl = rules.type(kind).ttl
    ttl = defaults.ttl if ttl is None else ttl
    return ttl if ttl is None or defaults.max_ttl is None else min(ttl, defaults.max_ttl)


def policy_of_all(parts: list[Policy]) -> Policy:
    """Return the policy of an answer with objects of all these types: the strictest, and PRIVATE if any is."""
    whole = replace(min(parts, key=lambda each: (each.problem is None, each.ttl or 0.0)))
    whole.private_by = next((each.private_by for each in parts if each.private_by), None)
    return whole
