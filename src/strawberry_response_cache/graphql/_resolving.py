"""What a field's resolver is called with, and whether the field's permission classes let it be called."""

from functools import partial, reduce
from typing import Any, Final

from graphql import GraphQLResolveInfo
from strawberry.extensions.field_extension import build_field_extension_resolvers
from strawberry.permission import PermissionExtension
from strawberry.schema import Schema
from strawberry.schema.schema_converter import get_arguments
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from strawberry_response_cache.graphql._definitions import definition_of

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
