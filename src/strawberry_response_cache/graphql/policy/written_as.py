"""How a field is defined: advice names what can be written there."""

from enum import Enum, auto

from strawberry.types.field import StrawberryField


class WrittenAs(Enum):
    """How a field is defined; the advice names a form that can be written there."""

    RESOLVER = auto()
    """A function with ``@strawberry.field``."""
    ANNOTATION = auto()
    """An annotation of a class, which cannot have a decorator."""
    ENTITIES = auto()
    """By Apollo Federation's ``Schema``, for the objects that a gateway asks for."""
    NOWHERE = auto()
    """Not in the user's code: Strawberry or another library adds it."""


def written_as(name: str, field: object) -> WrittenAs:
    """Return how a field is defined."""
    if name == "_entities":
        return WrittenAs.ENTITIES
    if not isinstance(field, StrawberryField):
        return WrittenAs.NOWHERE
    if field.base_resolver is None:
        return WrittenAs.ANNOTATION
    module = getattr(field.base_resolver.wrapped_func, "__module__", None) or ""
    return WrittenAs.NOWHERE if module.startswith("strawberry.") else WrittenAs.RESOLVER
