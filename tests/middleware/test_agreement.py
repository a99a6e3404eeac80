"""Both sides have to say the same of each request; otherwise nothing is stored and the middleware turns itself off."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from strawberry.asgi import GraphQL as StockGraphQL

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
    cache_control,
)
from strawberry_response_cache.core._tenant import Tenant
from tests.middleware.service import RUNS, Query, Shop

DISAGREEING: dict[str, dict[str, Any]] = {
    "tenant": {"tenant": lambda _: "umbrella"},
    "session": {"session": lambda _: "mallory"},
    "no session": {"session": lambda _: None},
    "vary.locale": {"vary": {"locale": lambda _: "fr"}},
}
ASKED = {"tenant": "{ book { title } }", "vary.locale": "{ greeting }"}


@pytest.mark.parametrize("name", DISAGREEING)
async def test_a_disagreement_stores_nothing_and_turns_the_middleware_off(
    make: Callable[..., Shop], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop = make(of_scope=DISAGREEING[name])
    query, named = ASKED.get(name, "{ mine }"), [("accept-language", "en")]
    first = await shop.call(query, user="alice", headers=named)
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    function = name.removeprefix("no ")
    assert f"turned itself off in this process: its {function} gave" in record.getMessage()
    assert vars(record)["response_cache.function"] == function
    for secret in ("acme", "umbrella", "alice", "mallory", "en", "fr"):
        assert f" {secret} " not in record.getMessage()
    stored = sum(RUNS.values())
    second = await shop.call(query, user="alice", headers=named)
    assert first.data == second.data
    assert sum(RUNS.values()) == stored + 1, "the first answer was not stored"
    for _ in range(3):
        await shop.call(query, user="alice", headers=named)
    assert sum(RUNS.values()) == stored + 1, "the cache is on, and the middleware off"
    assert shop.entered == 5
    assert len([each for each in caplog.records if each.levelno == logging.ERROR]) == 1


@pytest.mark.parametrize("name", ["tenant", "session"])
async def test_a_disagreement_stores_no_field_by_itself(
    make: Callable[..., Shop], name: str
) -> None:
    shop = make(of_scope=DISAGREEING[name])
    query = "{ uncached book { title } mine }"
    for runs in (1, 2, 2):  # the second request stores them, because the middleware is off
        await shop.call(query, user="alice")
        assert (RUNS["book"], RUNS["mine"]) == (runs, runs)


async def test_a_mutation_invalidates_whatever_the_middleware_says(
    make: Callable[..., Shop],
) -> None:
    tenants = ["acme"]
    shop = make(of_scope={"tenant": lambda _: tenants[0]})
    assert await shop.is_answered_in_front()
    tenants[0] = "umbrella"
    await shop.call('mutation { rename(title: "Emma") }')
    tenants[0] = "acme"
    assert (await shop.call()).data == {"book": {"title": "Emma"}}


async def test_after_a_disagreement_remembered_requests_reach_the_application(
    make: Callable[..., Shop],
) -> None:
    sessions = ["alice"]
    shop = make(of_scope={"session": lambda _: sessions[0]})
    assert await shop.is_answered_in_front("{ mine }", user="alice")
    sessions[0] = "bob"
    assert (await shop.call("{ mine }", user="carol")).data == {"mine": "carol of acme"}
    entered = shop.entered
    sessions[0] = "alice"
    await shop.call("{ mine }", user="alice")
    assert shop.entered == entered + 1


async def test_the_session_function_is_not_compared_for_a_public_operation(
    make: Callable[..., Shop],
) -> None:
    shop = make(of_scope={"session": lambda _: "mallory"})
    assert await shop.is_answered_in_front(user="alice")


async def test_with_debug_the_reason_of_a_disagreement_is_in_the_response(
    make: Callable[..., Shop],
) -> None:
    shop = make(of_scope={"tenant": lambda _: "umbrella"}, debug=lambda _: True)
    response = await shop.call()
    assert b'"reason":"context_changed"' in response.body.replace(b" ", b"")
    assert b"tenant of ResponseCacheMiddleware" in response.body


async def test_without_tenants_both_sides_agree(make: Callable[..., Shop]) -> None:
    shop = make(tenant=None, of_scope={"tenant": None})
    assert await shop.is_answered_in_front()


class InAConsumer(StockGraphQL[Any, Any]):
    """A view whose requests have their scope where those of Channels have it."""

    async def get_context(self, *given: Any, **named: Any) -> Any:
        context: Any = await super().get_context(*given, **named)
        request = context["request"]
        consumer = SimpleNamespace(scope=request.scope)
        context["request"] = SimpleNamespace(headers=request.headers, consumer=consumer)
        return context


async def test_a_request_of_channels_is_answered_in_front(make: Callable[..., Shop]) -> None:
    assert await make(view=InAConsumer, headers=False).is_answered_in_front()


async def test_the_functions_of_another_schema_in_the_same_request_are_not_compared(
    make: Callable[..., Shop], new_cache: Callable[..., ResponseCache]
) -> None:
    @strawberry.type
    class Own:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE)
        @strawberry.field
        def word(self) -> str:
            return "own"

    extension = ResponseCacheExtension(
        new_cache("memory://"), tenant=None, session=lambda _: "a service"
    )
    other = strawberry.Schema(Own, extensions=[extension])
    ResponseCacheMiddleware(
        StockGraphQL(other), extension, schema=other, tenant=None, session=lambda _: "any"
    )

    @strawberry.type
    class Asking(Query):
        @strawberry.field
        async def word(self, info: strawberry.Info) -> str:
            result = await other.execute("{ word }", context_value=info.context)
            assert result.data is not None
            return str(result.data["word"])

    shop = make(query=Asking)
    for _ in range(2):
        assert (await shop.call("{ word mine }", user="alice")).data["word"] == "own"
    assert not shop.is_off
    assert await shop.is_answered_in_front("{ mine }", user="alice")


async def test_a_hit_found_before_the_middleware_turned_itself_off_is_not_answered(
    make: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another request has shown, while Redis was asked, that a function of the middleware is wrong."""
    shop, find = make(), Tenant.find
    await shop.warm()

    async def found(*given: Any) -> Any:
        answer = await find(*given)
        shop.front._shared.front.turn_off("tenant")
        return answer

    monkeypatch.setattr(Tenant, "find", found)
    assert (await shop.call()).data == {"book": {"title": "a book of acme"}}
    assert shop.is_off
    assert shop.entered == 3
