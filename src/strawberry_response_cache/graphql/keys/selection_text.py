"""What a request selects of one field, as text: its arguments, and everything below it.

Two requests with one text get one answer of the field, whatever the field is called there. Conditions
are resolved, fragments stand in place, and variables count by what was sent for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    InlineFragmentNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    SelectionSetNode,
    StringValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    print_ast,
    value_from_ast_untyped,
)

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.core.serialization.codec import find_inexact
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError, print_json
from strawberry_response_cache.graphql.policy.selection import Selected

_BUILT_IN: Final = frozenset({"Int", "Float", "String", "Boolean", "ID"})
_ABSENT: Final = object()


@dataclass(slots=True)
class SelectionText:
    """Prints what is selected.

    Args:
        selected: The conditions of the request.
        sent: What was sent for each variable: ``[value]``, or ``[]`` where nothing was.

    Attributes:
        used: The variables that were met on the way.
    """

    selected: Selected
    sent: Mapping[str, Sequence[Any]]
    used: set[str] = field(default_factory=set)
    _known: dict[int, str] = field(default_factory=dict)

    def of(self, definition: GraphQLField, nodes: Sequence[FieldNode]) -> str:
        """Print the arguments of a field and the selections below it.

        Args:
            definition: The field.
            nodes: Where it stands; all have the same arguments.

        Raises:
            UnkeyableError: If it is nested too deeply, or selects what there is not.
        """
        try:
            below = [self._below(node.selection_set) for node in nodes if node.selection_set]
            return digest([self._arguments(definition, nodes[0]), *below])
        except RecursionError:
            raise UnkeyableError from None

    # -- What is selected below ------------------------------------------------------------------------

    def _below(self, selections: SelectionSetNode) -> str:
        """Return a digest of a selection set: a fragment that is spread often is printed once."""
        known = self._known.get(id(selections))
        if known is None:
            known = digest([self._selection(each) for each in self._included(selections)])
            self._known[id(selections)] = known
        return known

    def _included(self, selections: SelectionSetNode) -> list[Any]:
        return [
            each for each in selections.selections if self.selected.is_included(each.directives)
        ]

    def _selection(self, node: object) -> str:
        match node:
            case FieldNode(name=name, alias=alias, arguments=arguments, selection_set=below):
                given = {each.name.value: self._untyped(each.value) for each in arguments or ()}
                called = "" if alias is None else alias.value
                return print_json(
                    [called, name.value, sorted(given.items()), below and self._below(below)]
                )
            case InlineFragmentNode(type_condition=condition, selection_set=below):
                named = None if condition is None else condition.name.value
                return self._fragment(named, below)
            case FragmentSpreadNode(name=name):
                fragment = self.selected.fragments.get(name.value)
                if fragment is not None:
                    return self._fragment(
                        fragment.type_condition.name.value, fragment.selection_set
                    )
        raise UnkeyableError

    def _fragment(self, condition: str | None, below: SelectionSetNode) -> str:
        return print_json(["...", condition, self._below(below)])

    def _untyped(self, value: ValueNode) -> str:
        """Print an argument below the field, where literals of one text are one value."""
        match value:
            case VariableNode(name=name):
                return "$" + print_json(self._sent(name.value))
            case ListValueNode(values=values):
                return "[" + ",".join(self._untyped(each) for each in values) + "]"
            case ObjectValueNode(fields=fields):
                inside = sorted(f"{each.name.value}:{self._untyped(each.value)}" for each in fields)
                return "{" + ",".join(inside) + "}"
            case StringValueNode(value=text):
                return print_json(text)
            case _:
                return print_ast(value)

    def _sent(self, name: str) -> Sequence[Any]:
        self.used.add(name)
        return self.sent.get(name, ())

    # -- The field's own arguments, as its resolver will see them ------------------------------------------

    def _arguments(self, definition: GraphQLField, node: FieldNode) -> str:
        given = {each.name.value: each.value for each in node.arguments or ()}
        return print_json(
            {
                name: self._argument(argument.type, argument.default_value, given.get(name))
                for name, argument in definition.args.items()
            }
        )

    def _argument(self, kind: Any, default: object, value: ValueNode | None) -> list[Any]:  # noqa: ANN401 - graphql-core's type
        typed = _ABSENT if value is None else self._literal(kind, value)
        return _default(kind, default) if typed is _ABSENT else [typed]

    def _literal(self, kind: Any, value: ValueNode) -> Any:  # noqa: ANN401 - JSON, and one case for each kind of type
        if isinstance(value, VariableNode):
            sent = self._sent(value.name.value)
            return _plain(kind, sent[0]) if sent else _ABSENT
        if is_non_null_type(kind):
            return self._literal(kind.of_type, value)
        if isinstance(value, NullValueNode):
            return None
        if is_list_type(kind):
            values = value.values if isinstance(value, ListValueNode) else [value]
            typed = [self._literal(kind.of_type, each) for each in values]
            return [None if each is _ABSENT else each for each in typed]
        if is_input_object_type(kind) and isinstance(value, ObjectValueNode):
            inside = {each.name.value: each.value for each in value.fields}
            return {
                name: self._argument(each.type, each.default_value, inside.get(name))
                for name, each in kind.fields.items()
            }
        if is_enum_type(kind) or kind.name in _BUILT_IN:
            return _plain(kind, value_from_ast_untyped(value))
        return {"literal": self._untyped(value)}


def _plain(kind: Any, value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out, and one case for each kind of type
    """Return a value that came as JSON in the one form that its coercion makes equal."""
    if is_non_null_type(kind):
        return _plain(kind.of_type, value)
    if value is None:
        return None
    if is_list_type(kind):
        return [
            _plain(kind.of_type, each) for each in (value if isinstance(value, list) else [value])
        ]
    if is_input_object_type(kind) and isinstance(value, dict):
        return {
            name: [_plain(each.type, value[name])]
            if name in value
            else _default(each.type, each.default_value)
            for name, each in kind.fields.items()
        }
    if kind.name == "ID":
        return str(value)
    if kind.name == "Float" and isinstance(value, int) and not isinstance(value, bool):
        # A float may be unable to tell large integers apart; so is the resolver.
        return float(value) if abs(value) < 2**53 else value
    if kind.name == "Int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if is_enum_type(kind) or kind.name in _BUILT_IN:
        return value
    return {"value": value}


def _default(kind: Any, default: object) -> list[Any]:  # noqa: ANN401 - graphql-core's type
    """Return what stands for nothing: the default, where its form is that of a value that is sent."""
    if default is Undefined:
        return []
    if default is None:
        return [None]
    if not _is_built_in(kind) or find_inexact(default) is not None:
        return ["default", "of the schema"]
    return [_plain(kind, default)]


def _is_built_in(kind: Any) -> bool:  # noqa: ANN401 - graphql-core's type
    while is_non_null_type(kind) or is_list_type(kind):
        kind = kind.of_type
    return kind.name in _BUILT_IN
