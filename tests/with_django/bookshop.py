"""A bookshop in Django: a strawberry-django schema."""

from typing import Final

import strawberry
import strawberry_django
from django.db import models
from django.db.models import QuerySet
from strawberry import relay
from strawberry_django.pagination import OffsetPaginated

from strawberry_response_cache import CacheScope, cache_control
from tests.with_django.models import Author, Book

HINT: Final = cache_control(ttl=60)
PUBLIC: Final = cache_control(ttl=60, scope=CacheScope.PUBLIC)
"""Of a field with a filter that receives ``info``, by which nobody asks here."""


@strawberry_django.filter_type(Book, lookups=True)
class BookFilter:
    title: strawberry.auto


@strawberry_django.order_type(Book)
class BookOrder:
    title: strawberry.auto


@strawberry_django.filter_type(Author)
class AuthorFilter:
    @strawberry_django.filter_field
    def of_mine(self, info: strawberry.Info, value: bool, prefix: str) -> models.Q:
        return models.Q(books__owner=info.context["user"])


@strawberry_django.type(Book, filters=BookFilter, ordering=BookOrder, pagination=True)
class BookType:
    id: strawberry.auto
    title: strawberry.auto
    number: str = strawberry_django.field(field_name="isbn")
    label: str = strawberry_django.field(only=["title"], select_related=["author"])
    author: "AuthorType"
    author_name: str = strawberry_django.field(field_name="author__name")

    @strawberry_django.field
    def shout(self) -> str:
        return self.title.upper()


@strawberry_django.type(Author, filters=AuthorFilter)
class AuthorType:
    id: strawberry.auto
    name: strawberry.auto
    books: list[BookType]
    size: int = strawberry_django.field(annotate={"size": models.Count("books")})


@strawberry_django.type(Book, name="OwnBook")
class OwnBook(relay.Node):
    title: strawberry.auto

    @classmethod
    def get_queryset(cls, queryset: QuerySet[Book], info: strawberry.Info) -> QuerySet[Book]:
        return queryset.filter(owner=info.context["user"])


@strawberry_django.type(Author, name="OwnAuthor")
class OwnAuthor(relay.Node):
    name: strawberry.auto
    books: list[OwnBook]
    shelf: strawberry_django.relay.DjangoListConnection[OwnBook] = strawberry_django.connection(
        field_name="books"
    )
    pages: OffsetPaginated[OwnBook] = strawberry_django.offset_paginated(field_name="books")


@strawberry_django.type(Book, name="BookNode")
class BookNode(relay.Node):
    title: strawberry.auto


def query_type() -> type:
    """Make the query type: the extension of a node can be put into one schema only."""

    @strawberry.type
    class Query:
        books: list[BookType] = HINT(strawberry_django.field())
        book: BookType = HINT(strawberry_django.field())
        authors: list[AuthorType] = PUBLIC(strawberry_django.field())
        shelf: strawberry_django.relay.DjangoListConnection[BookNode] = HINT(
            strawberry_django.connection()
        )
        pages: OffsetPaginated[BookType] = HINT(strawberry_django.offset_paginated())
        own_books: list[OwnBook] = HINT(strawberry_django.field())
        own_shelf: strawberry_django.relay.DjangoListConnection[OwnBook] = HINT(
            strawberry_django.connection()
        )
        own_pages: OffsetPaginated[OwnBook] = HINT(strawberry_django.offset_paginated())
        own_authors: list[OwnAuthor] = HINT(strawberry_django.field())
        node: relay.Node = HINT(strawberry_django.node())

    return Query
