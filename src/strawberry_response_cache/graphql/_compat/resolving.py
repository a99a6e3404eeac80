"""The arguments of a field's resolver, and the decision of the field's permission classes."""

from collections.abc import Callable, Iterable
from functools import partial, reduce, wraps
from inspect import getattr_static
from itertools import dropwhile
from typing import Any, Final, TypeAlias

from graphql import GraphQLField, GraphQLResolveInfo, GraphQLSchema, is_object_type
from strawberry.extensions.field_extension import (
    FieldExtension,
    SyncToAsyncExtension,
    build_field_extension_resolvers,
)
from strawberry.field_extensions import InputMutationExtension
from strawberry.permission import PermissionExtension
from strawberry.schema import Schema
from strawberry.schema.schema_converter import get_arguments
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql._compat.django_fields import asks_permission
from strawberry_response_cache.graphql._compat.known_code import is_known
from strawberry_response_cache.graphql._compat.private_names import raw_info_of
from strawberry_response_cache.graphql._guard import resolver_guard

_ALLOWED: Final = object()
_WATCHED: Final = "_response_cache_watched"
_MAKERS: Final = frozenset(
    {
        "strawberry.schema.schema_converter",
        "strawberry.federation.schema",
        "strawberry.schema.schema",
    }
)
"""The modules of Strawberry that create resolvers of executable schemas."""
_TRACERS: Final = frozenset({"newrelic.common.object_wrapper.FunctionWrapper"})
"""The classes of objects that packages put around the resolvers of an executable schema."""
_TRACES: Final = frozenset({"newrelic.hooks.framework_graphql.wrap_resolver"})
"""The functions that such an object runs around the resolver; they return the resolver's value."""
_BASIC: Final = "_get_basic_result"
"""Strawberry's name for the resolver of a plain attribute."""
_FETCHING: Final = ("get_result", "base_resolver", "__getattribute__")
"""The attributes of a field that Strawberry uses to fetch a value."""
_MAKING: Final = ("__new__", "__init__", "__post_init__", "__setattr__", "_raw_info", "_field")
"""The methods that run when an `info` is created: it is a dataclass with two fields."""


class Resolving:
    """Makes the arguments of a field's resolver, and runs its permission classes, without the resolver."""

    def __init__(self, schema: Schema) -> None:
        self._config = schema.config
        self._scalars = schema.schema_converter.scalar_registry

    def arguments(
        self, raw: GraphQLResolveInfo[Any], source: object, coerced: dict[str, Any]
    ) -> dict[str, Any]:
        """Return a field's arguments as its resolver receives them, by their Python names."""
        field = _field_of(raw)
        return self._keywords(field, self._info(field, raw), source, coerced)

    def check(
        self,
        raw: GraphQLResolveInfo[Any],
        source: object,
        coerced: dict[str, Any],
    ) -> Callable[[], Any]:
        """Return a function that runs a field's permission classes, without the resolver.

        It returns an answer for `is_allowed`, or an awaitable of one, and raises their errors.

        Args:
            raw: The ``info`` of graphql-core of a field for which `stands_outside_guards` is None.
            source: The parent object.
            coerced: Its arguments as graphql-core coerced them.
        """
        field = _field_of(raw)
        info = self._info(field, raw)
        guards = _from_the_first_guard(field)
        is_async = getattr(guards[0], "__name__", "") == "resolve_async"
        innermost = _allow_async if is_async else _allow
        called: Any = reduce(lambda inner, outer: partial(outer, inner), guards, innermost)
        return partial(called, source, info, **self._keywords(field, info, source, coerced))

    def _info(self, field: StrawberryField, raw: GraphQLResolveInfo[Any]) -> Info:
        return self._config.info_class(_raw_info=raw, _field=field)

    def _keywords(
        self, field: StrawberryField, info: Info, source: object, coerced: dict[str, Any]
    ) -> dict[str, Any]:
        _, keywords = get_arguments(
            field=field,
            source=source,
            info=info,
            kwargs=coerced,
            config=self._config,
            scalar_registry=self._scalars,
        )
        keywords.pop("info", None)
        return keywords


