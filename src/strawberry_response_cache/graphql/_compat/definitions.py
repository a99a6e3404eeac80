"""Strawberry's definition of a type or field of the GraphQL schema."""

from typing import Any


def definition_of(element: Any) -> Any:  # noqa: ANN401 - graphql-core's types and fields; Strawberry's definitions
    """Return Strawberry's definition of a type or field; None if Strawberry did not create it."""
    return element.extensions.get("strawberry-definition")
