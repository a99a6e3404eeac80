"""Whatever is sent, in whatever order and by whom: the answer is that of the same application without the middleware.

Two shops with caches of their own get the same requests, one of them through the middleware. Status, headers and body
have to be equal each time, but for the seconds of `Age`. Requests are drawn as bytes, methods, headers, cuts of the
body and users; most of them come several times, with mutations in between.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote_from_bytes

import hypothesis
import pytest
from hypothesis import strategies as st

from strawberry_response_cache import ResponseCache
from tests.conftest import UNHURRIED
from tests.middleware.service import TITLES, Message, Response, Shop, call

DOCUMENTS: Final = (
    "{ book { title } }",
    "{ book { id title } mine }",
    "{ mine }",
    "{ greeting }",
    "{ restricted }",
    "{ book { price } }",
    "{ uncached }",
    "{ book { title } uncached }",
    "{ fails }",
    "{ cookie }",
    "{ nothing }",
    "{",
    "query A { book { title } } query B { mine }",
    "query A($n: Int = 1, $m: Boolean = true) { book(number: $n) { id title @include(if: $m) } }",
    'mutation { rename(title: "other") }',
    "mutation { book { id title } }",
    "subscription { book }",
)
HEADERS: Final = {
    "accept": ["application/json", "*/*", "text/html", "multipart/mixed", "nonsense"],
    "content-type": [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/graphql",
        "text/plain",
        "",
    ],
    "x-user": ["alice", "bob", "staff", "0", ""],
    "accept-language": ["en", "de", ""],
    "authorization": ["Bearer one", "Bearer two"],
    "cookie": ["a=1", "b=2; c=3"],
    "cache-control": ["no-cache", "no-store", "max-age=0"],
    "if-none-match": ["*", 'W/"other"', "broken", "the latest"],
    "content-encoding": ["gzip", "identity"],
    "traceparent": ["one", "two"],
    "x-other": ["a\xe4", " a ", ""],
}
METHODS: Final = ("POST", "POST", "POST", "GET", "GET", "HEAD", "OPTIONS", "PUT", "get")
OF_TIME: Final = {"age", "date"}

bodies = st.one_of(
    st.fixed_dictionaries(
        {"query": st.sampled_from(DOCUMENTS)},
        optional={
            "variables": st.sampled_from(
                [None, {}, {"n": 2}, {"n": "2"}, {"m": False}, {"x": 1}, [], 1]
            ),
            "operationName": st.sampled_from([None, "A", "B", ""]),
            "extensions": st.sampled_from(
                [None, {}, {"clientLibrary": {"name": "a"}}, {"other": 1}]
            ),
        },
    ).map(json.dumps),
    st.lists(st.sampled_from(DOCUMENTS), max_size=3).map(
        lambda each: json.dumps([{"query": query} for query in each])
    ),
    st.sampled_from(
        [
            '{"query":"{ mine }","query":"{ book { title } }"}',
            '{"query":"{ book { title } }","variables":{"n":1,"n":2}}',
            '\ufeff{"query":"{ mine }"}',
            '{"query":"{ mine }"} ',
            '{"query":"\\u007b mine \\u007d"}',
            "[]",
            "",
        ]
    ),
).map(lambda text: text.encode())
damages = st.one_of(*[st.none()] * 6, st.tuples(st.integers(0, 80), st.binary(max_size=3)))
headers = st.lists(
    st.sampled_from([(name, value) for name, values in HEADERS.items() for value in values]),
    max_size=3,
    unique_by=lambda header: header[0],
)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(METHODS),
        "body": bodies,
        "damage": damages,
        "cuts": st.lists(st.integers(0, 60), max_size=3),
        "headers": headers,
        "tenant": st.sampled_from(["acme", "umbrella"]),
        "in the url": st.sampled_from([False, False, True]),
    }
)
orders = st.tuples(
    st.lists(requests, min_size=1, max_size=3),
    st.lists(st.sampled_from([0, 1, 2, 0, 1, 2, 0, "rename", "change"]), min_size=5, max_size=16),
)


def in_parts(body: bytes, cuts: list[int]) -> list[Message]:
    """Return the messages of a body that is cut in some places."""
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    parts = [body[start:end] for start, end in itertools.pairwise(places)]
    return [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]


def _shown(response: Response | str) -> object:
    """Return what has to be equal."""
    if isinstance(response, str) or not response.messages:
        return response
    lines = [(bytes(n).lower().decode(), bytes(v)) for n, v in response.messages[0]["headers"]]
    return (
        response.status,
        sorted(each for each in lines if each[0] not in OF_TIME),
        response.body,
    )


class Pair:
    """The shop behind the middleware, and the same shop without it."""

    def __init__(self, caches: tuple[ResponseCache, ResponseCache]) -> None:
        self._alone = Shop(caches[1], cache_status=True)
        self.front = Shop(caches[0], cache_status=True)
        self._examples = itertools.count()
        self.answered = 0

    async def compare(self, drawn: list[dict[str, Any]], order: list[int | str]) -> None:
        """Send requests in an order to both, and compare the answers."""
        example = next(self._examples)
        latest: dict[int, str] = {}
        TITLES.clear()
        for number, step in enumerate(order):
            if step == "change":  # what nobody invalidates: an earlier answer is still allowed
                TITLES.update({f"acme{example}": f"changed {number}"})
            elif step == "rename":
                document = f'mutation {{ rename(title: "{number}") }}'
                await self._both(document, tenant=f"acme{example}")
            else:
                at = int(step) % len(drawn)
                latest[at] = await self._send(drawn[at], example, latest.get(at, ""))

    async def _send(self, drawn: dict[str, Any], example: int, validator: str) -> str:
        body: bytes = drawn["body"]
        if drawn["damage"] is not None:
            place, put = drawn["damage"]
            body = body[:place] + put + body[place + 1 :]
        headers = dict(drawn["headers"])
        if headers.get("if-none-match") == "the latest":
            headers["if-none-match"] = validator
        named: dict[str, Any] = {
            "method": drawn["method"],
            "tenant": f"{drawn['tenant']}{example}",
            "headers": list(headers.items()),
            "parts": in_parts(body, drawn["cuts"]),
        }
        if drawn["in the url"]:
            query = b"query=" + quote_from_bytes(body).encode()
            try:
                members = json.loads(body)
                query = "&".join(
                    f"{name}={quote_from_bytes((value if isinstance(value, str) else json.dumps(value)).encode())}"
                    for name, value in members.items()
                ).encode()
            except (ValueError, AttributeError):
                pass
            named |= {"scope": {"query_string": query}, "parts": in_parts(b"", [])}
            named["method"] = "GET" if drawn["method"] == "POST" else drawn["method"]
        return await self._both(**named)

    async def _both(self, *given: Any, **named: Any) -> str:
        entered = self.front.entered
        theirs = await self._outcome(self._alone.plain, *given, **named)
        ours = await self._outcome(self.front.front, *given, **named)
        self.answered += self.front.entered == entered
        assert _shown(ours) == _shown(theirs), (given, named)
        return theirs.headers.get("etag", "") if isinstance(theirs, Response) else ""

    async def _outcome(self, application: Any, *given: Any, **named: Any) -> Response | str:
        try:
            return await call(application, *given, **named)
        except Exception as error:  # noqa: BLE001 - Strawberry's view raises at some requests
            return type(error).__name__


@pytest.fixture
def pair() -> Iterator[tuple[Pair, asyncio.Runner]]:
    caches = tuple(
        ResponseCache.from_url(
            "memory://", prefix="shop", telemetry=False, local_bytes=1_000_000, **UNHURRIED
        )
        for _ in range(2)
    )
    with asyncio.Runner() as runner:
        yield Pair((caches[0], caches[1])), runner
        for cache in caches:
            runner.run(cache.aclose())


@pytest.mark.examples
@pytest.mark.filterwarnings("ignore")
def test_answers_are_those_of_the_application_properties(
    pair: tuple[Pair, asyncio.Runner],
) -> None:
    shops, runner = pair

    @hypothesis.given(orders)
    def compare(drawn: tuple[list[dict[str, Any]], list[int | str]]) -> None:
        runner.run(shops.compare(*drawn))

    compare()
    assert shops.answered > 5  # of the few examples of the quick run
    assert not shops.front.is_off
