"""A refusal is seen, and code that may decide per request is found."""

from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
import strawberry
from graphql.execution import MiddlewareManager
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from strawberry_response_cache.graphql._adoption import setting_of
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql.policy.reasons import Reason
from strawberry_response_cache.graphql.policy.resolver_kind import ResolverKind

user: ContextVar[str] = ContextVar("user", default="guest")


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def open(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def secret(self) -> str:
        return "for staff"


def said(result: Any) -> Any:
    return result.data, [e.message for e in result.errors or ()]


class Retrying(FieldExtension):
    """Calls the resolver once more, as a retry does; it is trusted."""

    def resolve(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
        next_(source, info, **kwargs)
        return next_(source, info, **kwargs)


class Staff(BasePermission):
    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return bool(info.context["user"] == "staff")

    def on_unauthorized(self) -> Any:
        return "REDACTED"


class Anybody(BasePermission):
    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return True


@strawberry.type
class Document:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field(permission_classes=[Staff])  # type: ignore[untyped-decorator] # Strawberry's
    def secret(self) -> str:
        return "secret"

    @cache_control(inherit=True)
    @strawberry.field(extensions=[Retrying(), PermissionExtension([Anybody()])])  # type: ignore[untyped-decorator] # Strawberry's
    def flaky(self) -> str:
        return "flaky"


@strawberry.type
class Documents:
    @cache_control(ttl=60)
    @strawberry.field
    def document(self) -> Document:
        return Document(id=strawberry.ID("1"))


def test_a_response_with_a_refusal_is_not_stored_although_a_resolver_ran_twice(
    memory_cache: ResponseCache,
) -> None:
    """The counts of executions and of calls agree: one refused, and another was called twice."""
    ours = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda _: "one", trusted_extensions=[Retrying]
    )
    schema = strawberry.Schema(Documents, extensions=[ours])
    query = "{ document { secret flaky } }"
    schema.execute_sync(query, context_value={"user": "guest"})
    result = schema.execute_sync(query, context_value={"user": "staff"})
    assert result.data == {"document": {"secret": "secret", "flaky": "flaky"}}


class Hiding(MiddlewareManager):
    def get_field_resolver(self, field_resolver: Any) -> Any:
        inner = super().get_field_resolver(field_resolver)

        def resolve(source: Any, info: Any, **kwargs: Any) -> Any:
            value = inner(source, info, **kwargs)
            return value if info.context["user"] == "staff" else "hidden"

        return resolve


class HidingSchema(strawberry.Schema):
    def _get_middleware_manager(self, extensions: Any) -> Any:
        return Hiding(*super()._get_middleware_manager(extensions).middlewares)


def test_a_custom_middleware_manager_is_custom_code(memory_cache: ResponseCache) -> None:
    schema = HidingSchema(Query, extensions=[ResponseCacheExtension(memory_cache, tenant=None)])
    schema.execute_sync("{ secret }", context_value={"user": "staff"})
    result = schema.execute_sync("{ secret }", context_value={"user": "guest"})
    assert result.data == {"secret": "hidden"}


def test_a_resolver_exchanged_in_the_executable_schema_is_custom_code(
    memory_cache: ResponseCache,
) -> None:
    schema = strawberry.Schema(
        Query, extensions=[ResponseCacheExtension(memory_cache, tenant=None)]
    )
    field = executable_of(schema).query_type.fields["secret"]  # type: ignore[union-attr]
    resolve: Any = field.resolve
    field.resolve = lambda source, info, **more: (
        resolve(source, info, **more) if info.context["user"] == "staff" else "hidden"
    )
    schema.execute_sync("{ secret }", context_value={"user": "staff"})
    result = schema.execute_sync("{ secret }", context_value={"user": "guest"})
    assert result.data == {"secret": "hidden"}


def _instance_level() -> tuple[Any, Any]:
    def name() -> str:
        return "of the resolver"

    field: Any = strawberry.field(name, permission_classes=[Anybody])
    field.get_result = lambda source, info, args, kwargs: info.context["user"]

    @strawberry.type(name="Query")
    class Own:
        x: str = field

        @cache_control(ttl=60)
        @strawberry.field
        def y(self) -> int:
            return 1

    return Own, strawberry.Schema(Own)


def test_a_get_result_replaced_on_one_field_object_is_called(memory_cache: ResponseCache) -> None:
    """Both in the schema with the extension and in the other schema of the same types."""
    own, plain = _instance_level()
    cached = strawberry.Schema(own, extensions=[ResponseCacheExtension(memory_cache, tenant=None)])
    context = {"user": "alice"}
    assert plain.execute_sync("{ x }", context_value=context).data == {"x": "alice"}
    assert cached.execute_sync("{ x }", context_value=context).data == {"x": "alice"}
    assert plain.execute_sync("{ x }", context_value=context).data == {"x": "alice"}


# -- Code around a field that stands in no extension ---------------------------------------------------


def guarded(who: str) -> None:
    if who != "staff":
        msg = "log in first"
        raise PermissionError(msg)


class InitInfo(strawberry.Info):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        guarded(user.get())
        super().__init__(*arguments, **named)


class NewInfo(strawberry.Info):
    def __new__(cls, *_: Any, **__: Any) -> Any:
        guarded(user.get())
        return super().__new__(cls)


@dataclass
class PostInitInfo(strawberry.Info):
    def __post_init__(self) -> None:
        guarded(user.get())


class AssigningInfo(strawberry.Info):
    def __setattr__(self, name: str, value: object) -> None:
        guarded(user.get())
        super().__setattr__(name, value)


class PropertyInfo(strawberry.Info):
    @property
    def _field(self) -> Any:
        return vars(self)["field"]

    @_field.setter
    def _field(self, value: Any) -> None:
        guarded(user.get())
        vars(self)["field"] = value


class Making(type):
    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        guarded(user.get())
        return super().__call__(*arguments, **named)


class MadeInfo(strawberry.Info, metaclass=Making):
    pass


class FurtherInfo(InitInfo):
    """Inherits it."""


@strawberry.type(name="Query")
class Mottos:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self) -> str:
        return "for staff"

    @cache_control(ttl=60)
    @strawberry.field
    def document(self) -> "Lettered":
        return Lettered(plain="plain", secret="secret")


