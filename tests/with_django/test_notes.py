"""Fields whose filters may read the user are PRIVATE, and `check()` says so."""

from typing import Any

import pytest
import strawberry
import strawberry_django
from django.db import models

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.with_django.models import Author, Book


@strawberry_django.filter_type(Book)
class WithInfo:
    @strawberry_django.filter_field
    def is_mine(self, info: strawberry.Info, value: bool, prefix: str) -> models.Q:
        return models.Q(owner=info.context["user"])


@strawberry_django.filter_type(Book)
class WithoutInfo:
    @strawberry_django.filter_field
    def starts_with(self, value: str, prefix: str) -> models.Q:
        return models.Q(title__startswith=value)


@strawberry_django.filter_type(Author)
class OfBooks:
    books: WithInfo | None


@strawberry_django.order_type(Book)
class Sorted:
    @strawberry_django.order_field
    def mine_first(
        self, info: strawberry.Info, value: strawberry_django.Ordering, prefix: str
    ) -> list[Any]:
        return [value.resolve("owner")]


@strawberry_django.type(Book)
class Plain:
    id: strawberry.auto


@strawberry_django.type(Author)
class Writer:
    id: strawberry.auto


def count_of_mine(info: strawberry.Info) -> Any:
    return models.Count("books", filter=models.Q(books__owner=info.context["user"]))


def notes_of(cache: ResponseCache, kind: type, hint: Any, **options: Any) -> tuple[str, ...]:
    @strawberry.type
    class Query:
        rows: list[kind] = hint(strawberry_django.field(**options))  # type: ignore[valid-type]

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "a")
    return extension.check(strawberry.Schema(Query, extensions=[extension]))


def scope_of(cache: ResponseCache, kind: type, hint: Any, **options: Any) -> str | None:
    @strawberry.type
    class Query:
        rows: list[kind] = hint(strawberry_django.field(**options))  # type: ignore[valid-type]

    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "a")
    schema = strawberry.Schema(Query, extensions=[extension])
    scope = explain(schema, "{ rows { id } }").scope
    return None if scope is None else scope.value


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        (Plain, {"filters": WithInfo}, "WithInfo.is_mine"),
        (Writer, {"filters": OfBooks}, "WithInfo.is_mine"),
        (Plain, {"ordering": Sorted}, "Sorted.mine_first"),
        (Writer, {"annotate": {"size": count_of_mine}}, "count_of_mine"),
    ],
)
def test_a_root_field_whose_filter_receives_info_is_private_and_named(
    cache: ResponseCache, kind: type, options: dict[str, Any], named: str
) -> None:
    (note,) = notes_of(cache, kind, cache_control(ttl=60), **options)
    assert note.startswith("Query.rows: it is PRIVATE, because")
    assert named in note
    assert scope_of(cache, kind, cache_control(ttl=60), **options) == "PRIVATE"
    public = cache_control(ttl=60, scope=CacheScope.PUBLIC)
    assert scope_of(cache, kind, public, **options) == "PUBLIC"
    for scope in CacheScope:
        assert notes_of(cache, kind, cache_control(ttl=60, scope=scope), **options) == ()


@pytest.mark.parametrize("options", [{}, {"filters": WithoutInfo}])
def test_root_fields_whose_filters_do_not_receive_info_have_no_note(
    cache: ResponseCache, options: dict[str, Any]
) -> None:
    assert notes_of(cache, Plain, cache_control(ttl=60), **options) == ()
