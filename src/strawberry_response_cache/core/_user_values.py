"""Values that users pass: a lazy object or a subclass counts as the built-in value that it stands for."""

from collections.abc import Callable, Iterable
from types import FunctionType, NoneType
from typing import Any, Final, TypeGuard, cast
from uuid import UUID

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._user_code import ERRORS, ends_the_caller

_BUILT_IN: Final = frozenset({str, int, bool, NoneType, UUID})


def checked_strings(values: object, name: str, example: str) -> tuple[str, ...]:
    """Return an iterable of strings as a tuple of plain strings.

    Args:
        values: The argument; its strings may be lazy objects, see `unwrapped`.
        name: The name of the argument for the message, such as ``key_parts``.
        example: What the message says to write.

    Raises:
        TypeError: If it is a bare string (whose characters would be taken one by one), or holds
            anything but strings.
        CacheConfigurationError: If a lazy object raises when it is evaluated.
    """
    if type(values) is tuple and not values:
        return ()
    unwrapped(values)  # raises what a lazy object raises, as an error of ours
    if isinstance(values, str | bytes):
        msg = f"{name} is a bare {type(values).__name__}; wrap it in a list: {example}"
        raise TypeError(msg)
    if not isinstance(values, Iterable):
        msg = f"{name} is a {type(values).__name__}; pass a list of strings: {example}"
        raise TypeError(msg)
    strings = []
    for position, each in enumerate(values):
        value = each if type(each) is str else unwrapped(each)
        if type(value) is not str:
            msg = (
                f"{name}[{position}] is a {type(value).__name__}; every part is a string, "
                f"so that 1 and '1' are never mixed up by accident: {example}"
            )
            raise TypeError(msg)
        strings.append(value)
    return tuple(strings)


def plain_identity(value: object) -> str | None:
    """Return a string, an int or a UUID as text; None for anything else, also for booleans.

    The value of a subclass counts, because its own text could be the same for different values. For a lazy
    object the value behind it counts, see `unwrapped`.

    Raises:
        CacheConfigurationError: If a lazy object raises when it is evaluated.
    """
    kind = type(value)
    if kind is not str and kind is not int:  # the most common types, which need no call
        value = unwrapped(value)
    if type(value) is str:
        return value
    if type(value) is int:
        try:
            return int.__repr__(value)
        except ValueError:  # more digits than Python turns into text
            return None
    return str(value) if type(value) is UUID else None


def unwrapped(value: object) -> object:
    """Return the built-in value of a lazy object or of a subclass; other objects unchanged.

    A lazy object, such as Django's ``SimpleLazyObject`` or werkzeug's ``LocalProxy``, claims the class of the
    value behind it: ``isinstance(lazy, str)`` is true, although the methods of `str` refuse it. The
    ``__str__`` of a subclass is never called, because it could be the same for different values.

    Returns:
        A value of the exact type `str`, `int`, `bool`, ``NoneType`` or `UUID`, if the object is or
        wraps one; otherwise the same object.

    Raises:
        CacheConfigurationError: If a lazy object raises when it is evaluated. The message names only
            the types.

    Example:
        >>> import weakref
        >>> class Name(str): ...
        >>> name = Name("acme")
        >>> isinstance(weakref.proxy(name), str), unwrapped(weakref.proxy(name))
        (True, 'acme')
    """
    kind = type(value)
    if kind in _BUILT_IN:
        return value
    if issubclass(kind, str):
        return str.__str__(cast("str", value))
    if issubclass(kind, int):
        return int.__index__(cast("int", value))
    try:
        return _behind(value)
    except ERRORS as error:  # a lazy object runs the user's code
        if ends_the_caller(error):
            raise
        msg = (
            f"A value is a {kind.__name__} that raised {type(error).__qualname__} when the cache "
            "read it; pass the value itself, or a lazy object that can be read there."
        )
        raise CacheConfigurationError(msg) from None


def is_function(value: object) -> TypeGuard[Callable[..., Any]]:
    """Whether an object can be called; for a lazy object, whether the value behind it can be.

    Raises:
        CacheConfigurationError: If a lazy object raises when it is evaluated.
    """
    if type(value) is FunctionType:
        return True
    if not callable(value):
        return False
    unwrapped(value)
    # A proxy of werkzeug can always be called, even where the value that it wraps cannot.
    return any("__call__" in vars(kind) for kind in value.__class__.__mro__)


def _behind(value: Any) -> object:  # noqa: ANN401 - whatever a caller passed
    """Return the built-in value that an object wraps, read through the object's own attributes.

    Raises:
        Exception: Any error of the object itself.
    """
    stands_for = value.__class__
    if issubclass(stands_for, str):
        return bytes.decode(value.encode("utf-8", "surrogatepass"), "utf-8", "surrogatepass")
    if issubclass(stands_for, bool):
        return bool(int.__index__(value.__index__()))
    if issubclass(stands_for, int):
        return int.__index__(value.__index__())
    if issubclass(stands_for, UUID):
        return UUID(int=int.__index__(value.int))
    return None if issubclass(stands_for, NoneType) else value
