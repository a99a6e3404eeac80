"""The key of an operation: equal keys imply equal responses."""

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any, Final, TypeAlias
from uuid import UUID

from graphql import (
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    coerce_input_literal,
    coerce_input_value,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_scalar_type,
    print_ast,
    specified_scalar_types,
    type_from_ast,
    value_from_ast_untyped,
)

from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.core._user_values import unwrapped
from strawberry_response_cache.core.serialization.codec import find_inexact

_SCALARS: Final = frozenset({str, bool, type(None)})
"""Types whose values are always JSON; an int may be too large, and a float may be NaN."""
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


_EXACT: Final = frozenset({str, int})
"""Types whose equal values are the same to a resolver."""


class UnkeyableError(Exception):
    """A value that decides the response cannot be part of a key."""


def print_json(value: object) -> str:
    """Print JSON for a key; equal values give equal text.

    Raises:
        UnkeyableError: If the value is not JSON, such as an infinite number.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError):
        raise UnkeyableError from None


def operation_key(
    stem: str,
    *,
    printed: str,
    session: str | None,
    varied: Mapping[str, str],
    extensions: Mapping[str, str],
) -> list[str]:
    """Return the parts of an operation's key; the tenant is in the keyspace.

    Args:
        stem: The part that does not depend on the request; see `Variant`.
        printed: What the request sent for each variable; see `print_variables`.
        session: The session as `RequestContext` prints it, for a PRIVATE response; None for a
            PUBLIC one.
        varied: Each value that the fields vary by, as `canonical` prints it.
        extensions: Each of the request's extensions that is part of keys, as `canonical` prints it.
    """
    others = _others(varied, extensions)
    if session is None:
        return ["response", stem, printed, "public", others]
    return ["response", stem, printed, "private", session, others]


def field_stem(
    stem: str,
    *,
    inherited: str,
    session: str | None,
    varied: Mapping[str, str],
    extensions: Mapping[str, str],
) -> str:
    """Return a digest of the part of a field's key that all its parent objects in one request share.

    Args:
        stem: The part that depends neither on the parent nor on tenant and session; see `FieldPlan`.
        inherited: A digest of the tags that it inherits from the fields above it.
        session: As in `operation_key`.
        varied: As in `operation_key`.
        extensions: As in `operation_key`.
    """
    others = _others(varied, extensions)
    if session is None:
        return digest(["field", stem, inherited, "public", others])
    return digest(["field", stem, inherited, "private", session, others])


def field_key(stem: str, parent: str) -> list[str]:
    """Return the parts of the key of a field with an entry of its own.

    Args:
        stem: See `field_stem`.
        parent: The identity of the object that it belongs to, as `canonical` prints it.
    """
    return ["field", stem, parent]


def _others(varied: Mapping[str, str], extensions: Mapping[str, str]) -> str:
    """Print the varied values and the extensions of a request for its key; only with extensions as a list."""
    if extensions:
        return print_json([varied, extensions])
    return print_json(varied) if varied else ""


Declared: TypeAlias = tuple[tuple[str, Sequence[Any]], ...]
"""The names of an operation's variables, each with the value used if it is left out, in order."""


def declared_variables(operation: OperationDefinitionNode, schema: GraphQLSchema) -> Declared:
    """Return the variables that an operation declares."""
    return tuple(
        (definition.variable.name.value, _left_out(definition, schema))
        for definition in operation.variable_definitions or ()
    )


def _left_out(definition: VariableDefinitionNode, schema: GraphQLSchema) -> list[Any]:
    """Return the key's text for a variable that is left out.

    A default gives the same text as the same value sent, if both are coerced to the same value. A custom
    scalar may treat the literal ``1.50`` differently from the number 1.5, and graphql-core takes the literal
    ``-0`` for another Float and ID than the number -0.
    """
    if definition.default_value is None:
        return []
    kind: Any = type_from_ast(schema, definition.type)
    value = value_from_ast_untyped(definition.default_value)
    if (
        find_inexact(value) is None
        and _is_coerced_alike(get_named_type(kind), set())
        and _is_same_value(
            coerce_input_literal(definition.default_value, kind), coerce_input_value(value, kind)
        )
    ):
        return [value]
    return ["default", print_ast(definition.default_value)]


def _is_same_value(one: Any, other: Any) -> bool:  # noqa: ANN401 - whatever graphql-core coerces to
    """Whether two coerced values are one to a resolver: ``0.0`` is not ``-0.0``, and ``1`` is not ``1.0``."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(_is_same_value(one[n], other[n]) for n in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(_is_same_value, one, other))
    if type(one) is float:
        return str(one) == str(other)
    return one is other or (type(one) in _EXACT and one == other)


def _is_coerced_alike(named: object, seen: set[str]) -> bool:
    """Whether an input type coerces a literal and the same JSON to the same value."""
    if is_input_object_type(named):
        if named.name in seen:
            return True
        seen.add(named.name)
        kinds = [get_named_type(each.type) for each in named.fields.values()]
        return all(_is_coerced_alike(each, seen) for each in kinds)
    if is_scalar_type(named):
        own = specified_scalar_types.get(named.name)
        return (
            own is not None
            and named.coerce_input_value == own.coerce_input_value
            and named.coerce_input_literal == own.coerce_input_literal
        )
    return is_enum_type(named)


def sent_variables(declared: Declared, sources: Mapping[str, Any]) -> list[Sequence[Any]]:
    """Return the values that were sent for the declared variables.

    For each variable it is ``[value]``, or ``[]`` if it was not sent. A default counts as sent; where it
    may be coerced differently it is ``["default", text]``. Undeclared variables are ignored, because
    resolvers do not receive them.

    Args:
        declared: The variables, see `declared_variables`.
        sources: graphql-core's `VariableValues.sources`.

    Raises:
        UnkeyableError: If a value is not plain JSON, such as an upload.
    """
    sent: list[Sequence[Any]] = []
    for name, left_out in declared:
        source = sources.get(name)
        value = Undefined if source is None else source.value
        if value is Undefined:
            sent.append(left_out)
        elif type(value) not in _SCALARS and find_inexact(value) is not None:
            raise UnkeyableError
        else:
            sent.append([value])
    return sent


def print_variables(sent: Sequence[Sequence[Any]]) -> str:
    """Print variables for a key.

    Args:
        sent: What was sent for each; see `sent_variables`.
    """
    return print_json(sent) if sent else ""


def canonical(value: object) -> str:
    """Print the return value of a ``session`` or ``vary`` function; different values give different text.

    Raises:
        UnkeyableError: If it is neither JSON nor a UUID.

    Example:
        >>> canonical(1), canonical("1")
        ('1', '"1"')
    """
    if type(value) is str:  # the most common type
        return encode_basestring_ascii(value)
    value = unwrapped(value)  # a subclass may print different values alike
    if isinstance(value, UUID):
        return f"uuid:{value}"
    if find_inexact(value) is not None:
        raise UnkeyableError
    return print_json(value)
