"""Conditional requests beside a model of RFC 9110, sections 8.8.3 and 13."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import strawberry
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.graphql.http import conditional
from tests.conftest import UNHURRIED
from tests.views.calls import Request, Response, call

SPELLED = {"number": "{ number }", "other": "query Other { number }", "now": "{ now }"}
SPELLED |= {"unknown": "{ unknown }"}


# -- The model -----------------------------------------------------------------------------------------


def entity_tags(field: str) -> list[tuple[bool, str]] | None:
    """The entity tags of a list, whether each is weak and its opaque text; None if it is no list of them.

    ``entity-tag = [ %s"W/" ] DQUOTE *etagc DQUOTE`` (section 8.8.3); elements may be empty (section 5.6.1.2).
    """
    found: list[tuple[bool, str]] = []
    at = 0
    while True:
        while at < len(field) and field[at] in " \t,":
            at += 1
        if at == len(field):
            return found
        is_weak = field.startswith("W/", at)
        start = at + 2 * is_weak
        end = field.find('"', start + 1)
        if field[start : start + 1] != '"' or end < 0:
            return None
        opaque = field[start + 1 : end]
        if any(
            not (ord(each) == 0x21 or 0x23 <= ord(each) <= 0x7E or ord(each) >= 0x80)
            for each in opaque
        ):
            return None
        found.append((is_weak, opaque))
        at = end + 1
        while at < len(field) and field[at] in " \t":
            at += 1
        if at < len(field) and field[at] != ",":
            return None


def expected_status(request: Request, current: str | None) -> int:
    """The status of the answer to a request.

    Args:
        request: The request.
        current: The opaque text of the validator of what is selected; None if it has none.
    """
    field = request.headers.get("if-none-match")
    if request.method != "GET" or field is None or current is None:
        return 200  # section 13.1.2: for other methods we have no conditional requests
    if field.strip(" \t") == "*":
        return 304
    tags = entity_tags(field) or []
    # Weak comparison (section 8.8.3.2): the opaque texts are the same, whether weak or not.
    return 304 if any(opaque == current for _, opaque in tags) else 200


# -- The server ----------------------------------------------------------------------------------------


class Server:
    """Our view, and what it knows at this moment."""

    def __init__(self, cache: ResponseCache) -> None:
        self.number = 0
        self.changes = 0
        server = self

        @strawberry.type
        class Query:
            @cache_control(ttl=60)
            @strawberry.field
            def number(self) -> int:
                return server.number

            @strawberry.field
            def now(self) -> int:
                return server.number

        @strawberry.type
        class Mutation:
            @strawberry.mutation
            def change(self) -> int:
                server.changes += 1
                return server.changes

        extension = ResponseCacheExtension(cache, tenant=None)
        schema = strawberry.Schema(Query, Mutation, extensions=[extension])
        self.application = GraphQL[Any, Any](schema)

    def expected_body(self, name: str) -> object:
        if name == "unknown":
            return None
        return {"data": {"now" if name == "now" else "number": self.number}}


@contextmanager
def server() -> Iterator[tuple[Server, ResponseCache, asyncio.Runner]]:
    with (
        asyncio.Runner() as runner,
        ResponseCache.from_url("memory://", prefix="conditional", **UNHURRIED) as cache,
    ):
        cache.clear_sync()
        yield Server(cache), cache, runner


# -- Steps ---------------------------------------------------------------------------------------------

KNOWN = ["number", "number", "other", "earlier", "other case of number"]
element = st.one_of(
    st.tuples(st.sampled_from(["", "W/"]), st.sampled_from(KNOWN)).map('{0[0]}"<{0[1]}>"'.format),
    st.sampled_from(
        ["", " ", '""', 'W/""', "*", '"', "w/<number>", "<number>", '"<number>', 'W/ "<number>"']
    ),
    st.text(st.sampled_from('W/"*, \tab<>é'), max_size=6),
)
separator = st.sampled_from([",", ", ", " ,\t", ",,", " "])
field_value = st.one_of(
    st.just("*"),
    st.just(" * "),
    element,
    st.lists(element, min_size=1, max_size=4).flatmap(
        lambda found: separator.map(lambda between: between.join(found))
    ),
)
asking = st.tuples(
    st.sampled_from(["number", "number", *SPELLED]),
    st.sampled_from(["GET", "GET", "GET", "POST"]),
    st.none() | field_value,
    st.booleans(),  # If-Modified-Since: ignored beside If-None-Match, and nothing has a date (section 13.1.3)
)
steps = st.lists(st.one_of(asking, st.sampled_from(["change", "clear"])), min_size=2, max_size=10)


def validator(response: Response) -> str | None:
    tag = response.headers.get("etag")
    if tag is None:
        return None
    found = entity_tags(tag)
    assert found is not None
    [(is_weak, opaque)] = found
    assert is_weak
    return opaque


def play(taken: list[Any]) -> None:
    """Send requests, and look at each answer."""
    with server() as (serving, cache, runner):

        def ask(name: str, method: str = "GET", **headers: str) -> tuple[Request, Response]:
            sent = {key.replace("_", "-"): value for key, value in headers.items()}
            request = Request(query=SPELLED[name], method=method, headers=sent)
            return request, runner.run(call(serving.application, request))

        def validators() -> dict[str, str | None]:
            return {name: validator(ask(name)[1]) for name in SPELLED}

        current, earlier = validators(), "none"
        for step in taken:
            if step == "clear":
                cache.clear_sync()
            elif step == "change":
                serving.number += 1
                cache.clear_sync()
                earlier, current = current["number"] or "", validators()
                assert earlier != current["number"] != current["other"]
            else:
                name, method, field, is_dated = step
                headers = {"if_modified_since": "Sat, 01 Jan 2050 00:00:00 GMT"} if is_dated else {}
                if field is not None:
                    headers["if_none_match"] = filled(field, {**current, "earlier": earlier})
                request, response = ask(name, method, **headers)
                assert response.status == expected_status(request, current[name]), request
                tagged = None if method == "POST" else current[name]
                assert validator(response) == tagged
                _, full = ask(name, method)
                if response.status == 304:
                    for header in ("cache-control", "etag", "vary", "age"):  # section 15.4.5
                        assert response.headers[header] == full.headers[header]
                else:
                    assert response.body == full.body
                    if name != "unknown":
                        assert json.loads(response.body) == serving.expected_body(name)


def filled(field: str, known: dict[str, str | None]) -> str:
    """Put the opaque texts of validators in their places."""
    for name, opaque in known.items():
        field = field.replace(f"<{name}>", opaque or "absent")
        field = field.replace(f"<other case of {name}>", (opaque or "absent").swapcase())
    return field


@settings(max_examples=settings().max_examples * 2 // 5)
@given(taken=steps)
def test_conditional_requests_are_answered_as_the_model_of_rfc_9110_says(taken: list[Any]) -> None:
    play(taken)


def test_a_mutation_with_a_known_validator_is_executed_each_time() -> None:
    with server() as (serving, _, runner):
        tag = runner.run(call(serving.application, Request(query="{ number }"))).headers["etag"]
        for known in (tag, "*"):
            request = Request(
                query="mutation { change }", method="POST", headers={"if-none-match": known}
            )
            assert runner.run(call(serving.application, request)).status == 200
        assert serving.changes == 2


is_known: Final = conditional.is_known_to_client


def strongly(if_none_match: str | None, validator: str) -> bool:
    return f'W/"{validator}"' in (if_none_match or "")


BROKEN = {
    "section 13.1.2: a list": lambda field, known: (
        (field or "").strip() in {"*", f'"{known}"', f'W/"{known}"'}
    ),
    "section 13.1.2: any": lambda field, known: field != "*" and is_known(field, known),
    "section 8.8.3.2: weak comparison": strongly,
    "section 8.8.3: the case counts": lambda field, known: is_known(
        (field or "").lower(), known.lower()
    ),
    "section 8.8.3: quotes": lambda field, known: known in (field or ""),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", BROKEN)
def test_the_model_notices_a_broken_rule(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strawberry_response_cache.http.views.is_known_to_client", BROKEN[rule])
    looked = settings(max_examples=40, phases=[Phase.generate], report_multiple_bugs=False)(
        given(taken=steps)(play)
    )
    with pytest.raises(AssertionError):
        looked()
