"""Code of other packages that is known by its module and qualified name; the packages are never imported."""

import inspect
import sys
from collections.abc import Set as AbstractSet
from types import FunctionType
from typing import Any


def qualified_name(kind: type | FunctionType) -> str:
    """Return the module and qualified name of a class or function."""
    return f"{kind.__module__}.{kind.__qualname__}"


def is_known(kind: type | FunctionType, names: AbstractSet[str]) -> bool:
    """Whether a class or function is itself one of those with these names.

    A subclass is not, and neither is a decorated function that took over the name of another.

    Args:
        kind: The class or function.
        names: Modules with qualified names, of classes and functions at the top level of their modules.
    """
    if qualified_name(kind) not in names:
        return False
    held: Any = getattr(sys.modules.get(kind.__module__), kind.__qualname__, None)
    # A package may decorate its own function.
    return (inspect.unwrap(held) if isinstance(kind, FunctionType) else held) is kind
