"""The headers that say who may store a response, and for how long (RFC 9110, RFC 9111, RFC 5861)."""

import asyncio
import copy
import json
import pickle
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import strawberry
from cross_web import HTTPException
from graphql import ASTValidationRule, GraphQLError, NoSchemaIntrospectionCustomRule
from starlette.responses import JSONResponse
from strawberry.asgi import GraphQL as StockGraphQL
from strawberry.extensions import (
    AddValidationRules,
    MaxAliasesLimiter,
    QueryDepthLimiter,
    SchemaExtension,
)
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.core.protocol.entry import Entry
from tests.conftest import UntilJoined
from tests.views.calls import Request, call


class SignedIn(BasePermission):
    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return True


@strawberry.type
class Book:
    id: strawberry.ID


@strawberry.type
class Shelf:
    @cache_control(inherit=True)
    @strawberry.field(permission_classes=[SignedIn])  # type: ignore[untyped-decorator] # Strawberry returns Any
    def guarded(self) -> int:
        return 1

    size: int = 1


DATA = {"number": 1}


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def books(self) -> list[Book]:
        return [Book(id=strawberry.ID("1"))]

    @cache_control(ttl=90.5, stale=30.9)
    @strawberry.field
    def number(self) -> int:
        return DATA["number"]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self) -> int:
        return 1

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def words(self) -> str:
        return "word"

    @cache_control(ttl=60)
    @strawberry.field
    def shelf(self) -> Shelf:
        return Shelf()

    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[SignedIn])  # type: ignore[untyped-decorator] # Strawberry returns Any
    def guarded(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def restricted(self, info: strawberry.Info) -> int:
        restrict_cache(info, scope=CacheScope.PRIVATE, ttl=5)
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def shortened(self, info: strawberry.Info) -> int:
        restrict_cache(info, ttl=5)
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def absent(self) -> int | None:
        return None

    @cache_control(ttl=60)
    @strawberry.field
    def fails(self) -> int | None:
        raise ValueError

    @cache_control(ttl=60)
    @strawberry.field
    def cookie(self, info: strawberry.Info) -> int:
        info.context["response"].set_cookie("a", "b")
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def own(self, info: strawberry.Info) -> int:
        info.context["response"].headers["Cache-Control"] = "max-age=7"
        return 1

    @strawberry.field
    def now(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> bool:
        return True


VIEWS = {"ours": GraphQL, "strawberry's": StockGraphQL}


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> Any:
    return VIEWS[request.param]


@pytest.fixture
def cache() -> Iterator[ResponseCache]:
    with ResponseCache.from_url("memory://", prefix="headers", jitter=0) as cache:
        yield cache


Ask = Callable[..., httpx.Response]


@pytest.fixture
def make(cache: ResponseCache) -> Callable[..., Ask]:
    def made(view: Any = GraphQL, *others: Any, **options: Any) -> Ask:
        chosen = {
            "tenant": None,
            "session": lambda _: "alice",
            "vary": {"locale": lambda _: "en"},
        } | options
        extension = ResponseCacheExtension(cache, **chosen)
        schema = strawberry.Schema(
            Query,
            Mutation,
            extensions=[extension, *others],
            config=StrawberryConfig(batching_config={"max_operations": 10}),
        )
        application = view(schema)

        def ask(
            query: Any, *, post: bool = False, headers: dict[str, str] | None = None, **more: Any
        ) -> httpx.Response:
            async def asking() -> httpx.Response:
                transport = httpx.ASGITransport(application)
                async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                    sent = {"accept": "application/json"} | (headers or {})
                    if not isinstance(query, str):
                        return await client.post("/", json=query, headers=sent)
                    if post:
                        return await client.post("/", json={"query": query}, headers=sent)
                    return await client.get("/", params={"query": query} | more, headers=sent)

            return asyncio.run(asking())

        return ask

    return made


def control(response: httpx.Response) -> str | None:
    value: str | None = response.headers.get("cache-control")
    return value


PUBLIC = "public, max-age=60"
PRIVATE = "private, max-age=60"
TOLD = {"locale": ("Accept-Language",)}


@pytest.mark.parametrize(
    ("query", "options", "expected"),
    [
        ("{ books { id } }", {}, PUBLIC),
        ("{ books { id } __typename }", {}, PUBLIC),
        ("{ number }", {}, "public, max-age=90, stale-while-revalidate=30"),
        ("{ number books { id } }", {}, PUBLIC),
        ("{ books { id } }", {"s_maxage": 3600}, f"{PUBLIC}, s-maxage=3600"),
        ("{ mine }", {"s_maxage": 3600}, PRIVATE),
        ("{ shortened }", {"s_maxage": 3600}, "public, max-age=5"),
        ("{ absent }", {"s_maxage": 3600}, f"{PUBLIC}, s-maxage=3600"),
        ("{ absent }", {"s_maxage": 3600, "negative_ttl": 7}, "public, max-age=7"),
        ("{ books { id } }", {"s_maxage": 3600, "negative_ttl": 7}, f"{PUBLIC}, s-maxage=3600"),
        (
            "{ books { id } }",
            {"s_maxage": 3600, "max_ttl": 10},
            "public, max-age=10, s-maxage=3600",
        ),
        ("{ books { id } mine }", {}, PRIVATE),
        ("{ words }", {}, PRIVATE),
        ("{ words }", {"vary_headers": TOLD}, PUBLIC),
        ("{ shelf { guarded } }", {}, PRIVATE),
        ("{ restricted }", {}, "private, max-age=5"),
        ("{ books { id } }", {"tenant": lambda _: "acme"}, PRIVATE),
        (
            "{ books { id } }",
            {"tenant": lambda _: "acme", "vary_headers": {"tenant": ("X-Tenant",)}},
            PUBLIC,
        ),
        (
            "{ words }",
            {"tenant": lambda _: "acme", "vary_headers": {"tenant": ("X-Tenant",)}},
            PRIVATE,
        ),
        ("{ books { id } }", {"debug": True}, PRIVATE),
        ("{ books { id } }", {"max_ttl": 10}, "public, max-age=10"),
        ("{ books { id } now }", {}, "no-store"),
        ("{ guarded }", {}, "no-store"),
        ("{ now }", {}, "no-store"),
        ("{ fails }", {}, "no-store"),
        ("{ unknown }", {}, "no-store"),
        ("{ cookie }", {}, "no-store"),
        ("{ __schema { queryType { name } } }", {}, "no-store"),
        ("mutation { change }", {}, "no-store"),
        ("{ books { id } }", {"enabled": False}, "no-store"),
        ("{ mine }", {"session": lambda _: None}, "no-store"),
        ("{ books { id } }", {"headers": False}, None),
        ("{ now }", {"headers": False}, None),
    ],
)
def test_cache_control_of_each_kind_of_operation(
    make: Callable[..., Ask], view: Any, query: str, options: dict[str, Any], expected: str | None
) -> None:
    ask = make(view, **options)
    post = query.startswith("mutation")
    for response in (ask(query, post=post), ask(query, post=post)):
        assert response.status_code == 200
        said = control(response)
        if query == "{ books { id } mine }" and said == "private, max-age=59":
            said = PRIVATE  # of a part that was stored a moment before the whole
        assert said == expected
        if expected in {None, "no-store"}:
            assert "age" not in response.headers
            assert "etag" not in response.headers
        else:
            assert response.headers["age"].isdigit()


@pytest.mark.parametrize("header", ["Authorization", "Cookie"])
def test_a_request_with_credentials_is_answered_privately(
    make: Callable[..., Ask], view: Any, header: str
) -> None:
    ask = make(view, s_maxage=600)
    for _ in range(2):
        assert control(ask("{ books { id } }", headers={header: "a=b"})) == PRIVATE
        assert control(ask("{ books { id } }")) == f"{PUBLIC}, s-maxage=600"


def test_age_says_how_long_ago_the_answer_was_stored(
    make: Callable[..., Ask], view: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = make(view)
    ask("{ number }")
    monkeypatch.setattr(Entry, "age", property(lambda _: 17.9))
    response = ask("{ number }")
    assert response.headers["age"] == "17"
    assert control(response) == "public, max-age=90, stale-while-revalidate=30"


def test_vary_is_the_same_on_every_response_of_the_endpoint(make: Callable[..., Ask]) -> None:
    ask = make(tenant=lambda _: "acme", vary_headers={**TOLD, "tenant": ("X-Tenant",)})
    expected = "Accept, Accept-Language, X-Tenant"
    first = ask("{ books { id } }")
    responses = [
        first,
        ask("{ books { id } }"),
        ask("{ books { id } }", headers={"if-none-match": first.headers["etag"]}),
        ask("{ now }"),
        ask("{ unknown"),
        ask("mutation { change }"),
        ask("", headers={"accept": "application/json"}),
    ]
    assert [each.status_code for each in responses] == [200, 200, 304, 200, 200, 400, 400]
    assert [each.headers["vary"] for each in responses] == [expected] * len(responses)


def test_the_page_of_graphiql_varies_too_and_is_not_stored(cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(cache, tenant=None)
    application = GraphQL[Any, Any](strawberry.Schema(Query, extensions=[extension]))

    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/", headers={"accept": "text/html"})

    response = asyncio.run(asking())
    assert "<html" in response.text
    assert response.headers["vary"] == "Accept"
    assert control(response) == "no-store"


def test_a_query_by_get_that_accepts_anything_is_answered_with_data(
    make: Callable[..., Ask],
) -> None:
    response = make()("{ books { id } }", headers={"accept": "*/*"})
    assert response.json() == {"data": {"books": [{"id": "1"}]}}


class Sets(GraphQL[Any, Any]):
    async def get_context(self, request: Any, response: Any) -> Any:
        response.headers["Cache-Control"] = "max-age=7"
        response.headers["Vary"] = "Origin"
        return {"request": request, "response": response}


class StockSets(StockGraphQL[Any, Any]):
    get_context: Any = Sets.get_context


@pytest.mark.parametrize("setting", [Sets, StockSets])
def test_cache_control_of_the_application_is_kept_and_its_vary_is_extended(
    make: Callable[..., Ask], setting: Any
) -> None:
    ask = make(setting)
    for query in ("{ books { id } }", "{ books { id } }", "{ now }"):
        response = ask(query)
        assert control(response) == "max-age=7"
        assert response.headers["vary"] == "Origin, Accept"


class PersistedQueries(SchemaExtension):
    """Knows no document, as a server that was restarted."""

    def on_operation(self) -> Iterator[None]:
        if "persistedQuery" in (self.execution_context.operation_extensions or {}):
            message = "PersistedQueryNotFound"
            raise GraphQLError(message)
        yield


@pytest.mark.parametrize("is_outer", [True, False])
@pytest.mark.parametrize("post", [True, False])
def test_a_response_that_a_persisted_query_is_not_found_is_no_store(
    make: Callable[..., Ask],
    view: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_outer: bool,
    post: bool,
) -> None:
    """A CDN that keeps it answers everybody so, also after the document was sent."""
    if is_outer:

        class Reversed(strawberry.Schema):
            def get_extensions(self, *args: Any, **named: Any) -> Any:
                return super().get_extensions(*args, **named)[::-1]

        monkeypatch.setattr(strawberry, "Schema", Reversed)
    ask = make(view, PersistedQueries)
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": "a"}}
    if post:
        response = ask({"query": "{ number }", "extensions": persisted})
    else:
        response = ask("{ number }", extensions=json.dumps(persisted))
    assert response.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert response.headers["cache-control"].lower() == "no-store"


def test_a_cache_control_that_a_resolver_set_is_kept(make: Callable[..., Ask], view: Any) -> None:
    ask = make(view)
    for _ in range(2):
        assert control(ask("{ own }")) == "max-age=7"


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        (["{ books { id } }", "{ books { id } }"], PUBLIC),
        (["{ number }", "{ books { id } }"], PUBLIC),
        (["{ books { id } }", "{ mine }"], PRIVATE),
        (["{ books { id } }", "{ now }"], "no-store"),
        (["{ books { id } }", "{ fails }"], "no-store"),
        (["mutation { change }", "{ books { id } }"], "no-store"),
    ],
)
def test_a_batch_has_the_cache_control_of_its_strictest_operation(
    make: Callable[..., Ask], view: Any, queries: list[str], expected: str
) -> None:
    ask = make(view)
    batch = [{"query": query} for query in queries]
    for response in (ask(batch), ask(batch)):
        assert response.status_code == 200
        assert control(response) == expected
        assert "etag" not in response.headers


def test_headers_of_one_operation_do_not_keep_its_neighbour_in_a_batch_from_being_stored(
    make: Callable[..., Ask], view: Any
) -> None:
    ask = make(view, debug=True)
    batch = [{"query": "{ books { id } }"}, {"query": "{ number }"}, {"query": "{ now }"}]
    ask(batch)
    statuses = [each["extensions"]["responseCache"]["status"] for each in ask(batch).json()]
    assert statuses == ["hit", "hit", "bypass"]


class Personal(SchemaExtension):
    def get_results(self) -> dict[str, Any]:
        return {"you": "alice"}


class Admits(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        yield


class AdmitsWhenItValidates(SchemaExtension):
    def on_validate(self) -> Iterator[None]:
        yield


class AdmitsWhenItParses(SchemaExtension):
    async def on_parse(self) -> None:  # type: ignore[override] # Strawberry takes it
        return


@pytest.mark.parametrize("other", [Personal, Admits, AdmitsWhenItValidates, AdmitsWhenItParses])
def test_where_another_extension_may_decide_per_request_nothing_is_public(
    make: Callable[..., Ask], view: Any, other: Any
) -> None:
    assert control(make(view, other)("{ books { id } }")) == PRIVATE
    assert control(make(view, other, trusted_extensions=[other])("{ books { id } }")) == PUBLIC


class Admitting(ASTValidationRule):
    """As one that refuses a field to those who are not staff."""


def _ignores(_: object) -> bool:
    return False


RULES: dict[str, tuple[Callable[[], SchemaExtension], str]] = {
    "a rule of the user's": (lambda: AddValidationRules([Admitting]), PRIVATE),
    "a rule of graphql-core": (
        lambda: AddValidationRules([NoSchemaIntrospectionCustomRule]),
        PUBLIC,
    ),
    "a limit": (lambda: QueryDepthLimiter(max_depth=9), PUBLIC),
    "a limit with a function": (
        lambda: QueryDepthLimiter(max_depth=9, should_ignore=_ignores),
        PRIVATE,
    ),
    "another limit": (lambda: MaxAliasesLimiter(max_alias_count=9), PUBLIC),
}


@pytest.mark.parametrize(("other", "expected"), RULES.values(), ids=RULES.keys())
def test_only_validation_rules_with_code_of_the_user_make_responses_private(
    make: Callable[..., Ask], view: Any, other: Any, expected: str
) -> None:
    ask = make(view, other)
    for _ in range(2):
        assert control(ask("{ books { id } }")) == expected


def test_a_validation_rule_can_be_trusted(make: Callable[..., Ask], view: Any) -> None:
    ask = make(view, lambda: AddValidationRules([Admitting]), trusted_extensions=[Admitting])
    assert control(ask("{ books { id } }")) == PUBLIC


class AdmittingSchema(strawberry.Schema):
    async def execute(self, *args: Any, **named: Any) -> Any:
        return await super().execute(*args, **named)


def test_in_a_schema_that_may_decide_per_request_nothing_is_public(
    make: Callable[..., Ask], view: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strawberry, "Schema", AdmittingSchema)
    response = make(view)("{ books { id } }")
    assert control(response) == PRIVATE
    assert "etag" not in response.headers
    ask = make(view, trusted_extensions=[AdmittingSchema])
    assert control(ask("{ books { id } }")) == PUBLIC


class Changes(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        yield
        request = self.execution_context.context["request"]
        self.execution_context.result.data["number"] = request.headers["x-number"]  # type: ignore[index, union-attr] # it succeeds


def test_a_result_changed_by_another_extension_is_sent_as_changed(make: Callable[..., Ask]) -> None:
    """The stored data is the same."""
    ask = make(GraphQL, Changes)
    for number in ("1", "2"):
        response = ask("{ number }", headers={"if-none-match": "*", "x-number": number})
        assert response.json() == {"data": {"number": number}}
        assert "etag" not in response.headers


class Plain(StockGraphQL[Any, Any]):
    async def get_context(self, request: Any, response: Any) -> Any:
        return SimpleNamespace(response=response)


def test_without_the_request_in_the_context_nothing_is_public(make: Callable[..., Ask]) -> None:
    """The request may have had credentials."""
    assert control(make(Plain)("{ books { id } }")) == PRIVATE


@pytest.mark.parametrize("context", [None, {}, SimpleNamespace(), {"response": object()}])
def test_a_context_without_a_response_gets_no_headers(cache: ResponseCache, context: Any) -> None:
    vary = {"locale": lambda _: "en"}
    extension = ResponseCacheExtension(cache, tenant=None, vary=vary, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    for _ in range(2):
        result = schema.execute_sync("{ books { id } }", context_value=context)
        assert result.errors is None
    assert result.extensions is not None
    assert result.extensions["responseCache"]["status"] == "hit"


class Reply:
    """A response in a context, as a user may write it."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda reply: pickle.loads(pickle.dumps(reply))],  # noqa: S301 - as Django's cache does
    ids=["copy", "deep copy", "pickle"],
)
def test_a_copied_or_pickled_response_has_headers_independent_of_the_first(
    cache: ResponseCache, copied: Callable[[Reply], Reply]
) -> None:
    schema = strawberry.Schema(
        Query,
        extensions=[ResponseCacheExtension(cache, tenant=None, vary={"locale": lambda _: "en"})],
    )

    def answered(reply: Reply, query: str) -> str:
        schema.execute_sync(query, context_value={"response": reply})
        return reply.headers["Cache-Control"]

    first = Reply()
    assert answered(first, "{ now }") == "no-store"
    second = copied(first)
    second.headers = {}
    assert answered(second, "{ books { id } }") == PRIVATE


@pytest.mark.parametrize(
    ("query", "first", "second"),
    [
        ("{ books { id } }", "fwd=miss; stored; ttl=60", "hit; ttl=59"),
        ("{ mine }", "fwd=miss; stored; ttl=60", "hit; ttl=59"),
        ("{ now }", "fwd=bypass; detail=root_without_hint", "fwd=bypass; detail=root_without_hint"),
        ("mutation { change }", "fwd=bypass; detail=mutation", "fwd=bypass; detail=mutation"),
        ("{ fails }", "fwd=bypass; detail=errors", "fwd=bypass; detail=errors"),
    ],
)
def test_cache_status_says_what_the_cache_did(
    make: Callable[..., Ask], view: Any, query: str, first: str, second: str
) -> None:
    ask, post = make(view, cache_status=True), query.startswith("mutation")
    for expected in (first, second):
        response = ask(query, post=post)
        assert response.headers["cache-status"] == f"strawberry-response-cache; {expected}"
    assert "cache-status" not in make(view)(query, post=post).headers


def test_cache_status_of_a_stale_answer_is_negative(
    make: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = make(cache_status=True)
    ask("{ number }")
    monkeypatch.setattr(Entry, "age", property(lambda _: 100.5))
    assert ask("{ number }").headers["cache-status"] == "strawberry-response-cache; hit; ttl=-10"


def test_cache_status_of_an_answer_that_an_invalidation_overtook_is_a_miss_with_its_reason(
    make: Callable[..., Ask], cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overtaken(dict[str, int]):
        def __getitem__(self, key: str) -> int:
            cache.clear_sync()
            return super().__getitem__(key)

    monkeypatch.setitem(globals(), "DATA", Overtaken(DATA))
    response = make(cache_status=True)("{ number }")
    assert response.headers["cache-status"] == "strawberry-response-cache; fwd=miss; detail=refused"
    assert response.headers["cache-control"] == "no-store"


async def test_cache_status_of_a_request_that_joined_a_run_says_collapsed(
    cache: ResponseCache, until_joined: UntilJoined
) -> None:
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    @strawberry.type
    class Slow:
        @cache_control(ttl=60)
        @strawberry.field
        async def number(self) -> int:
            has_begun.set()
            await may_end.wait()
            return 1

    extension = ResponseCacheExtension(cache, tenant=None, cache_status=True)
    application = GraphQL[Any, Any](strawberry.Schema(Slow, extensions=[extension]))
    asked = [asyncio.create_task(call(application, Request(query="{ number }")))]
    await has_begun.wait()
    asked.append(asyncio.create_task(call(application, Request(query="{ number }"))))
    await until_joined(cache, 1)
    may_end.set()
    said = [(await each).headers["cache-status"] for each in asked]
    name = "strawberry-response-cache; fwd=miss"
    assert said == [f"{name}; stored; ttl=60", f"{name}; collapsed; ttl=60"]


def test_a_batch_has_no_cache_status(make: Callable[..., Ask], view: Any) -> None:
    ask = make(view, cache_status=True)
    assert "cache-status" not in ask([{"query": "{ now }"}, {"query": "{ mine }"}]).headers


# -- Conditional requests ------------------------------------------------------------------------------


def test_a_client_that_has_the_answer_gets_304_and_the_headers_of_200(
    make: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Entry, "age", property(lambda _: 0.5)
    )  # whatever the machine does meanwhile
    ask = make()
    miss, hit = ask("{ books { id } }"), ask("{ books { id } }")
    tag = miss.headers["etag"]
    assert tag.startswith('W/"')
    assert hit.headers["etag"] == tag
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        response = ask("{ books { id } }", headers={"if-none-match": known})
        assert (response.status_code, response.content) == (304, b"")
        for name in ("etag", "cache-control", "vary", "age"):
            assert response.headers[name] == hit.headers[name]
        assert "content-type" not in response.headers
        assert "last-modified" not in response.headers


@pytest.mark.parametrize("known", ['W/"other"', '"', "", "garbage", 'W/""'])
def test_a_request_whose_if_none_match_does_not_match_gets_200_with_the_answer(
    make: Callable[..., Ask], known: str
) -> None:
    ask = make()
    for _ in range(2):
        response = ask("{ books { id } }", headers={"if-none-match": known})
        assert response.status_code == 200
        assert response.json() == {"data": {"books": [{"id": "1"}]}}


def test_changed_data_is_sent_with_200_and_equal_data_is_answered_304(
    make: Callable[..., Ask], cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = make()
    tag = {"if-none-match": ask("{ number }").headers["etag"]}
    cache.clear_sync()
    assert ask("{ number }", headers=tag).status_code == 304
    cache.clear_sync()
    monkeypatch.setitem(DATA, "number", 2)
    response = ask("{ number }", headers=tag)
    assert (response.status_code, response.json()) == (200, {"data": {"number": 2}})


def test_the_validator_of_another_query_or_requester_never_matches(
    make: Callable[..., Ask],
) -> None:
    tags = [
        make()("{ mine }").headers["etag"],
        make(session=lambda _: "bob")("{ mine }").headers["etag"],
        make()("query Named { mine }").headers["etag"],
        make()("{ mine __typename }").headers["etag"],
        make(tenant=lambda _: "acme")("{ mine }").headers["etag"],
    ]
    assert len({*tags}) == len(tags)


async def test_each_worker_gives_an_answer_the_same_validator(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> None:
    """Whether it stored the answer, found it, or made it again."""
    caches = [new_cache(valkey_url), new_cache(valkey_url)]
    workers = [
        GraphQL[Any, Any](
            strawberry.Schema(
                Query,
                extensions=[ResponseCacheExtension(each, tenant=None, vary={"locale": len})],
            )
        )
        for each in caches
    ]
    tags = [(await call(each, Request(query="{ number }"))).headers["etag"] for each in workers]
    await caches[0].clear()
    for worker in reversed(workers):
        told = {"if-none-match": tags[0]}
        response = await call(worker, Request(query="{ number }", headers=told))
        assert (response.status, response.headers["etag"]) == (304, tags[0])
    assert tags[0] == tags[1]


def test_post_requests_and_mutations_are_never_answered_304(make: Callable[..., Ask]) -> None:
    ask = make()
    tag = ask("{ books { id } }").headers["etag"]
    for known in (tag, "*"):
        post = ask("{ books { id } }", post=True, headers={"if-none-match": known})
        assert (post.status_code, post.json()) == (200, {"data": {"books": [{"id": "1"}]}})
        assert "etag" not in post.headers
        mutation = ask("mutation { change }", post=True, headers={"if-none-match": known})
        assert mutation.json() == {"data": {"change": True}}


def test_an_answer_with_more_than_data_has_no_validator(make: Callable[..., Ask]) -> None:
    ask = make(debug=True)
    for _ in range(2):
        response = ask("{ books { id } }", headers={"if-none-match": "*"})
        assert response.status_code == 200
        assert "etag" not in response.headers


def test_an_etag_of_the_application_is_kept(make: Callable[..., Ask]) -> None:
    class Tagged(GraphQL[Any, Any]):
        async def get_context(self, request: Any, response: Any) -> Any:
            response.headers["ETag"] = '"own"'
            return {"request": request, "response": response}

    ask = make(Tagged)
    for _ in range(2):
        response = ask("{ books { id } }", headers={"if-none-match": "*"})
        assert (response.status_code, response.headers["etag"]) == (200, '"own"')


# -- Arguments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers": None}, "headers is a NoneType"),
        ({"vary_headers": ["X-Tenant"]}, "vary_headers is a list"),
        ({"vary_headers": {"session": ("Cookie",)}}, "vary_headers names session"),
        ({"vary_headers": {"unknown": ("X",)}}, "neither tenant nor in vary"),
        ({"vary_headers": {"tenant": "X-Tenant"}}, r'vary_headers\["tenant"\] is no list'),
        ({"vary_headers": {"tenant": ("X Tenant",)}}, r'vary_headers\["tenant"\] is no list'),
        ({"vary_headers": {"tenant": ()}}, r'vary_headers\["tenant"\] is no list'),
        ({"cache_status": 1}, "cache_status is a int"),
        ({"s_maxage": -1}, "s_maxage is neither None nor whole seconds"),
        ({"s_maxage": 1.5}, "s_maxage is neither None nor whole seconds"),
        ({"s_maxage": True}, "s_maxage is neither None nor whole seconds"),
    ],
)
def test_wrong_options_for_headers_are_refused(
    cache: ResponseCache, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=message):
        ResponseCacheExtension(cache, tenant=None, **options)


class _AnyCase(dict[str, str]):
    """Headers of a framework that is not known here."""


@pytest.mark.parametrize("kind", [dict, _AnyCase])
@pytest.mark.parametrize("spell", [str.lower, str.title])
def test_names_of_headers_are_matched_in_any_case(kind: Any, spell: Callable[[str], str]) -> None:
    from strawberry_response_cache.graphql.http import messages

    for name in ("authorization", "cookie"):
        assert messages.has_credentials(SimpleNamespace(headers=kind({spell(name): "a"})))
    assert not messages.has_credentials(SimpleNamespace(headers=kind({spell("accept"): "a"})))
    headers = kind({spell("set-cookie"): "a=b", spell("vary"): "Origin"})
    response = SimpleNamespace(headers=headers)
    assert messages.written_in(response) == {"set-cookie": "a=b", "vary": "Origin"}
    messages.set_headers(response, messages.Lines({"vary": "Accept", "set-cookie": None}))
    assert headers == {spell("vary"): "Accept"}


@pytest.mark.parametrize("attribute", ["META", "environ"])
def test_credentials_are_read_where_cgi_has_them(attribute: str) -> None:
    from strawberry_response_cache.graphql.http import messages

    def request(**variables: str) -> Any:
        return SimpleNamespace(**{attribute: {"HTTP_ACCEPT": "*/*", **variables}})

    assert messages.has_credentials(request(HTTP_AUTHORIZATION="a"))
    assert messages.has_credentials(request(HTTP_COOKIE="a=b"))
    assert not messages.has_credentials(request())
    assert not messages.has_credentials(request(HTTP_COOKIE=""))  # Django's test client


class Explains(GraphQL[Any, Any]):
    """Answers refusals in its own way, as a subclass of Strawberry's view may."""

    async def run(self, *args: Any, **named: Any) -> Any:
        try:
            return await super().run(*args, **named)
        except HTTPException as refusal:
            return JSONResponse({"why": refusal.reason}, 418)


class Hands(Explains):
    """Has a class of its own in between."""


@pytest.mark.parametrize("kind", [Explains, Hands])
def test_a_subclass_of_a_view_gets_the_exception_of_a_refused_request(
    make: Callable[..., Ask], kind: Any
) -> None:
    response = make(kind)("mutation { change }")
    assert response.status_code == 418
    assert response.json()["why"]
