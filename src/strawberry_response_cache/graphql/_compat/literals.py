"""Finds literals, variables and arguments whose validation or coercion runs the user's code.

graphql-core validates a literal, and coerces a variable, with the parse function of its scalar. The function of a
custom scalar may read the request or the clock.
"""

from collections.abc import Iterable
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLScalarType,
    GraphQLSchema,
    Node,
    NullValueNode,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VariableNode,
    Visitor,
    VisitorAction,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_scalar_type,
    specified_scalar_types,
    type_from_ast,
    visit,
)
from graphql.language import BREAK
from strawberry.schema import schema_converter
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY

_PARSING: Final = ("parse_value", "parse_literal", "coerce_input_value", "coerce_input_literal")
_ENUMS: Final = frozenset({GraphQLEnumType, schema_converter.CustomGraphQLEnumType})


def _functions(owner: object) -> list[object]:
    """Return the functions with which a scalar parses input."""
    found = [getattr(owner, name, None) for name in _PARSING]
    return [getattr(each, "__func__", each) for each in found]


_OWN: Final = frozenset(
    {
        *_functions(GraphQLScalarType),
        *(function for each in specified_scalar_types.values() for function in _functions(each)),
        *(function for each in DEFAULT_SCALAR_REGISTRY.values() for function in _functions(each)),
        None,
    }
)
"""The parse functions of graphql-core and Strawberry, which read only the literal."""


class Literals:
    """Tells which documents of one schema have literals that the user's code parses."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._custom = frozenset(
            named.name for named in schema.type_map.values() if _reads_by_custom_code(named)
        )

    def run_custom_code(self, document: DocumentNode) -> bool:
        """Whether validating the literals of a document runs the user's code."""
        if not self._custom:
            return False
        types = TypeInfo(self._schema)
        search = _Search(types, self._custom)
        visit(document, TypeInfoVisitor(types, search))
        return search.found

    def parse_variables(self, operation: OperationDefinitionNode) -> bool:
        """Whether coercing the variables of an operation runs the user's code."""
        kinds: list[Any] = [
            type_from_ast(self._schema, each.type) for each in operation.variable_definitions or ()
        ]
        return any(map(self.parse, kinds))

    def parse(self, kind: Any) -> bool:  # noqa: ANN401 - any input type of graphql-core
        """Whether coercing a value of an input type runs the user's code."""
        return self._is_parsed(get_named_type(kind), set())

    def fields_of(self, nodes: Iterable[Node]) -> tuple[tuple[GraphQLField, FieldNode], ...]:
        """Return the fields in operations and fragments for whose arguments the user's code parses something."""
        if not self._custom:
            return ()
        types = TypeInfo(self._schema)
        search = _FieldSearch(types, self)
        for node in nodes:
            visit(node, TypeInfoVisitor(types, search))
        return tuple(search.found)

    def _is_parsed(self, named: object, seen: set[str]) -> bool:
        if not is_input_object_type(named):
            return getattr(named, "name", None) in self._custom
        if named.name in seen:
            return False
        seen.add(named.name)
        if type(named) is not GraphQLInputObjectType or not _is_plain(named.out_type):
            return True
        kinds = [get_named_type(each.type) for each in named.fields.values()]
        return any(self._is_parsed(kind, seen) for kind in kinds)


class _Search(Visitor):
    def __init__(self, types: TypeInfo, custom: frozenset[str]) -> None:
        super().__init__()
        self._types = types
        self._custom = custom
        self.found = False

    def enter(self, node: Node, *_: Any) -> VisitorAction:
        """Stop at the first literal that a custom scalar parses; variables do not count."""
        if not isinstance(node, ValueNode) or isinstance(node, VariableNode | NullValueNode):
            return None
        # For a list literal graphql-core reports the items, but the scalar may parse the list itself.
        around = self._types.get_input_type(), self._types.get_parent_input_type()
        if not any(getattr(get_named_type(each), "name", None) in self._custom for each in around):
            return None
        self.found = True
        return BREAK


class _FieldSearch(Visitor):
    def __init__(self, types: TypeInfo, literals: Literals) -> None:
        super().__init__()
        self._types = types
        self._literals = literals
        self.found: list[tuple[GraphQLField, FieldNode]] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Note a field for whose arguments the user's code parses something."""
        definition = self._types.get_field_def()
        if definition is not None:
            written = {each.name.value for each in node.arguments or ()}
            kinds = [each.type for name, each in definition.args.items() if name in written]
            if any(map(self._literals.parse, kinds)):
                self.found.append((definition, node))


def _reads_by_custom_code(named: GraphQLNamedType) -> bool:
    if is_enum_type(named):
        return type(named) not in _ENUMS
    if not is_scalar_type(named):
        return False
    if type(named) is not GraphQLScalarType:
        return True
    return not all(each in _OWN or _is_of_converter(each) for each in _functions(named))


def _is_plain(out_type: object) -> bool:
    """Whether the function that makes the value of an input object is graphql-core's or Strawberry's."""
    function = getattr(out_type, "__func__", out_type)
    return function is GraphQLInputObjectType.out_type or _is_of_converter(function)


def _is_of_converter(function: object) -> bool:
    """Whether a function is one that Strawberry creates for each schema, as for its Relay ids."""
    return getattr(function, "__globals__", None) is vars(schema_converter)
