"""Hits for the requests that clients really send, and what requests may send along."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import strawberry
from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.clients.service import application
from tests.graphql.ledger import Ledger, outcome, reason, status

RECORDED: Final = [
    json.loads(line)
    for line in Path(__file__, "../../clients/recorded.jsonl").resolve().read_text().splitlines()
]
"""What `tests/clients/clients.mjs` printed: what each client sent, and what the cache said of it."""


@pytest.mark.parametrize("recorded", RECORDED, ids=[each["client"] for each in RECORDED])
async def test_recorded_requests_of_clients_hit(
    recorded: dict[str, Any], cache: ResponseCache
) -> None:
    transport = httpx.ASGITransport(application(cache))
    said = []
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for request in recorded["requests"]:
            response = await client.request(
                request["method"],
                f"/{request['path']}",
                headers=request["headers"],
                content=request["body"],
            )
            assert response.status_code == httpx.codes.OK
            found = response.json().get("extensions", {}).get("responseCache", {})
            said.append((found.get("status"), found.get("reason")))
    assert said == [(request["status"], request["reason"]) for request in recorded["requests"]]
    answered = [word for word, _ in said if word is not None]
    assert answered == ["miss", "hit", "bypass", "miss", "hit"]


async def test_the_python_client_gql_hits(cache: ResponseCache) -> None:
    transport = HTTPXAsyncTransport(
        "http://test/", transport=httpx.ASGITransport(application(cache))
    )
    query = gql("query ($id: ID!) { account(id: $id) { id balance } }")
    query.variable_values = {"id": "1"}
    change = gql(
        'mutation { postEntry(input: {accountId: "1", amount: "1", postedOn: "2026-01-31", memo: ""}) '
        "{ account { id } } }"
    )
    said = []
    async with Client(transport=transport) as session:
        for document in (query, query, change, query, query):
            result: Any = await session.execute(document, get_execution_result=True)
            said.append(result.extensions["responseCache"]["status"])
    assert said == ["miss", "hit", "bypass", "miss", "hit"]


QUERY: Final = "{ accounts { id } }"


async def test_metadata_of_clients_is_in_no_key(ledger: Ledger) -> None:
    apollo = {"clientLibrary": {"name": "@apollo/client", "version": "4.3.8"}}
    kotlin = {"clientLibrary": {"name": "apollo-kotlin", "version": "5.0.0"}}
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": "x"}}
    assert status(await ledger.ask(QUERY, operation_extensions=apollo)) == "miss"
    assert status(await ledger.ask(QUERY, operation_extensions=kotlin | persisted)) == "hit"
    assert status(await ledger.ask(QUERY)) == "hit"


async def test_ignored_request_extensions_are_in_no_key(
    make_ledger: Callable[..., Ledger],
) -> None:
    ledger = make_ledger(ignore_request_extensions=("trace",))
    assert status(await ledger.ask(QUERY, operation_extensions={"trace": 1})) == "miss"
    assert status(await ledger.ask(QUERY, operation_extensions={"trace": 2})) == "hit"
    assert reason(await ledger.ask(QUERY, operation_extensions={"other": 1})) == (
        "request_extensions"
    )


async def test_a_request_whose_extensions_are_no_object_is_not_cached(ledger: Ledger) -> None:
    sent: Any = ["persistedQuery"]
    assert reason(await ledger.ask(QUERY, operation_extensions=sent)) == "request_extensions"


async def test_varied_request_extensions_are_in_the_key(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger(vary_request_extensions=("flags",))
    sent: list[Any] = [None, {}, {"flags": None}, {"flags": 1}, {"flags": "1"}, {"flags": [1]}]
    said = [status(await ledger.ask(QUERY, operation_extensions=each)) for each in sent]
    assert said == ["miss", "hit", "miss", "miss", "miss", "miss"]
    again = [status(await ledger.ask(QUERY, operation_extensions=each)) for each in sent]
    assert again == ["hit"] * len(sent)


async def test_a_varied_request_extension_and_a_varied_value_of_one_name_are_told_apart(
    make_ledger: Callable[..., Ledger],
) -> None:
    ledger = make_ledger(
        vary_request_extensions=("locale",), vary={"locale": lambda context: context["locale"]}
    )
    query = "{ greeting }"
    plain = await ledger.ask(query, context={"locale": "de"})
    sent = await ledger.ask(query, context={"locale": "en"}, operation_extensions={"locale": "de"})
    assert (status(plain), status(sent)) == ("miss", "miss")
    assert plain.data != sent.data


@strawberry.type
class Item:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def flags(self, info: strawberry.Info) -> str:
        return str(info.input_extensions.get("flags"))


@strawberry.type
class Query:
    @strawberry.field
    def item(self) -> Item:
        return Item(id=strawberry.ID("1"))

    @cache_control(ttl=60)
    @strawberry.field
    def flags(self, info: strawberry.Info) -> str:
        return str((info.input_extensions or {}).get("flags"))


async def test_a_request_without_extensions_is_not_answered_as_one_that_sent_some(
    cache: ResponseCache,
) -> None:
    """Although the request was remembered with extensions before."""
    extension = ResponseCacheExtension(cache, tenant=None, vary_request_extensions=["flags"])
    schema = strawberry.Schema(Query, extensions=[extension])
    sent: list[Any] = [{"flags": "a"}, None, {"flags": "b"}]
    for each in sent * 3:
        result = await schema.execute("{ flags }", operation_extensions=each)
        assert result.data == {"flags": str((each or {}).get("flags"))}


async def test_varied_request_extensions_are_in_the_keys_of_fields(cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(
        cache, tenant=None, vary_request_extensions=["flags"], debug=True
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    for flags, expected in (("a", "miss"), ("b", "miss"), ("a", "hit")):
        result = await schema.execute("{ item { flags } }", operation_extensions={"flags": flags})
        assert result.data == {"item": {"flags": flags}}
        (said,) = outcome(result)["fields"]
        assert said["status"] == expected


@pytest.mark.parametrize("value", [float("nan"), object()])
async def test_a_varied_request_extension_that_is_not_json_is_not_cached(
    make_ledger: Callable[..., Ledger], value: object
) -> None:
    ledger = make_ledger(vary_request_extensions=("flags",))
    said = outcome(await ledger.ask(QUERY, operation_extensions={"flags": value}))
    assert said["reason"] == "request_extensions"
    assert "JSON" in said["advice"]


async def test_unknown_request_extensions_are_logged_once_without_their_names(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("trace", "s3cret"):
        await ledger.ask(QUERY, operation_extensions={name: 1})
    (said,) = [each for each in caplog.messages if "request_extensions" in each]
    assert "trace" not in said


async def test_advice_for_an_unknown_request_extension_names_it_and_both_settings(
    ledger: Ledger,
) -> None:
    said = outcome(await ledger.ask(QUERY, operation_extensions={"trace": 1}))
    assert 'ignore_request_extensions=("trace",)' in said["advice"]
    assert 'vary_request_extensions=("trace",)' in said["advice"]


@pytest.mark.parametrize("name", ['a"b', "a\nb", "x" * 65, "", "ä"])
async def test_advice_does_not_repeat_an_unusual_name_of_a_request_extension(
    ledger: Ledger, name: str
) -> None:
    said = outcome(await ledger.ask(QUERY, operation_extensions={name: 1}))
    assert said["reason"] == "request_extensions"
    assert "ignore_request_extensions" in said["advice"]
    assert not name or name not in said["advice"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"ignore_request_extensions": "trace"}, "ignore_request_extensions is a str"),
        ({"vary_request_extensions": b"trace"}, "vary_request_extensions is a bytes"),
        ({"vary_request_extensions": [1]}, "vary_request_extensions holds a int"),
        ({"ignore_request_extensions": 5}, "ignore_request_extensions is a int"),
        (
            {"ignore_request_extensions": ["a"], "vary_request_extensions": ["a"]},
            "in both ignore_request_extensions and vary_request_extensions",
        ),
    ],
)
def test_wrong_names_of_request_extensions_raise(
    cache: ResponseCache, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=named):
        ResponseCacheExtension(cache, tenant=None, **arguments)
