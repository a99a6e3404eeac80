"""Where two responses differ: the path of the first difference, and the field at that path."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_object_type,
)

ResponsePath: TypeAlias = tuple[str | int, ...]


def first_difference(one: object, other: object) -> ResponsePath | None:
    """Return where two pieces of JSON differ first, in the order of the response; None if they are equal.

    Numbers are equal by their values, and a bool equals no number. Lists of different lengths, and objects with
    different members, differ as a whole.

    Args:
        one: Parsed JSON.
        other: Parsed JSON.

    Example:
        >>> first_difference({"a": [1, {"b": 2}]}, {"a": [1.0, {"b": 3}]})
        ('a', 1, 'b')
        >>> first_difference([1, 2], [2, 1]), first_difference([1], [1, 2]), first_difference(1, True)
        ((0,), (), ())
        >>> first_difference({"a": None, "b": 1.0}, {"b": 1, "a": None})
    """
    pending: list[tuple[ResponsePath, Any, Any]] = [((), one, other)]
    while pending:
        path, this, that = pending.pop()
        keys: Iterable[Any] = ()
        if isinstance(this, dict) and isinstance(that, dict):
            is_alike, keys = this.keys() == that.keys(), reversed(this)
        elif isinstance(this, list) and isinstance(that, list):
            is_alike, keys = len(this) == len(that), reversed(range(len(this)))
        else:
            is_alike = isinstance(this, bool) is isinstance(that, bool) and this == that
        if not is_alike:
            return path
        pending.extend(((*path, key), this[key], that[key]) for key in keys)
    return None


class Place(NamedTuple):
    """A field of an operation, or the operation itself.

    Attributes:
        coordinate: Its schema coordinate, such as ``Query.books``; of an operation, the name of its root type.
        kind: The type of its value, without lists and non-null.
        selected: The selection sets below it, as the document has them: one for each node of the field that has one.
    """

    coordinate: str
    kind: GraphQLNamedType
    selected: tuple[SelectionSetNode, ...]

    @classmethod
    def of_field(
        cls,
        parent: GraphQLObjectType | GraphQLInterfaceType,
        nodes: Iterable[FieldNode],
    ) -> "Place | None":
        """Return the place of a field; None if its parent does not define it, such as ``__typename``."""
        nodes = [*nodes]
        name = nodes[0].name.value
        definition = parent.fields.get(name)
        if definition is None:
            return None
        below = tuple(each.selection_set for each in nodes if each.selection_set is not None)
        return cls(f"{parent.name}.{name}", get_named_type(definition.type), below)


class Places:
    """Finds the field at a path of a response.

    Args:
        schema: The executed schema.
        fragments: The fragments of the document, by name.
        types: The names of the object types at the paths of a response, as far as they are known.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        types: Mapping[ResponsePath, str],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._types = types

    def coordinate(self, begin: Place, prefix: ResponsePath, path: ResponsePath) -> str:
        """Return the schema coordinate of the field at a path; for a path into a scalar, that of the scalar's field.

        Args:
            begin: The operation or field whose response it is.
            prefix: The path of that field in the response; empty for an operation.
            path: The path below it.
        """
        here = begin
        for number, key in enumerate(path):
            if isinstance(key, int):
                continue
            if not is_composite_type(here.kind):
                break
            found = self._below(here, key, self._types.get((*prefix, *path[:number])))
            if found is None:
                break
            here = found
        return here.coordinate

    def _below(self, here: Place, key: str, type_name: str | None) -> Place | None:
        """Return the place that a response key selects below another place; None if there is none."""
        known = here.kind if type_name is None else self._schema.type_map.get(type_name, here.kind)
        found = [
            (parent, node)
            for selected in here.selected
            for parent, node in self._fields(selected, known, set())
            if (node.name if node.alias is None else node.alias).value == key
        ]
        if not found:
            return None
        parent, first = found[0]
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return None
        return Place.of_field(
            parent, (node for _, node in found if node.name.value == first.name.value)
        )

    def _fields(
        self, selected: SelectionSetNode, kind: GraphQLNamedType, seen: set[str]
    ) -> Iterator[tuple[GraphQLNamedType, FieldNode]]:
        """Yield the fields that a selection set selects of a type, each with its parent type."""
        for node in selected.selections:
            if isinstance(node, FieldNode):
                yield kind, node
                continue
            fragment: InlineFragmentNode | FragmentDefinitionNode | None = None
            if isinstance(node, InlineFragmentNode):
                fragment = node
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self._fragments.get(node.name.value)
            if fragment is None:
                continue
            condition = fragment.type_condition
            inner = kind if condition is None else self._narrowed(kind, condition.name.value)
            if inner is not None:
                yield from self._fields(fragment.selection_set, inner, seen)

    def _narrowed(self, kind: GraphQLNamedType, name: str) -> GraphQLNamedType | None:
        """Return the type of an object inside a fragment with a type condition; None if the condition excludes it."""
        condition = self._schema.type_map.get(name)
        if not is_object_type(kind) or condition is kind:
            return condition
        is_one = isinstance(condition, GraphQLInterfaceType | GraphQLUnionType) and (
            is_abstract_type(condition) and self._schema.is_sub_type(condition, kind)
        )
        return kind if is_one else None
