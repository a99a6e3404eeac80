"""What is left to the application reaches it as it came, and its answer leaves as it is."""

import json
import logging
import random
import time
from collections.abc import Callable
from typing import Any, NewType

import pytest
import strawberry
from graphql import ASTValidationRule
from strawberry.asgi import GraphQL as StockGraphQL
from strawberry.extensions import AddValidationRules
from strawberry.scalars import JSON

from strawberry_response_cache import ResponseCache, cache_control
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.core._cache import tenant_of
from tests.middleware import service
from tests.middleware.service import RUNS, TITLES, Message, Shop, call, header_of

BODY = b'{"query":"{ book { title } }"}'


ANOTHER_KIND: list[dict[str, Any]] = [
    {"method": "PUT"},
    {"method": "HEAD"},
    {"method": "OPTIONS"},
    {"method": "DELETE"},
    {"path": "/graphql/"},
    {"path": "/other"},
    {"headers": [("content-type", "application/graphql")]},
    {"headers": [("content-type", "text/plain")]},
    {"headers": [("content-type", "multipart/form-data; boundary=x")]},
    {"headers": [("content-encoding", "gzip")]},
    {"headers": [("expect", "100-continue")]},
    {"headers": [("content-length", "100000")]},
    {"headers": [("content-length", "-1")]},
    {"headers": [("x-user", "alice"), ("x-user", "bob")]},
    {"method": "GET", "headers": [("content-length", "1")]},
    {"method": "GET", "headers": [("transfer-encoding", "chunked")]},
    {"headers": [(f"x-{n}", "") for n in range(65)]},
    {"headers": [("x-a", "a line\nbreak")]},
]


async def test_a_request_of_another_kind_is_not_read(make: Callable[..., Shop]) -> None:
    shop, given = make(), []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        given.append((dict(scope), receive, send))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"anything"})

    shop.plain = application
    for named in ANOTHER_KIND:
        given.clear()
        assert (await shop.call(BODY, **named)).body == b"anything"
        ((scope, receive, send),) = given
        assert not [name for name in scope if "strawberry" in name], named
        assert receive.__qualname__.startswith("call."), named
        assert send.__qualname__.startswith("call."), named


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_other_protocols_are_handed_on(make: Callable[..., Shop], kind: str) -> None:
    shop, given = make(), []

    async def application(*arguments: Any) -> None:
        given.append(arguments)

    shop.plain = application
    arguments = ({"type": kind, "path": "/graphql"}, object(), object())
    await shop.front(*arguments)  # type: ignore[arg-type]
    assert given == [arguments]


BODIES = [
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b'{"query":"{ book { title } }","query":"{ uncached }"}',
    b'{"query":"{ book { title }"}',
    b'{"query":"{ nothing }"}',
    b'{"query":"{ fails }"}',
    b'{"query":"{ uncached }"}',
    b'{"query":"{ __typename book { title } }"}',
    b'{"query":"{ cookie }"}',
    b'{"query":"query A { book { title } } query B { mine }"}',
    b'[{"query":"{ book { title } }"}]',
    b'[{"query":"{ book { title } }"},{"query":"{ book { id } }"}]',
    b'{"query":"{ book { title } }","extensions":{"unknown":1}}',
    b'{"query":"mutation { book { id title } }"}',
    b'{"query":"subscription { book }"}',
]


async def test_every_kind_of_request_is_answered_as_by_the_application(shop: Shop) -> None:
    await shop.warm("{ book { id title } }")
    for body in BODIES * 4:
        ours, theirs = await shop.call(body), await call(shop.plain, body)
        assert (ours.status, ours.body) == (theirs.status, theirs.body), body
        changing = {"age", "cache-control"} if b"cookie" in body else {"age"}
        assert {n: v for n, v in ours.headers.items() if n not in changing} == {
            n: v for n, v in theirs.headers.items() if n not in changing
        }, body


async def test_a_mutation_that_answers_like_a_query_is_executed_each_time(
    make: Callable[..., Shop],
) -> None:
    shop = make(headers=False)
    await shop.warm("{ book { id title } }")
    answers = {(await shop.call("mutation { book { id title } }")).body for _ in range(4)}
    assert len(answers) == 1
    assert RUNS["mutation book"] == 4
    assert shop.entered == 6


