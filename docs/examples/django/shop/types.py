from typing import Any

import strawberry
import strawberry_django
from strawberry_django.relay import DjangoListConnection

from shop import models
from strawberry_response_cache import cache_control


@strawberry_django.type(models.Author)
class AuthorType:
    id: strawberry.auto  # a column: nothing to annotate
    name: strawberry.auto


@strawberry_django.type(models.Review)
class ReviewType:
    id: strawberry.auto
    text: strawberry.auto


@strawberry_django.filter_type(models.Book, lookups=True)
class BookFilter:
    title: strawberry.auto


@strawberry_django.type(models.Book, filters=BookFilter)
class BookType(strawberry.relay.Node):
    title: strawberry.auto
    price: strawberry.auto
    author: AuthorType  # a relation: nothing to annotate
    author_name: str = strawberry_django.field(field_name="author__name")

    # A method of yours. The cache does not know what it reads, so name it.
    @cache_control(inherit=True, tags=["ReviewType"])
    @strawberry_django.field(prefetch_related=["reviews"])
    def review_count(self) -> int:
        book: Any = self
        return len(book.reviews.all())


@strawberry_django.type(models.Order)
class OrderType:
    id: strawberry.auto
    book: BookType

    # Each user has their own rows, so everything that shows an order is PRIVATE.
    @classmethod
    def get_queryset(cls, queryset: Any, info: strawberry.Info) -> Any:
        return queryset.filter(user=info.context.request.user.pk)


Books = DjangoListConnection[BookType]
