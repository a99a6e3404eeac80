"""The schema, with the cache and without it."""

import hashlib
from typing import Any, Final

import strawberry
import strawberry_django
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, QuerySet
from strawberry import relay
from strawberry.dataloader import DataLoader
from strawberry.file_uploads import Upload
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry_django import mutations
from strawberry_django.optimizer import DjangoOptimizerExtension
from strawberry_django.permissions import HasPerm, IsAuthenticated
from strawberry_django.relay import DjangoListConnection

from strawberry_response_cache import CacheScope, ResponseCacheExtension, cache_control
from strawberry_response_cache.django import get_cache
from tests.services.django.models import Author, Book, Note, Review, locked

IS_ASYNC: Final[bool] = settings.IS_ASYNC
HINT: Final = cache_control(ttl=600)
SHARED: Final = cache_control(ttl=600, scope=CacheScope.PUBLIC)


def user_of(context: Any) -> int | None:
    """Return who asks in a sync view."""
    pk: int | None = context.request.user.pk
    return pk


async def async_user_of(context: Any) -> int | None:
    """Return who asks in an async view."""
    pk: int | None = (await context.request.auser()).pk
    return pk


class IsStaff(BasePermission):
    message = "for staff only"

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return bool(info.context.request.user.is_staff)


class IsStaffAsync(BasePermission):
    message = "for staff only"

    async def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return bool((await info.context.request.auser()).is_staff)


async def _counts(keys: list[int]) -> list[int]:
    reviews = Review.objects.filter(book__in=keys).values_list("book").annotate(Count("pk"))
    found = dict([each async for each in reviews])
    return [found.get(key, 0) for key in keys]


def _loader(request: Any) -> DataLoader[int, int]:
    if not hasattr(request, "loader"):
        request.loader = DataLoader(load_fn=_counts)
    loader: DataLoader[int, int] = request.loader
    return loader


@strawberry_django.type(Review)
class ReviewType:
    pk: int
    stars: strawberry.auto


@strawberry_django.type(Author)
class AuthorType:
    pk: int
    name: strawberry.auto


@strawberry_django.filter_type(Book, lookups=True)
class BookFilter:
    title: strawberry.auto


def _review_count(root: Any) -> int:
    return len(root.reviews.all())


async def _loaded_review_count(root: Any, info: strawberry.Info) -> int:
    return await _loader(info.context.request).load(root.pk)


_REVIEW_COUNT: Final[Any] = cache_control(inherit=True, tags=["[ReviewType]"])(
    strawberry_django.field(resolver=_loaded_review_count)
    if IS_ASYNC
    else strawberry_django.field(resolver=_review_count, prefetch_related=["reviews"])
)


@strawberry_django.type(Book, filters=BookFilter)
class BookType:
    pk: int
    title: strawberry.auto
    version: strawberry.auto
    stock: strawberry.auto
    cover: strawberry.auto
    author: AuthorType
    notes: list["NoteType"]
    review_count: int = _REVIEW_COUNT


def _own(queryset: QuerySet[Any], info: strawberry.Info) -> QuerySet[Any]:
    return queryset.filter(owner=info.context.request.user.pk)


@strawberry_django.type(Note)
class NoteType:
    pk: int
    version: strawberry.auto
    owner_id: int = strawberry_django.field(only=["owner"])

    @classmethod
    def get_queryset(cls, queryset: QuerySet[Any], info: strawberry.Info) -> QuerySet[Any]:
        return _own(queryset, info)


@strawberry_django.type(Note)
class NoteNode(relay.Node):
    pk: int
    version: strawberry.auto
    owner_id: int = strawberry_django.field(only=["owner"])

    @classmethod
    def get_queryset(cls, queryset: QuerySet[Any], info: strawberry.Info) -> QuerySet[Any]:
        return _own(queryset, info)


@strawberry_django.type(Book, filters=BookFilter)
class BookNode(relay.Node):
    pk: int
    version: strawberry.auto


@strawberry_django.type(User)
class UserType:
    pk: int
    username: strawberry.auto


@strawberry_django.partial(Note)
class NoteChange:
    id: strawberry.auto
    version: strawberry.auto


@strawberry_django.input(Note)
class NoteKey:
    id: strawberry.auto


@strawberry_django.input(Note)
class NewNote:
    book: strawberry.auto
    owner: strawberry.auto


def query_type() -> type:
    """Make the query type: the extension of a node can be put into one schema only."""

    @strawberry.type
    class Query:
        books: list[BookType] = HINT(strawberry_django.field())
        book: BookType | None = HINT(strawberry_django.field())
        shelf: DjangoListConnection[BookNode] = HINT(strawberry_django.connection())
        notes: list[NoteType] = HINT(strawberry_django.field())
        journal: DjangoListConnection[NoteNode] = HINT(strawberry_django.connection())
        node: relay.Node | None = HINT(strawberry_django.node())
        me: UserType | None = HINT(strawberry_django.auth.current_user())  # type: ignore[no-untyped-call]
        members: list[BookType] = SHARED(strawberry_django.field(extensions=[IsAuthenticated()]))
        readers: list[BookType] = SHARED(
            strawberry_django.field(extensions=[HasPerm("shop.view_book", fail_silently=False)])
        )
        stocktaking: list[BookType] = SHARED(
            strawberry_django.field(permission_classes=[IsStaffAsync if IS_ASYNC else IsStaff])
        )

        @strawberry.field
        def unhinted(self) -> int:
            return 1

    return Query


class _NeverError(Exception):
    """Rolls back."""


@strawberry.type
class Mutation:
    change_note: NoteType = mutations.update(NoteChange)
    create_note: NoteType = mutations.create(NewNote)
    delete_note: NoteType = mutations.delete(NoteKey)

    @strawberry_django.mutation
    def bump(self, pk: int) -> BookType:
        with transaction.atomic():
            book = locked(pk)
            book.save()
        return book

    @strawberry_django.mutation
    def move(self, pk: int, to: int) -> list[BookType]:
        """Move a copy in one transaction: the sum of all stocks stays."""
        with transaction.atomic():
            books = {each: locked(each) for each in sorted({pk, to})}
            books[pk].stock -= 1
            books[to].stock += 1
            for book in books.values():
                book.save()
        return list(books.values())

    @strawberry_django.mutation
    def fail(self, pk: int) -> BookType:
        """Change a book, and roll that back."""
        with transaction.atomic():
            book = locked(pk)
            book.title = "never"
            book.save()
            raise _NeverError

    @strawberry_django.mutation
    def cover(self, pk: int, file: Upload) -> BookType:
        with transaction.atomic():
            book = locked(pk)
            book.cover = hashlib.sha256(file.read()).hexdigest()  # type: ignore[attr-defined]
            book.save()
        return book

    @strawberry_django.mutation
    def review(self, pk: int) -> ReviewType:
        return Review.objects.create(book_id=pk)


def schema_with(*extensions: Any) -> strawberry.Schema:
    """Make the schema."""
    chosen: tuple[Any, ...] = (DjangoOptimizerExtension, *extensions)
    return strawberry.Schema(
        query_type(),
        Mutation,
        extensions=list(chosen),
        config=StrawberryConfig(batching_config={"max_operations": 10}),
    )


extension: Final = ResponseCacheExtension(
    get_cache(), tenant=None, session=async_user_of if IS_ASYNC else user_of, debug=True
)
schema: Final = schema_with(extension)
plain: Final = schema_with()
extension.check(schema)