async def test_what_a_resolver_executes_is_not_taken_for_the_whole_request(
    make: Callable[..., Shop],
) -> None:
    shop = make(headers=False)
    seen = await shop.warm("{ book { id title } }")
    for _ in range(4):
        assert (await shop.call("{ book: relayed { id title } }")).data == seen.data
    assert RUNS["relayed"] == 4


async def test_a_long_body_is_handed_on_whole(make: Callable[..., Shop]) -> None:
    shop, received = make(), []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            received.append(message)
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    shop.plain = application
    for size, parts in ((1000, 200), (30_000, 5), (1, 300), (0, 300)):
        received.clear()
        sent = [
            {"type": "http.request", "body": b"x" * size, "more_body": n < parts - 1}
            for n in range(parts)
        ]
        await shop.call(parts=sent)
        assert received == sent


async def test_messages_that_the_middleware_does_not_know_are_sent_unchanged(
    make: Callable[..., Shop],
) -> None:
    """Trailers, files, pushes: messages that the middleware does not know."""
    shop = make()
    said: list[Message] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in said:
            await send(message)

    shop.plain = application
    start = {"type": "http.response.start", "status": 200, "headers": [[b"X-A", b"1"]]}
    said = [
        {"type": "http.response.push", "path": "/", "headers": []},
        {**start, "trailers": True},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.pathsend", "path": "/file"},
        {"type": "http.response.trailers", "headers": [], "more_trailers": False},
    ]
    assert (await shop.call()).messages == said


async def test_headers_that_can_be_read_only_once_reach_the_server(
    make: Callable[..., Shop],
) -> None:
    """Sanic sends such headers; its answers are repeated as any."""

    def wrapped(application: Any) -> Any:
        async def streaming(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Message) -> None:
                if "headers" in message:
                    message["headers"] = iter(message["headers"])
                await send(message)

            await application(scope, receive, sending)

        return streaming

    shop = make(inside=wrapped)
    for _ in range(4):
        start, _body = (await shop.call()).messages
        assert b"content-type" in dict(start["headers"])
    assert shop.entered == 2


def with_header(name: bytes, value: bytes) -> Callable[[Any], Any]:
    """Return what adds a header to each response of an application."""

    def wrapped(application: Any) -> Any:
        async def adding(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"].append((name, value))
                await send(message)

            await application(scope, receive, sending)

        return adding

    return wrapped


@pytest.mark.parametrize("name", [b"x-process-time", b"set-cookie", b"vary"])
async def test_requests_are_left_to_an_application_that_adds_headers(
    make: Callable[..., Shop], name: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shop = make(inside=with_header(name, b"1"))
    for _ in range(4):
        response = await shop.call()
        assert (name, b"1") in response.messages[0]["headers"]
    assert shop.entered == 4
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert f"({name.decode()})" in record.getMessage()


async def test_credentials_that_the_application_adds_leave_the_request_to_it(
    make: Callable[..., Shop],
) -> None:
    """The middleware would call the same response public, because the request came without them."""

    def wrapped(application: Any) -> Any:
        async def adding(scope: Any, receive: Any, send: Any) -> None:
            scope["headers"].append((b"authorization", b"Bearer of the application"))
            await application(scope, receive, send)

        return adding

    shop = make(inside=wrapped, tenant=None, of_scope={"tenant": None})
    for _ in range(4):
        assert (await shop.call()).headers["cache-control"].startswith("private")
    assert shop.entered == 4


async def test_an_answer_with_trailers_is_left_to_the_application(
    make: Callable[..., Shop],
) -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"x-a", b"1")]}

    def wrapped(application: Any) -> Any:
        async def trailing(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Message) -> None:
                is_start = message["type"] == "http.response.start"
                await send({**message, "trailers": True} if is_start else message)

            await application(scope, receive, sending)
            await send(trailers)

        return trailing

    shop = make(inside=wrapped)
    for _ in range(4):
        assert (await shop.call()).messages[-1] == trailers


