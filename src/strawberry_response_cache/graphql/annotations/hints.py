"""Hints: `cache_control` for fields and types, in Python and in the SDL."""

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias, TypeVar

import strawberry
from strawberry.directive import directive_field
from strawberry.schema_directive import Location
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.core._user_values import checked_strings, is_function
from strawberry_response_cache.graphql.annotations.tag_templates import Template, checked_tags

T = TypeVar("T")
ParentKey: TypeAlias = str | Callable[[Any], Any]


_NOT_A_FIELD: Final = ("CacheControl", "ClassVar", "Final", "Any")
"""Words in the annotation of a class attribute whose value is meant to be the hint itself."""

VARY_EXAMPLE = 'vary=["locale"]'


@strawberry.enum(name="CacheControlScope")
class CacheScope(Enum):
    """Who shares a response.

    Attributes:
        PUBLIC: All requests of one tenant.
        PRIVATE: The requests of one session.

    Example:
        >>> hint = cache_control(ttl=60, scope=CacheScope.PRIVATE)
        >>> print(hint.scope.value)
        PRIVATE
    """

    PUBLIC = "PUBLIC"
    PRIVATE = "PRIVATE"


@dataclass(frozen=True, slots=True)
class Hint:
    """The checked arguments of one `cache_control`; durations are in seconds."""

    ttl: float | None = None
    scope: CacheScope | None = None
    inherit: bool = False
    stale: float | None = None
    tags: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()
    templates: tuple[Template, ...] = ()
    # The repr of a function holds an address, which differs between processes.
    key: ParentKey | None = field(default=None, repr=False)
    key_name: str | None = None


@strawberry.schema_directive(
    name="cacheControl",
    locations=[
        Location.FIELD_DEFINITION,
        Location.OBJECT,
        Location.INTERFACE,
        Location.UNION,
    ],
)
class CacheControl:
    """A hint above a field, above a type or in ``directives=[...]``.

    It prints like Apollo's directive, so that gateways and tools understand it.

    Source: https://www.apollographql.com/docs/apollo-server/performance/caching
    """

    max_age: int | None = directive_field(name="maxAge")
    scope: CacheScope | None = directive_field(name="scope")
    inherit_max_age: bool | None = directive_field(name="inheritMaxAge")
    hint: strawberry.Private[Hint]

    def __get__(self, _: object, owner: type | None = None) -> "CacheControl":
        """Return this hint; refuse to be the default of an annotated attribute, whose field would have no hint.

        Raises:
            TypeError: If it is the default of an attribute: ``name: str = cache_control(ttl=60)``.
        """
        for name, annotation in _annotations_of(owner):
            is_meant = any(word in annotation for word in _NOT_A_FIELD)
            if vars(owner).get(name) is self and not is_meant:
                msg = (
                    f"{getattr(owner, '__qualname__', '')}.{name}: cache_control is not a default. "
                    f"Write:\n\n    {name}: ... = strawberry.field("
                    "directives=[cache_control(ttl=60)])"
                )
                raise TypeError(msg)
        return self

    def __call__(self, target: T) -> T:
        """Attach the hint to a field or a type of Strawberry.

        Raises:
            TypeError: If it is below Strawberry's decorator, or above something else.
            CacheConfigurationError: If there is a hint already.
        """
        if isinstance(target, StrawberryField):
            name = f"the field {target.python_name!r}"
            refuse_second_hint(target.directives, name)
            target.directives = [*target.directives, self]
            return target
        definition = (
            vars(target).get("__strawberry_definition__") if isinstance(target, type) else None
        )
        if isinstance(definition, StrawberryObjectDefinition):
            if definition.is_input:
                msg = f"{definition.name}: cache_control is above an input type; it is only for output types."
                raise TypeError(msg)
            refuse_second_hint(definition.directives or (), f"the type {definition.name}")
            definition.directives = [*(definition.directives or ()), self]
            return target
        raise TypeError(_wrong_place(target))


