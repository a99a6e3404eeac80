"""Nobody is answered what another requester would have got."""

import itertools
from collections.abc import Callable

import pytest

from tests.middleware.service import RUNS, Shop, in_scope


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_two_tenants_and_three_sessions_in_turn_get_their_own_answers(
    shop: Shop, method: str
) -> None:
    people = list(itertools.product(("acme", "umbrella"), ("alice", "bob", None)))
    for _ in range(4):
        for tenant, user in people:
            said = await shop.call("{ mine }", method=method, tenant=tenant, user=user)
            assert said.data == {"mine": f"{user or ''} of {tenant}"}
            public = await shop.call(method=method, tenant=tenant, user=user)
            assert public.data == {"book": {"title": f"a book of {tenant}"}}
    # Without a session nothing PRIVATE is stored.
    assert RUNS["mine"] == 4 + 2 * 4
    # For each tenant: one miss and three hits of what is PUBLIC; then what is PRIVATE, without a session each time.
    assert shop.entered == 2 * (4 + 2 * 2 + 4)


async def test_varied_values_have_answers_of_their_own(shop: Shop) -> None:
    for _ in range(3):
        for language in ("en", "de"):
            named = [("accept-language", language)]
            said = await shop.call("{ greeting }", headers=named)
            assert said.data == {"greeting": f"hello in {language}"}
    assert shop.entered == 4


@pytest.mark.parametrize(
    ("query", "missing", "headers"),
    [
        ("{ mine }", {"session": None}, []),
        ("{ greeting }", {"vary": None}, [("accept-language", "en")]),
        ("{ greeting }", {"vary": {}}, [("accept-language", "en")]),
    ],
)
async def test_what_depends_on_a_function_that_the_middleware_does_not_have_is_left_to_the_application(
    make: Callable[..., Shop], query: str, missing: dict[str, None], headers: list[tuple[str, str]]
) -> None:
    shop = make(of_scope=missing)
    assert not await shop.is_answered_in_front(query, user="alice", headers=headers)
    assert await shop.is_answered_in_front(user="alice", headers=headers)


async def test_a_request_with_another_header_counts_as_another_requester(shop: Shop) -> None:
    await shop.warm()
    for header in (
        ("authorization", "Bearer other"),
        ("cookie", "session=other"),
        ("user-agent", "other"),
        ("accept", "*/*"),
        ("cache-control", "no-cache"),
        ("baggage", "user=other"),
        ("x-anything", "other"),
        ("content-type", "application/json; charset=utf-8"),
    ):
        entered = shop.entered
        await shop.call(headers=[header])
        assert shop.entered == entered + 1, header


async def test_a_trace_or_request_id_header_makes_no_other_requester(shop: Shop) -> None:
    await shop.warm()
    entered = shop.entered
    for name in ("traceparent", "tracestate", "x-request-id", "sentry-trace", "if-none-match"):
        await shop.call(headers=[(name, "one")])
        assert shop.entered == entered, name


async def test_a_requester_who_was_not_seen_is_not_answered_what_another_asked(shop: Shop) -> None:
    """An application may refuse a request by whoever asks, and what is asked."""
    await shop.warm(headers=[("authorization", "Bearer alice")])
    await shop.warm("{ book { id } }", headers=[("authorization", "Bearer bob")])
    entered = shop.entered
    await shop.call(headers=[("authorization", "Bearer bob")])
    assert shop.entered == entered + 1


async def test_a_session_that_only_the_scope_holds_is_told_apart(
    make: Callable[..., Shop],
) -> None:
    """An outer middleware has put the session into the scope."""
    shop = make(
        session=lambda context: context["request"].scope["user"],
        of_scope={"session": lambda scope: scope["user"]},
    )
    for _ in range(3):
        for user in ("alice", "bob"):
            await shop.call("{ mine }", scope={"user": user})
    assert shop.entered == 4


async def test_guarded_fields_are_left_to_the_application(shop: Shop) -> None:
    query = "{ book { title price } }"
    assert not await shop.is_answered_in_front(query, user="staff")
    assert RUNS["book"] == 1, "the application answers it from the cache"
    refused = await shop.call(query, user="bob")
    assert b"staff only" in refused.body


async def test_what_a_resolver_made_private_is_left_to_the_application(shop: Shop) -> None:
    for _ in range(3):
        for user in ("alice", "bob"):
            entered = shop.entered
            assert (await shop.call("{ restricted }", user=user)).data == {"restricted": user}
            assert shop.entered == entered + 1
    assert RUNS["restricted"] == 2


async def test_the_functions_of_the_middleware_may_be_async(make: Callable[..., Shop]) -> None:
    async def tenant(scope: object) -> str | None:
        return str(in_scope("x-tenant")(scope))

    shop = make(of_scope={"tenant": tenant})
    for _ in range(3):
        for name in ("acme", "umbrella"):
            assert (await shop.call(tenant=name)).data == {"book": {"title": f"a book of {name}"}}
    assert shop.entered == 4


async def test_a_function_that_raises_leaves_the_request_to_the_application(
    make: Callable[..., Shop], caplog: pytest.LogCaptureFixture
) -> None:
    shop = make(of_scope={"tenant": lambda scope: scope["nothing"]})
    assert not await shop.is_answered_in_front()
    assert RUNS["book"] == 1
    assert "The middleware's function tenant" in caplog.text
    assert "KeyError" in caplog.text
    assert "acme" not in caplog.text


async def test_a_session_that_begins_to_raise_counts_as_another_requester(
    make: Callable[..., Shop],
) -> None:
    """It returned None for the same headers before."""
    is_down = False

    def session(_: object) -> None:
        if is_down:
            raise ConnectionError

    shop = make(session=session, of_scope={"session": session})
    assert await shop.is_answered_in_front()
    is_down = True
    entered = shop.entered
    await shop.call()
    assert shop.entered == entered + 1
