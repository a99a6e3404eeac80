"""What Strawberry knows of a type or field of the GraphQL schema."""

from typing import Any


def definition_of(element: Any) -> Any:  # noqa: ANN401 - graphql-core's types and fields; Strawberry's definitions
    """Return Strawberry's definition of a type or field; None for what it did not make."""
    return element.extensions.get("strawberry-definition")