@strawberry.type
class Lettered:
    plain: str
    secret: str = strawberry.field(
        permission_classes=[Anybody], directives=[cache_control(inherit=True)]
    )


def told(schema: strawberry.Schema, query: str, who: str) -> Any:
    token = user.set(who)
    try:
        return said(schema.execute_sync(query, context_value={"user": who}))
    finally:
        user.reset(token)


INFOS = [
    InitInfo,
    NewInfo,
    PostInitInfo,
    AssigningInfo,
    PropertyInfo,
    MadeInfo,
    FurtherInfo,
]


@pytest.mark.parametrize(
    "query", ["{ motto }", "{ document { plain } }", "{ document { secret } }"]
)
@pytest.mark.parametrize("info_class", INFOS)
def test_an_info_class_whose_code_runs_when_it_is_made_is_custom_code(
    memory_cache: ResponseCache, info_class: type[strawberry.Info], query: str
) -> None:
    config = StrawberryConfig(info_class=info_class)
    ours = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda context: context["user"], debug=True
    )
    cached = strawberry.Schema(Mottos, extensions=[ours], config=config)
    plain = strawberry.Schema(Mottos, config=config)
    for who in ("staff", "guest", "staff", "guest"):
        assert told(cached, query, who) == told(plain, query, who), who
    explained = explain(cached, query)
    assert (explained.reason, explained.cacheable) == (Reason.CUSTOM_CODE, False)
    assert info_class.__qualname__ in explained.advice


def test_an_info_class_that_is_trusted_or_only_adds_names_is_not_custom_code(
    memory_cache: ResponseCache,
) -> None:
    class TypedInfo(strawberry.Info[dict[str, str], None]):
        label = "ours"

        @property
        def who(self) -> str:
            return self.context["user"]

        @cached_property
        def upper(self) -> str:
            return self.who.upper()

        @classmethod
        def of(cls) -> None:
            raise AssertionError

    def explained(info_class: type[strawberry.Info], **options: Any) -> Any:
        ours = ResponseCacheExtension(memory_cache, tenant=None, **options)
        config = StrawberryConfig(info_class=info_class)
        return explain(strawberry.Schema(Mottos, extensions=[ours], config=config), "{ motto }")

    assert explained(TypedInfo).cacheable
    assert explained(InitInfo, trusted_extensions=[InitInfo]).cacheable
    further = explained(FurtherInfo, trusted_extensions=[InitInfo])
    assert further.reason is Reason.CUSTOM_CODE, "the exact class counts"


