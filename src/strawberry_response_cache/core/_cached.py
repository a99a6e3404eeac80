"""`cached`: the decorator form of `remember`, over async and plain functions."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    get_type_hints,
    overload,
)

from strawberry_response_cache.core._arguments import NoTextError, text
from strawberry_response_cache.core._duration import Duration, milliseconds
from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._keys import checked_key_parts
from strawberry_response_cache.core._user_values import checked_strings, is_function
from strawberry_response_cache.core.serialization.value import (
    TAGS_EXAMPLE,
    check_cacheable,
    refuse_async,
)

if TYPE_CHECKING:
    from strawberry_response_cache.core._values import RememberedValues

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Instance = TypeVar("Instance")

FROM_ANNOTATION: Final = object()
"""The default of ``as_type``: the return annotation of the function."""

NOT_GIVEN: Final = object()
"""The default of ``ttl``, which has none."""

_KEY_EXAMPLE: Final = 'key=lambda session, year: ["totals", str(year)]'


def checked_ttl(misplaced: tuple[object, ...], ttl: object) -> Any:  # noqa: ANN401 - checked by `Cached`
    """Return the ttl of ``cached(...)``, if the call is valid.

    Raises:
        TypeError: If there are positional arguments, such as the function below a decorator without
            parentheses, or there is no ttl.
    """
    if misplaced and callable(misplaced[0]):
        msg = "cached is written with parentheses and a ttl: @cache.cached(ttl=60)."
    elif misplaced:
        msg = "cached() takes its arguments by name: @cache.cached(ttl=60)."
    elif ttl is NOT_GIVEN:
        msg = "cached() needs a ttl, in seconds or as a timedelta: @cache.cached(ttl=60)."
    else:
        return ttl
    raise TypeError(msg)


class CachedFunction(Protocol[P, R_co]):
    """A cached function, with the same arguments and result as the function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return the cached value, or run the function and store what it returns."""
        ...

    def key_parts(self, *args: P.args, **kwargs: P.kwargs) -> tuple[str, ...]:
        """Return the key of a call, for `ResponseCache.forget`."""
        ...

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(
        self: "CachedFunction[Concatenate[Instance, Q], R_co]",
        instance: Instance,
        owner: type | None = None,
        /,
    ) -> Callable[Q, R_co]: ...


class Cached:
    """The decorator ``cache.cached(...)``; see `ResponseCache.cached`."""

    def __init__(
        self,
        cache: "RememberedValues",
        *,
        ttl: Duration | Callable[[Any], Duration],
        tags: Iterable[str] | Callable[[Any], Iterable[str]],
        key: Callable[..., Sequence[str]] | None,
        stale: Duration | None,
        as_type: object,
        cacheable: Callable[[Any], bool] | None,
    ) -> None:
        if not is_function(ttl):
            milliseconds(ttl, "ttl")
        if stale is not None:
            milliseconds(stale, "stale")
        refuse_async("ttl", ttl)
        refuse_async("tags", tags)
        check_cacheable(cacheable)
        if key is not None and (not is_function(key) or inspect.iscoroutinefunction(key)):
            msg = (
                "key of cached() is a plain function of the same arguments, which returns the "
                f"parts of the key: {_KEY_EXAMPLE}."
            )
            raise CacheConfigurationError(msg)
        self._cache = cache
        self._key = key
        self._as_type = as_type
        self._ttl = ttl
        self._options: dict[str, Any] = {
            "stale": stale,
            # A tuple, because the first call would exhaust an iterator.
            "tags": tags if is_function(tags) else checked_strings(tags, "tags", TAGS_EXAMPLE),
            "cacheable": cacheable,
        }

    def __call__(self, function: Callable[P, R]) -> CachedFunction[P, R]:
        """Return the cached function.

        Raises:
            CacheConfigurationError: If the decorated object is not a function, or yields; or if there is no ``key``
                and it is a lambda or uses variables of the function around it.
        """
        _check(function, keyed=self._key is not None)
        call = _Call(function, self._key, self._as_type)
        wrap = self._over_async if inspect.iscoroutinefunction(function) else self._over_plain
        wrapper: Any = functools.wraps(function)(wrap(function, call))
        wrapper.key_parts = call.key_parts
        return cast("CachedFunction[P, R]", wrapper)

    def _over_async(self, function: Callable[..., Any], call: "_Call") -> Callable[..., object]:
        async def remembered(*args: object, **kwargs: object) -> object:
            response = await self._cache.remember(
                call.key_parts(*args, **kwargs),
                self._ttl,
                functools.partial(function, *args, **kwargs),
                as_type=call.as_type,
                **self._options,
            )
            return response.value

        return remembered

    def _over_plain(self, function: Callable[..., Any], call: "_Call") -> Callable[..., object]:
        def remembered(*args: object, **kwargs: object) -> object:
            response = self._cache.remember_sync(
                call.key_parts(*args, **kwargs),
                self._ttl,
                functools.partial(function, *args, **kwargs),
                as_type=call.as_type,
                **self._options,
            )
            return response.value

        return remembered


class _Call:
    """The key and the return type of a function's calls."""

    def __init__(
        self,
        function: Callable[..., object],
        key: Callable[..., Sequence[str]] | None,
        as_type: object,
    ) -> None:
        self._function = function
        self._name = f"{function.__module__}:{function.__qualname__}"
        self._signature = _signature_of_function(function)
        self._key = key
        self._as_type = as_type

    def key_parts(self, *args: object, **kwargs: object) -> tuple[str, ...]:
        """Return the key of a call.

        Raises:
            TypeError: If the function does not take these arguments.
            CacheConfigurationError: If an argument cannot be part of a key.
        """
        call = self._signature.bind(*args, **kwargs)
        call.apply_defaults()
        if self._key is not None:
            return checked_key_parts(self._key(*call.args, **call.kwargs))
        parts = [self._name]
        for name, value in call.arguments.items():
            try:
                parts += name, text(value)
            except NoTextError as error:
                msg = (
                    f"The argument {name!r} of {self._function.__qualname__}() is or holds "
                    f"{error}, which cannot be part of a key. Pass key=, a function of the "
                    f"same arguments that returns the parts of the key: {_KEY_EXAMPLE}."
                )
                raise CacheConfigurationError(msg) from None
        return tuple(parts)

    @functools.cached_property
    def as_type(self) -> object:
        """The type to rebuild; resolved at the first call, when all names of the module are defined."""
        if self._as_type is not FROM_ANNOTATION:
            return self._as_type
        return _returned(self._function, self._signature.return_annotation)


