"""What the cache did for operations is recorded without `debug`, and leaves their responses as they are."""

import dataclasses
import gc
import weakref
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    Reason,
    ResponseCache,
)
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import options_of
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.testing import RecordedOperation, record
from tests.testing.shelf import Shelf

SECRET = "s3cret"


@pytest.fixture(params=["execute", "execute_sync"])
def shelf(request: pytest.FixtureRequest, memory_cache: ResponseCache) -> Shelf:
    return Shelf(memory_cache, synchronous=request.param == "execute_sync")


async def test_operations_are_recorded_with_status_reason_and_ttl(shelf: Shelf) -> None:
    with record(shelf.schema) as recording:
        await shelf.ask("query Both { books { id } book(id: 1) { id } }")
        await shelf.ask("query Both { books { id } book(id: 1) { id } }")
        await shelf.ask("{ now }")
        await shelf.ask("mutation Rename { rename(id: 1) { id } }")
        await shelf.ask("{ me }", user="")
    miss, hit, bypass, mutation, private = recording.operations
    assert [each.status for each in recording.operations] == [
        "miss",
        "hit",
        "bypass",
        "bypass",
        "bypass",
    ]
    assert (str(miss), str(bypass)) == ("query Both", "query (without a name)")
    assert hit.ttl is not None
    assert 25 < hit.ttl <= 30
    assert (hit.limited_by, hit.scope, hit.reason) == ("Query.books", CacheScope.PUBLIC, None)
    assert bypass.reason is Reason.ROOT_WITHOUT_HINT
    assert "Query.now" in bypass.advice
    assert mutation.operation_type == "mutation"
    assert mutation.reason is Reason.MUTATION
    assert private.reason is Reason.PRIVATE_WITHOUT_SESSION
    assert recording.last == private


async def test_a_recording_does_not_change_responses(shelf: Shelf) -> None:
    documents = ("{ books { id } }", "{ now }", "mutation { rename(id: 1) { id } }", "{ broken }")
    before = [await shelf.ask(document) for document in documents]
    with record(shelf.schema):
        after = [await shelf.ask(document) for document in documents]
    assert [each.data for each in after] == [each.data for each in before]
    assert [each.extensions for each in after] == [each.extensions for each in before]
    assert not any("responseCache" in (each.extensions or {}) for each in after)


async def test_fields_with_entries_of_their_own_are_recorded(shelf: Shelf) -> None:
    with record(shelf.schema) as recording:
        await shelf.ask("{ now books { id } a: book(id: 1) { id } b: book(id: 2) { id } }")
        await shelf.ask("{ now books { id } a: book(id: 1) { id } b: book(id: 3) { id } }")
    operation = recording.last
    assert operation.status == "bypass"
    assert operation.of_field("Query.books").status == "hit"
    assert operation.of_field("Query.books").limited_by == "Query.books"
    book = operation.of_field("Query.book")
    assert (book.status, book.count, book.scope) == ("miss", 2, CacheScope.PUBLIC)
    with pytest.raises(AssertionError, match=r"Query\.now was not looked up by itself"):
        operation.of_field("Query.now")


async def test_a_mutation_is_recorded_with_the_tags_that_it_invalidates(shelf: Shelf) -> None:
    with record(shelf.schema) as recording:
        await shelf.ask('mutation { rename(id: 7, shelf: "b") { id } }')
        await shelf.ask("mutation { nothing }")
    rename, nothing = recording.operations
    assert rename.invalidated == {"Book:7", "[Book]", "shelf:b"}
    assert rename.invalidates == "now"
    assert (nothing.invalidated, nothing.invalidates) == (frozenset(), None)


async def test_a_deferred_invalidation_is_recorded_when_it_is_committed(
    memory_cache: ResponseCache,
) -> None:
    commits: list[Any] = []
    shelf = Shelf(memory_cache, synchronous=False, on_commit=commits.append)
    with record(shelf.schema) as recording:
        await shelf.ask("mutation { rename(id: 7) { id } }")
        before = recording.last
        await commits[0]()
    assert [before.invalidates, recording.last.invalidates] == ["deferred", "now"]


