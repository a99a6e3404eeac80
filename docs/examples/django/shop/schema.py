from typing import Any

import strawberry
import strawberry_django
from strawberry_django import mutations
from strawberry_django.optimizer import DjangoOptimizerExtension
from strawberry_django.permissions import IsAuthenticated

from shop import models
from shop.types import Books, BookType, OrderType, ReviewType
from strawberry_response_cache import CacheScope, ResponseCacheExtension, cache_control
from strawberry_response_cache.django import get_cache

HINT = cache_control(ttl=60)
SHARED = cache_control(ttl=60, scope=CacheScope.PUBLIC)


@strawberry.type
class Query:
    books: list[BookType] = HINT(strawberry_django.field())
    shelf: Books = HINT(strawberry_django.connection())
    orders: list[OrderType] = HINT(strawberry_django.field())
    # The permission is checked for each request. Those who pass share one response.
    bargains: list[BookType] = SHARED(strawberry_django.field(extensions=[IsAuthenticated()]))


@strawberry_django.partial(models.Book)
class BookChange(strawberry_django.NodeInput):
    title: strawberry.auto
    price: strawberry.auto


@strawberry_django.input(models.Review)
class NewReview:
    book: strawberry.auto
    text: strawberry.auto


@strawberry.type
class Mutation:
    # They invalidate what they return, and the lists of it.
    update_book: BookType = mutations.update(BookChange)
    create_review: ReviewType = mutations.create(NewReview)


def session(context: Any) -> int | None:
    return context.request.user.pk


extension = ResponseCacheExtension(get_cache(), tenant=None, session=session, debug=True)
schema = strawberry.Schema(Query, Mutation, extensions=[DjangoOptimizerExtension, extension])
extension.check(schema)
