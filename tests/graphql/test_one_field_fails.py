"""A field that fails does not keep the others from being cached."""

import asyncio
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control

QUERY = "{ steady shaky }"
both = pytest.mark.parametrize("face", ["sync", "async"])


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def steady(self, info: strawberry.Info) -> int:
        info.context["ran"].append("steady")
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def shaky(self, info: strawberry.Info) -> int | None:
        info.context["ran"].append("shaky")
        if info.context["down"]:
            raise ConnectionError
        return 2

    @cache_control(ttl=60)
    @strawberry.field
    def needed(self, info: strawberry.Info) -> int:
        raise ConnectionError


class Asking:
    def __init__(self, cache: ResponseCache, face: str) -> None:
        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        self._schema = strawberry.Schema(Query, extensions=[extension])
        self._face = face
        self.data: Any = None
        self.said: Any = None

    async def ask(self, query: str = QUERY, *, down: bool) -> list[str]:
        """Which resolvers ran."""
        context: dict[str, Any] = {"ran": [], "down": down}
        if self._face == "sync":
            result = await asyncio.to_thread(
                self._schema.execute_sync, query, context_value=context
            )
        else:
            result = await self._schema.execute(query, context_value=context)
        assert result.extensions is not None
        self.data, self.said = result.data, result.extensions["responseCache"]
        return list(context["ran"])


@both
async def test_other_fields_hit_while_one_field_fails(cache: ResponseCache, face: str) -> None:
    asking = Asking(cache, face)
    assert await asking.ask(down=True) == ["steady", "shaky"]
    assert asking.data == {"steady": 1, "shaky": None}
    for _ in range(3):
        assert await asking.ask(down=True) == ["shaky"]
        assert asking.data == {"steady": 1, "shaky": None}
    assert (asking.said["status"], asking.said["reason"]) == ("bypass", "errors")
    assert {each["field"]: each["status"] for each in asking.said["fields"]} == {
        "Query.steady": "hit",
        "Query.shaky": "bypass",
    }


@both
async def test_after_the_failure_ends_fields_are_hits_though_the_operation_is_not_stored(
    cache: ResponseCache, face: str
) -> None:
    asking = Asking(cache, face)
    for _ in range(3):
        await asking.ask(down=True)
    assert await asking.ask(down=False) == ["shaky"]
    assert await asking.ask(down=False) == []
    assert {each["status"] for each in asking.said["fields"]} == {"hit"}


@both
async def test_after_a_result_without_data_the_operation_is_not_looked_up_field_by_field(
    cache: ResponseCache, face: str
) -> None:
    asking = Asking(cache, face)
    for _ in range(3):
        assert await asking.ask("{ steady needed }", down=False) == ["steady"]
        assert asking.data is None
        assert asking.said["advice"] != "see 'fields'"


@both
async def test_after_a_partial_failure_other_operations_are_stored_as_a_whole(
    cache: ResponseCache, face: str
) -> None:
    asking = Asking(cache, face)
    await asking.ask(down=True)
    assert await asking.ask("{ shaky steady }", down=False) == ["shaky", "steady"]
    assert await asking.ask("{ shaky steady }", down=False) == []
    assert asking.said["status"] == "hit"
