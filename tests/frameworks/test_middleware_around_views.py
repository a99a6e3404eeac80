"""The middleware around each view that a server of ASGI may serve, this package's and Strawberry's."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
)
from tests.frameworks.in_process import ON_ASGI, Request, View
from tests.frameworks.shop import Mutation, Query, user_of

pytestmark = pytest.mark.filterwarnings("ignore:.*Inferred dependency field")
each_view = pytest.mark.parametrize("view", ON_ASGI.values(), ids=ON_ASGI)

BOOKS: Final = "{ books { title } }"


def user_in(scope: Any) -> str | None:
    user = dict(scope["headers"]).get(b"x-user")
    return None if user is None else str(user, "ascii")


class Front:
    """A view behind the middleware.

    Attributes:
        entered: How often the view was entered.
    """

    def __init__(self, request: Request, entered: list[object]) -> None:
        self._request = request
        self._entered = entered

    @property
    def entered(self) -> int:
        return len(self._entered)

    def ask(self, query: str, *, user: str = "alice", by_get: bool = False) -> Any:
        """Send a query; return the response."""
        asked: dict[str, Any] = {"params" if by_get else "json": {"query": query}}
        response = self._request("GET" if by_get else "POST", headers={"x-user": user}, **asked)
        assert response.status_code == 200
        assert "errors" not in response.json()
        return response


@pytest.fixture
def fronted(caches: list[ResponseCache]) -> Callable[..., Any]:
    """Serve a view behind the middleware."""

    @contextlib.contextmanager
    def serving(
        view: View, *, ours: bool = True, session: Callable[[Any], Any] = user_in
    ) -> Iterator[Front]:
        extension = ResponseCacheExtension(caches[0], tenant=None, session=user_of)
        schema = strawberry.Schema(Query, Mutation, extensions=[extension])
        entered: list[object] = []

        def around(application: Any) -> ResponseCacheMiddleware:
            async def counted(scope: Any, receive: Any, send: Any) -> None:
                entered.append(scope["type"])
                await application(scope, receive, send)

            return ResponseCacheMiddleware(
                counted, extension, schema=schema, tenant=None, session=session, path="/"
            )

        with view.serving(schema, ours=ours, around=around) as request:
            yield Front(request, entered)

    return serving


@each_view
@pytest.mark.parametrize("by_get", [False, True], ids=["POST", "GET"])
def test_a_hit_of_the_middleware_equals_that_of_the_view_and_does_not_call_the_view(
    view: View, by_get: bool, fronted: Callable[..., Any]
) -> None:
    with fronted(view) as front:
        for query in (BOOKS, "{ mine }"):
            _miss, *hits = [front.ask(query, by_get=by_get) for _ in range(2)]
            entered = front.entered
            hits += [front.ask(query, by_get=by_get) for _ in range(2)]
            assert front.entered == entered
            assert len({each.content for each in hits}) == 1
            told = [
                {n: v for n, v in each.headers.items() if n not in {"age", "content-length"}}
                for each in hits
            ]
            assert told == told[:1] * 3


@each_view
@pytest.mark.parametrize("by_get", [False, True], ids=["POST", "GET"])
def test_hits_in_front_of_strawberrys_view_have_the_json_of_the_view(
    view: View, by_get: bool, fronted: Callable[..., Any]
) -> None:
    with fronted(view, ours=False) as front:
        seen = [front.ask(BOOKS, by_get=by_get).json() for _ in range(2)]
        entered = front.entered
        assert [front.ask(BOOKS, by_get=by_get).json() for _ in range(2)] == seen
        assert front.entered == entered


@each_view
def test_users_in_turn_get_their_own_answers(view: View, fronted: Callable[..., Any]) -> None:
    with fronted(view) as front:
        for _ in range(4):
            for user in ("alice", "bob"):
                assert front.ask("{ mine }", user=user).json() == {"data": {"mine": user}}
        assert front.entered < 8


@each_view
def test_a_mutation_is_executed_and_invalidates_what_the_middleware_answers(
    view: View, fronted: Callable[..., Any]
) -> None:
    with fronted(view) as front:
        for _ in range(3):
            front.ask(BOOKS)
        entered = front.entered
        front.ask('mutation { rename(title: "Momo") { title } }')
        front.ask(BOOKS)
        assert front.entered == entered + 2


@each_view
def test_the_middleware_turns_itself_off_if_its_session_differs_from_that_of_the_view(
    view: View, fronted: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with fronted(view, session=lambda _: "mallory") as front:
        for entered in range(1, 4):
            assert front.ask("{ mine }").json() == {"data": {"mine": "alice"}}
            assert front.entered == entered
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "turned itself off" in record.getMessage()
