"""Finds placeholders of tags that can never be filled, as far as the types of the schema tell."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLString,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_input_object_type,
    is_list_type,
    is_scalar_type,
    is_specified_scalar_type,
)

from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql._compat.resolving import maps_arguments, unpacks_input
from strawberry_response_cache.graphql.annotations.invalidates import Invalidates
from strawberry_response_cache.graphql.annotations.tag_templates import Template, unknown_arguments

_WITHOUT_ATTRIBUTES: Final = (GraphQLBoolean, GraphQLInt, GraphQLString)
"""Types whose values have no attribute to name. An ``ID`` may be a `GlobalID`."""
_OF_ONE_VALUE: Final = frozenset({"Date", "DateTime", "Decimal", "Time", "UUID"})
"""Strawberry's scalars whose values have a text. Another scalar's value may be a list."""


def unfilled_forever(templates: Iterable[Template], graphql_field: GraphQLField) -> Iterator[str]:
    """Yield a message for each placeholder of a field's tags that can never be filled; objects are checked later."""
    arguments = _arguments_of(graphql_field)
    if not maps_arguments(definition_of(graphql_field)):
        yield from unknown_arguments(templates, arguments.keys())
    for template in templates:
        for placeholder in template.placeholders:
            if placeholder[0] == "args" and placeholder[1] in arguments:
                wrong = _wrong_argument(arguments[placeholder[1]], placeholder[2:])
            elif placeholder[0] == "result":
                wrong = _wrong_result(graphql_field, placeholder[1:])
            else:
                wrong = None
            if wrong is not None:
                yield f"{template.place}: {{{'.'.join(placeholder)}}} can never be filled: {wrong}."


def invalidated_by(graphql_field: GraphQLField) -> tuple[Template, ...]:
    """Return the tags of ``@invalidates`` above a field."""
    extensions = getattr(definition_of(graphql_field), "extensions", ())
    return tuple(t for each in extensions if isinstance(each, Invalidates) for t in each.templates)


def without_a_family(templates: Iterable[Template], graphql_field: GraphQLField) -> Iterator[str]:
    """Yield a message for each tag without a family whose placeholder may hold any number of values."""
    arguments = _arguments_of(graphql_field)
    for template in templates:
        for placeholder in template.placeholders:
            root, *names = placeholder
            if root == "args" and names[0] in arguments:
                holds_many = _holds_many(arguments[names[0]], names[1:])
            else:
                holds_many = not names and _holds_many(graphql_field, ())
            if template.family is None and holds_many:
                written = ".".join(placeholder)
                yield (
                    f"{template.place}: {{{written}}} may hold any number of values, and the tag does not "
                    f"begin with a name and a colon; write one, such as 'Account:{{{written}}}', so that more "
                    "values than can be named are invalidated by it."
                )


def _arguments_of(graphql_field: GraphQLField) -> dict[str, GraphQLArgument | GraphQLInputField]:
    """Return the arguments of a resolver by their Python names, as far as the schema tells."""
    arguments: dict[str, Any] = {
        _python_name(n, each): each for n, each in graphql_field.args.items()
    }
    if unpacks_input(definition_of(graphql_field)):
        kind = get_named_type(arguments.pop("input").type)
        arguments |= _fields_of(kind)
    return arguments


def _wrong_argument(
    argument: GraphQLArgument | GraphQLInputField, below: Iterable[str]
) -> str | None:
    """Return what is wrong with a placeholder that begins at an argument; None if nothing is known to be."""
    kind = get_named_type(argument.type)
    for name in below:
        if not is_input_object_type(kind) or _is_built_by_the_user(kind):
            return None  # such as the value of an enum's member
        fields = _fields_of(kind)
        if name not in fields:
            known = ", ".join(sorted(fields))
            return f"{kind.name} has no {name!r} (there are: {known})"
        kind = get_named_type(fields[name].type)
    if is_input_object_type(kind) and not _is_built_by_the_user(kind):
        return f"{kind.name} is an input object; name one of its fields"
    if kind is GraphQLFloat:
        return "a Float has no exact text; take an ID, an Int, a String or a Decimal"
    return None


def _wrong_result(graphql_field: GraphQLField, below: Sequence[str]) -> str | None:
    """Return what is wrong with a placeholder that begins at the result; None if nothing is known to be."""
    kind = get_named_type(graphql_field.type)
    if not below and is_composite_type(kind):
        return f"the field returns a {kind.name}, which is an object; name one of its attributes"
    if kind is GraphQLFloat:
        return "the field returns a Float, which has no exact text; name an argument"
    if below and any(kind is each for each in _WITHOUT_ATTRIBUTES):
        return f"the field returns a {kind.name}, which has no attributes; write {{result}}"
    return None


def _holds_many(
    element: GraphQLArgument | GraphQLInputField | GraphQLField, below: Iterable[str]
) -> bool:
    """Whether an argument or a field, or one that the names lead to from it, may hold any number of values."""
    named = [element]
    for name in below:
        kind = get_named_type(named[-1].type)
        field = _fields_of(kind).get(name) if is_input_object_type(kind) else None
        if field is None:
            break
        named.append(field)
    return any(_may_be_list(each.type) for each in named)


def _may_be_list(kind: Any) -> bool:  # noqa: ANN401 - graphql-core's
    """Whether a type is a list, or a scalar whose values may be lists."""
    inner = get_named_type(kind)
    is_own = is_scalar_type(inner) and not is_specified_scalar_type(inner)
    return is_list_type(get_nullable_type(kind)) or (is_own and inner.name not in _OF_ONE_VALUE)


def _fields_of(kind: GraphQLInputObjectType) -> Mapping[str, GraphQLInputField]:
    return {_python_name(name, each): each for name, each in kind.fields.items()}


def _is_built_by_the_user(kind: GraphQLInputObjectType) -> bool:
    return getattr(definition_of(kind), "from_input", None) is not None


def _python_name(name: str, element: GraphQLArgument | GraphQLInputField) -> str:
    return str(getattr(definition_of(element), "python_name", name))
