"""`cacheable=` on the extension may veto that the result of an operation is stored."""

import asyncio
import logging
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from tests.conftest import UntilJoined
from tests.core.logs import facts_of
from tests.graphql.ledger import outcome, status


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    async def motto(self, info: strawberry.Info) -> str:
        info.context["runs"].append("motto")
        if (gate := info.context.get("gate")) is not None:
            await gate.wait()
        return str(info.context["user"])

    @cache_control(ttl=60)
    @strawberry.field
    def private(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return "private"

    @cache_control(ttl=60)
    @strawberry.field
    def failing(self) -> str | None:
        raise RuntimeError

    @strawberry.field
    def fresh(self) -> int:
        return 1


class Asked:
    """A `cacheable` that remembers of what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.results: list[Any] = []

    def __call__(self, result: ExecutionResult, context: Any) -> Any:
        self.results.append((result.data, context["user"]))
        return self.answer(result, context) if callable(self.answer) else self.answer


def schema_of(cache: ResponseCache, cacheable: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        cache,
        tenant=None,
        session=lambda context: context["user"],
        debug=True,
        cacheable=cacheable,
    )
    return strawberry.Schema(Query, extensions=[extension])


def context_of(user: str, **more: Any) -> dict[str, Any]:
    return {"user": user, "runs": [], **more}


async def test_cacheable_is_called_with_the_result_and_the_context_before_storing(
    cache: ResponseCache,
) -> None:
    asked = Asked(True)
    schema = schema_of(cache, asked)
    said = [
        status(await schema.execute("{ motto }", context_value=context_of("alice")))
        for _ in range(2)
    ]
    assert said == ["miss", "hit"]
    assert asked.results == [({"motto": "alice"}, "alice")]


async def test_a_response_vetoed_by_cacheable_is_neither_stored_nor_shared(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    schema = schema_of(cache, lambda _, context: context["user"] != "admin")
    gate = asyncio.Event()
    contexts = [context_of(user, gate=gate) for user in ("admin", "bob")]
    tasks = [
        asyncio.create_task(schema.execute("{ motto }", context_value=each)) for each in contexts
    ]
    await until_joined(cache, 1)
    gate.set()
    assert [(await each).data for each in tasks] == [{"motto": "admin"}, {"motto": "bob"}]
    for _ in range(2):
        said = outcome(await schema.execute("{ motto }", context_value=context_of("admin")))
        assert (said["status"], said["reason"]) == ("bypass", "vetoed")
        assert "cacheable" in said["advice"]
    for expected in ("miss", "hit"):
        again = await schema.execute("{ motto }", context_value=context_of("eve"))
        assert (status(again), again.data) == (expected, {"motto": "eve"})


async def test_cacheable_can_veto_a_result_that_turns_private(cache: ResponseCache) -> None:
    asked = Asked(False)
    schema = schema_of(cache, asked)
    for _ in range(2):
        said = outcome(await schema.execute("{ private }", context_value=context_of("alice")))
        assert said["reason"] == "vetoed"
    assert len(asked.results) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *_: 1 / 0, "ZeroDivisionError"),
        (None, "NoneType"),
        ("s3cret", "str"),
        (lambda *_: _later(), "coroutine"),
    ],
)
async def test_a_cacheable_function_that_fails_stores_nothing_and_is_named_in_the_log(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture, answer: Any, kind: str
) -> None:
    def cacheable(result: ExecutionResult, context: Any) -> Any:
        return answer(result, context) if callable(answer) else answer

    schema = schema_of(cache, cacheable)
    for _ in range(3):
        result = await schema.execute("{ motto }", context_value=context_of("s3cret"))
        assert (result.errors, result.data) == (None, {"motto": "s3cret"})
        said = outcome(result)
        assert (said["status"], said["reason"]) == ("bypass", "context_failed")
        assert "cacheable" in said["advice"]
    (line,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert facts_of(line)["error.type"] == kind
    assert "test_cacheable" in line.getMessage()
    assert "s3cret" not in caplog.text


async def _later() -> bool:
    return True


async def test_cacheable_is_not_called_for_fields_with_entries_of_their_own_nor_for_errors(
    cache: ResponseCache,
) -> None:
    asked = Asked(False)
    schema = schema_of(cache, asked)
    for expected in ("miss", "hit"):
        result = await schema.execute("{ fresh motto }", context_value=context_of("alice"))
        assert outcome(result)["fields"][0]["status"] == expected
    failed = await schema.execute("{ failing }", context_value=context_of("alice"))
    assert outcome(failed)["reason"] == "errors"
    assert asked.results == []


def test_execute_sync_calls_cacheable(cache: ResponseCache) -> None:
    schema = schema_of(cache, lambda *_: False)
    said = outcome(schema.execute_sync("{ private }", context_value=context_of("alice")))
    assert said["reason"] == "vetoed"
