"""No fault of this package fails a request behind the middleware, wherever it is raised.

Each call into the package that a sequence of requests makes raises once, at its start and at its end; see
`tests/graphql/injection.py`. Each time the client gets what the application alone would answer, and the requests that
follow are answered from the cache again.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.middleware import _seen
from strawberry_response_cache.middleware._messages import Outgoing
from tests.graphql.injection import Call, Fault, Instrument, When
from tests.middleware.service import Message, Response, Shop

pytestmark = pytest.mark.faults


async def ask(shop: Shop, tenant: str) -> list[Response]:
    """Send requests of each kind that the middleware tells apart."""
    answers: list[Response] = []
    for method in ("POST", "GET"):
        answers += [await shop.call(method=method, tenant=tenant) for _ in range(3)]
        known = [("if-none-match", answers[-1].headers.get("etag", ""))]
        again = await shop.call(method=method, tenant=tenant, headers=known)
        answers.append(answers[-1] if again.status == 304 and not again.body else again)
    answers += [await shop.call("{ mine }", tenant=tenant, user="alice") for _ in range(3)]
    return answers


def wanted(tenant: str, title: str | None = None) -> list[Any]:
    """Return the data that each of these requests is answered."""
    book: Any = {"book": {"title": title or f"a book of {tenant}"}}
    return [book] * 8 + [{"mine": f"alice of {tenant}"}] * 3


async def calls(make: Callable[..., Shop]) -> list[Call]:
    """Return the calls into the package that these requests make, with an empty cache and a full one."""
    shop, instrument = make(), Instrument()
    with instrument.tracing():
        await ask(shop, "acme")
    entered = shop.entered
    assert [each.data for each in await ask(shop, "acme")] == wanted("acme")
    assert shop.entered == entered, "each kind of request was answered by the middleware"
    return list(instrument.calls)


def faults_in(found: list[Call], which: str) -> list[Fault]:
    """Return faults: some or all of those in the middleware and in what it calls itself, or some of those anywhere."""
    every = {"some in the middleware": 24, "all in the middleware": 1, "anywhere": 7}[which]
    return [
        Fault(call=call, occurrence=1, when=when)
        for call in found
        if which == "anywhere"
        or call.called.module in {"graphql/_claim.py", "middleware/_call.py"}
        or (call.caller is not None and call.caller.module.startswith("middleware/"))
        for when in When
    ][::every]


@pytest.mark.parametrize(
    ("which", "least"),
    [
        ("some in the middleware", 4),
        pytest.param("all in the middleware", 100, marks=pytest.mark.exhaustive),
        pytest.param("anywhere", 50, marks=pytest.mark.exhaustive),
    ],
)
async def test_a_fault_fails_no_request(
    make: Callable[..., Shop], which: str, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(_seen.SeenAnswers.__init__, "__defaults__", (lambda: now[0],))
    found = await calls(make)
    shop = make()
    await ask(shop, "before")
    reached = 0
    for number, fault in enumerate(faults_in(found, which)):
        tenant = f"tenant {number}"
        instrument = Instrument(fault)
        async with asyncio.timeout(60):
            with instrument.tracing():
                answers = await ask(shop, tenant)
            assert [each.data for each in answers] == wanted(tenant), str(fault)
            reached += instrument.is_reached
            title = f"new in {tenant}"
            now[0] += 10  # the answer in which a fault was caught is not compared again before
            await shop.call(f'mutation {{ rename(title: "{title}") }}', tenant=tenant)
            assert [each.data for each in await ask(shop, tenant)] == wanted(tenant, title), fault
            entered = shop.entered
            await shop.call(tenant=tenant)
            await shop.call(tenant=tenant, method="GET")
            assert shop.entered == entered, str(fault)
    assert reached > least
    assert not shop.is_off


async def test_an_answer_in_which_a_fault_was_caught_is_not_compared(
    make: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of its body is not known. The next answer to the same request is compared as usual."""
    monkeypatch.setattr(_seen.SeenAnswers.__init__, "__defaults__", (lambda: 0.0,))

    def wrapped(application: Any) -> Any:
        async def in_parts(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Message) -> None:
                if body := message.get("body"):
                    await send({**message, "body": body[:5], "more_body": True})
                    message["body"] = body[5:]
                await send(message)

            await application(scope, receive, sending)

        return in_parts

    note, missed = Outgoing._note, []

    def failing(outgoing: Outgoing, message: Message) -> None:
        if message.get("more_body"):
            missed.append(message)
            raise LookupError
        note(outgoing, message)

    shop = make(inside=wrapped)
    await shop.call()
    with monkeypatch.context() as patched:
        patched.setattr(Outgoing, "_note", failing)
        await shop.call()
    assert missed
    assert shop.entered == 2
    await shop.call()
    await shop.call()
    assert shop.entered == 3
