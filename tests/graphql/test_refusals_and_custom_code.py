"""A refusal is seen, and code that may decide per request is found."""

from contextvars import ContextVar
from typing import Any

import strawberry
from graphql.execution import MiddlewareManager
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)

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


def test_a_refusal_is_not_hidden_by_a_resolver_that_ran_twice(memory_cache: ResponseCache) -> None:
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


def test_a_middleware_manager_of_ones_own_is_custom_code(memory_cache: ResponseCache) -> None:
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
    field = schema._schema.query_type.fields["secret"]  # type: ignore[union-attr]
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


def test_get_result_of_one_field_stays_what_it_was(memory_cache: ResponseCache) -> None:
    """Both in the schema with the extension and in the other schema of the same types."""
    own, plain = _instance_level()
    cached = strawberry.Schema(own, extensions=[ResponseCacheExtension(memory_cache, tenant=None)])
    context = {"user": "alice"}
    assert plain.execute_sync("{ x }", context_value=context).data == {"x": "alice"}
    assert cached.execute_sync("{ x }", context_value=context).data == {"x": "alice"}
    assert plain.execute_sync("{ x }", context_value=context).data == {"x": "alice"}
