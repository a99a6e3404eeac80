"""When `session` is asked, and what holds where it fails or where what needs it is skipped."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from tests.graphql.ledger import outcome, reason, status


@strawberry.type
class Account:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    def balance(self) -> int:
        return 12

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def share(self, info: strawberry.Info) -> str:
        return str(info.context.get("user"))


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self) -> str:
        return "once"

    @cache_control(ttl=60)
    @strawberry.field
    def account(self) -> Account:
        return Account(id=strawberry.ID("1"))

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        return str(info.context.get("user"))

    @cache_control(ttl=60)
    @strawberry.field
    def restricted(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return str(info.context.get("user"))

    @strawberry.field
    def fresh(self) -> int:
        return 1


def session(context: Any) -> Any:
    context["asked"] = context.get("asked", 0) + 1
    return context["user"]


def unusable(context: Any) -> Any:
    return 1.5


def schema_of(cache: ResponseCache, session: Callable[[Any], Any] = session) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, session=session, debug=True)
    return strawberry.Schema(Query, extensions=[extension])


SKIPPED = [
    "query ($no: Boolean = false) { motto me @include(if: $no) }",
    "query ($yes: Boolean = true) { motto me @skip(if: $yes) }",
    "{ motto ... @skip(if: true) { me } }",
    "query ($yes: Boolean = true) { account { id share @skip(if: $yes) } }",
]


@pytest.mark.parametrize("query", SKIPPED)
async def test_a_skipped_private_field_needs_no_session(cache: ResponseCache, query: str) -> None:
    schema = schema_of(cache)
    first = outcome(await schema.execute(query, context_value={"user": None}))
    assert (first["status"], first["scope"]) == ("miss", "PUBLIC")
    for user in (None, "alice", "bob"):
        context = {"user": user}
        said = outcome(await schema.execute(query, context_value=context))
        assert (said["status"], said["scope"]) == ("hit", "PUBLIC")


@pytest.mark.parametrize("query", SKIPPED[:2])
async def test_a_private_field_that_is_not_skipped_needs_a_session(
    cache: ResponseCache, query: str
) -> None:
    schema = schema_of(cache)
    variables = {"no": True} if "$no" in query else {"yes": False}
    for user, expected in [("alice", "miss"), ("bob", "miss"), ("alice", "hit"), ("bob", "hit")]:
        result = await schema.execute(query, variables, context_value={"user": user})
        assert (status(result), outcome(result)["scope"]) == (expected, "PRIVATE")
        assert result.data == {"motto": "once", "me": user}
    nobody = await schema.execute(query, variables, context_value={"user": None})
    assert reason(nobody) == "private_without_session"


@pytest.mark.parametrize("fails", [session, unusable])
@pytest.mark.parametrize(
    "query", ["{ motto }", SKIPPED[1], "{ me }", "{ motto me }", "{ restricted }"]
)
async def test_while_session_fails_nothing_is_stored(
    cache: ResponseCache,
    caplog: pytest.LogCaptureFixture,
    query: str,
    fails: Callable[[Any], Any],
) -> None:
    failing, sound = schema_of(cache, fails), schema_of(cache)
    for _ in range(2):
        result = await failing.execute(query, context_value={})  # there is no user
        assert result.errors is None
        said = outcome(result)
        assert (said["status"], said["reason"]) == ("bypass", "context_failed")
    (line,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "session" in line.getMessage()
    alice = await sound.execute(query, context_value={"user": "alice"})
    assert status(alice) == "miss"
    assert "None" not in str(alice.data)


async def test_while_session_fails_no_field_is_stored(cache: ResponseCache) -> None:
    query = "{ fresh motto account { balance share } }"
    failing = schema_of(cache)
    for _ in range(2):
        said = outcome(await failing.execute(query, context_value={}))
        assert {each["status"] for each in said["fields"]} == {"bypass"}
        assert {each["reason"] for each in said["fields"]} == {"context_failed"}


async def test_public_entries_are_read_while_session_fails(cache: ResponseCache) -> None:
    sound, failing = schema_of(cache), schema_of(cache, unusable)
    for query in ("{ motto }", "{ fresh motto }"):
        await sound.execute(query, context_value={"user": "alice"})
        said = outcome(await failing.execute(query, context_value={}))
        assert "hit" in {said["status"], *(each["status"] for each in said.get("fields", ()))}


async def test_session_is_called_once_and_not_at_all_on_a_public_hit(cache: ResponseCache) -> None:
    schema = schema_of(cache)
    asked: list[int] = []
    for query in ("{ motto }", "{ motto }", "{ me }", "{ me }", "{ fresh me account { share } }"):
        context: dict[str, Any] = {"user": "alice"}
        await schema.execute(query, context_value=context)
        asked.append(context.get("asked", 0))
    # Before an entry is stored, it is asked again to see that it did not change: two fields at the end.
    assert asked == [2, 0, 2, 1, 3]
