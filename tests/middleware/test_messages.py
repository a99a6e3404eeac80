"""Slow clients, clients that leave, and servers that push back: nothing leaks, and nothing is answered twice."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core._tenant import Tenant
from tests.conftest import Eventually, living
from tests.middleware.service import Message, Shop, call

BODY = b'{"query":"{ book { title } }"}'
PART: Message = {"type": "http.request", "body": BODY[:5], "more_body": True}
REST: Message = {"type": "http.request", "body": BODY[5:], "more_body": False}


class Line:
    """A connection whose client sends when it is told to, and whose server may push back."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.is_sending = asyncio.Event()
        self.received = 0

    async def receive(self) -> Message:
        self.received += 1
        return await self.incoming.get()

    async def send(self, message: Message) -> None:
        self.is_sending.set()
        await self.may_send.wait()
        self.sent.append(message)

    def request(self, application: Any) -> "asyncio.Task[Any]":
        async def requesting() -> None:
            async def on_line(scope: Any, _receive: Any, _send: Any) -> None:
                await application(scope, self.receive, self.send)

            await call(on_line)

        return asyncio.create_task(requesting())


async def test_a_slow_body_is_waited_for(shop: Shop, eventually: Eventually) -> None:
    await shop.warm(BODY)
    line = Line()
    request = line.request(shop.front)
    await eventually(lambda: line.received == 1)
    line.incoming.put_nowait(PART)
    await eventually(lambda: line.received == 2)
    assert line.sent == []
    line.incoming.put_nowait(REST)
    await request
    assert [each["type"] for each in line.sent] == ["http.response.start", "http.response.body"]
    assert shop.entered == 2


async def test_a_client_that_leaves_while_its_body_is_read_is_left_to_the_application(
    make: Callable[..., Shop],
) -> None:
    shop, received = make(), []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive(), await receive()])

    shop.plain = application
    line, gone = Line(), {"type": "http.disconnect"}
    line.incoming.put_nowait(PART)
    line.incoming.put_nowait(gone)
    await line.request(shop.front)
    assert received == [PART, gone]
    assert line.received == 2


async def test_an_error_of_the_server_while_receiving_reaches_the_application(
    make: Callable[..., Shop],
) -> None:
    shop, received = make(), []

    async def failing() -> Message:
        raise ConnectionError

    async def application(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(ConnectionError):
            await receive()
        received.append(True)

    shop.plain = application

    async def on_line(scope: Any, _receive: Any, send: Any) -> None:
        await shop.front(scope, failing, send)

    await call(on_line)
    assert received == [True]


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_error_of_receive_is_raised_once_after_the_messages_before_it(
    make: Callable[..., Shop], is_async: bool
) -> None:
    """A middleware that limits bodies raises when one is too long; there is nothing to receive after that."""
    shop, received = make(), []
    line = Line()

    async def limited() -> Message:
        if line.received == 1:
            line.received += 1
            raise OverflowError
        return await line.receive()

    def at_once() -> Any:
        if line.received == 1:
            line.received += 1
            raise OverflowError
        return line.receive()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        received.append(await receive())
        await receive()

    shop.plain = application
    line.incoming.put_nowait(PART)

    async def on_line(scope: Any, _receive: Any, send: Any) -> None:
        await shop.front(scope, limited if is_async else at_once, send)

    with pytest.raises(OverflowError):
        await asyncio.wait_for(call(on_line), 60)
    assert received == [PART]
    assert line.received == 2


async def test_the_application_hears_that_the_client_left_after_the_body(
    make: Callable[..., Shop], eventually: Eventually
) -> None:
    shop, received = make(), []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive(), await receive()])

    shop.plain = application
    line, gone = Line(), {"type": "http.disconnect"}
    whole = {"type": "http.request", "body": BODY, "more_body": False}
    request = line.request(shop.front)
    line.incoming.put_nowait(whole)
    await eventually(lambda: line.received == 2)
    line.incoming.put_nowait(gone)
    await request
    assert received == [whole, gone]


async def test_a_request_that_is_cancelled_while_its_body_is_read_sends_nothing(
    shop: Shop, eventually: Eventually
) -> None:
    await shop.warm(BODY)
    line = Line()
    request = line.request(shop.front)
    line.incoming.put_nowait(PART)
    await eventually(lambda: line.received == 2)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert line.sent == []
    assert await shop.is_answered_in_front(BODY)


async def test_backpressure_is_waited_for_and_a_failed_send_is_not_repeated(shop: Shop) -> None:
    await shop.warm(BODY)
    line = Line()
    line.may_send.clear()
    line.incoming.put_nowait({"type": "http.request", "body": BODY})
    request = line.request(shop.front)
    await line.is_sending.wait()
    assert not request.done()
    line.may_send.set()
    await request
    assert len(line.sent) == 2
    assert shop.entered == 2

    sent = []

    async def failing(message: Message) -> None:
        sent.append(message)
        raise ConnectionError

    async def on_line(scope: Any, receive: Any, _send: Any) -> None:
        await shop.front(scope, receive, failing)

    with pytest.raises(ConnectionError):
        await call(on_line, BODY)
    assert len(sent) == 1
    assert shop.entered == 2


async def test_a_request_that_is_cancelled_while_redis_is_asked_leaves_nothing(
    make: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make()
    await shop.warm(BODY)
    asked, go_on = asyncio.Event(), asyncio.Event()
    find = Tenant.find

    async def slow(*given: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await find(*given)

    monkeypatch.setattr(Tenant, "find", slow)
    line = Line()
    line.incoming.put_nowait({"type": "http.request", "body": BODY})
    request = line.request(shop.front)
    await asked.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert line.sent == []
    go_on.set()
    assert await shop.is_answered_in_front(BODY)


async def test_no_object_of_a_request_is_kept_after_the_request(
    older: list[object], make: Callable[..., Shop]
) -> None:
    shop, contexts = make(), []

    class Kept:
        pass

    def tenant(context: Any) -> str:
        contexts.append(weakref.ref(context["request"]))
        return "acme"

    shop = make(tenant=tenant, of_scope={"tenant": lambda _: "acme"})
    for _ in range(5):
        await shop.call(BODY)
    gc.collect()
    assert len(contexts) >= 2
    assert [each for each in contexts if each() is not None] == []
    left = {type(each).__name__ for each in living("strawberry_response_cache.middleware")}
    assert left.isdisjoint({"Call", "Incoming", "Outgoing", "Asked"})