def refuse_second_hint(directives: Iterable[object], name: str) -> None:
    """Refuse a second hint.

    Raises:
        CacheConfigurationError: If there is a hint already.
    """
    if any(isinstance(directive, CacheControl) for directive in directives):
        msg = f"cache_control is used twice on {name}; merge the two into one."
        raise CacheConfigurationError(msg)


def _annotations_of(owner: type | None) -> list[tuple[str, str]]:
    """Return the annotations of a class without its bases, as text; the names in them need not exist."""
    if owner is None:
        return []
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - new in 3.14

        found = annotationlib.get_annotations(owner, format=annotationlib.Format.STRING)
    else:
        found = inspect.get_annotations(owner)
    return [(name, str(annotation)) for name, annotation in found.items()]


def _without_parentheses(target: object) -> str | None:
    """Return the message for ``@cache_control`` without parentheses; None if it was written with them."""
    above = (
        "class"
        if isinstance(target, type)
        else "field"
        if isinstance(target, StrawberryField) or is_function(target)
        else None
    )
    if above is None:
        return None
    name = getattr(target, "__name__", None) or getattr(target, "python_name", None) or "field"
    below = "type" if above == "class" else "field"
    line = f"class {name}: ..." if above == "class" else f"def {name}(self): ..."
    return (
        "cache_control is written with parentheses, also without a ttl:\n\n"
        f"    @cache_control(ttl=60)\n    @strawberry.{below}\n    {line}"
    )


def _wrong_place(target: object) -> str:
    if isinstance(target, type):
        return (
            f"cache_control must stand above @strawberry.type, not below it:\n\n"
            f"    @cache_control(ttl=60)\n    @strawberry.type\n    class {target.__name__}: ..."
        )
    if callable(target):
        name = getattr(target, "__name__", "field")
        return (
            f"cache_control must stand above @strawberry.field, not below it:\n\n"
            f"    @cache_control(ttl=60)\n    @strawberry.field\n    def {name}(self): ..."
        )
    return (
        f"cache_control cannot be used on a {type(target).__name__}; put it above @strawberry.field, "
        "above @strawberry.type, or into directives=[...]."
    )


