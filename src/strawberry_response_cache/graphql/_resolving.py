"""What a field's resolver is called with, and whether the field's permission classes let it be called."""

from collections.abc import Callable
from functools import partial, reduce, wraps
from typing import Any, Final

from graphql import GraphQLField, GraphQLResolveInfo, GraphQLSchema, is_object_type
from strawberry.extensions.field_extension import build_field_extension_resolvers
from strawberry.permission import PermissionExtension
from strawberry.schema import Schema
from strawberry.schema.schema_converter import get_arguments
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from strawberry_response_cache.graphql._definitions import definition_of
from strawberry_response_cache.graphql._guard import faults
from strawberry_response_cache.graphql._recorder import recorder_of

_ALLOWED: Final = object()


class Resolving:
    """Calls what Strawberry calls around a resolver, without the resolver.

    Args:
        schema: The Strawberry schema.
    """

    def __init__(self, schema: Schema) -> None:
        self._config = schema.config
        self._scalars = schema.schema_converter.scalar_registry

    def arguments(
        self, raw: GraphQLResolveInfo[Any], source: object, coerced: dict[str, Any]
    ) -> dict[str, Any]:
        """Return a field's arguments as its resolver sees them, by Python's names.

        Args:
            raw: The field's.
            source: The object that it belongs to.
            coerced: Its arguments as graphql-core has them.
        """
        field = _field_of(raw)
        return self._keywords(field, self._info(field, raw), source, coerced)

    def check(
        self,
        raw: GraphQLResolveInfo[Any],
        source: object,
        coerced: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - an answer for `is_allowed`, or an awaitable of one
        """Run a field's permission classes, and the extensions around them, as its resolver would be.

        Args:
            raw: The field's.
            source: The object that it belongs to.
            coerced: Its arguments as graphql-core has them.

        Raises:
            Exception: What the permission classes raise.
        """
        field = _field_of(raw)
        info = self._info(field, raw)
        chain = build_field_extension_resolvers(field)  # the innermost first
        guards = [
            isinstance(getattr(each, "__self__", None), PermissionExtension) for each in chain
        ]
        first = guards.index(True)
        is_async = getattr(chain[first], "__name__", "") == "resolve_async"
        innermost = _allow_async if is_async else _allow
        called: Any = reduce(lambda inner, outer: partial(outer, inner), chain[first:], innermost)
        return called(source, info, **self._keywords(field, info, source, coerced))

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


def _field_of(raw: GraphQLResolveInfo[Any]) -> StrawberryField:
    definition = definition_of(raw.parent_type.fields[raw.field_name])
    if not isinstance(definition, StrawberryField):
        raise TypeError
    return definition


def _allow(*_: object, **__: object) -> object:
    """Stand where the resolver would."""
    return _ALLOWED


async def _allow_async(*_: object, **__: object) -> object:
    """Stand where an async resolver would."""
    return _ALLOWED


def is_allowed(answer: object) -> bool:
    """Whether what `Resolving.check` answered means that the resolver would have been called."""
    return answer is _ALLOWED


# -- Whether permission classes let a resolver be called ------------------------------------------------

_WATCHED: Final = "_response_cache_watched"


def watch_guarded_resolvers(schema: GraphQLSchema) -> None:
    """Count, for each field with permission classes, its executions and the calls of its resolver.

    A refusal that returns a value looks like any other value. So each execution is counted before the
    permission classes run, and once more where they let the resolver be called.
    """
    for named in schema.type_map.values():
        if not is_object_type(named):
            continue
        for graphql_field in named.fields.values():
            field = definition_of(graphql_field)
            extensions = getattr(field, "extensions", ())
            if any(isinstance(each, PermissionExtension) for each in extensions):
                _watch(graphql_field, field)


def _watch(graphql_field: GraphQLField, field: StrawberryField) -> None:
    resolve: Any = graphql_field.resolve
    if resolve is None or hasattr(resolve, _WATCHED):
        return

    # It keeps the attributes by which Strawberry and its extensions know a resolver.
    @wraps(resolve)
    def counted(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:  # noqa: ANN401 - whatever resolvers take and return
        try:
            if (recorder := recorder_of(info)) is not None:
                recorder.guarded += 1
        except Exception as error:  # noqa: BLE001 - nothing that is generated now is stored
            faults.note_elsewhere(error)
        return resolve(source, info, **arguments)

    setattr(counted, _WATCHED, True)
    graphql_field.resolve = counted
    if _WATCHED not in vars(field):
        # Of this one field: Strawberry makes copies of a field anew, without it.
        vars(field)["get_result"] = _letting_through(type(field).get_result.__get__(field))
        vars(field)[_WATCHED] = True


def _letting_through(get_result: Callable[..., Any]) -> Callable[..., Any]:
    """Return a field's `get_result`, which notes that the permission classes let the call through."""

    @wraps(get_result)
    def let_through(source: Any, info: Info | None, *more: Any, **how: Any) -> Any:  # noqa: ANN401 - as in Strawberry
        try:
            recorder = None if info is None else recorder_of(info._raw_info)  # noqa: SLF001 - Strawberry's name for it
            if recorder is not None:
                recorder.let_through += 1
        except Exception as error:  # noqa: BLE001 - nothing that is generated now is stored
            faults.note_elsewhere(error)
        return get_result(source, info, *more, **how)

    return let_through
