"""Who does what the advice says gets rid of the reason."""

from collections.abc import Callable
from typing import Any, Union

import pytest
import strawberry
from graphql import GraphQLField, GraphQLString
from graphql.execution import MiddlewareManager
from strawberry import federation
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.field_extensions import InputMutationExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.fields.resolver import StrawberryResolver

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
    invalidates,
)
from strawberry_response_cache.graphql._compat.private_names import executable_of
from tests.graphql.ledger import outcome, reason, status

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)


@strawberry.type
class NotFound:
    message: str


@strawberry.type
class Item:
    id: strawberry.ID


class Shouting(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return next_(source, info, **arguments)


class Resolver(StrawberryResolver[Any]):
    pass


class Told(strawberry.Info):
    def __post_init__(self) -> None:
        pass


class Handler(strawberry.ExceptionHandler[KeyError, NotFound]):
    def handle(self, exception: KeyError, *, field: Any, info: Any) -> NotFound:
        return NotFound(message="gone")


class Hook(SchemaExtension):
    def resolve(self, _next: Any, root: Any, info: Any, *args: str, **kwargs: Any) -> Any:
        return _next(root, info, *args, **kwargs)


class Executing(StrawberryGraphQLCoreExecutionContext):
    pass


def item() -> Union[Item, NotFound]:  # noqa: UP007 - Strawberry names the union by it
    return Item(id=strawberry.ID("1"))


def plain() -> strawberry.ID:
    return strawberry.ID("1")


def query_type(resolver: Any = plain, *extensions: FieldExtension) -> type:
    hint = cache_control(ttl=60)
    return strawberry.type(
        type(
            "Query",
            (),
            {
                "item": hint(strawberry.field(resolver=resolver, extensions=[*extensions])),
                "other": hint(strawberry.field(resolver=plain)),
            },
        )
    )


UNION = "{ item { ... on Item { id } } }"
Made = tuple[type, dict[str, Any], list[Any], str]
CUSTOM: dict[type, Callable[[], Made]] = {
    Shouting: lambda: (query_type(plain, Shouting()), {}, [], "{ item }"),
    Resolver: lambda: (query_type(Resolver(plain)), {}, [], "{ item }"),
    Told: lambda: (query_type(), {"config": StrawberryConfig(info_class=Told)}, [], "{ item }"),
    Handler: lambda: (query_type(item), {"exception_handlers": [Handler()]}, [], UNION),
    Hook: lambda: (query_type(), {}, [Hook], "{ item }"),
    Executing: lambda: (query_type(), {"execution_context_class": Executing}, [], "{ item }"),
}


@pytest.mark.parametrize("kind", CUSTOM)
def test_trusting_the_class_that_the_advice_names_makes_the_operation_cacheable(
    cache: ResponseCache, kind: type
) -> None:
    query, options, more, text = CUSTOM[kind]()

    def schema_of(**trusting: Any) -> strawberry.Schema:
        ours = ResponseCacheExtension(cache, tenant=None, debug=True, **trusting)
        return strawberry.Schema(query, extensions=[ours, *more], **options)

    schema = schema_of()
    result = schema.execute_sync(text)
    assert (result.errors, reason(result)) == (None, "custom_code")
    advice = str(outcome(result)["advice"])
    assert kind.__name__ in advice
    assert "trusted_extensions" in advice
    assert explain(schema, text).advice == advice
    trusting = schema_of(trusted_extensions=[kind])
    assert [status(trusting.execute_sync(text)) for _ in range(2)] == ["miss", "hit"]
    assert explain(trusting, text).cacheable


def exchanged() -> tuple[strawberry.Schema, str]:
    schema = strawberry.Schema(query_type())
    executable_of(schema).query_type.fields["item"].resolve = lambda *_: "1"  # type: ignore[union-attr]
    return schema, "item"


def added() -> tuple[strawberry.Schema, str]:
    schema = strawberry.Schema(query_type())
    field = GraphQLField(GraphQLString, resolve=lambda *_: "1")
    executable_of(schema).query_type.fields["added"] = field  # type: ignore[union-attr]
    return schema, "added"


def federated() -> tuple[strawberry.Schema, str]:
    return federation.Schema(query_type()), "_service { sdl }"


@pytest.mark.parametrize("made", [exchanged, added, federated])
def test_advice_for_custom_code_without_a_class_is_to_query_other_fields_separately(
    cache: ResponseCache, made: Callable[[], tuple[strawberry.Schema, str]]
) -> None:
    schema, field = made()
    ours: Any = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema.extensions = (ours,)
    result = schema.execute_sync(f"{{ {field} other }}")
    assert result.errors is None
    advice = str(outcome(result)["advice"])
    assert "trusted_extensions" not in advice
    assert "@cache_control" not in advice
    assert "in a query of its own" in advice
    apart = [schema.execute_sync("{ other }") for _ in range(2)]
    assert status(apart[-1]) == "hit"


# -- Parents ---------------------------------------------------------------------------------------------------


@strawberry.type
class Root:
    @cache_control(ttl=60)
    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(id=strawberry.ID("1"))]

    @strawberry.field
    def viewer(self) -> "Root":
        return Root()


