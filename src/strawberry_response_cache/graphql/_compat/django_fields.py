"""What the fields and types of strawberry-django do, known by their exact names; the package is not imported.

Written for strawberry-graphql-django 0.93: https://strawberry.rocks/docs/django
"""

import re
import sys
from collections.abc import Iterable, Iterator
from inspect import getattr_static, signature
from types import FunctionType
from typing import Any, Final, NamedTuple

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_input_object_type,
    is_object_type,
)

from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql._compat.definitions import definition_of
from strawberry_response_cache.graphql._compat.known_code import is_known, qualified_name

_FIELD: Final = frozenset({"strawberry_django.fields.field.StrawberryDjangoField"})
_CONNECTION: Final = "strawberry_django.fields.field.StrawberryDjangoConnectionExtension"
_EXTENSIONS: Final = frozenset(
    {_CONNECTION, "strawberry_django.fields.field.StrawberryOffsetPaginatedExtension"}
)
"""Field extensions that return a page of the resolver's rows."""
_RESOLVERS: Final = frozenset(
    {
        f"{_CONNECTION}.apply.<locals>.default_resolver",
        "strawberry_django.pagination.OffsetPaginated.page_info",
        "strawberry_django.pagination.OffsetPaginated.results",
        "strawberry_django.pagination.OffsetPaginated.total_count",
        "strawberry_django.relay.cursor_connection.DjangoCursorConnection.total_count",
        "strawberry_django.relay.list_connection.DjangoListConnection.total_count",
    }
)
"""Resolvers that only read their parent."""
_CURRENT_USER: Final = "strawberry_django.auth.queries.resolve_current_user"
_IS_TYPE_OF: Final = "strawberry_django.type._process_type.<locals>.is_type_of"
_RESOLVE_ID: Final = frozenset({"strawberry_django.relay.utils.resolve_model_id"})
_ASKING_THE_USER: Final = frozenset(
    f"strawberry_django.permissions.{name}"
    for name in ("IsAuthenticated", "IsStaff", "IsSuperuser")
)
"""Permission extensions that check only the user."""
_ASKING_A_TARGET: Final = frozenset(
    f"strawberry_django.permissions.{name}"
    for name in ("HasPerm", "HasSourcePerm", "HasRetvalPerm")
)
"""Permission extensions that check what their ``target`` names: the user, the parent, or the value."""
_BEFORE_THE_VALUE: Final = frozenset({"GLOBAL", "SOURCE"})
_PROPERTY: Final = frozenset({"strawberry_django.descriptors.ModelProperty"})
_PAGES: Final = frozenset(
    {"strawberry.relay.types.Connection", "strawberry_django.pagination.OffsetPaginated"}
)
"""Classes whose methods make a page of rows."""
_LIBRARIES: Final = frozenset({"strawberry", "strawberry_django", "builtins", "typing", "abc"})
_LIMITS: Final = ("PAGINATION_DEFAULT_LIMIT", "PAGINATION_MAX_LIMIT")
_ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+")
_LISTED: Final = ("edges", "node"), ("results",)
"""The paths of fields from a page to its objects."""


def is_django_field(field: object) -> bool:
    """Whether a field is strawberry-django's own: no subclass, and its ``get_queryset`` is not replaced."""
    return is_known(type(field), _FIELD) and "get_queryset" not in vars(field)


def reads_its_parent(graphql_field: GraphQLField, field: Any) -> bool:  # noqa: ANN401 - strawberry-django's own
    """Whether a field of strawberry-django only reads its parent: a column, a relation, a lookup, a page.

    A method of the user's own may read ``info``, so a field that uses one counts as one with a resolver. Such a
    method is one of a filter, an order or a class of pages, or it makes an annotation or a prefetch.
    """
    if field.base_resolver is not None and not is_library_resolver(field):
        return False
    if _asks_per_request(field.store) or _asks_per_request(_property_of(field)):
        return False
    if _is_own_page(get_named_type(graphql_field.type)):
        return False
    return not any(
        _has_own_method(get_named_type(argument.type), set())
        for argument in graphql_field.args.values()
    )


