"""Sessions and headers of the scope that the application reads and changes: what follows outside stays the same."""

from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.asgi import GraphQL
from tests.middleware.service import Message, Response, Shop, call


class Session(dict[str, Any]):
    """A session that notes what is done with it, as Starlette's and others do."""

    accessed = False
    modified = False

    def mark_accessed(self) -> None:
        self.accessed = True

    def __setitem__(self, name: str, value: Any) -> None:
        self.accessed = self.modified = True
        super().__setitem__(name, value)


def with_sessions(application: Any, kind: Callable[..., Any]) -> Any:
    """Return an application with sessions around it; the name of the user stands in the cookie."""

    async def keeping(scope: Any, receive: Any, send: Any) -> None:
        session = scope["session"] = kind(user=dict(scope["headers"])[b"cookie"].decode())
        before = dict(session)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                if getattr(session, "accessed", False):
                    message["headers"].append((b"x-vary", b"Cookie"))
                if session != before:
                    message["headers"].append((b"set-cookie", b"session=changed"))
            await send(message)

        await application(scope, receive, sending)

    return keeping


class Counting(GraphQL[Any, Any]):
    """A view that changes the session of some requests."""

    async def get_context(self, request: Any, response: Any) -> Any:
        if "x-count" in request.headers:
            request.session["visits"] = 1
        return await super().get_context(request, response)


@pytest.fixture
def shop(make: Callable[..., Shop]) -> Shop:
    """The shop, whose users are in the session."""
    return make(
        view=Counting,
        session=lambda context: context["request"].session["user"],
        of_scope={"session": lambda scope: scope["session"]["user"]},
    )


async def ask(application: Any, kind: Any, query: str, **headers: str) -> Response:
    headers = {"cookie": "alice", "x-user": "alice", **headers}
    return await call(with_sessions(application, kind), query, headers=list(headers.items()))


@pytest.mark.parametrize("kind", [Session, dict])
async def test_a_hit_counts_as_reading_the_session_if_the_application_reads_it(
    shop: Shop, kind: Any
) -> None:
    """Starlette's sends `Vary: Cookie` then: without it a browser shows one user what it kept for another."""
    await ask(shop.front, kind, "{ book { title } }")  # a miss asks for the session
    for _ in range(4):
        mine = await ask(shop.front, kind, "{ mine }")
        public = await ask(shop.front, kind, "{ book { title } }")
        assert mine.headers.get("x-vary") == ("Cookie" if kind is Session else None)
        assert "x-vary" not in public.headers
    assert shop.entered == 4


@pytest.mark.parametrize("kind", [Session, dict])
@pytest.mark.parametrize("query", ["{ mine }", "{ book { title } }"])
async def test_a_session_that_the_application_changes_is_sent_each_time(
    shop: Shop, kind: Any, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        changing = await ask(shop.front, kind, query, **{"x-count": "1"})
        assert changing.headers["set-cookie"] == "session=changed"
    assert shop.entered == 4
    assert "(set-cookie" in caplog.text
    await ask(shop.front, kind, query)
    await ask(shop.front, kind, query)
    assert shop.entered == 5


async def test_requests_to_which_an_inner_middleware_adds_credentials_reach_the_application(
    make: Callable[..., Shop],
) -> None:
    """With credentials a response is `private`; whether it has any is seen outside before they are added."""

    def adding(application: Any) -> Any:
        async def added(scope: Any, receive: Any, send: Any) -> None:
            scope["headers"].append((b"authorization", b"Bearer of the service"))
            await application(scope, receive, send)

        return added

    shop = make(inside=adding, vary_headers={"tenant": ["X-Tenant"]})
    for _ in range(4):
        assert (await shop.call()).headers["cache-control"] == "private, max-age=60"
    assert shop.entered == 4


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_hit_with_a_changed_session_is_sent_with_no_store(
    make: Callable[..., Shop], method: str
) -> None:
    """Requests before and after it, whose session is unchanged, get `public` for the same entry."""
    shop = make(vary_headers={"tenant": ["X-Tenant"]})
    same, changed = Session(), Session(user="alice")
    changed.modified = True
    for _ in range(3):
        before = await shop.call(method=method, scope={"session": same})
    entered = shop.entered
    hit = await shop.call(method=method, scope={"session": changed})
    after = await shop.call(method=method, scope={"session": same})
    assert shop.entered == entered
    assert hit.headers["cache-control"] == "no-store"
    assert before.headers["cache-control"] == after.headers["cache-control"] == "public, max-age=60"
