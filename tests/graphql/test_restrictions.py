"""What a resolver says while it runs: it can only lower what the annotations allow."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import strawberry
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
    skip_cache,
)
from tests.conftest import UntilJoined
from tests.graphql.ledger import outcome, reason, status

PRIVATE = CacheScope.PRIVATE


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["docs"])
    @strawberry.field
    async def document(self, info: strawberry.Info, number: int = 1) -> str:
        context = info.context
        context["runs"][context["user"]] += 1
        if context.get("gate") is not None:
            await context["gate"].wait()
        if context["user"] in context["premium"]:
            restrict_cache(info, scope=PRIVATE)
            return f"{number} for {context['user']}"
        return f"{number} for everyone"

    @cache_control(ttl=60)
    @strawberry.field
    def rates(self, info: strawberry.Info) -> int:
        info.context["runs"]["rates"] += 1
        info.context["say"](info)
        return int(info.context["runs"]["rates"])


class Desk:
    """Processes that serve the schema from one cache."""

    def __init__(self, caches: list[ResponseCache]) -> None:
        self.caches = caches
        self.runs: Counter[str] = Counter()
        self.schemas = [
            strawberry.Schema(
                Query,
                extensions=[
                    ResponseCacheExtension(
                        cache, tenant=None, session=lambda context: context["user"], debug=True
                    )
                ],
            )
            for cache in caches
        ]

    async def ask(
        self,
        user: str | None,
        query: str = "{ document }",
        worker: int = 0,
        premium: tuple[str, ...] = ("alice", "bob"),
        say: Callable[[Any], None] = lambda _: None,
        gate: asyncio.Event | None = None,
    ) -> ExecutionResult:
        context = {
            "user": user,
            "runs": self.runs,
            "premium": premium,
            "say": say,
            "gate": gate,
        }
        return await self.schemas[worker].execute(query, context_value=context)


@pytest.fixture
def desk(new_cache: Callable[..., ResponseCache], url: str) -> Desk:
    first = new_cache(url)
    return Desk([first, first if url == "memory://" else new_cache(url)])


@pytest.mark.parametrize("worker", [0, 1])
async def test_a_response_turned_private_is_kept_for_its_session_in_every_worker(
    desk: Desk, worker: int
) -> None:
    first = await desk.ask("alice")
    assert (status(first), outcome(first)["scope"]) == ("miss", "PRIVATE")

    again = await desk.ask("alice", worker=worker)
    assert (status(again), outcome(again)["scope"]) == ("hit", "PRIVATE")
    for expected in ("miss", "hit"):
        other = await desk.ask("bob", worker=worker)
        assert (other.data, status(other)) == ({"document": "1 for bob"}, expected)
    nobody = await desk.ask(None, worker=worker)
    assert (nobody.data, reason(nobody)) == (
        {"document": "1 for everyone"},
        "private_without_session",
    )
    assert desk.runs == {"alice": 1, "bob": 1, None: 1}


@pytest.mark.parametrize("url", ["memory://"])
async def test_a_marker_lives_little_longer_than_the_private_entry(
    new_cache: Callable[..., ResponseCache], url: str, raw_of: Any
) -> None:
    cache = new_cache(url)
    raw = raw_of(cache)
    raw.flushall()
    await Desk([cache]).ask("alice")
    lives = [raw.pttl(key) / 1000 for key in raw.scan_iter()]
    assert len(lives) == 3, "the answer, its marker and the tag table"
    assert 60 < max(lives) <= 2 * 60 + 5 * 60


async def test_a_later_run_without_a_restriction_does_not_make_a_private_entry_public(
    desk: Desk,
) -> None:
    await desk.ask("alice", premium=("alice",))
    assert outcome(await desk.ask("carol", premium=("alice",)))["scope"] == "PRIVATE"
    assert (await desk.ask("alice", premium=("alice",))).data == {"document": "1 for alice"}
    assert (await desk.ask("dave", premium=("alice",))).data == {"document": "1 for everyone"}
    assert desk.runs == {"alice": 1, "carol": 1, "dave": 1}


async def test_an_invalidation_removes_private_answers_and_keeps_their_markers(
    desk: Desk,
) -> None:
    await desk.ask("alice", premium=("alice",))
    await desk.caches[0].invalidate("docs")
    everyone = await desk.ask("carol", premium=("alice",))
    assert outcome(everyone)["scope"] == "PRIVATE"
    assert status(await desk.ask("alice", premium=("alice",))) == "miss"


async def test_a_restriction_for_one_argument_leaves_other_arguments_public(desk: Desk) -> None:
    await desk.ask("alice")
    await desk.ask("carol", "{ document(number: 2) }")
    assert status(await desk.ask("dave", "{ document(number: 2) }")) == "hit"


async def test_joiners_of_other_sessions_get_their_own_answer(
    new_cache: Callable[..., ResponseCache], url: str, until_joined: UntilJoined
) -> None:
    cache, gate = new_cache(url), asyncio.Event()
    desk = Desk([cache])
    users = ["alice", "bob"] * 10
    asked = [asyncio.create_task(desk.ask(user, gate=gate)) for user in users]
    await until_joined(cache, 19)
    assert desk.runs.total() == 1
    gate.set()
    for user, answer in zip(users, asked, strict=True):
        assert (await answer).data == {"document": f"1 for {user}"}
    assert desk.runs["alice"] <= 2
    assert desk.runs["bob"] == 1


async def test_with_several_slots_a_diverted_value_is_in_the_slot_of_its_marker(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> None:
    desk = Desk([new_cache(valkey_url, slots_per_tenant=4)])
    for number in range(8):
        query = f"{{ document(number: {number}) }}"
        assert [status(await desk.ask("alice", query)) for _ in range(2)] == ["miss", "hit"]


async def test_a_resolver_can_shorten_the_ttl_and_add_tags(desk: Desk, raw_of: Any) -> None:
    def say(info: Any) -> None:
        restrict_cache(info, ttl=5, tags=["late"])
        restrict_cache(info, ttl=50)

    first = await desk.ask("alice", "{ rates }", say=say)
    assert outcome(first)["ttl"] == 5
    hit = await desk.ask("alice", "{ rates }", say=say)
    assert (status(hit), hit.data) == ("hit", {"rates": 1})
    assert outcome(hit)["ttl"] <= 5
    await desk.caches[0].invalidate("late")
    assert status(await desk.ask("alice", "{ rates }", say=say)) == "miss"


@pytest.mark.parametrize(
    "say", [skip_cache, lambda info: restrict_cache(info, ttl=0)], ids=["skip", "ttl zero"]
)
async def test_skip_cache_in_a_resolver_stores_nothing(desk: Desk, say: Any) -> None:
    for number in (1, 2):
        result = await desk.ask("alice", "{ rates }", say=say)
        assert (reason(result), result.data) == ("restricted", {"rates": number})


async def test_a_thread_that_a_resolver_starts_can_restrict_the_cache(desk: Desk) -> None:
    def say(info: Any) -> None:
        thread = threading.Thread(target=skip_cache, args=(info,))
        thread.start()
        thread.join()

    assert reason(await desk.ask("alice", "{ rates }", say=say)) == "restricted"


async def test_restrict_cache_accepts_graphql_cores_info(desk: Desk) -> None:
    result = await desk.ask("alice", "{ rates }", say=lambda info: skip_cache(info._raw_info))
    assert reason(result) == "restricted"


async def test_skip_cache_in_one_operation_leaves_others_with_its_context_cached(
    desk: Desk,
) -> None:
    context = {"user": "alice", "runs": desk.runs, "premium": (), "say": skip_cache}
    schema = desk.schemas[0]
    skipped = await schema.execute("{ rates }", context_value=context)
    kept = await schema.execute("{ document }", context_value=context)
    assert (reason(skipped), status(kept)) == ("restricted", "miss")


async def test_a_restriction_that_allows_more_than_the_annotations_is_refused(desk: Desk) -> None:
    def say(info: Any) -> None:
        with pytest.raises(CacheConfigurationError, match="cannot allow more"):
            restrict_cache(info, scope=CacheScope.PUBLIC)
        with pytest.raises(CacheConfigurationError, match="ttl"):
            restrict_cache(info, ttl=-1)
        with pytest.raises(TypeError, match="bare str"):
            restrict_cache(info, tags="docs")
        with pytest.raises(CacheConfigurationError, match=r"CacheScope\.PRIVATE"):
            restrict_cache(info, scope="PRIVATE")  # type: ignore[arg-type]

    assert (await desk.ask("alice", "{ rates }", say=say)).errors is None
    for call in (skip_cache, restrict_cache):
        with pytest.raises(TypeError, match=r"strawberry\.Info"):
            call({"context": 1})  # type: ignore[arg-type]


# -- A whole that is made of parts --------------------------------------------------------------------


@strawberry.type
class Outer:
    @cache_control(ttl=60)
    @strawberry.field
    async def outer(self, info: strawberry.Info) -> str:
        inner = info.context["inner"]
        result = await inner.execute(info.context["query"], context_value=info.context)
        return f"{info.context['user']}: {result.data}"


@strawberry.type
class Inner:
    @cache_control(ttl=60, scope=PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        return str(info.context["user"])

    @cache_control(ttl=60)
    @strawberry.field
    def rates(self) -> int:
        return 7

    @strawberry.field
    def plain(self) -> str:
        return "p"

    @strawberry.field
    def restricted(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=PRIVATE)
        return str(info.context["user"])


def wrapped(cache: ResponseCache) -> Callable[[str | None, str], Awaitable[ExecutionResult]]:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda context: context["user"], debug=True
    )
    inner = strawberry.Schema(Inner, extensions=[extension])
    outer = strawberry.Schema(Outer, extensions=[extension])

    async def ask(user: str | None, query: str) -> ExecutionResult:
        context = {"user": user, "inner": inner, "query": query}
        return await outer.execute("{ outer }", context_value=context)

    return ask


async def test_a_private_inner_operation_makes_the_outer_response_private(
    cache: ResponseCache,
) -> None:
    ask = wrapped(cache)
    for expected in ("miss", "hit"):
        for user in ("alice", "bob"):
            result = await ask(user, "{ me }")
            assert (status(result), outcome(result)["scope"]) == (expected, "PRIVATE")
            assert result.data == {"outer": f"{user}: {{'me': '{user}'}}"}


async def test_a_private_inner_hit_makes_the_outer_response_private(cache: ResponseCache) -> None:
    ask = wrapped(cache)
    await ask("alice", "{ me }")
    await cache.clear()
    inner = ResponseCacheExtension(cache, tenant=None, session=lambda context: context["user"])
    warm = strawberry.Schema(Inner, extensions=[inner])
    await warm.execute("{ me }", context_value={"user": "alice"})
    assert outcome(await ask("alice", "{ me }"))["scope"] == "PRIVATE"
    assert (await ask("bob", "{ me }")).data == {"outer": "bob: {'me': 'bob'}"}


async def test_a_public_inner_operation_leaves_the_outer_response_public(
    cache: ResponseCache,
) -> None:
    ask = wrapped(cache)
    assert outcome(await ask("alice", "{ rates }"))["scope"] == "PUBLIC"
    assert status(await ask("bob", "{ rates }")) == "hit"


async def test_without_a_session_a_response_with_a_private_inner_operation_is_not_stored(
    cache: ResponseCache,
) -> None:
    ask = wrapped(cache)
    for _ in range(2):
        assert reason(await ask(None, "{ me }")) == "uncacheable_part"


@pytest.mark.parametrize(
    "query", ["{ me plain }", "{ plain me }", "{ me __schema { description } }", "{ restricted }"]
)
async def test_a_response_with_an_uncacheable_inner_operation_is_not_stored(
    cache: ResponseCache, query: str
) -> None:
    ask = wrapped(cache)
    for user in ("alice", "bob"):
        result = await ask(user, query)
        assert reason(result) == "uncacheable_part"
        assert user in str(result.data) or "plain" in query


async def test_a_value_built_from_a_private_part_is_private(cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda context: context["user"], debug=True
    )
    inner = strawberry.Schema(Inner, extensions=[extension])

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        async def page(self, info: strawberry.Info) -> str:
            async def generate() -> str:
                return str((await inner.execute("{ me }", context_value=info.context)).data)

            return (await cache.remember(["page", info.context["user"]], 60, generate)).value

    schema = strawberry.Schema(Query, extensions=[extension])
    for user in ("alice", "bob", "alice"):
        result = await schema.execute("{ page }", context_value={"user": user})
        assert outcome(result)["scope"] == "PRIVATE"
        assert result.data == {"page": f"{{'me': '{user}'}}"}


# -- What a hit would not repeat -----------------------------------------------------------------------


class Response:
    """As the views of Strawberry give one."""

    def __init__(self) -> None:
        self.status_code: int | None = None
        self.headers: dict[str, str] = {}
        self.cookies: dict[str, str] = {}


@pytest.mark.parametrize(
    "change",
    [
        lambda response: response.headers.update({"x-seen": "1"}),
        lambda response: response.cookies.update({"id": "1"}),
        lambda response: setattr(response, "status_code", 203),
    ],
    ids=["header", "cookie", "status"],
)
@pytest.mark.parametrize("kind", [dict, lambda response: type("C", (), {"response": response})()])
async def test_a_resolver_that_changes_the_response_is_not_stored(
    memory_cache: ResponseCache, change: Any, kind: Any
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def seen(self, info: strawberry.Info) -> bool:
            context = info.context
            change(context["response"] if isinstance(context, dict) else context.response)
            return True

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    for _ in range(2):
        response = Response()
        context = {"response": response} if kind is dict else kind(response)
        result = await schema.execute("{ seen }", context_value=context)
        assert reason(result) == "response_modified"


async def test_a_response_that_no_resolver_changed_does_not_prevent_caching(
    memory_cache: ResponseCache,
) -> None:
    from starlette.responses import Response as Starlette

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def seen(self) -> bool:
            return True

        @cache_control(ttl=60)
        @strawberry.field
        def cookie(self, info: strawberry.Info) -> bool:
            info.context["response"].set_cookie("id", "1")
            return True

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    statuses = []
    for query in ("{ seen }", "{ seen }", "{ cookie }"):
        result = await schema.execute(query, context_value={"response": Starlette()})
        statuses.append(status(result))
    assert statuses == ["miss", "hit", "bypass"]


async def test_a_response_object_that_cannot_be_read_lets_the_request_run_uncached(
    memory_cache: ResponseCache,
) -> None:
    class Odd:
        @property
        def response(self) -> Any:
            msg = "not now"
            raise RuntimeError(msg)

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def seen(self) -> bool:
            return True

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    result = await strawberry.Schema(Query, extensions=[extension]).execute(
        "{ seen }", context_value=Odd()
    )
    assert (result.data, reason(result)) == ({"seen": True}, "response_modified")


async def test_a_context_that_raises_keyerror_for_unknown_attributes_is_cached(
    memory_cache: ResponseCache,
) -> None:
    class Settings:
        def __init__(self, **values: Any) -> None:
            self.__dict__["values"] = values

        def __getattr__(self, name: str) -> Any:
            return self.values[name]

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def seen(self) -> bool:
            return True

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    results = [await schema.execute("{ seen }", context_value=Settings(user="u")) for _ in "ab"]
    assert [status(result) for result in results] == ["miss", "hit"]


# -- Objects of types that are never stored ------------------------------------------------------------


@cache_control(ttl=0)
@strawberry.type
class NotFound:
    message: str


@strawberry.type
class Found:
    name: str


@strawberry.interface
class Item:
    name: str


@strawberry.type
class Kept(Item):
    pass


@cache_control(ttl=0)
@strawberry.type
class Fleeting(Item):
    pass


@strawberry.type
class Shop:
    @cache_control(ttl=60)
    @strawberry.field
    def find(self, name: str) -> Found | NotFound:
        return Found(name=name) if name == "there" else NotFound(message=name)

    @cache_control(ttl=60)
    @strawberry.field
    def items(self, fleeting: bool) -> list[Item]:
        return [Kept(name="k"), *([Fleeting(name="f")] if fleeting else [])]

    @cache_control(ttl=60)
    @strawberry.field
    def declared(self) -> NotFound:
        return NotFound(message="the field's own ttl is the stronger word")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{ find(name: "there") { ... on Found { name } } }', ["miss", "hit"]),
        ('{ find(name: "gone") { ... on Found { name } } }', ["bypass", "bypass"]),
        ('{ find(name: "gone") { __typename } }', ["bypass", "bypass"]),
        ("{ items(fleeting: false) { name } }", ["miss", "hit"]),
        ("{ items(fleeting: true) { name } }", ["bypass", "bypass"]),
        ("{ declared { message } }", ["miss", "hit"]),
    ],
)
async def test_a_type_with_ttl_zero_prevents_caching_only_when_the_result_contains_it(
    memory_cache: ResponseCache, query: str, expected: list[str]
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Shop, types=[Kept, Fleeting], extensions=[extension])
    results = [await schema.execute(query) for _ in range(2)]
    assert [result.errors for result in results] == [None, None]
    assert [status(result) for result in results] == expected
    if expected[0] == "bypass":
        assert reason(results[0]) == "ttl_zero"