def is_library_resolver(field: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a field's resolver is one of the library's that only read their parent."""
    return _name_of_function(getattr(field.base_resolver, "wrapped_func", None)) in _RESOLVERS


def _asks_per_request(store: Any) -> bool:  # noqa: ANN401 - hints for the optimizer
    """Whether hints for the optimizer hold functions of the user's own, which the optimizer calls with ``info``."""
    return any(_functions_in(store))


def _functions_in(store: Any) -> Iterator[object]:  # noqa: ANN401 - as above
    if store is not None:
        yield from filter(callable, (*store.prefetch_related, *store.annotate.values()))


def _property_of(field: Any) -> Any:  # noqa: ANN401 - strawberry-django's own
    """Return the hints of the ``model_property`` that a field reads; None if it reads none."""
    definition = field.origin_django_type
    if definition is None:
        return None
    found = getattr_static(definition.model, field.python_name, None)
    return found.store if is_known(type(found), _PROPERTY) else None


def _is_own_page(named: GraphQLNamedType) -> bool:
    """Whether a class of connections or pages overrides a method with which the library makes the page."""
    definition = definition_of(named)
    kinds = getattr(getattr(definition, "origin", None), "__mro__", ())
    if not any(qualified_name(kind) in _PAGES for kind in kinds):
        return False
    fields = {field.python_name for field in getattr(definition, "fields", ())}
    own = [kind for kind in kinds if kind.__module__.partition(".")[0] not in _LIBRARIES]
    librarys = {name for kind in kinds if kind not in own for name in vars(kind)}
    return any(
        name in librarys and name not in fields and not name.startswith("__")
        for kind in own
        for name, value in vars(kind).items()
        if isinstance(value, classmethod | staticmethod | property) or callable(value)
    )


def _has_own_method(named: GraphQLNamedType, seen: set[str]) -> bool:
    """Whether an input type, or one within it, has a method of the user's own."""
    if not is_input_object_type(named) or named.name in seen:
        return False
    seen.add(named.name)
    return any(methods_of_input(named)) or any(
        _has_own_method(get_named_type(each.type), seen) for each in named.fields.values()
    )


def methods_of_input(named: GraphQLNamedType) -> Iterator[tuple[str, object]]:
    """Yield the methods of the user's own of a filter or an order, each with its name."""
    definition = definition_of(named)
    origin = getattr(definition, "origin", None)
    for field in getattr(definition, "fields", ()):
        own = getattr(field, "filter_order_resolver", None)
        if own is not None:
            yield field.python_name, own.wrapped_func
    for name in dir(origin):
        if name in {"filter", "order"} or name.startswith(("filter_", "order_")):
            found = getattr_static(origin, name)
            if callable(found):
                yield name, getattr(found, "wrapped_func", found)


def functions_with_info(graphql_field: GraphQLField) -> Iterator[str]:
    """Yield the names of the user's own functions by which a field chooses rows, and which receive ``info``.

    They are methods of its filters and orders, and functions among its hints for the optimizer.
    """
    field: Any = definition_of(graphql_field)
    if not is_django_field(field):
        return
    yield from (_own_name(each) for each in _functions_in(field.store))
    seen: set[str] = set()
    waiting = [get_named_type(each.type) for each in graphql_field.args.values()]
    while waiting:
        named = waiting.pop()
        if not is_input_object_type(named) or named.name in seen:
            continue
        seen.add(named.name)
        waiting += [get_named_type(each.type) for each in named.fields.values()]
        for name, function in methods_of_input(named):
            if "info" in _parameters(function):
                yield f"{named.name}.{name}"


def _parameters(function: Any) -> Iterable[str]:  # noqa: ANN401 - of the user
    try:
        return signature(getattr(function, "__func__", function)).parameters
    except (TypeError, ValueError):
        return ()


def _own_name(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def functions_of_hints(graphql_field: GraphQLField) -> Iterator[object]:
    """Yield the functions of the user's own among a field's hints for the optimizer, and its type's."""
    for store in _stores_of(graphql_field):
        yield from _functions_in(store)


def annotations_of(graphql_field: GraphQLField) -> Iterator[list[str]]:
    """Yield the annotations in the hints of a field and its type that are no functions, each with its name."""
    for store in _stores_of(graphql_field):
        for name, expression in getattr(store, "annotate", {}).items():
            if not callable(expression):
                yield [str(name), _text_of(expression)]


def _stores_of(graphql_field: GraphQLField) -> Iterator[Any]:
    """Yield the hints of a field, of the property that it reads, and of the type that it returns."""
    field: Any = definition_of(graphql_field)
    if is_django_field(field):
        yield field.store
        yield _property_of(field)
    origin = getattr(definition_of(get_named_type(graphql_field.type)), "origin", None)
    own: Any = getattr(origin, "__strawberry_django_definition__", None)
    yield getattr(own, "store", None)


def _text_of(expression: Any) -> str:  # noqa: ANN401 - of Django
    """Return a text of an expression that is the same in every process.

    It names only the class of a query set, because its text would query the database.
    """
    kind = type(expression)
    is_shown = hasattr(kind, "resolve_expression") and not hasattr(kind, "iterator")
    written = called(repr, expression) if is_shown else Raised(TypeError())
    return qualified_name(kind) if type(written) is Raised else _ADDRESS.sub("", str(written))


def limits_of_pages(field: object) -> list[Any]:
    """Return the limits of pages in the project's settings, for a field of strawberry-django; empty for others."""
    settings: Any = getattr(
        sys.modules.get("strawberry_django.settings"), "strawberry_django_settings", None
    )
    if settings is None or not is_django_field(field):
        return []
    found: dict[str, Any] = settings()
    return [found.get(name) for name in _LIMITS]


def chooses_rows(named: GraphQLNamedType) -> bool:
    """Whether a type chooses its rows, or what is in them, for each request.

    It does so with a ``get_queryset`` of the user's own, or with functions among its hints for the optimizer.
    """
    origin: Any = getattr(definition_of(named), "origin", None)
    own = getattr(origin, "__strawberry_django_definition__", None)
    return own is not None and (
        getattr(origin, "get_queryset", None) is not None or _asks_per_request(own.store)
    )


def model_of(named: GraphQLNamedType) -> Any:  # noqa: ANN401 - a class of Django
    """Return the model of an object type, a filter or an order; None for other types."""
    origin = getattr(definition_of(named), "origin", None)
    return getattr(getattr(origin, "__strawberry_django_definition__", None), "model", None)


def types_of_same_rows(schema: GraphQLSchema) -> dict[str, tuple[GraphQLObjectType, ...]]:
    """Return, for the name of each type of a model, the other types that show the same rows.

    They are of the same model, of a proxy of it, or of a model that inherits its table.
    """
    models = {
        named: model
        for named in schema.type_map.values()
        if is_object_type(named) and (model := model_of(named)) is not None
    }
    return {
        named.name: others
        for named, model in models.items()
        if (
            others := tuple(
                other
                for other, others_model in models.items()
                if other is not named and share_rows(model, others_model)
            )
        )
    }


def share_rows(model: Any, other: Any) -> bool:  # noqa: ANN401 - classes of Django
    """Whether rows of a model are rows of another, or parts of them: by inheritance, or as proxies."""
    concrete = [each._meta.concrete_model or each for each in (model, other)]  # noqa: SLF001 - Django's public name
    return issubclass(concrete[0], concrete[1]) or issubclass(concrete[1], concrete[0])


class Reads(NamedTuple):
    """What a field of a model's type, or the type itself, says that it reads.

    Attributes:
        lookup: The lookup of its value, such as ``author__name``; None if it has none.
        hints: The lookups of its hints: ``only``, ``select_related`` and ``prefetch_related``.
        expressions: The expressions of its ``annotate``, and the query sets of its ``prefetch_related``.
    """

    lookup: str | None
    hints: list[str]
    expressions: list[Any]


def reads_of(graphql_field: GraphQLField, model: object) -> Reads:
    """Return what a field says that it reads."""
    field: Any = definition_of(graphql_field)
    attribute = getattr_static(model, getattr(field, "python_name", None) or "", None)
    return _reads(getattr(field, "django_name", None), [field, attribute])


def reads_of_type(named: GraphQLNamedType) -> Reads:
    """Return what a type says that all its objects read: ``@strawberry_django.type(Author, annotate=...)``."""
    origin = getattr(definition_of(named), "origin", None)
    return _reads(None, [getattr(origin, "__strawberry_django_definition__", None)])


def _reads(lookup: str | None, hinted: list[Any]) -> Reads:
    hints: list[Any] = []
    expressions: list[Any] = []
    for store in (getattr(each, "store", None) for each in hinted):
        if store is not None:
            hints += [*store.only, *store.select_related]
            hints += [getattr(each, "prefetch_through", each) for each in store.prefetch_related]
            expressions += store.annotate.values()
            expressions += [getattr(each, "queryset", None) for each in store.prefetch_related]
    return Reads(lookup, [each for each in hints if isinstance(each, str)], expressions)


def hands_on(extension: object) -> bool:
    """Whether a field extension is the library's own, and returns the rows of the resolver or checks a permission."""
    return is_known(type(extension), _EXTENSIONS | _ASKING_THE_USER | _ASKING_A_TARGET)


def asks_permission(extension: object) -> bool:
    """Whether a field extension checks a permission before the resolver, only from the user and the parent."""
    kind = type(extension)
    return is_known(kind, _ASKING_THE_USER) or (
        is_known(kind, _ASKING_A_TARGET) and _target_of(extension) in _BEFORE_THE_VALUE
    )


def checks_values(extension: object) -> bool:
    """Whether a field extension checks a permission for what the resolver returned, and may leave parts out."""
    return is_known(type(extension), _ASKING_A_TARGET) and not asks_permission(extension)


def _target_of(extension: object) -> str:
    return str(getattr(getattr(extension, "target", None), "name", ""))


def listed_types(kind: GraphQLObjectType) -> Iterator[GraphQLNamedType]:
    """Yield the types of the objects that a type lists, if it is a connection or an offset pagination.

    Source: https://relay.dev/graphql/connections.htm
    """
    for way in _LISTED:
        reached: Any = kind
        for name in way:
            field = reached.fields.get(name) if is_object_type(reached) else None
            reached = None if field is None else get_named_type(field.type)
        if is_composite_type(reached):
            yield reached


def returns_the_user(field: object) -> bool:
    """Whether a field is the library's ``auth.current_user()``."""
    resolver = getattr(field, "base_resolver", None)
    return _name_of_function(getattr(resolver, "wrapped_func", None)) == _CURRENT_USER


def tells_its_type(function: object) -> bool:
    """Whether an ``is_type_of`` is the library's own, which looks at the class of an object."""
    return _name_of_function(function) == _IS_TYPE_OF


def reads_the_id(function: object) -> bool:
    """Whether a ``resolve_id`` is the library's own, which reads the primary key."""
    return isinstance(function, FunctionType) and is_known(function, _RESOLVE_ID)


def is_query_set(kind: type) -> bool:
    """Whether a class has the iteration of Django's query sets, in which no code runs between the rows."""
    query: Any = sys.modules.get("django.db.models.query")
    return query is not None and all(
        getattr(kind, each, None) is getattr(query.QuerySet, each)
        for each in ("__iter__", "__aiter__")
    )


def _name_of_function(what: object) -> str:
    what = getattr(what, "__func__", what)
    return f"{getattr(what, '__module__', '')}.{getattr(what, '__qualname__', '')}"