def cache_control(
    ttl: Duration | None = None,
    *,
    scope: CacheScope | None = None,
    inherit: bool = False,
    stale: Duration | None = None,
    tags: Iterable[str] = (),
    vary: Iterable[str] = (),
    key: ParentKey | None = None,
) -> CacheControl:
    """Say how long, and for whom, a field or a type is cached.

    Put it above ``@strawberry.field``, above ``@strawberry.type`` or ``@strawberry.interface``, or into
    ``directives=[...]`` of a field, type, interface or union. The lowest ttl and the strictest scope of the
    selected fields count for an operation.

    Args:
        ttl: How long it is fresh, in seconds or as a timedelta. 0 forbids caching. None, the default, takes
            the ttl of the type that the field returns. Fractions count; the SDL shows whole seconds.
        scope: `CacheScope.PRIVATE` if the data belongs to the session. `CacheScope.PUBLIC` lets all sessions
            of a tenant share a field with permission classes, or below a PRIVATE field. None, the default,
            takes the scope of the other hints, and is PUBLIC without any.
        inherit: Whether a field with a resolver of its own takes the ttl of its parent. On a type: whether
            fields that return it and have no ttl of their own do so. A field with a resolver of its own still
            needs a hint, which may be without a ttl. False by default.
        stale: How long after the ttl the old response may be served while one request refreshes it, in
            seconds or as a timedelta. None, the default, is 0.
        tags: Tags by which `ResponseCache.invalidate` invalidates responses with this field. In a field's
            tags, ``{args.name}`` is replaced by an argument, by its Python name, and ``{parent.attr}`` by
            an attribute of the parent object. A list gives one tag for each element; None gives no tag.
            ``Entry`` or ``[Entry]``, for an object type, adds both tags. There are none by default.
        vary: Names of the extension's ``vary`` functions on which this field depends. None by default.
        key: What identifies the parent object of a field with an entry of its own: the name of an attribute,
            or a function of the parent that returns JSON or a UUID. None, the default, takes its id. The key
            must cover everything that the field depends on. In ``ledger(asOf: ...) { account { balance } }``
            the id of the account is not enough, because the balance also depends on ``asOf``.

    Returns:
        The decorator, which is also a schema directive.

    Raises:
        CacheConfigurationError: If a duration is not valid, ``ttl`` or ``key`` is given with ``inherit``,
            ``scope`` is not a `CacheScope`, or a tag is empty, too long or has a placeholder of another
            kind.
        TypeError: If ``tags`` or ``vary`` is a bare string, or if the decorator is below
            ``@strawberry.field`` or ``@strawberry.type``, has no parentheses, or is used as a default.

    Source: the hints follow Apollo Server's ``@cacheControl``,
    https://www.apollographql.com/docs/apollo-server/performance/caching; ``stale`` is
    ``stale-while-revalidate`` of RFC 5861.

    Example:
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def motto(self) -> str:
        ...         return "Nothing is cached until a hint says so."
        >>> print(strawberry.Schema(Query).as_str().splitlines()[-2])
          motto: String! @cacheControl(maxAge: 60)
    """
    if (advice := _without_parentheses(ttl)) is not None:
        raise TypeError(advice)
    if inherit and ttl is not None:
        msg = "cache_control takes either ttl or inherit=True, which takes the parent's ttl."
        raise CacheConfigurationError(msg)
    if scope is not None and not isinstance(scope, CacheScope):
        msg = f"scope is a {type(scope).__name__}; write CacheScope.PUBLIC or CacheScope.PRIVATE."
        raise CacheConfigurationError(msg)
    checked_ttl = None if ttl is None else seconds(ttl, "ttl")
    checked_stale = None if stale is None else seconds(stale, "stale")
    if key is not None and inherit:
        msg = "key is for a field with an entry of its own; with inherit=True it is part of its parent."
        raise CacheConfigurationError(msg)
    templates = Template.all(checked_tags(tags), ("args", "parent"))
    hint = Hint(
        checked_ttl,
        scope,
        bool(inherit),
        checked_stale,
        tuple(each.text for each in templates if not each.placeholders),
        checked_strings(vary, "vary", VARY_EXAMPLE),
        tuple(each for each in templates if each.placeholders),
        key,
        None if key is None else _name_of_parent_key(key),
    )
    printed: dict[str, Any] = {}
    if checked_ttl is not None:
        printed["max_age"] = int(checked_ttl)
    if scope is not None:
        printed["scope"] = scope
    if inherit:
        printed["inherit_max_age"] = True
    return CacheControl(hint=hint, **printed)


def _name_of_parent_key(key: ParentKey) -> str:
    """Return the name of a key, which is the same in every process.

    Raises:
        CacheConfigurationError: If it is neither the name of an attribute nor a plain function.
    """
    if isinstance(key, str) and key.isidentifier():
        return key
    if not callable(key):
        msg = (
            f"key is a {type(key).__name__} that is not the name of an attribute; write a name, such as "
            'key="id", or a function of the parent.'
        )
        raise CacheConfigurationError(msg)
    if inspect.iscoroutinefunction(key):
        msg = "key is an async function; pass a plain function, which reads what the parent holds already."
        raise CacheConfigurationError(msg)
    return f"{getattr(key, '__module__', '')}:{getattr(key, '__qualname__', '')}"


def hint_of(directives: Iterable[object] | None, name: str) -> Hint | None:
    """Return the hint among schema directives; None if there is none.

    Raises:
        CacheConfigurationError: If there are two, or ``cache_control`` has no parentheses.
    """
    if any(d is cache_control or d is CacheControl for d in directives or ()):
        msg = f"{name}: cache_control is written with parentheses: directives=[cache_control(ttl=60)]."
        raise CacheConfigurationError(msg)
    hints = [d.hint for d in directives or () if isinstance(d, CacheControl)]
    if len(hints) > 1:
        msg = f"cache_control is used twice on {name}; merge the two into one."
        raise CacheConfigurationError(msg)
    return hints[0] if hints else None