async def test_a_recording_keeps_the_latest_operations_up_to_its_limit(shelf: Shelf) -> None:
    with record(shelf.schema, limit=2) as recording:
        for name in ("A", "B", "C"):
            await shelf.ask(f"query {name} {{ now }}")
    assert [each.operation_name for each in recording.operations] == ["B", "C"]


async def test_operations_before_and_after_a_recording_are_not_recorded(shelf: Shelf) -> None:
    options: Any = options_of(shelf.schema)
    assert options.watchers == ()
    await shelf.ask("{ now }")
    with record(shelf.schema) as outer, record(shelf.schema) as inner:
        await shelf.ask("{ now }")
        inner.clear()
    assert options.watchers == ()
    await shelf.ask("{ now }")
    assert (len(outer.operations), len(inner.operations)) == (1, 0)


async def test_an_operation_that_is_not_valid_is_not_recorded(shelf: Shelf) -> None:
    with record(shelf.schema) as recording:
        assert (await shelf.ask("{ unknown }")).errors
        assert recording.operations == ()
        with pytest.raises(AssertionError, match="No operation was recorded"):
            _ = recording.last


async def test_an_operation_is_not_recorded_before_its_outcome_is_known(
    memory_cache: ResponseCache,
) -> None:
    seen: list[tuple[RecordedOperation, ...]] = []

    def tenant(context: Any) -> str:
        seen.append(recording.operations)
        return "acme"

    shelf = Shelf(memory_cache, synchronous=True, tenant=tenant)
    with record(shelf.schema) as recording:
        await shelf.ask("{ books { id } }")
    assert seen[0] == ()
    assert recording.last.status == "miss"


def test_a_fault_of_the_package_is_recorded_with_the_reason_cache_fault() -> None:
    guard = Guard()
    report = Report(guard)
    assert report.outcome is None
    guard.is_faulted = True
    assert report.outcome is not None
    assert report.outcome.reason is Reason.CACHE_FAULT


async def test_a_recording_shows_no_variable_session_tenant_or_tag(shelf: Shelf) -> None:
    with record(shelf.schema) as recording:
        secrets = {"user": SECRET, "tenant": SECRET, "id": SECRET}
        await shelf.ask("query A($id: ID!) { me book(id: $id) { id } }", **secrets)
        await shelf.ask("query B($id: ID!) { now book(id: $id) { id } }", **secrets)
        await shelf.ask("mutation C($id: ID!) { rename(id: $id) { id } }", **secrets)
    assert len(recording.operations) == 3
    assert SECRET not in f"{recording!r} {recording.operations!r}"
    assert SECRET not in " ".join(map(str, recording.operations))


async def test_a_recording_keeps_no_reference_to_the_context_of_a_request(
    memory_cache: ResponseCache,
) -> None:
    class Context(dict[str, Any]):
        pass

    shelf = Shelf(memory_cache, synchronous=True)
    with record(shelf.schema) as recording:
        context = Context(user="alice", tenant="acme")
        alive = weakref.ref(context)
        for document in ("{ me }", "{ now books { id } }", "mutation { rename(id: 1) { id } }"):
            shelf.schema.execute_sync(document, context_value=context)
        del context
        gc.collect()
        assert len(recording.operations) == 3
        assert alive() is None


async def test_recorded_operations_cannot_be_changed(shelf: Shelf) -> None:
    with record(shelf.schema) as recording:
        await shelf.ask("{ now books { id } }")
    operation: Any = recording.last
    for recorded in (operation, operation.fields[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            recorded.status = "hit"


def test_a_recording_of_a_schema_without_the_extension_is_refused() -> None:
    @strawberry.type
    class Query:
        now: int = 12

    with (
        pytest.raises(CacheConfigurationError, match="has no ResponseCacheExtension"),
        record(strawberry.Schema(Query)),
    ):
        pass
