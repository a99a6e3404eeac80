"""A cookie that a framework sends after the view has returned: nobody may store the response."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import strawberry
from strawberry.asgi import GraphQL as StockGraphQL

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.graphql.http.session_cookies import sends_session_cookie


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def number(self) -> int:
        return 1


def with_sessions(application: Any, session: dict[str, int]) -> Any:
    """Send a session's cookie as Starlette's middleware does."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start" and session:
                message["headers"].append((b"set-cookie", b"session=secret"))
            await send(message)

        await application({**scope, "session": session}, receive, sent)

    return middleware


@pytest.mark.parametrize("view", [GraphQL, StockGraphQL])
@pytest.mark.parametrize(
    ("session", "expected"), [({"user": 1}, "no-store"), ({}, "public, max-age=60")]
)
def test_a_response_with_a_new_session_is_stored_by_nobody(
    view: Any, session: dict[str, int], expected: str
) -> None:
    async def ask() -> None:
        with ResponseCache.from_url("memory://", prefix="sessions", jitter=0) as cache:
            extension = ResponseCacheExtension(cache, tenant=None)
            application = view(strawberry.Schema(Query, extensions=[extension]))
            transport = httpx.ASGITransport(with_sessions(application, session))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                for _ in range(2):
                    sent = {"accept": "application/json"}
                    response = await client.get("/?query={number}", headers=sent)
                    assert response.headers["cache-control"] == expected
                    assert ("set-cookie" in response.headers) is bool(session)
                    client.cookies.clear()

    asyncio.run(ask())


class _Session(dict[str, int]):
    modified = False


class _Changed(_Session):
    modified = True


@pytest.mark.parametrize("kind", [_Session, _Changed])
def test_a_session_cookie_is_expected_if_the_session_or_csrf_cookie_changed(
    kind: type[_Session],
) -> None:
    session, is_changed = kind(), kind.modified
    for request in (
        SimpleNamespace(scope={"session": session}),
        SimpleNamespace(META={}, session=session),
        SimpleNamespace(META={"CSRF_COOKIE_NEEDS_UPDATE": is_changed}),
        SimpleNamespace(consumer=SimpleNamespace(scope={"session": session})),
    ):
        assert sends_session_cookie(request) is is_changed


@pytest.mark.parametrize("request_", [None, object(), {}, SimpleNamespace(scope=None, META=None)])
def test_no_session_cookie_follows_a_request_without_a_session(request_: object) -> None:
    assert not sends_session_cookie(request_)