def test_a_field_that_takes_no_info_is_an_attribute_whatever_the_info_class(
    memory_cache: ResponseCache,
) -> None:
    schema = strawberry.Schema(Mottos, config=StrawberryConfig(info_class=InitInfo))
    rules = setting_of(schema, None).rules
    kinds = {rule.coordinate: rule.source for rule in rules.fields()}
    assert kinds["Lettered.plain"] is ResolverKind.ATTRIBUTE
    assert kinds["Lettered.secret"] is ResolverKind.CUSTOM


class StaffResolver(StrawberryResolver[Any]):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        guarded(user.get())
        return super().__call__(*arguments, **named)


class FurtherResolver(StaffResolver):
    pass


def schema_of_field(field: Any, cache: ResponseCache | None, **options: Any) -> strawberry.Schema:
    kind = strawberry.type(type("Query", (), {"motto": cache_control(ttl=60)(field)}))
    ours = [] if cache is None else [ResponseCacheExtension(cache, tenant=None, **options)]
    return strawberry.Schema(kind, extensions=ours)


def motto() -> str:
    return "for staff"


def resolved_by(kind: type[StrawberryResolver[Any]]) -> StrawberryField:
    return StrawberryField(python_name="motto", base_resolver=kind(motto))


def test_a_custom_resolver_class_is_custom_code(memory_cache: ResponseCache) -> None:
    cached = schema_of_field(resolved_by(StaffResolver), memory_cache)
    plain = schema_of_field(resolved_by(StaffResolver), None)
    for who in ("staff", "guest"):
        assert told(cached, "{ motto }", who) == told(plain, "{ motto }", who)
    explained = explain(cached, "{ motto }")
    assert explained.reason is Reason.CUSTOM_CODE
    assert "StaffResolver" in explained.advice
    trusting = {"trusted_extensions": [StaffResolver]}
    for kind, is_cacheable in (
        (StrawberryResolver, True),
        (StaffResolver, True),
        (FurtherResolver, False),
    ):
        schema = schema_of_field(resolved_by(kind), memory_cache, **trusting)
        assert explain(schema, "{ motto }").cacheable is is_cacheable


class Picking(StrawberryField):
    """Picks its resolver each time it is asked for it."""

    @property
    def base_resolver(self) -> Any:
        return self._base_resolver

    @base_resolver.setter
    def base_resolver(self, resolver: Any) -> None:
        self._base_resolver = resolver


class Watching(StrawberryField):
    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name)


@pytest.mark.parametrize("kind", [Picking, Watching])
def test_a_field_class_with_code_where_a_value_is_fetched_counts_as_a_resolver(
    kind: type[StrawberryField],
) -> None:
    @strawberry.type
    class Below:
        own: str = kind(python_name="own")  # type: ignore[assignment] # as strawberry.field does
        plain: str = StrawberryField(python_name="plain")  # type: ignore[assignment] # as strawberry.field does

    @strawberry.type(name="Query")
    class Above:
        below: Below

    rules = setting_of(strawberry.Schema(Above), None).rules
    kinds = {rule.coordinate: rule.source for rule in rules.fields()}
    assert kinds["Below.own"] is ResolverKind.RESOLVER
    assert kinds["Below.plain"] is ResolverKind.ATTRIBUTE


def test_a_known_field_extension_object_with_a_replaced_hook_is_custom_code(
    memory_cache: ResponseCache,
) -> None:
    extension = PermissionExtension([Anybody()])

    def hidden(next_: Any, source: Any, info: Any, **named: Any) -> Any:
        value = next_(source, info, **named)
        return value if user.get() == "staff" else "hidden"

    vars(extension)["resolve"] = hidden
    field = strawberry.field(motto, extensions=[extension])
    cached = schema_of_field(field, memory_cache, session=lambda _: "one")
    for who in ("staff", "guest"):
        value = "for staff" if who == "staff" else "hidden"
        assert told(cached, "{ motto }", who) == ({"motto": value}, [])
    (rule,) = setting_of(cached, None).rules.fields()
    assert rule.custom_code is not None
    assert rule.custom_code.what == "the field extension strawberry.permission.PermissionExtension"
