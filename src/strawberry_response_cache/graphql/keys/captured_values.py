"""Describes functions and the values that they capture, for keys: the same text in every process.

Code is not compared: a function counts by its name and by the values that it captures from the function
around it. Functions that one factory makes have the same name and differ in these values.
"""

import functools
import operator
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from strawberry_response_cache.core._arguments import NoTextError, text
from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql.keys.operation_key import print_json

_MOST_PARTS: Final = 1_000
"""The most parts of one captured value that are described, in a few milliseconds."""
_DEEPEST: Final = 50
_LONGEST: Final = 1_000_000
"""The most characters or bytes that are hashed, in about a millisecond."""
_LONGEST_SHOWN: Final = 200
_GETTERS: Final = (operator.attrgetter, operator.itemgetter, operator.methodcaller)
"""Types whose text identifies the value and is the same in every process."""
_CONTAINERS: Final[tuple[type[Any], ...]] = (list, tuple, dict, set, frozenset)


def describe(value: object) -> str:
    """Describe a value, so that different values differ; if it is large or of an unknown type, only by a name.

    A value is large if it has more than 1,000 parts, those within its parts included. Each value that a
    function captures has a limit of its own.
    """
    return _described(value, _Description(is_of_function=True))


def _described(value: object, description: "_Description") -> str:
    try:
        return description.value(value, 0)
    except (_TooLargeError, RecursionError):
        return _name(value)


class _TooLargeError(Exception):
    """A value has more parts than are read."""


class _Description:
    """The description of one value; what it refers to more than once is described once.

    Args:
        is_of_function: Whether, if it is a function, each value that it captures has a limit of its own.
    """

    def __init__(self, *, is_of_function: bool) -> None:
        self._is_of_function = is_of_function
        self._left = _MOST_PARTS
        # By identity. Each value is kept alive here, so that its id cannot be used again.
        self._known: dict[int, tuple[object, str]] = {}

    def value(self, value: object, depth: int) -> str:
        kind = type(value)  # not by `isinstance`, which would evaluate a lazy object
        self._spend()
        if depth > _DEEPEST:
            raise _TooLargeError
        if issubclass(kind, _CONTAINERS):
            return self._once(value, depth, self._container)
        if callable(value):
            return self._once(value, depth, self._function)
        if kind in {str, bytes}:
            return _shortened(value)  # type: ignore[arg-type]
        try:
            return text(value)
        except (NoTextError, CacheConfigurationError):
            return _name(value)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooLargeError

    def _once(self, value: Any, depth: int, describe: Callable[[Any, int], list[Any]]) -> str:  # noqa: ANN401 - as `value`
        _, known = self._known.get(id(value), (None, None))
        if known is None:
            self._known[id(value)] = value, "again"  # if it contains itself
            known = _short(print_json(describe(value, depth + 1)))
            self._known[id(value)] = value, known
        return known

    def _container(self, value: Any, depth: int) -> list[Any]:  # noqa: ANN401 - one of `_CONTAINERS`
        base = next(each for each in _CONTAINERS if issubclass(type(value), each))
        if base.__len__(value) > self._left:
            raise _TooLargeError
        if base is dict:
            items = dict.items(value)
            parts = [[self.value(n, depth), self.value(v, depth)] for n, v in items]
        else:
            parts = [[self.value(each, depth)] for each in base.__iter__(value)]
        return [_name(value), parts if base in {list, tuple} else sorted(parts)]

    def _function(self, function: Any, depth: int) -> list[Any]:  # noqa: ANN401 - anything that can be called
        """Name a function, and describe the values that it captures.

        Of a callable object and of a bound method only the type counts, because its state may differ between
        processes.
        """
        if isinstance(function, functools.partial):
            given = [*function.args, *sorted(function.keywords.items())]
            inner = self.value(function.func, depth)
            return ["partial", inner, *(self._captured(each, depth) for each in given)]
        if isinstance(function, _GETTERS):
            return [repr(function)]
        taken: list[str] = []
        layer = function
        while layer is not None:
            self._spend()  # layers may form a cycle
            taken += [self._cell(each, depth) for each in _attribute_of(layer, "__closure__") or ()]
            defaults = _attribute_of(layer, "__defaults__"), _attribute_of(layer, "__kwdefaults__")
            taken += [self._captured(each, depth) for each in defaults if each]
            layer = _attribute_of(layer, "__wrapped__")
        return [_name(function), *taken]

    def _cell(self, cell: Any, depth: int) -> str:  # noqa: ANN401 - of a function
        try:
            contents = cell.cell_contents
        except ValueError:  # an empty cell: the variable is not assigned yet
            return ""
        return self._captured(contents, depth)

    def _captured(self, value: object, depth: int) -> str:
        if self._is_of_function and depth == 1:
            return _described(value, _Description(is_of_function=False))
        return self.value(value, depth)


def _name(value: object) -> str:
    """Return the name of a function or a class; for another value, the name of its class and ``()``."""
    name = _attribute_of(value, "__qualname__") if callable(value) else None
    is_named = isinstance(name, str)
    here = value if is_named else type(value)
    return f"{_attribute_of(here, '__module__')}:{_attribute_of(here, '__qualname__')}{'' if is_named else '()'}"


def _attribute_of(value: object, name: str) -> Any:  # noqa: ANN401 - whatever it has
    found = called(getattr, value, name, None)
    return None if type(found) is Raised else found


def _shortened(value: str | bytes) -> str:
    if len(value) <= _LONGEST_SHOWN:
        return text(value)
    kind = f"{type(value).__name__} {len(value)}"
    if len(value) > _LONGEST:
        return kind
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return f"{kind} {sha256(data).hexdigest()}"


def _short(printed: str) -> str:
    return printed if len(printed) <= _LONGEST_SHOWN else sha256(printed.encode()).hexdigest()
