"""Invalidations after mutations that come over websockets and in batches, as Strawberry serves them."""

import asyncio
import json
from typing import Any, Self

from strawberry.asgi import GraphQL

from strawberry_response_cache import ResponseCache
from tests.graphql.bank import Bank

ONE = '{ account(id: "1") { name balance } }'
POST = "mutation { post(id: 1, amount: 5) { ... on Posted { account { id } } } }"


class Served(GraphQL[Any, Any]):
    """The bank over ASGI."""

    def __init__(self, bank: Bank) -> None:
        super().__init__(bank.schema)
        self._bank = bank

    async def get_context(self, request: Any, response: Any) -> Any:
        return self._bank.context()


class Socket:
    """A websocket that speaks graphql-transport-ws to an ASGI application, without a network."""

    def __init__(self, application: Any) -> None:
        self._to: asyncio.Queue[Any] = asyncio.Queue()
        self._from: asyncio.Queue[Any] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": "/",
            "headers": [],
            "query_string": b"",
            "subprotocols": ["graphql-transport-ws"],
        }
        self._served = asyncio.ensure_future(application(scope, self._to.get, self._from.put))

    async def __aenter__(self) -> Self:
        await self._to.put({"type": "websocket.connect"})
        assert (await self._from.get())["type"] == "websocket.accept"
        await self._send({"type": "connection_init"})
        assert (await self._answer())["type"] == "connection_ack"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._to.put({"type": "websocket.disconnect", "code": 1000})
        await self._served

    async def _send(self, message: dict[str, Any]) -> None:
        await self._to.put({"type": "websocket.receive", "text": json.dumps(message)})

    async def _answer(self) -> Any:
        return json.loads((await self._from.get())["text"])

    async def ask(self, number: str, query: str) -> Any:
        """Ask one operation, and return its data."""
        await self._send({"id": number, "type": "subscribe", "payload": {"query": query}})
        answer = await self._answer()
        assert answer["type"] == "next", answer
        assert await self._answer() == {"id": number, "type": "complete"}
        return answer["payload"]["data"]


async def test_a_mutation_over_a_websocket_invalidates_before_it_answers(
    memory_cache: ResponseCache,
) -> None:
    bank = Bank(memory_cache)
    async with asyncio.timeout(60), Socket(Served(bank)) as socket:
        assert (await socket.ask("1", ONE))["account"]["balance"] == 0
        bank.data["a"].rows[1].balance = 1  # what nobody invalidates is not seen
        assert (await socket.ask("2", ONE))["account"]["balance"] == 0
        assert await socket.ask("3", POST) == {"post": {"account": {"id": "1"}}}
        assert (await socket.ask("4", ONE))["account"]["balance"] == 6


async def test_mutations_of_a_batch_invalidate_what_each_of_them_changed(
    memory_cache: ResponseCache,
) -> None:
    """Operations of a batch run together, over one context."""
    bank = Bank(memory_cache)
    two = ONE.replace('"1"', '"2"')
    for query in (ONE, two):
        await bank.ask(query)
    context = bank.context()
    batch = [POST, POST.replace("id: 1", "id: 2"), "{ rate { percent } }"]
    results = await asyncio.gather(
        *(bank.schema.execute(query, context_value=context) for query in batch)
    )
    assert [result.errors for result in results] == [None] * 3
    for query in (ONE, two):
        result = await bank.ask(query)
        assert result.data is not None
        assert result.data["account"]["balance"] == 5
