"""What all plans of one schema share, and the part of a key that they share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from graphql import GraphQLObjectType, GraphQLSchema

from strawberry_response_cache.graphql._compat.literals import Literals
from strawberry_response_cache.graphql.keys.operation_key import print_json
from strawberry_response_cache.graphql.keys.schema_identity import SchemaIdentity
from strawberry_response_cache.graphql.policy.demands import Defaults
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.rules import SchemaRules

KEY_VERSION: Final = "3"
"""The version of the keys; increase it when two releases must not share entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all plans of one schema share.

    Attributes:
        schema: The executable schema.
        rules: Its rules.
        defaults: The defaults from the extension's configuration.
        schema_name: The extension's ``schema_name``.
        mistakes: The mistakes in the annotations; if there are any, nothing is cached.
        identity: Describes the fields for keys.
        literals: Tells what the user's code parses.
        same_rows: For the name of a type, the other types that show the same rows of a database.
    """

    schema: GraphQLSchema
    rules: SchemaRules
    defaults: Defaults
    schema_name: str
    mistakes: tuple[str, ...] = ()
    identity: SchemaIdentity = field(default_factory=SchemaIdentity)
    literals: Literals
    same_rows: Mapping[str, tuple[GraphQLObjectType, ...]] = field(default_factory=dict)

    def begin_key(self, policy: Policy) -> list[str]:
        """Return the first part of keys: everything in a deployed schema that decides what is stored."""
        return [
            KEY_VERSION,
            self.schema_name,
            self.identity.of(policy.touched.values()),
            print_json([policy.ttl, policy.stale, policy.negative_ttl, sorted(policy.conditions)]),
        ]
