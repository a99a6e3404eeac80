"""Shared and private caches in front of our view, which do what its headers say (RFC 9111, RFC 5861).

Each value says for whom it was made, and the test notes when. So an answer can be judged without its headers: may the
server have given it to this requester, now or a lifetime ago?
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.permission import BasePermission

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
    restrict_cache,
)
from strawberry_response_cache.asgi import GraphQL
from tests.conftest import UNHURRIED
from tests.views.calls import Request, Response, call
from tests.views.http_cache import HttpCache


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the query type: for how many seconds its values may be used, and then while they are refreshed."""

    ttl: float = 0
    stale: float = 0


FIELDS: Final = {
    "public": Field(60),
    "stale": Field(30, 20),
    "words": Field(40),
    "mine": Field(50),
    "restricted": Field(50),
    "below": Field(60),
    "guarded": Field(60),
    "sometimes": Field(60),
    "cookie": Field(),
    "now": Field(),
}
QUERIES: Final = {
    "{ public }": "anybody",
    "{ stale }": "anybody",
    "{ words }": "anybody",
    "{ public words }": "anybody",
    "{ sometimes }": "anybody, later",
    "{ mine }": "requester",
    "{ public mine }": "requester",
    "{ restricted }": "requester",
    "{ shelf { below } }": "requester",
    "{ guarded }": "nobody",
    "{ now }": "nobody",
    "{ public now }": "nobody",
    "{ cookie }": "nobody",
}
"""Who may store the answer, unless it has errors. After errors the next answer need not be stored."""
USERS: Final[tuple[dict[str, str], ...]] = (
    {},
    {},
    {"authorization": "Bearer user=alice"},
    {"cookie": "user=bob"},
    {"x-user": "user=carol"},  # no header that HTTP knows
)
"""The credentials that each browser sends."""
SHARED: Final = len(USERS)
REFUSED: Final = "sign in"
Break = Callable[[dict[str, str]], None]
"""Changes headers, by their lower-case names."""
SECOND: Final = 1
"""Headers count whole seconds (RFC 9111, section 1.2.2)."""


def user_of(headers: Any) -> str | None:
    names = ("authorization", "cookie", "x-user")
    credentials = next((headers[name] for name in names if name in headers), None)
    return None if credentials is None else str(credentials).rpartition("=")[2]


class SignedIn(BasePermission):
    message = REFUSED

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return user_of(info.context["request"].headers) is not None


