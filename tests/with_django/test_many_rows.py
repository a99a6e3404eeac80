"""What signals cannot see: query sets that invalidate, and the call for all else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction

from strawberry_response_cache import CacheConfigurationError, ResponseCache
from strawberry_response_cache.django import (
    InvalidatingQuerySet,
    invalidate_models,
    invalidate_on_save,
)
from tests.graphql.ledger import outcome
from tests.with_django.library import schema_over, uncached
from tests.with_django.models import Author, Book, Club, Copy, Genre, Shop, Town

QUERY = "{ clubs { name } }"


def rows() -> Any:
    return InvalidatingQuerySet(Club)


# It ends before the rows are deleted: the cache is closed by then, and nothing is to tell it of them.
pytestmark = pytest.mark.usefixtures("signals_of_its_own")


@pytest.fixture(autouse=True)
def _rows() -> Iterator[None]:
    Club.objects.create(name="one")
    Club.objects.create(name="two")
    yield
    Club.objects.all().delete()
    Shop.objects.all().delete()


def renamed() -> list[Club]:
    found = list(Club.objects.all())
    for club in found:
        club.name += "!"
    return found


def by_sql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bookshop_club SET name = 'sql' WHERE name = 'one'")
    invalidate_models(Club)


CHANGES: dict[str, Callable[[], object]] = {
    "update": lambda: rows().filter(name="one").update(name="uno"),
    "update of values": lambda: rows().filter(name="one").values("name").update(name="uno"),
    "bulk_update": lambda: rows().bulk_update(renamed(), ["name"]),
    "bulk_create": lambda: rows().bulk_create([Club(name="three")]),
    "bulk_create with conflicts": lambda: rows().bulk_create(
        [Club(pk=Club.objects.get(name="one").pk, name="uno")],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["name"],
    ),
    "SQL": by_sql,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("query", [QUERY, "{ clubs { crowd } clubs { name } }"])
def test_a_read_after_a_change_of_many_rows_is_what_the_database_says(
    cache: ResponseCache, name: str, query: str
) -> None:
    schema = schema_over(cache)
    invalidate_on_save(schema)
    before = schema.execute_sync(query).data
    with transaction.atomic():
        CHANGES[name]()
        assert outcome(schema.execute_sync(query))["reason"] == "invalidation_pending"
    expected = uncached.execute_sync(query).data
    assert schema.execute_sync(query).data == expected != before


MOVES: dict[str, Callable[[Copy, Shop, Shop], object]] = {
    "add": lambda copy, _, to: to.copies.add(copy),
    "add, one by one": lambda copy, _, to: to.copies.add(copy, bulk=False),
    "set": lambda copy, _, to: to.copies.set([copy]),
    "remove": lambda copy, at, _: at.copies.remove(copy),
    "clear": lambda copy, at, _: at.copies.clear(),
    "update": lambda copy, _, to: Copy.objects.filter(pk=copy.pk).update(shop=to),
    "update of a key": lambda copy, _, to: Copy.objects.filter(pk=copy.pk).update(shop_id=to.pk),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("shown", ["copies { shopId }", "stock(pk: %s) { size }"])
def test_a_read_after_rows_were_related_to_another_is_what_the_database_says(
    cache: ResponseCache, name: str, shown: str
) -> None:
    """By managers of a foreign key, which send no signal, and of a model whose query sets invalidate."""
    at, to = Shop.objects.create(name="at"), Shop.objects.create(name="to")
    copy = Copy.objects.create(shop=at)
    schema = schema_over(cache)
    invalidate_on_save(schema)
    query = f"{{ {shown % at.pk if '%' in shown else shown} }}"
    before = schema.execute_sync(query).data
    MOVES[name](copy, at, to)
    expected = uncached.execute_sync(query).data
    assert schema.execute_sync(query).data == expected != before


@pytest.mark.parametrize("column", ["town", "town_id"])
def test_an_update_reaches_the_objects_that_its_rows_point_to(
    cache: ResponseCache, column: str
) -> None:
    at, to = Town.objects.create(name="at"), Town.objects.create(name="to")
    Shop.objects.create(name="one", town=at)
    schema = schema_over(cache)
    invalidate_on_save(schema)
    queries = [f"{{ town(pk: {town.pk}) {{ shops }} }}" for town in (at, to)]
    before = [schema.execute_sync(query).data for query in queries]
    InvalidatingQuerySet(Shop).filter(town=at).update(**{column: to.pk})
    after = [schema.execute_sync(query).data for query in queries]
    assert after == [uncached.execute_sync(query).data for query in queries] != before
    Town.objects.all().delete()


def test_a_rolled_back_update_invalidates_nothing(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    invalidate_on_save(schema)
    schema.execute_sync(QUERY)
    with transaction.atomic():
        rows().filter(name="one").update(name="never")
        transaction.set_rollback(True)
    assert outcome(schema.execute_sync(QUERY))["status"] == "hit"


async def test_an_asynchronous_update_invalidates(cache: ResponseCache) -> None:
    schema = schema_over(cache)
    invalidate_on_save(schema)
    await schema.execute(QUERY)
    await rows().filter(name="one").aupdate(name="uno")
    expected = await sync_to_async(uncached.execute_sync)(QUERY)
    assert (await schema.execute(QUERY)).data == expected.data


def test_an_update_reaches_the_tenants_of_its_rows_before_and_after(cache: ResponseCache) -> None:
    schema = schema_over(cache, tenant=lambda context: context["tenant"])
    invalidate_on_save(schema, tenant=lambda club: club.name)
    tenants = ("one", "two", "uno")
    for tenant in tenants:
        schema.execute_sync(QUERY, context_value={"tenant": tenant})
    rows().filter(name="one").update(name="uno")
    statuses = [
        outcome(schema.execute_sync(QUERY, context_value={"tenant": tenant}))["status"]
        for tenant in tenants
    ]
    assert statuses == ["miss", "hit", "miss"]


def test_a_query_set_of_an_unwatched_model_works_as_in_django() -> None:
    assert rows().filter(name="one").update(name="uno") == 1
    assert [each.name for each in rows().bulk_create([Club(name="three")])] == ["three"]


def test_a_manager_of_an_invalidating_query_set_serves_related_rows(cache: ResponseCache) -> None:
    """The managers of relations are made of the manager of the model."""
    author = Author.objects.get(name="Ursula")
    manager = InvalidatingQuerySet.as_manager()
    manager.model = Book
    schema = schema_over(cache)
    invalidate_on_save(schema)
    query = "{ books { title } }"
    schema.execute_sync(query)
    assert manager.filter(author=author, title="absent").update(title="never") == 0
    assert outcome(schema.execute_sync(query))["status"] == "miss"


def test_wrong_calls_of_invalidate_models_are_refused(cache: ResponseCache) -> None:
    with pytest.raises(CacheConfigurationError, match=r"was not called for bookshop\.Genre"):
        invalidate_models(Genre)
    invalidate_on_save(schema_over(cache))
    with pytest.raises(CacheConfigurationError, match="leave it out otherwise"):
        invalidate_models(Genre, tenant="acme")
    with pytest.raises(CacheConfigurationError, match="not empty"):
        invalidate_models(Genre, tenant="")
