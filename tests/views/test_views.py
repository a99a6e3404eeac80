"""A view of this package sends stored responses as they are, and everybody else gets plain dicts."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import strawberry
from strawberry.extensions import MaskErrors, QueryDepthLimiter, SchemaExtension
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.graphql._stored_data import StoredData
from tests.graphql.transports import TRANSPORTS, Application
from tests.graphql.transports import ask as ask_over


@strawberry.type
class Book:
    id: strawberry.ID
    title: str


RUNS: list[str] = []


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def books(self, title: str = "Emma") -> list[Book]:
        RUNS.append(title)
        return [Book(id=strawberry.ID("1"), title=title)]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self) -> list[Book]:
        return []

    @cache_control(ttl=60)
    @strawberry.field
    async def nested(self, info: strawberry.Info) -> str:
        result = await info.schema.execute("{ books { title } }", context_value=info.context)
        assert type(result.data) is dict
        return json.dumps(result.data)

    @strawberry.field
    def fails(self) -> str | None:
        raise ValueError

    @strawberry.field
    def now(self) -> str:
        return "now"


@strawberry.type
class Mutation:
    @invalidates("Book")
    @strawberry.mutation
    def rename(self) -> bool:
        return True


@pytest.fixture
def cache() -> Iterator[ResponseCache]:
    with ResponseCache.from_url("memory://", prefix="views") as cache:
        yield cache


class Client:
    """A client of an ASGI application in this process."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def request(self, method: str, **named: Any) -> httpx.Response:
        async def requesting() -> httpx.Response:
            transport = httpx.ASGITransport(self._application)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, "/", **named)

        return asyncio.run(requesting())


Made = tuple[strawberry.Schema, Client]


@pytest.fixture
def make(cache: ResponseCache) -> Callable[..., Made]:
    def made(*others: Any, view: type[GraphQL[Any, Any]] = GraphQL, **options: Any) -> Made:
        RUNS.clear()
        extension = ResponseCacheExtension(
            cache, tenant=None, session=lambda _: "alice", root_value="shared", **options
        )
        schema = strawberry.Schema(
            Query,
            Mutation,
            extensions=[extension, *others],
            config=StrawberryConfig(batching_config={"max_operations": 10}),
        )
        return schema, Client(view(schema))

    return made


def ask(client: Client, query: str = "{ books { title } }", **named: Any) -> bytes:
    response = client.request("POST", json={"query": query, **named})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    return response.content


EMMA = b'{"data":{"books":[{"title":"Emma"}]}}'


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The stored responses that were decoded by whoever looked at them."""
    seen: list[bytes] = []
    look = StoredData.look

    def watched(self: StoredData) -> None:
        if self.response is not None:
            seen.append(self.response)
        look(self)

    monkeypatch.setattr(StoredData, "look", watched)
    return seen


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The stored responses that results held."""
    made: list[bytes] = []
    init = StoredData.__init__

    def watched(self: StoredData, response: bytes) -> None:
        made.append(response)
        init(self, response)

    monkeypatch.setattr(StoredData, "__init__", watched)
    return made


def test_a_hit_sends_the_stored_bytes_and_decodes_nothing(
    make: Callable[..., Made], decoded: list[bytes], handed_on: list[bytes]
) -> None:
    _, client = make()
    title = 'é\u2028 \\ " 𝄞'
    query = "query ($title: String!) { books(title: $title) { title } }"
    miss = ask(client, query, variables={"title": title})
    hit = ask(client, query, variables={"title": title})
    assert [title] == RUNS
    assert json.loads(hit) == json.loads(miss)
    assert handed_on == [hit]
    assert decoded == []


def test_extensions_are_appended_to_the_stored_bytes(
    make: Callable[..., Made], handed_on: list[bytes]
) -> None:
    class Names(SchemaExtension):
        def get_results(self) -> dict[str, Any]:
            return {"name": "é"}

    _, client = make(debug=True)
    ask(client)
    hit = ask(client)
    assert handed_on == [EMMA]
    assert hit.startswith(EMMA[:-1] + b',"extensions":{"responseCache":{"status":"hit",')
    assert json.loads(hit)["extensions"]["responseCache"]["scope"] == "PUBLIC"


@pytest.mark.parametrize("query", ["{ mine { id } }", "query Named { books { id } }"])
def test_private_and_named_operations_are_sent_as_they_are_stored(
    make: Callable[..., Made], handed_on: list[bytes], query: str
) -> None:
    _, client = make()
    assert ask(client, query) == ask(client, query)
    assert len(handed_on) == 1