class Clock:
    """The time, which only the test changes."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


class Application:
    """The server.

    Args:
        cache: Its cache.
        clock: The time.
        is_numbered: Whether the values of two runs differ.
        options: Of the extension.
    """

    def __init__(
        self, cache: ResponseCache, clock: Clock, *, is_numbered: bool, **options: Any
    ) -> None:
        self.made: dict[str, float] = {}
        self.versions: Counter[str] = Counter()
        self._clock, self._is_numbered, self._runs = clock, is_numbered, 0
        extension = ResponseCacheExtension(
            cache,
            tenant=lambda context: context["request"].headers["x-tenant"],
            session=lambda context: user_of(context["request"].headers),
            vary={"locale": lambda context: context["request"].headers["accept-language"]},
            **options,
        )
        self.view = GraphQL[Any, Any](self._schema(extension))

    def version(self, info: strawberry.Info) -> int:
        return self.versions[info.context["request"].headers["x-tenant"]]

    def value(self, info: strawberry.Info, *depends: str) -> str:
        """Return a value that says for whom it was made, and note when."""
        headers = info.context["request"].headers
        known = {"user": user_of(headers), "locale": headers["accept-language"]}
        told = {name: known[name] for name in depends} | {"field": info.field_name}
        told |= {"tenant": headers["x-tenant"], "version": self.version(info)}
        if self._is_numbered:
            self._runs += 1
            told["run"] = self._runs
        value = json.dumps(told)
        self.made[value] = self._clock()
        return value

    def _schema(  # noqa: C901 - each resolver counts
        self, extension: ResponseCacheExtension
    ) -> strawberry.Schema:
        application = self
        tags = ["data"]

        @strawberry.type
        class Shelf:
            @cache_control(inherit=True)
            @strawberry.field(permission_classes=[SignedIn])  # type: ignore[untyped-decorator] # Strawberry returns Any
            def below(self, info: strawberry.Info) -> str | None:
                return application.value(info, "user")

        @strawberry.type
        class Query:
            @cache_control(ttl=60, tags=tags)
            @strawberry.field
            def public(self, info: strawberry.Info) -> str:
                return application.value(info)

            @cache_control(ttl=30, stale=20, tags=tags)
            @strawberry.field
            def stale(self, info: strawberry.Info) -> str:
                return application.value(info)

            @cache_control(ttl=40, vary=["locale"], tags=tags)
            @strawberry.field
            def words(self, info: strawberry.Info) -> str:
                return application.value(info, "locale")

            @cache_control(ttl=50, scope=CacheScope.PRIVATE, tags=tags)
            @strawberry.field
            def mine(self, info: strawberry.Info) -> str:
                return application.value(info, "user")

            @cache_control(ttl=60, tags=tags)
            @strawberry.field
            def restricted(self, info: strawberry.Info) -> str:
                restrict_cache(info, scope=CacheScope.PRIVATE, ttl=50)
                return application.value(info, "user")

            @cache_control(ttl=60, tags=tags)
            @strawberry.field
            def shelf(self) -> Shelf:
                return Shelf()

            @cache_control(ttl=60, tags=tags)
            @strawberry.field(permission_classes=[SignedIn])  # type: ignore[untyped-decorator] # Strawberry returns Any
            def guarded(self, info: strawberry.Info) -> str | None:
                return application.value(info, "user")

            @cache_control(ttl=60, tags=tags)
            @strawberry.field
            def sometimes(self, info: strawberry.Info) -> str | None:
                value = application.value(info)
                if application.version(info) % 2:
                    raise ValueError(value)
                return value

            @cache_control(ttl=60, tags=tags)
            @strawberry.field
            def cookie(self, info: strawberry.Info) -> str:
                info.context["response"].set_cookie("visited", "yes")
                return application.value(info)

            @strawberry.field
            def now(self, info: strawberry.Info) -> str:
                return application.value(info)

        @strawberry.type
        class Mutation:
            @invalidates("data")
            @strawberry.mutation
            def change(self, info: strawberry.Info) -> bool:
                application.versions[info.context["request"].headers["x-tenant"]] += 1
                return True

        return strawberry.Schema(Query, Mutation, extensions=[extension])


def values(body: bytes) -> tuple[list[str], list[str]]:
    """Return the values that an answer holds, and the messages of its errors."""
    answer = json.loads(body)
    found: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            for each in node.values():
                collect(each)
        elif isinstance(node, str):
            found.append(node)

    collect(answer["data"])
    return found, [each["message"] for each in answer.get("errors", ())]


class World:
    """The server, a shared cache in front of it, and the browser of each user in front of that.

    Args:
        application: The server.
        runner: Runs it.
        clock: The time.
        s_maxage: The seconds for shared caches that it names.
        is_told: Whether it names the headers that tell tenant and locale.
        broken: Changes the headers of each response.
    """

    def __init__(
        self,
        application: Application,
        runner: asyncio.Runner,
        clock: Clock,
        *,
        s_maxage: int | None,
        is_told: bool,
        broken: Break,
    ) -> None:
        self._broken = broken
        self._application, self._runner, self._clock = application, runner, clock
        self._s_maxage, self._is_told = s_maxage, is_told
        self._bodies: dict[str, bytes] = {}
        self._until: list[dict[tuple[str, ...], float]] = [{} for _ in (*USERS, SHARED)]
        self.reused: Counter[str] = Counter()
        shared = HttpCache(self._noting(SHARED, self._origin), clock, is_shared=True)
        to_shared = self._expecting(SHARED, shared)
        self._browsers = [
            HttpCache(self._noting(number, to_shared), clock, is_shared=False)
            for number in range(len(USERS))
        ]

    def ask(self, browser: int, query: str, tenant: str, locale: str, accept: str) -> None:
        """Let a user ask, and judge the answer."""
        headers = {"accept": accept, "accept-language": locale, "x-tenant": tenant}
        request = Request(query=query, headers=headers | USERS[browser])
        response = self._expecting(browser, self._browsers[browser])(request)
        assert response.status == 200
        found, messages = values(response.body)
        user = user_of(request.headers)
        assert (REFUSED in messages) == (
            user is None and query in {"{ guarded }", "{ shelf { below } }"}
        )
        wanted = {"tenant": tenant, "locale": locale, "user": user}
        failed = [each for each in messages if each != REFUSED]
        for value in (*found, *failed):
            told = json.loads(value)
            assert told["field"] in query
            assert {name: told[name] for name in wanted if name in told}.items() <= wanted.items()
            field = FIELDS[told["field"]]
            longest = field.ttl + field.stale
            if self._s_maxage is not None and QUERIES[query].startswith("anybody"):
                longest = max(longest, self._s_maxage)
            age = self._clock() - self._application.made[value]
            assert age < longest + SECOND if longest and value not in failed else age == 0

    def change(self, browser: int, tenant: str) -> None:
        """Let a user change the data of a tenant."""
        headers = {"accept-language": "en", "x-tenant": tenant} | USERS[browser]
        request = Request(query="mutation { change }", method="POST", headers=headers)
        assert json.loads(self._browsers[browser].ask(request).body) == {"data": {"change": True}}

    def _origin(self, request: Request) -> Response:
        """Ask the server, and note when what it sends was made."""
        response = self._runner.run(call(self._application.view, request))
        self._broken(response.headers)
        tag = response.headers.get("etag", "")
        body = self._bodies[tag] if response.status == 304 else response.body
        if tag:
            self._bodies[tag] = body
        if (
            not body.startswith(b'{"data": null')
            and body.startswith(b"{")
            and request.method == "GET"
        ):
            found, messages = values(body)
            if not messages:
                made = {json.loads(each)["field"]: self._application.made[each] for each in found}
                return replace(response, made=made)
        return response

    def _noting(
        self, number: int, forward: Callable[[Request], Response]
    ) -> Callable[[Request], Response]:
        """Note until when a cache has to use an answer that it gets."""

        def noting(request: Request) -> Response:
            response = forward(request)
            key = self._key(request)
            self._until[number].pop(key, None)
            if (
                request.method == "GET"
                and response.made
                and self._may_store(number, request, response)
            ):
                until = min(at + FIELDS[name].ttl for name, at in response.made.items())
                if number == SHARED and self._s_maxage is not None:
                    until = max(response.made.values()) + self._s_maxage
                self._until[number][key] = until - SECOND
            return response

        return noting

    def _may_store(self, number: int, request: Request, response: Response) -> bool:
        storing = QUERIES[request.query]
        if number == SHARED:
            return storing == "anybody" and self._is_told and user_of(request.headers) is None
        return storing == "anybody" or (
            storing == "requester" and user_of(request.headers) is not None
        )

    def _expecting(self, number: int, cache: HttpCache) -> Callable[[Request], Response]:
        """Ask a cache, which does not ask any further as long as it knows the answer."""

        def expecting(request: Request) -> Response:
            asked = len(cache.forwarded)
            is_known = self._clock() < self._until[number].get(self._key(request), 0)
            response = cache.ask(request)
            if is_known:
                assert len(cache.forwarded) == asked
                self.reused["shared" if number == SHARED else "private"] += 1
            return response

        return expecting

    def _key(self, request: Request) -> tuple[str, ...]:
        names = ("accept", "accept-language", "x-tenant")
        return (request.query, *(request.headers.get(name, "") for name in names))


TENANTS: Final = ("acme", "globex")
LOCALES: Final = ("en", "de")


class Worlds:
    """Worlds one after the other, on one store; an application of each kind serves several.

    Args:
        cache: The cache of the servers.
        runner: Runs them.
        clock: The time.
    """

    def __init__(self, cache: ResponseCache, runner: asyncio.Runner, clock: Clock) -> None:
        self._cache, self._runner, self._clock = cache, runner, clock
        self._applications: dict[tuple[Any, ...], Application] = {}

    def play(
        self, way: dict[str, Any], taken: list[Any], broken: Break = lambda _: None
    ) -> Counter[str]:
        """Let time pass and users ask, and return what was reused."""
        application = self._application(**way)
        application.versions.clear()
        for tenant in TENANTS:
            self._cache.for_tenant(tenant).clear_sync()
        living = World(
            application,
            self._runner,
            self._clock,
            s_maxage=way["s_maxage"],
            is_told=way["is_told"],
            broken=broken,
        )
        for step in taken:
            if isinstance(step, float):
                self._clock.now += step
            elif len(step) == 2:
                living.change(*step)
            else:
                browser, query, tenant, locale, accept = step
                if not way["is_told"]:  # the user tells them, as an account or a host may
                    tenant, locale = TENANTS[browser % 2], LOCALES[browser % 3 % 2]
                living.ask(browser, query, tenant, locale, accept)
        return living.reused

    def _application(
        self, *, is_told: bool, is_numbered: bool, s_maxage: int | None
    ) -> Application:
        key = is_told, is_numbered, s_maxage
        if key not in self._applications:
            told = {"tenant": ("X-Tenant",), "locale": ("Accept-Language",)}
            self._applications[key] = Application(
                self._cache,
                self._clock,
                is_numbered=is_numbered,
                schema_name=str(key),
                s_maxage=s_maxage,
                vary_headers=told if is_told else {},
            )
        return self._applications[key]


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worlds]:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)  # of the store inside this process
    with (
        asyncio.Runner() as runner,
        ResponseCache.from_url("memory://", prefix="in-front", **UNHURRIED) as cache,
    ):
        yield Worlds(cache, runner, clock)


# -- Steps ---------------------------------------------------------------------------------------------

passing = st.sampled_from([0.4, 5.0, 9.9, 19.0, 29.5])


def steps_of(asked: list[str], asking: list[int]) -> st.SearchStrategy[list[Any]]:
    """Few queries and browsers, so that caches are often asked for what they have."""
    browsers = st.sampled_from(asking)
    asks = st.tuples(
        browsers,
        st.sampled_from(asked),
        st.sampled_from([*TENANTS, *TENANTS[:1] * 6]),
        st.sampled_from([*LOCALES, *LOCALES[:1] * 6]),
        st.sampled_from(["application/json"] * 9 + ["*/*"]),
    )
    changes = st.tuples(browsers, st.sampled_from(TENANTS))
    return st.lists(
        st.one_of(asks, asks, asks, asks, passing, passing, changes), min_size=20, max_size=50
    )


steps = st.tuples(
    st.lists(st.sampled_from([*QUERIES, *list(QUERIES)[:4] * 3]), min_size=1, max_size=2),
    st.sampled_from([[0, 1], [0, 1, 2], [0, 1, 3, 4], [2, 3, 4]]),
).flatmap(lambda few: steps_of(*few))
ways = st.fixed_dictionaries(
    {
        "s_maxage": st.sampled_from([None, None, None, 20, 200]),
        "is_told": st.sampled_from([True, True, True, False]),
        "is_numbered": st.booleans(),
    }
)


@pytest.mark.examples
def test_caches_in_front_answer_what_the_server_allows_and_reuse_what_they_may(
    worlds: Worlds,
) -> None:
    reused: Counter[str] = Counter()

    @settings(max_examples=settings().max_examples * 4 // 5)
    @given(way=ways, taken=steps)
    def playing(way: dict[str, Any], taken: list[Any]) -> None:
        reused.update(worlds.play(way, taken))

    playing()
    assert min(reused["shared"], reused["private"]) > 10, reused


def instead(name: str, *replaced: str) -> Break:
    """Return what replaces texts in a header."""

    def broken(headers: dict[str, str]) -> None:
        for old, new in zip(replaced[::2], replaced[1::2], strict=True):
            headers[name] = headers.get(name, "").replace(old, new)

    return broken


def without(name: str) -> Break:
    """Return what leaves a header out."""

    def broken(headers: dict[str, str]) -> None:
        headers.pop(name, None)

    return broken


def less_its_age(headers: dict[str, str]) -> None:
    """Let ``max-age`` be what is left."""
    left = f"max-age={60 - int(headers.get('age', 0))}"
    headers["cache-control"] = headers["cache-control"].replace("max-age=60", left)


def asked(browser: int, query: str, tenant: str = "acme", locale: str = "en") -> tuple[Any, ...]:
    return browser, query, tenant, locale, "application/json"


FIRST, SECOND_BROWSER, ALICE, BOB, _ = range(len(USERS))
BROKEN: Final[dict[str, tuple[Break, list[Any]]]] = {
    "section 5.2.2.5: no-store": (
        instead("cache-control", "no-store", "public, max-age=60"),
        [asked(FIRST, "{ now }"), 5.0, asked(FIRST, "{ now }")],
    ),
    "section 5.2.2.7: private": (
        instead("cache-control", "private", "public"),
        [asked(ALICE, "{ mine }"), asked(BOB, "{ mine }")],
    ),
    "section 5.2.2.9: public": (
        instead("cache-control", "public", "private"),
        [asked(FIRST, "{ public }"), asked(SECOND_BROWSER, "{ public }")],
    ),
    "section 5.2.2.1: max-age, longer": (
        instead("cache-control", "max-age=", "max-age=1"),
        [asked(FIRST, "{ public }"), 60.0, 5.0, asked(FIRST, "{ public }")],
    ),
    "section 5.2.2.1: max-age, shorter": (
        instead("cache-control", "0", ""),
        [asked(FIRST, "{ public }"), 9.9, asked(FIRST, "{ public }")],
    ),
    "section 5.1: Age": (
        without("age"),
        [
            asked(ALICE, "{ public }"),
            29.5,
            asked(FIRST, "{ public }"),
            29.5,
            5.0,
            asked(FIRST, "{ public }"),
        ],
    ),
    "section 4.2.3: an age that counts twice": (
        less_its_age,
        [
            asked(ALICE, "{ public }"),
            19.0,
            asked(FIRST, "{ public }"),
            29.5,
            asked(FIRST, "{ public }"),
        ],
    ),
    "section 4.1: Vary": (
        without("vary"),
        [asked(FIRST, "{ words }"), asked(SECOND_BROWSER, "{ words }", locale="de")],
    ),
    "section 4.1: Vary without the tenant": (
        instead("vary", "X-Tenant", "Origin"),
        [asked(FIRST, "{ public }"), asked(SECOND_BROWSER, "{ public }", tenant="globex")],
    ),
    "RFC 5861, section 3": (
        instead("cache-control", "revalidate=20", "revalidate=200"),
        [asked(FIRST, "{ stale }"), 60.0, asked(FIRST, "{ stale }")],
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_model_notices_a_cache_that_breaks_a_rule(worlds: Worlds, rule: str) -> None:
    way = {"s_maxage": None, "is_told": True, "is_numbered": True}
    broken, taken = BROKEN[rule]
    worlds.play(way, taken)
    with pytest.raises(AssertionError):
        worlds.play(way, taken, broken)
