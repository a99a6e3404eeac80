"""A resolver that executes an operation which varies by more than the entry around it."""

import contextvars
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.graphql.execution.varying import varies_by_more, varying

LANGUAGES = ("en", "de", "en")


async def words_of(info: strawberry.Info) -> str:
    result = await info.schema.execute("{ words }", context_value=info.context)
    assert result.data is not None
    return str(result.data["words"])


async def words_of_the_executed(info: strawberry.Info) -> str:
    result = await info.schema.execute("{ executesAndVaries }", context_value=info.context)
    assert result.data is not None
    return str(result.data["executesAndVaries"])


@strawberry.type
class Shelf:
    id: strawberry.ID

    @cache_control(ttl=30)
    @strawberry.field
    async def words(self, info: strawberry.Info) -> str:
        return await words_of(info)


@strawberry.type
class Query:
    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def words(self, info: strawberry.Info) -> str:
        return str(info.context["locale"])

    @cache_control(ttl=60)
    @strawberry.field
    async def executes(self, info: strawberry.Info) -> str:
        return await words_of(info)

    @cache_control(ttl=60)
    @strawberry.field
    def executes_at_once(self, info: strawberry.Info) -> str:
        result = info.schema.execute_sync("{ words }", context_value=info.context)
        assert result.data is not None
        return str(result.data["words"])

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    async def executes_and_varies(self, info: strawberry.Info) -> str:
        return await words_of(info)

    @cache_control(ttl=60)
    @strawberry.field
    async def executes_what_executes(self, info: strawberry.Info) -> str:
        return await words_of_the_executed(info)

    @cache_control(ttl=60)
    @strawberry.field
    async def shelf(self) -> Shelf:
        return Shelf(id=strawberry.ID("1"))

    @strawberry.field
    def now(self) -> int:
        return 1


@pytest.fixture
def schema() -> Iterator[strawberry.Schema]:
    with ResponseCache.from_url("memory://", prefix="parts") as cache:
        vary: Any = {"locale": lambda context: context["locale"]}
        extension = ResponseCacheExtension(cache, tenant=None, vary=vary, debug=True)
        yield strawberry.Schema(Query, extensions=[extension])


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("{ executes }", ["executes"]),
        ("{ executes now }", ["executes"]),
        ("{ executesWhatExecutes }", ["executesWhatExecutes"]),
        ("{ shelf { words } }", ["shelf", "words"]),
        ("{ shelf { words } now }", ["shelf", "words"]),
        # What varies elsewhere in the operation is not in the key of the field.
        ("{ executes words now }", ["executes"]),
    ],
)
async def test_an_answer_with_an_inner_operation_that_varies_reaches_no_other_requester(
    schema: strawberry.Schema, query: str, path: list[str]
) -> None:
    for locale in LANGUAGES:
        result = await schema.execute(query, context_value={"locale": locale})
        data: Any = result.data
        for name in path:
            data = data[name]
        assert data == locale


def test_a_sync_answer_with_an_inner_operation_that_varies_reaches_no_other_requester(
    schema: strawberry.Schema,
) -> None:
    for locale in LANGUAGES:
        result = schema.execute_sync("{ executesAtOnce }", context_value={"locale": locale})
        assert result.data == {"executesAtOnce": locale}


async def test_a_field_that_varies_by_the_same_values_as_its_inner_operation_is_stored(
    schema: strawberry.Schema,
) -> None:
    told = []
    for locale in LANGUAGES:
        context = {"locale": locale}
        result = await schema.execute("{ executesAndVaries }", context_value=context)
        assert result.data == {"executesAndVaries": locale}
        assert result.extensions is not None
        told.append(result.extensions["responseCache"]["status"])
    assert told == ["miss", "miss", "hit"]


async def test_an_inner_operation_that_varies_by_the_same_values_as_its_own_inner_one_is_stored(
    schema: strawberry.Schema,
) -> None:
    await schema.execute("{ executesWhatExecutes }", context_value={"locale": "en"})
    result = await schema.execute("{ executesAndVaries }", context_value={"locale": "en"})
    assert result.extensions is not None
    assert result.extensions["responseCache"]["status"] == "hit"


def test_an_execution_closed_in_another_context_does_not_change_what_varies_there() -> None:
    names, others = {"locale"}, {"locale", "currency"}

    def executes() -> Generator[None, None, None]:
        with varying(names):
            yield

    dropped = executes()
    contextvars.copy_context().run(next, dropped)
    with varying(names):
        dropped.close()
        assert (varies_by_more(names), varies_by_more(others)) == (False, True)
    assert not varies_by_more(others)