async def test_an_answer_of_another_status_is_left_to_the_application(
    make: Callable[..., Shop],
) -> None:
    statuses = iter([201, 206, 400, 403, 500, 201])

    def wrapped(application: Any) -> Any:
        async def changing(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Message) -> None:
                if "status" in message:
                    message["status"] = next(statuses)
                await send(message)

            await application(scope, receive, sending)

        return changing

    shop = make(inside=wrapped)
    for status in (201, 206, 400, 403, 500, 201):
        assert (await shop.call()).status == status


async def test_an_application_that_raises_raises_through_it(make: Callable[..., Shop]) -> None:
    def wrapped(_: Any) -> Any:
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            raise LookupError

        return failing

    shop = make(inside=wrapped)
    for _ in range(2):
        with pytest.raises(LookupError):
            await shop.call()


class Changing(GraphQL[Any, Any]):
    async def process_result(self, request: Any, result: Any, **more: Any) -> Any:
        answer = await super().process_result(request, result, **more)
        return {**answer, "user": request.headers.get("x-user")}


async def test_the_middleware_does_not_answer_for_a_view_that_changes_answers(
    make: Callable[..., Shop],
) -> None:
    shop = make(view=Changing)
    for _ in range(3):
        for user in ("alice", "bob"):
            assert json.loads((await shop.call(user=user)).body)["user"] == user
    assert shop.entered == 6


