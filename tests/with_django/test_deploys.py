"""A deploy that changes the user's own code in strawberry-django's types finds no responses of the code before."""

from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
import strawberry_django
from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Length
from django.test import override_settings
from strawberry_django.optimizer import DjangoOptimizerExtension
from strawberry_django.pagination import OffsetPaginated
from strawberry_django.permissions import HasRetvalPerm
from strawberry_django.relay import DjangoListConnection

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.graphql.ledger import status
from tests.with_django.models import Book

HINT = cache_control(ttl=60)


class Equal:
    @strawberry_django.filter_field
    def title(self, value: str, prefix: str) -> models.Q:
        return models.Q(title=value)


class Unequal:
    @strawberry_django.filter_field
    def title(self, value: str, prefix: str) -> models.Q:
        return ~models.Q(title=value)


def with_filter(base: type) -> type:
    filter_type = strawberry_django.filter_type(Book, name="BookFilter")(base)

    @strawberry_django.type(Book, name="Book", filters=filter_type)
    class Found:
        title: strawberry.auto

    @strawberry.type
    class Query:
        books: list[Found] = HINT(strawberry_django.field())

    return Query


def unequal(self: Any, value: str | None, prefix: str) -> models.Q:
    return ~models.Q(title=value)


def with_filtered(name: str) -> type:
    """Two columns can be filtered by, one of them with code of the user's own."""
    names = ("title", "owner")
    columns = dict.fromkeys(names, strawberry_django.filter_field(default=strawberry.UNSET))
    columns[name] = strawberry_django.filter_field(resolver=unequal)
    annotations = dict.fromkeys(names, str | None)
    return with_filter(type("Chosen", (), {"__annotations__": annotations, **columns}))


class OfAlice:
    @classmethod
    def get_queryset(cls, queryset: Any, info: strawberry.Info) -> Any:
        return queryset.filter(owner="alice")


class OfBob:
    @classmethod
    def get_queryset(cls, queryset: Any, info: strawberry.Info) -> Any:
        return queryset.filter(owner="bob")


def with_rows(base: type) -> type:
    class Rows(base, strawberry.relay.Node):
        title: strawberry.auto

    rows = strawberry_django.type(Book, name="Book")(Rows)

    @strawberry.type
    class Query:
        books: DjangoListConnection[rows] = HINT(strawberry_django.connection())  # type: ignore[valid-type]

    return Query


def with_annotation(expression: Any, *, of_type: bool = False) -> type:
    hints: dict[str, Any] = {"annotate": {"size": expression}}

    class OfField:
        size: int = strawberry_django.field(**hints, directives=[cache_control(inherit=True)])

    class OfType:
        size: int

    found = strawberry_django.type(Book, name="Book", **(hints if of_type else {}))(
        OfType if of_type else OfField
    )

    @strawberry.type
    class Query:
        books: list[found] = HINT(strawberry_django.field())  # type: ignore[valid-type]

    return Query


def with_column(name: str) -> type:
    @strawberry_django.type(Book, name="Book")
    class Found:
        shown: str = strawberry_django.field(field_name=name)

    @strawberry.type
    class Query:
        books: list[Found] = HINT(strawberry_django.field())

    return Query


def with_permission(name: str) -> type:
    checked = HasRetvalPerm(name, with_superuser=True)

    @strawberry_django.type(Book, name="Book")
    class Found:
        title: strawberry.auto

    @strawberry.type
    class Query:
        books: list[Found] = HINT(strawberry_django.field(extensions=[checked]))

    return Query


LENGTHS = Length("title"), Length("title") + 1


def length(_: object) -> Any:
    return LENGTHS[0]


def longer(_: object) -> Any:
    return LENGTHS[1]


CASES = [
    ("{ books { size } }", [with_annotation(each) for each in LENGTHS]),
    ("{ books { size } }", [with_annotation(each, of_type=True) for each in LENGTHS]),
    ("{ books { size } }", [with_annotation(each) for each in (length, longer)]),
    (
        '{ books(filters: {title: "Tombs"}) { title } }',
        [with_filter(Equal), with_filter(Unequal)],
    ),
    (
        '{ books(filters: {title: "Tombs"}) { title } }',
        [with_filtered("title"), with_filtered("owner")],
    ),
    ("{ books { shown } }", [with_column("title"), with_column("owner")]),
    ("{ books { title } }", [with_permission("a.see"), with_permission("a.change")]),
    ("{ books { totalCount } }", [with_rows(OfAlice), with_rows(OfBob)]),
]


@pytest.mark.combined
@pytest.mark.parametrize(("query", "queries"), CASES)
def test_changed_code_changes_the_keys(
    cache: ResponseCache, query: str, queries: list[type]
) -> None:
    def ask(query_type: type) -> Any:
        extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "a", debug=True)
        schema = strawberry.Schema(query_type, extensions=[DjangoOptimizerExtension, extension])
        user = User.objects.get(username="alice")
        context = SimpleNamespace(request=SimpleNamespace(user=user))
        result = schema.execute_sync(query, context_value=context)
        assert result.errors is None
        uncached = strawberry.Schema(query_type, extensions=[DjangoOptimizerExtension])
        assert result.data == uncached.execute_sync(query, context_value=context).data
        return status(result)

    assert [ask(each) for each in queries * 2] == ["miss", "miss", "hit", "hit"]


@pytest.mark.parametrize("name", ["PAGINATION_DEFAULT_LIMIT", "PAGINATION_MAX_LIMIT"])
def test_a_changed_page_limit_changes_the_keys(cache: ResponseCache, name: str) -> None:
    @strawberry_django.type(Book, name="Book")
    class Paged:
        title: strawberry.auto

    @strawberry.type
    class Query:
        books: OffsetPaginated[Paged] = HINT(strawberry_django.offset_paginated())

    def ask(limit: int) -> tuple[int, str]:
        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        schema = strawberry.Schema(Query, extensions=[extension])
        with override_settings(STRAWBERRY_DJANGO={name: limit}):
            result = schema.execute_sync("{ books { results { title } } }")
        assert result.data is not None
        return len(result.data["books"]["results"]), status(result)

    assert [ask(each) for each in (1, 2, 1)] == [(1, "miss"), (2, "miss"), (1, "hit")]