def test_advice_for_a_nested_field_of_the_query_type_is_to_select_it_at_the_root(
    cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Root, extensions=[extension])
    extension.check(schema)
    text = "{ viewer { items { id } } }"
    below = outcome(schema.execute_sync(text))["fields"][0]
    assert below["reason"] == "parent_without_identity"
    assert "select it at the root" in below["advice"]
    told = explain(schema, text).fields[0].fields[0]
    assert (told.coordinate, told.own_ttl) == ("Root.items", None), "explain says so too"
    both = "{ items { id } viewer { __typename } }"
    fields = [outcome(schema.execute_sync(both))["fields"][0]["status"] for _ in range(2)]
    assert fields == ["miss", "hit"]


def parented(key: Any, identity: str) -> type:
    @strawberry.type
    class Owner:
        id: strawberry.ID
        code: str = "7"

        @cache_control(ttl=60, key=key)
        @strawberry.field
        def total(self) -> int:
            return 1

    @strawberry.type
    class Query:
        @strawberry.field
        def owner(self) -> Owner:
            return Owner(id=strawberry.ID(identity))

    return Query


@pytest.mark.parametrize(
    ("key", "wrong"), [(None, "Write cache_control(key=...)"), ("id", "The key of Owner.total")]
)
def test_a_parent_without_an_id_is_identified_by_a_key_that_has_a_value(
    cache: ResponseCache, key: str | None, wrong: str
) -> None:
    def ask(key: str | None) -> Any:
        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        schema = strawberry.Schema(parented(key, ""), extensions=[extension])
        extension.check(schema)
        return outcome(schema.execute_sync("{ owner { total } }"))["fields"][0]

    said = ask(key)
    assert said["reason"] == "parent_without_identity"
    assert wrong in said["advice"]
    assert [ask("code")["status"] for _ in range(2)] == ["miss", "hit"]


# -- Placeholders ----------------------------------------------------------------------------------------------


@strawberry.type
class Served:
    @cache_control(ttl=60, tags=["Motto:{args.name}"])
    @strawberry.field(extensions=[InputMutationExtension()])  # type: ignore[untyped-decorator]
    def motto(self, name: str) -> str:
        return name

    @cache_control(ttl=60)
    @strawberry.field
    def other(self) -> int:
        return 1


@strawberry.type
class Changes:
    @invalidates("Motto:{args.name}")
    @strawberry.mutation(extensions=[InputMutationExtension()])  # type: ignore[untyped-decorator]
    def change(self, name: str) -> bool:
        return True


def test_placeholders_name_the_arguments_into_which_an_extension_unpacks_an_input(
    cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Served, Changes, extensions=[extension])
    extension.check(schema)
    text = '{ motto(input: {name: "a"}) }'
    assert [status(schema.execute_sync(text)) for _ in range(2)] == ["miss", "hit"]
    assert schema.execute_sync('mutation { change(input: {name: "b"}) }').errors is None
    assert status(schema.execute_sync(text)) == "hit"
    assert schema.execute_sync('mutation { change(input: {name: "a"}) }').errors is None
    assert status(schema.execute_sync(text)) == "miss"


def test_a_placeholder_for_an_unpacked_input_is_a_mistake_that_lists_its_fields(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60, tags=["Motto:{args.input.name}"])
        @strawberry.field(extensions=[InputMutationExtension()])  # type: ignore[untyped-decorator]
        def motto(self, name: str) -> str:
            return name

    extension = ResponseCacheExtension(cache, tenant=None)
    with pytest.raises(Exception, match=r"'input', which does not exist \(there are: name\)"):
        extension.check(strawberry.Schema(Query, extensions=[extension]))


class Renaming(FieldExtension):
    """Gives the resolver other arguments."""

    def map_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"renamed": kwargs["name"]}


def test_check_accepts_a_tag_of_an_argument_that_an_extension_renames(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60, tags=["Motto:{args.renamed}"])
        @strawberry.field(extensions=[Renaming()])  # type: ignore[untyped-decorator]
        def motto(self, name: str) -> str:
            return name

    extension = ResponseCacheExtension(cache, tenant=None, trusted_extensions=[Renaming])
    extension.check(strawberry.Schema(Query, extensions=[extension]))


def test_a_middleware_manager_can_be_trusted(cache: ResponseCache) -> None:
    class Manager(MiddlewareManager):
        pass

    class Managed(strawberry.Schema):
        def _get_middleware_manager(self, *_: Any) -> MiddlewareManager:
            return Manager()

    def ask(**trusting: Any) -> Any:
        ours = ResponseCacheExtension(cache, tenant=None, debug=True, **trusting)
        return Managed(query_type(), extensions=[ours]).execute_sync("{ item }")

    assert "Manager" in str(outcome(ask())["advice"])
    assert status(ask(trusted_extensions=[Manager])) == "miss"
