"""What strawberry-django's mutations create, update and delete is not answered from before."""

from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
import strawberry_django
from django.db import models
from strawberry import relay
from strawberry_django import mutations
from strawberry_django.optimizer import DjangoOptimizerExtension
from strawberry_django.pagination import OffsetPaginated
from strawberry_django.relay import DjangoCursorConnection, DjangoListConnection

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.graphql.ledger import status
from tests.with_django.models import Author, Book

HINT = cache_control(ttl=60)


@strawberry_django.type(Author)
class FreshAuthor(relay.Node):
    name: strawberry.auto
    books: list["FreshBook"]
    shelf: DjangoListConnection["FreshBook"] = strawberry_django.connection(field_name="books")
    pages: OffsetPaginated["FreshBook"] = strawberry_django.offset_paginated(field_name="books")
    size: int = cache_control(inherit=True, tags=["[FreshBook]"])(
        strawberry_django.field(annotate={"size": models.Count("books")})
    )


@strawberry_django.type(Book)
class FreshBook(relay.Node):
    title: strawberry.auto
    author_name: str = cache_control(inherit=True, tags=["[FreshAuthor]"])(
        strawberry_django.field(field_name="author__name")
    )


@strawberry_django.input(Book)
class NewBook:
    title: strawberry.auto
    isbn: strawberry.auto
    owner: strawberry.auto
    author_id: int


@strawberry_django.partial(Book)
class ChangedBook(strawberry_django.NodeInput):
    title: strawberry.auto


@strawberry_django.partial(Author)
class ChangedAuthor(strawberry_django.NodeInput):
    name: strawberry.auto


@strawberry.type
class Query:
    books: list[FreshBook] = HINT(strawberry_django.field())
    authors: list[FreshAuthor] = HINT(strawberry_django.field())
    shelf: DjangoListConnection[FreshBook] = HINT(strawberry_django.connection())
    cursor: DjangoCursorConnection[FreshBook] = HINT(strawberry_django.connection())
    pages: OffsetPaginated[FreshBook] = HINT(strawberry_django.offset_paginated())


@strawberry.type
class Mutation:
    create: FreshBook = mutations.create(NewBook, handle_django_errors=True)
    update: FreshBook = mutations.update(ChangedBook, handle_django_errors=True)
    delete: FreshBook = mutations.delete(strawberry_django.NodeInput)
    rename: FreshAuthor = mutations.update(ChangedAuthor)


QUERIES = [
    "{ books { title } }",
    "{ books { authorName } }",
    "{ authors { name books { title } } }",
    "{ authors { size } }",
    "{ authors { shelf { totalCount } } }",
    "{ authors { pages { totalCount } } }",
    "{ shelf { totalCount } }",
    "{ shelf { edges { cursor } } }",
    "{ shelf(first: 3) { pageInfo { hasNextPage } } }",
    "{ cursor { totalCount } }",
    "{ cursor(first: 3) { pageInfo { hasNextPage } } }",
    "{ pages { totalCount } }",
    "{ pages { results { title } } }",
]


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    """Leave the rows as they were."""
    count, names = Book.objects.count(), dict(Author.objects.values_list("pk", "name"))
    yield
    for pk, name in names.items():
        Author.objects.filter(pk=pk).update(name=name)
    Book.objects.filter(title__in=["new", "changed"]).delete()
    assert Book.objects.count() == count


def test_each_mutation_refreshes_what_it_changed(cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[DjangoOptimizerExtension, extension])
    assert extension.check(schema) == ()
    plain = strawberry.Schema(Query, Mutation, extensions=[DjangoOptimizerExtension])

    def compared() -> list[str]:
        said = []
        for query in QUERIES:
            result, expected = schema.execute_sync(query), plain.execute_sync(query)
            assert result.errors is None
            assert result.data == expected.data, query
            said.append(status(result))
        return said

    def change(mutation: str) -> Any:
        for _ in range(2):
            said = compared()
        assert set(said) == {"hit"}
        result = schema.execute_sync(f"mutation {{ {mutation} }}")
        assert result.errors is None
        assert compared().count("miss") > 0
        return result.data

    author = Author.objects.earliest("pk")
    fields = f'title: "new", isbn: "1", owner: "alice", authorId: {author.pk}'
    made = change(f"create(data: {{{fields}}}) {{ ... on FreshBook {{ id }} }}")
    book = made["create"]["id"]
    changed = f'id: "{book}", title: "changed"'
    change(f"update(data: {{{changed}}}) {{ ... on FreshBook {{ id }} }}")
    change(
        f'rename(data: {{id: "{relay.to_base64("FreshAuthor", author.pk)}", name: "K"}}) {{ id }}'
    )
    change(f'delete(data: {{id: "{book}"}}) {{ id }}')