@pytest.mark.combined
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_strawberrys_own_view_is_answered_with_the_same_json_and_headers(
    make: Callable[..., Shop], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """That view sends no validator, so a conditional request is answered in full."""
    shop = make(view=StockGraphQL)
    seen = await shop.warm(method=method)
    for headers in ([], [("if-none-match", "*")]):
        again = await shop.call(method=method, headers=headers)
        assert shop.entered == 2
        assert (again.status, again.data) == (200, seen.data)
        names = set(again.headers) - {"content-length"}
        assert {n: again.headers[n] for n in names} == {n: seen.headers[n] for n in names}
    assert caplog.records == []


async def test_a_context_without_the_request_leaves_all_to_the_application(
    make: Callable[..., Shop],
) -> None:
    class View(GraphQL[Any, Any]):
        async def get_context(self, request: Any, response: Any) -> Any:
            return {"tenant": "acme", "kept": request}

    shop = make(
        view=View,
        tenant=lambda context: context["tenant"],
        session=None,
        vary=None,
        of_scope={"session": None, "vary": None},
    )
    document = "{ __typename }"
    for _ in range(3):
        await shop.call(document)
    assert shop.entered == 3


@pytest.mark.parametrize("debug", [True, lambda _: True])
async def test_with_debug_every_request_is_reported_with_its_status(
    make: Callable[..., Shop], debug: Any
) -> None:
    shop = make(debug=debug)
    for status in ("miss", "hit", "hit", "hit"):
        answer = json.loads((await shop.call()).body)
        assert answer["extensions"]["responseCache"]["status"] == status


async def test_a_request_with_cache_control_is_obeyed(make: Callable[..., Shop]) -> None:
    shop = make(honour_request_cache_control=True)
    assert await shop.is_answered_in_front()
    for word in ("no-cache", "no-store", "max-age=0", "only-if-cached"):
        assert not await shop.is_answered_in_front(headers=[("cache-control", word)])


async def test_what_is_refreshed_early_is_left_to_the_application(
    make: Callable[..., Shop], memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_slowly(info: strawberry.Info, name: str) -> str:
        time.sleep(0.002)  # what costs less than a millisecond is never refreshed early
        return header_of(info, name)

    monkeypatch.setattr(service, "header_of", read_slowly)
    shop = make()
    assert await shop.is_answered_in_front()
    object.__setattr__(tenant_of(memory_cache).engine.limits, "early_refresh", 1e9)
    assert RUNS["book"] == 1
    entered = shop.entered
    await shop.call()
    assert shop.entered == entered + 1


async def test_the_share_of_hits_that_verify_names_is_executed(
    make: Callable[..., Shop], memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, drawn = make(verify=0.5), [0.9]
    monkeypatch.setattr(random, "random", lambda: drawn.pop() if drawn[1:] else drawn[0])
    assert await shop.is_answered_in_front()
    drawn = [0.9, 0.1]  # the application draws no more
    entered = shop.entered
    await shop.call()
    assert (shop.entered, RUNS["book"]) == (entered + 1, 2)
    assert memory_cache.statistics().verified["equal"] == 1
    drawn = [0.9]
    await shop.call()
    assert shop.entered == entered + 1


async def test_with_a_function_as_verify_the_application_answers_every_request(
    make: Callable[..., Shop],
) -> None:
    shop = make(verify=lambda context: float(context["request"].method == "PUT"))
    assert not await shop.is_answered_in_front()


class Rule(ASTValidationRule):
    """A rule of the user's, which may read who sends a request."""


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_what_a_rule_of_the_users_validates_is_left_to_the_application(
    make: Callable[..., Shop], *, is_trusted: bool
) -> None:
    shop = make(
        others=[lambda: AddValidationRules([Rule])],
        trusted_extensions=[Rule] if is_trusted else [],
    )
    assert await shop.is_answered_in_front() is is_trusted


async def test_an_operation_that_failed_in_part_is_answered_by_the_application(
    shop: Shop, shop_cache: ResponseCache
) -> None:
    query = "{ book { title } shaky }"
    await shop.warm(query)
    assert await shop.is_answered_in_front(query)
    TITLES["down"] = "yes"
    await shop_cache.for_tenant("acme").invalidate("Book")
    for _ in range(3):
        answer = json.loads((await shop.call(query)).body)
        assert answer["data"] == {"book": {"title": "a book of acme"}, "shaky": None}
        assert len(answer["errors"]) == 1
    assert (RUNS["book"], RUNS["shaky"]) == (2, 4), "the first of them stored the book"
    del TITLES["down"]
    await shop_cache.for_tenant("acme").clear()  # the marker, which ends within a minute
    await shop.warm(query)
    assert await shop.is_answered_in_front(query)


Day = NewType("Day", str)


def _day(value: Any) -> str:
    return TITLES["today"] if value == "today" else str(value)


@strawberry.type
class Hours:
    @cache_control(ttl=60)
    @strawberry.field
    def opens(self, day: Day) -> str:
        return f"at eight on {day}"


@pytest.mark.parametrize(
    "asked",
    [
        {"query": '{ opens(day: "today") }'},
        {"query": "query ($d: Day!) { opens(day: $d) }", "variables": {"d": "today"}},
    ],
)
async def test_what_a_custom_scalar_parses_is_left_to_the_application(
    shop_cache: ResponseCache, asked: dict[str, Any]
) -> None:
    shop = Shop(
        shop_cache,
        query=Hours,
        scalars={Day: strawberry.scalar(name="Day", parse_value=_day)},
    )
    body = json.dumps(asked).encode()
    for day in ["monday", "monday", "monday", "monday", "tuesday"]:
        TITLES["today"] = day
        answer = json.loads((await shop.call(body)).body)
        assert answer["data"] == {"opens": f"at eight on {day}"}
    assert shop.entered == 5


async def test_a_default_that_a_resolver_may_change_is_left_to_the_application(
    shop_cache: ResponseCache,
) -> None:
    letters = ["a", "b"]

    @strawberry.type
    class Letters:
        @cache_control(ttl=60)
        @strawberry.field
        def listed(self, order: JSON = letters) -> str:  # type: ignore[assignment] # as users write it
            return json.dumps(order)

        @strawberry.field
        def shorten(self, info: strawberry.Info) -> int:
            letters.pop()
            return len(letters)

    shop = Shop(shop_cache, query=Letters)
    for _ in range(4):
        assert json.loads((await shop.call("{ listed }")).body)["data"] == {"listed": '["a", "b"]'}
    await shop.call("{ shorten }")
    assert json.loads((await shop.call("{ listed }")).body)["data"] == {"listed": '["a"]'}
    assert shop.entered == 6
