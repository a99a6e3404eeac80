"""Field extensions around permission classes: no hit hands them anything but what a resolver returned."""

from collections.abc import Iterable
from typing import Any

import pytest
import strawberry
from strawberry import relay
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension

from strawberry_response_cache import CacheScope, ResponseCache, cache_control, explain
from tests.graphql.both_ways import WAYS, BothWays
from tests.graphql.ledger import outcome

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)


class Reads(BasePermission):
    message = "may not read"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return "read" in info.context["rights"]


class Audits(BasePermission):
    message = "may not audit"

    async def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return "audit" in info.context["rights"]


class Quotes(FieldExtension):
    """Works on what it is handed: of anything but a list it makes nonsense, or an error."""

    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return [f"<{each}>" for each in next_(source, info, **arguments)]

    async def resolve_async(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return [f"<{each}>" for each in await next_(source, info, **arguments)]


class Stamping(PermissionExtension):
    """Has a hook of its own, as any other extension."""

    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return [*super().resolve(next_, source, info, **arguments), "stamped"]


class Silent(FieldExtension):
    """Takes no part in resolving."""

    def apply(self, field: Any) -> None:
        pass


def guard(kind: type[BasePermission] = Reads, *, silent: bool = False) -> PermissionExtension:
    return PermissionExtension([kind()], fail_silently=silent)


@strawberry.type
class Book(relay.Node):
    id: relay.NodeID[int]


PUBLIC = cache_control(ttl=60, scope=CacheScope.PUBLIC)


def field(*extensions: FieldExtension) -> Any:
    def resolve() -> list[str]:
        return ["secret"]

    return PUBLIC(strawberry.field(resolver=resolve, extensions=[*extensions]))


def all_books(**given: Any) -> Any:
    def resolve() -> Iterable[Book]:
        return [Book(id=1)]

    connection = relay.connection(relay.ListConnection[Book], resolver=resolve, **given)
    return PUBLIC(connection)


@strawberry.type
class Shelf:
    id: strawberry.ID
    quoted = field(guard(silent=True), Quotes())


@strawberry.type
class Query:
    inner = field(Quotes(), guard())
    outer = field(guard(), Quotes())
    outer_of_silent = field(guard(silent=True), Quotes())
    between = field(guard(), Quotes(), guard(silent=True))
    between_async = field(guard(), Quotes(), guard(Audits))
    outer_of_async = field(guard(Audits), Quotes())
    two_ways = field(guard(), guard(Audits))
    stamped = field(Stamping([Reads()]))
    without_a_hook = field(guard(), Silent())
    books = all_books(extensions=[guard()])
    books_by_classes = all_books(permission_classes=[Reads])

    @strawberry.field
    def fresh(self) -> int:
        return 0

    @strawberry.field
    def shelf(self) -> Shelf:
        return Shelf(id=strawberry.ID("1"))


EDGES = "{ edges { node { id } } }"
NOT_STORED = {
    "outer": "{ outer }",
    "outerOfSilent": "{ outerOfSilent }",
    "between": "{ between }",
    "betweenAsync": "{ betweenAsync }",
    "outerOfAsync": "{ outerOfAsync }",
    "stamped": "{ stamped }",
    "books": f"{{ books {EDGES} }}",
    "quoted": "{ shelf { quoted } }",
}
STORED = {
    "inner": "{ inner }",
    "twoWays": "{ twoWays }",
    "withoutAHook": "{ withoutAHook }",
    "booksByClasses": f"{{ booksByClasses {EDGES} }}",
}
ASYNC = {"betweenAsync", "outerOfAsync", "twoWays"}


async def asked(schema: Any, query: str, way: str, rights: tuple[str, ...]) -> Any:
    context = {"rights": rights, "user": "alice"}
    if way == "execute":
        return await schema.execute(query, context_value=context)
    return schema.execute_sync(query, context_value=context)


def told(result: Any) -> Any:
    return result.data, [error.message for error in result.errors or ()]


@pytest.mark.parametrize(
    ("name", "way"),
    [
        (name, way)
        for name in (*NOT_STORED, *STORED)
        for way in WAYS
        if way == "execute" or name not in ASYNC
    ],
)
async def test_answers_with_extensions_around_permission_classes_are_those_without_a_cache(
    cache: ResponseCache, way: str, name: str
) -> None:
    """Whoever asked before: an extension around the permission classes sees what resolvers return."""
    schema = BothWays(Query, cache, trusted_extensions=[Quotes, Stamping, Silent])
    query = (NOT_STORED | STORED)[name]
    for rights in (
        ("read", "audit"),
        ("read", "audit"),
        (),
        ("read",),
        ("audit",),
        ("read", "audit"),
    ):
        plain = told(await asked(schema.plain, query, way, rights))
        last = await asked(schema.schema, query, way, rights)
        assert told(last) == plain, rights
    hits = [each["status"] for each in outcome(last).get("fields", ())]
    assert hits == (["hit"] if name in STORED else [])


def test_advice_names_the_field_extension_around_the_permission_classes(
    cache: ResponseCache,
) -> None:
    """Following it helps: the permission classes of `inner` and `booksByClasses` stand outermost."""
    trusted = BothWays(Query, cache, trusted_extensions=[Quotes, Stamping, Silent]).schema
    assert (
        "test_extensions_around_guards.Quotes stands around" in explain(trusted, "{ outer }").advice
    )
    advice = explain(trusted, NOT_STORED["books"]).advice
    assert "ConnectionExtension stands around the permission classes of Query.books" in advice
    assert "permission_classes=" in advice
    assert explain(trusted, "{ inner }").fields[0].own_ttl == 60
    assert explain(trusted, STORED["booksByClasses"]).fields[0].own_ttl == 60