def unpacks_input(field: object) -> bool:
    """Whether a resolver gets the fields of its argument ``input``, as with `InputMutationExtension`."""
    return any(type(each) is InputMutationExtension for each in _mapping(field))


def maps_arguments(field: object) -> bool:
    """Whether an extension of the user's own has `map_arguments`, which changes a field's arguments."""
    return any(type(each) is not InputMutationExtension for each in _mapping(field))


def _mapping(field: object) -> list[FieldExtension]:
    return [
        each
        for each in getattr(field, "extensions", ())
        if _differs(type(each), FieldExtension, ("map_arguments",))
    ]


def _field_of(raw: GraphQLResolveInfo[Any]) -> StrawberryField:
    definition = definition_of(raw.parent_type.fields[raw.field_name])
    if not isinstance(definition, StrawberryField):
        raise TypeError
    return definition


def _allow(*_: object, **__: object) -> object:
    """Take the place of a resolver; return the answer that `is_allowed` knows."""
    return _ALLOWED


async def _allow_async(*_: object, **__: object) -> object:
    """Take the place of an async resolver; return the answer that `is_allowed` knows."""
    return _ALLOWED


def is_guard(extension: object) -> bool:
    """Whether a field extension decides who may see a field: Strawberry's, or one of strawberry-django."""
    return isinstance(extension, PermissionExtension) or asks_permission(extension)


def stands_outside_guards(field: StrawberryField) -> type | None:
    """Return the class of the extension that runs outside a field's permission classes; None if they are outermost.

    What such an extension passes to the permission classes, and what it does with their answer, is known only
    when it is called. So the permission classes cannot be asked without it.
    """
    for hook in _from_the_first_guard(field):
        extension: Any = getattr(hook, "__self__", None)
        function = getattr(hook, "__func__", None)
        is_guard = function in _CHECKS or asks_permission(extension)
        if not is_guard and type(extension) is not SyncToAsyncExtension:
            return type(hook if extension is None else extension)
    return None


def _from_the_first_guard(field: StrawberryField) -> list[Callable[..., Any]]:
    """Return the hooks of a guarded field, from the innermost that may ask permission classes to the outermost."""
    chain = build_field_extension_resolvers(field)  # the innermost first
    return [*dropwhile(_asks_nobody, chain)]


def _asks_nobody(hook: object) -> bool:
    """Whether a hook is known to be that of an extension without permission classes."""
    extension = getattr(hook, "__self__", None)
    return isinstance(extension, FieldExtension) and not is_guard(extension)


_CHECKS: Final = (PermissionExtension.resolve, PermissionExtension.resolve_async)
"""The hooks that ask permission classes. A subclass may have other hooks, so those count as unknown code."""


def is_allowed(answer: object) -> bool:
    """Whether an answer of `Resolving.check` means that the resolver would have been called."""
    return answer is _ALLOWED


def overrides_get_result(field: StrawberryField) -> bool:
    """Whether a field or its class overrides how Strawberry fetches a value."""
    is_ours = _WATCHED in vars(field)
    own = vars(field).get("get_result")
    if is_ours:
        own = vars(own).get("__wrapped__")
        own = None if getattr(own, "__self__", None) is field else own
    return own is not None or _differs(type(field), StrawberryField, _FETCHING)


def builds_info(graphql_field: GraphQLField) -> bool:
    """Whether Strawberry creates an `info` for each execution of a field; not for plain attributes."""
    resolve = graphql_field.resolve
    return resolve is not None and getattr(resolve, "__name__", "") != _BASIC


def runs_when_made(info_class: type[Info]) -> bool:
    """Whether the user's code runs when an `info` is created; properties and methods do not count."""
    return _differs(info_class, Info, _MAKING) or _differs(type(info_class), type, ("__call__",))