def _signature_of_function(function: Callable[..., object]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format  # noqa: PLC0415 - new in 3.14

        # Annotations are evaluated here, and some names are defined only for type checkers.
        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _returned(function: Callable[..., object], annotation: object) -> object:
    """Return an annotation as a type; None if it says nothing or its names are not defined."""
    if annotation is inspect.Signature.empty:
        return None

    def bearer() -> None:
        """Carry only the return annotation, because those of the parameters need not resolve."""

    bearer.__annotations__ = {"return": annotation}
    names: dict[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        hint = get_type_hints(bearer, names, include_extras=True)["return"]
    except (AttributeError, NameError, SyntaxError, TypeError):
        return None
    says_nothing = hint is Any or hint is object or hint is NoneType or isinstance(hint, TypeVar)
    return None if says_nothing else hint


def _check(function: object, *, keyed: bool) -> None:
    """Refuse objects that cannot be cached, and say what to write instead."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if isinstance(function, type):
        msg = (
            f"cached() is for functions, and {name} is a class. "
            "Write it above the method whose result is to be cached."
        )
    elif isinstance(function, staticmethod | classmethod | property):
        decorator = type(function).__name__
        msg = f"cached() must be directly above the 'def': write @{decorator} above cached(), not below."
    elif not inspect.isfunction(function):
        msg = (
            f"cached() is for functions, and this is a {type(function).__qualname__}. "
            "Write a 'def' or an 'async def' that calls it, and cached() above that."
        )
    elif inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        msg = f"{name}() yields, and a cache stores one value: collect the items and return a list."
    elif name.endswith("<lambda>") and not keyed:
        msg = (
            "All lambdas of a module have the same name, so cached() cannot tell them apart. "
            "Write a 'def', or pass key=, a function of the same arguments that returns the parts "
            f"of the key: {_KEY_EXAMPLE}."
        )
    elif not keyed and (captured := _captured(function)):
        msg = (
            f"{name}() uses {', '.join(captured)} of the function around it, which is not in the key: "
            "two such functions would share their entries. Make it an argument, or pass key=, a "
            f"function of the same arguments that returns the parts of the key: {_KEY_EXAMPLE}."
        )
    else:
        return
    raise CacheConfigurationError(msg)


def _captured(function: FunctionType) -> list[str]:
    """Name the variables of the function around it that a function uses.

    The function itself, its class, and the variables of a decorator with ``__wrapped__`` do not count.
    """
    inmost: Any = inspect.unwrap(function)
    code = (inmost if inspect.isfunction(inmost) else function).__code__
    return [name for name in code.co_freevars if name not in {code.co_name, "__class__"}]