def test_a_get_request_is_answered_with_the_stored_bytes(
    make: Callable[..., Made], handed_on: list[bytes]
) -> None:
    _, client = make()
    ask(client)
    assert client.request("GET", params={"query": "{ books { title } }"}).content == EMMA
    assert handed_on == [EMMA]


def test_operations_of_a_batch_are_hits_and_are_encoded_as_json(make: Callable[..., Made]) -> None:
    _, client = make()
    queries = [{"query": "{ books { title } }"}, {"query": "{ now }"}, {"query": "{ fails }"}]
    for _ in range(2):
        response = client.request("POST", json=queries)
        books, now, fails = response.json()
        assert books == json.loads(EMMA)
        assert now == {"data": {"now": "now"}}
        assert fails["data"] == {"fails": None}
        assert fails["errors"]
    assert RUNS == ["Emma"]


def test_a_query_that_a_resolver_executes_gets_a_plain_dict(make: Callable[..., Made]) -> None:
    _, client = make()
    ask(client)
    assert json.loads(json.loads(ask(client, "{ nested }"))["data"]["nested"]) == {
        "books": [{"title": "Emma"}]
    }


@pytest.mark.parametrize("is_sync", [False, True])
def test_schema_execute_returns_the_data_of_a_hit_as_a_plain_dict(
    make: Callable[..., Made], is_sync: bool
) -> None:
    schema, client = make()
    ask(client)
    query = "{ books { title } }"
    result = schema.execute_sync(query) if is_sync else asyncio.run(schema.execute(query))
    assert type(result.data) is dict
    assert RUNS == ["Emma"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_transport_sends_the_same_data_on_a_hit_as_on_a_miss(
    make: Callable[..., Made], transport: str
) -> None:
    schema, _ = make()

    async def on_answer() -> None:
        pass

    query = "{ books { title } }" if transport != "multipart" else "{ now }"

    async def asking() -> list[str]:
        application = Application(schema)
        return [await ask_over(application, transport, query, {}, on_answer) for _ in range(2)]

    miss, hit = asyncio.run(asking())
    assert hit.replace(" ", "") == miss.replace(" ", "")
    assert '"title":"Emma"' in hit.replace(" ", "") or transport == "multipart"
    assert ["Emma"] * (transport != "multipart") == RUNS


def test_errors_and_mutations_are_sent_unchanged(make: Callable[..., Made]) -> None:
    _, client = make()
    for _ in range(2):
        assert json.loads(ask(client, "{ fails books { title } }"))["data"]["fails"] is None
        assert json.loads(ask(client, "mutation { rename }")) == {"data": {"rename": True}}
    assert "errors" in json.loads(ask(client, "{ unknown }"))


class Errors(GraphQL[Any, Any]):
    async def process_result(self, request: Any, result: Any) -> Any:
        answer = await super().process_result(request, result)
        return {**answer, "errors": [{"message": "refused"}]}


def test_an_answer_to_which_a_view_adds_errors_is_not_to_be_stored(
    make: Callable[..., Made],
) -> None:
    _, client = make(view=Errors)
    for _ in range(2):
        response = client.request("GET", params={"query": "{ books { title } }"})
        assert response.json()["errors"]
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers


class Unready(SchemaExtension):
    """Raises where Strawberry makes it, before the operation begins."""

    is_unready = False

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        if Unready.is_unready:
            raise LookupError


def test_what_is_executed_after_a_request_that_never_began_gets_plain_dicts(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, client = make(Unready)
    ask(client)

    async def executing() -> Any:
        application: Any = GraphQL(schema)
        transport = httpx.ASGITransport(application)  # it calls the application in this task
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as asking:
            monkeypatch.setattr(Unready, "is_unready", True)
            with pytest.raises(LookupError):
                await asking.post("/", json={"query": "{ books { title } }"})
        monkeypatch.setattr(Unready, "is_unready", False)
        return await schema.execute("{ books { title } }")

    result = asyncio.run(executing())
    assert type(result.data) is dict
    assert RUNS == ["Emma"]


class Tidy(GraphQL[Any, Any]):
    async def process_result(self, request: Any, result: Any) -> Any:
        assert type(result.data) is dict
        return await super().process_result(request, result)


class Sorted(GraphQL[Any, Any]):
    def encode_json(self, data: object) -> str:
        return json.dumps(data, sort_keys=True, separators=(",", ":"))


class Noted(GraphQL[Any, Any]):
    def create_response(self, response_data: Any, sub_response: Any) -> Any:
        assert json.dumps(response_data["data"]) != "{}"
        return super().create_response(response_data, sub_response)


class Handled(GraphQL[Any, Any]):
    def _handle_errors(self, errors: Any, response_data: Any) -> None:
        response_data["handled"] = True


class Executed(GraphQL[Any, Any]):
    async def execute_single(self, *args: Any, **named: Any) -> Any:
        result = await super().execute_single(*args, **named)
        assert json.dumps(result.data) != "{}"
        return result


@pytest.mark.parametrize("view", [Tidy, Sorted, Noted, Handled, Executed])
def test_a_view_that_overrides_how_results_are_processed_gets_plain_dicts(
    make: Callable[..., Made], handed_on: list[bytes], view: type[GraphQL[Any, Any]]
) -> None:
    _, client = make(view=view)
    assert ask(client) == ask(client) == EMMA
    assert RUNS == ["Emma"]
    assert handed_on == []


def test_a_method_that_sentry_replaces_on_strawberrys_views_leaves_the_stored_bytes(
    make: Callable[..., Made], handed_on: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from strawberry.http.async_base_view import AsyncBaseHTTPView

    class Unpatched(GraphQL[Any, Any]):
        """A class of its own: what is known of a class is kept."""

    Unpatched.__module__ = "strawberry_response_cache.asgi"
    monkeypatch.setattr(AsyncBaseHTTPView, "_handle_errors", lambda *_: None)
    _, client = make(view=Unpatched)
    assert ask(client) == ask(client) == EMMA
    assert handed_on == [EMMA]


def test_a_method_replaced_on_a_view_object_counts_as_overridden(
    make: Callable[..., Made], handed_on: list[bytes]
) -> None:
    schema, _ = make()
    view: Any = GraphQL(schema)
    view.encode_json = lambda data: json.dumps(data, separators=(",", ":"))
    client = Client(view)
    assert ask(client) == ask(client) == EMMA
    assert handed_on == []


class Reads(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        assert json.dumps(getattr(result, "data", None)) != "{}"


class ReadsLater(SchemaExtension):
    def get_results(self) -> dict[str, Any]:
        data = getattr(self.execution_context.result, "data", None)
        return {"seen": json.loads(json.dumps(data))}


class ReadsThroughABase(Reads):
    pass


@pytest.mark.parametrize("reader", [Reads, ReadsLater, ReadsThroughABase])
def test_an_extension_that_may_read_results_reads_plain_dicts(
    make: Callable[..., Made], handed_on: list[bytes], reader: type[SchemaExtension]
) -> None:
    _, client = make(reader)
    first, second = json.loads(ask(client)), json.loads(ask(client))
    assert first["data"] == second["data"] == json.loads(EMMA)["data"]
    assert RUNS == ["Emma"]
    assert handed_on == []


class Parses(SchemaExtension):
    def on_parse(self) -> Iterator[None]:
        yield

    def on_validate(self) -> Iterator[None]:
        yield


def test_extensions_that_read_no_results_leave_the_stored_bytes(
    make: Callable[..., Made], handed_on: list[bytes]
) -> None:
    _, client = make(Parses, MaskErrors, lambda: QueryDepthLimiter(max_depth=5))
    ask(client)
    assert ask(client) == EMMA
    assert handed_on == [EMMA]


def test_a_schema_with_an_execute_of_its_own_gets_plain_dicts(
    cache: ResponseCache, handed_on: list[bytes]
) -> None:
    class Logged(strawberry.Schema):
        async def execute(self, *args: Any, **named: Any) -> Any:
            result = await super().execute(*args, **named)
            assert json.dumps(result.data) != "{}"
            return result

    schema = Logged(Query, extensions=[ResponseCacheExtension(cache, tenant=None)])
    client = Client(GraphQL(schema))
    assert ask(client) == ask(client) == EMMA
    assert handed_on == []


def test_stored_data_that_is_changed_before_it_is_sent_is_sent_as_changed(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looked at the data may have changed it, so the stored bytes are not sent then."""
    _, client = make()
    ask(client)
    init = StoredData.__init__

    def touched(self: StoredData, response: bytes) -> None:
        init(self, response)
        self["more"] = 1

    monkeypatch.setattr(StoredData, "__init__", touched)
    assert json.loads(ask(client)) == {"data": {"books": [{"title": "Emma"}], "more": 1}}