def _differs(kind: type, base: type, names: Iterable[str]) -> bool:
    """Whether a class overrides any of the attributes of its base."""
    return kind is not base and any(
        getattr_static(kind, each, None) is not getattr_static(base, each, None) for each in names
    )


def is_strawberrys(graphql_field: GraphQLField) -> bool:
    """Whether a field's resolver is Strawberry's, neither replaced nor wrapped, except by a known tracer."""
    resolve: Any = graphql_field.resolve
    while resolve is not None and (_is_traced(resolve) or hasattr(resolve, _WATCHED)):
        resolve = resolve.__wrapped__
    if resolve is None:
        return True
    is_wrapped = hasattr(resolve, "__wrapped__")
    return not is_wrapped and getattr(resolve, "__module__", None) in _MAKERS


def _is_traced(resolve: Any) -> bool:  # noqa: ANN401 - whatever stands in an executable schema
    """Whether a resolver is an object of a known tracer, which wraps the original resolver.

    New Relic exchanges the resolver of a field when the field is looked up for the first time, which
    validation does, too.
    """
    if not is_known(type(resolve), _TRACERS):
        return False
    return is_known(resolve._self_wrapper, _TRACES)  # noqa: SLF001 - the only name of it


# -- The decisions of permission classes ------------------------------------------------


ResolverWatcher: TypeAlias = Callable[[GraphQLResolveInfo[Any]], None]
"""Called for one execution of a field, with its resolver's `info`."""


def watch_guarded_resolvers(
    schema: GraphQLSchema, *, entered: ResolverWatcher, let_through: ResolverWatcher
) -> None:
    """Watch the executions of fields with permission classes, and the calls of their resolvers.

    A refusal that returns a value looks like any other value. So one function is called before the permission
    classes run, and another when they let the resolver be called.

    Args:
        schema: The executable schema.
        entered: Called before the permission classes run.
        let_through: Called when the resolver is called.
    """
    for named in schema.type_map.values():
        if not is_object_type(named):
            continue
        for graphql_field in named.fields.values():
            field = definition_of(graphql_field)
            if any(map(is_guard, getattr(field, "extensions", ()))):
                _watch(graphql_field, field, entered, let_through)


def _watch(
    graphql_field: GraphQLField,
    field: StrawberryField,
    entered: ResolverWatcher,
    let_through: ResolverWatcher,
) -> None:
    # Inside of tracers, which would otherwise wrap the resolver once more.
    holder: Any = graphql_field
    name, resolve = "resolve", holder.resolve
    while resolve is not None and _is_traced(resolve):
        holder, name, resolve = resolve, "__wrapped__", resolve.__wrapped__
    if resolve is None or hasattr(resolve, _WATCHED):
        return

    # It keeps the attributes that Strawberry and its extensions read from a resolver.
    @wraps(resolve)
    def told(source: Any, info: GraphQLResolveInfo[Any], /, **arguments: Any) -> Any:  # noqa: ANN401 - whatever resolvers take and return
        with resolver_guard():
            entered(info)
        return resolve(source, info, **arguments)

    setattr(told, _WATCHED, True)
    setattr(holder, name, told)
    if _WATCHED not in vars(field):
        # On this field object: Strawberry's copies of a field do not have it.
        get_result = field.get_result
        vars(field)["get_result"] = _telling(get_result, let_through)
        vars(field)[_WATCHED] = True


def _telling(get_result: Callable[..., Any], let_through: ResolverWatcher) -> Callable[..., Any]:
    """Return a field's `get_result` that reports that the permission classes let the call through."""

    @wraps(get_result)
    def told(source: Any, info: Info | None, *more: Any, **how: Any) -> Any:  # noqa: ANN401 - as in Strawberry
        if info is not None:
            with resolver_guard():
                let_through(raw_info_of(info))
        return get_result(source, info, *more, **how)

    return told
