"""The key of an operation: one key implies equal responses."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from graphql import OperationDefinitionNode, Undefined, value_from_ast_untyped

from strawberry_response_cache.core._codec import find_inexact

_print: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class UnkeyableError(Exception):
    """A value that decides the response cannot be told apart from others in a key."""


def operation_key(
    stem: str,
    *,
    variables: Mapping[str, Any],
    session: str | None,
    varied: Mapping[str, str],
) -> list[str]:
    """Return the parts of an operation's key; the tenant is in the keyspace.

    Args:
        stem: What does not depend on the request; see `Variant`.
        variables: What the request sent for each variable; see `sent_variables`.
        session: The session as `RequestContext` prints it, for a PRIVATE response; None for a
            PUBLIC one.
        varied: Each value that the fields vary by, as `canonical` prints it.
    """
    visibility = ("public",) if session is None else ("private", session)
    return ["operation", stem, _print(variables), *visibility, _print(varied)]


def sent_variables(
    operation: OperationDefinitionNode, sources: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """Return what was sent for each declared variable: ``[value]``, or ``[]`` where nothing was.

    A default left out counts as sent. Undeclared variables are left out: they reach nobody.

    Args:
        operation: The operation that declares them.
        sources: graphql-core's `VariableValues.sources`.

    Raises:
        UnkeyableError: If a value is not plain JSON, such as an upload.
    """
    sent: dict[str, list[Any]] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        source = sources.get(name)
        value = Undefined if source is None else source.value
        if value is Undefined and definition.default_value is not None:
            value = value_from_ast_untyped(definition.default_value)
        sent[name] = [] if value is Undefined else [value]
    if find_inexact(sent) is not None:
        raise UnkeyableError
    return sent


def canonical(value: object) -> str:
    """Print what a ``session`` or ``vary`` function returned, so that different values differ.

    Raises:
        UnkeyableError: If it is neither JSON nor a UUID.

    Example:
        >>> canonical(1), canonical("1")
        ('1', '"1"')
    """
    if isinstance(value, UUID):
        return f"uuid:{value}"
    if isinstance(value, str):
        value = str.__str__(value)  # a subclass's own text could be the same for different values
    if find_inexact(value) is not None:
        raise UnkeyableError
    return _print(value)
