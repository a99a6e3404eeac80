"""A library in Django: a schema that shows its models in every way that a save has to reach."""

from typing import Annotated, Any, Final

import strawberry
import strawberry_django
from django.db import models
from strawberry import relay
from strawberry_django.optimizer import DjangoOptimizerExtension

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.with_django.models import (
    Atlas,
    Author,
    Book,
    Club,
    Copy,
    Genre,
    Profile,
    Reader,
    Shop,
    Town,
    Writer,
)

HINT: Final = cache_control(ttl=60)


@strawberry_django.filter_type(Author, lookups=True)
class ByAuthor:
    name: strawberry.auto


@strawberry_django.filter_type(Book, lookups=True)
class ByBook:
    author: ByAuthor | None


@strawberry_django.type(Genre)
class GenreType:
    id: strawberry.auto
    name: strawberry.auto
    books: list[Annotated["BookType", strawberry.lazy("tests.with_django.library")]]

    @cache_control(inherit=True)
    @strawberry_django.field
    def crowd(self: Any) -> int:
        return int(self.books.count())


@strawberry_django.type(Book, filters=ByBook)
class BookType:
    id: strawberry.auto
    title: strawberry.auto
    genres: list[GenreType]
    author_name: str = strawberry_django.field(field_name="author__name")
    label: str = strawberry_django.field(only=["title"], select_related=["author"])
    memberships: int = strawberry_django.field(annotate=models.Count("author__membership"))
    genre_count: int = strawberry_django.field(annotate=models.Count("genres"))


@strawberry_django.type(Atlas)
class AtlasType:
    id: strawberry.auto
    title: strawberry.auto
    scale: strawberry.auto


@strawberry_django.type(Profile)
class ProfileType:
    bio: strawberry.auto


@strawberry_django.type(Author)
class AuthorType:
    id: strawberry.auto
    name: strawberry.auto
    books: list[BookType]
    profile: ProfileType | None
    size: int = strawberry_django.field(
        annotate=models.Count("books", filter=models.Q(books__title__gt=""))
    )
    read: int = strawberry_django.field(
        annotate=models.Count("books", filter=models.Q(books__readers__slug__gt=""))
    )

    @cache_control(inherit=True)
    @strawberry_django.field
    def genres(self: Any) -> list[GenreType]:
        return list(Genre.objects.filter(books__author=self))

    @cache_control(inherit=True)
    @strawberry_django.field
    def titles(self: Any) -> int:
        return int(self.books.count())


@strawberry_django.type(Writer)
class WriterType:
    id: strawberry.auto
    name: strawberry.auto


@strawberry_django.type(Club)
class ClubType(relay.Node):
    name: strawberry.auto
    members: list[AuthorType]

    @cache_control(inherit=True)
    @strawberry_django.field
    def crowd(self: Any) -> int:
        return int(self.members.count())


@strawberry_django.type(Reader)
class ReaderType(relay.Node):
    slug: relay.NodeID[str]
    name: str = strawberry_django.field(field_name="slug")
    favourite_id: int | None


@strawberry_django.type(Copy)
class CopyType:
    id: strawberry.auto
    shop_id: int | None


@strawberry_django.type(Shop)
class ShopType:
    id: strawberry.auto
    name: strawberry.auto
    town_id: int | None


@strawberry_django.type(Shop, annotate={"size": models.Count("copies")})
class StockType:
    id: strawberry.auto
    size: int


@strawberry_django.type(Town)
class TownType:
    id: strawberry.auto

    @cache_control(inherit=True)
    @strawberry_django.field
    def shops(self: Any) -> int:
        return int(Shop.objects.filter(town=self).count())


@strawberry.type
class Query:
    authors: list[AuthorType] = HINT(strawberry_django.field())
    author: AuthorType = HINT(strawberry_django.field())
    book: BookType = HINT(strawberry_django.field())
    books: list[BookType] = HINT(strawberry_django.field())
    genres: list[GenreType] = HINT(strawberry_django.field())
    genre: GenreType = HINT(strawberry_django.field())
    writer: WriterType = HINT(strawberry_django.field())
    atlas: AtlasType = HINT(strawberry_django.field())
    atlases: list[AtlasType] = HINT(strawberry_django.field())
    clubs: list[ClubType] = HINT(strawberry_django.field())
    readers: list[ReaderType] = HINT(strawberry_django.field())
    stock: StockType = HINT(strawberry_django.field())
    shops: list[ShopType] = HINT(strawberry_django.field())
    town: TownType = HINT(strawberry_django.field())
    copies: list[CopyType] = HINT(strawberry_django.field())


def schema_over(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, **{"tenant": None, "debug": True} | options)
    return strawberry.Schema(Query, extensions=[DjangoOptimizerExtension, extension])


uncached: Final = strawberry.Schema(Query, extensions=[DjangoOptimizerExtension])
