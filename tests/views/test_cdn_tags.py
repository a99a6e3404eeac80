"""Tags of public responses for caches in front, and the names under which these are purged (RFC 9875)."""

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import strawberry
from hypothesis import example, given
from hypothesis import strategies as st
from strawberry.asgi import GraphQL as StockGraphQL
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    InvalidatedTags,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
    purge_names,
    restrict_cache,
)
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.core._families import carried, shown, whole_family, with_families
from strawberry_response_cache.core._keys import tag_digests
from strawberry_response_cache.graphql._guard import resolver_guard
from strawberry_response_cache.graphql.http.cdn_tags import (
    invalidated_groups,
    names_of_response,
    packed,
    tag_headers,
    unpacked,
)
from strawberry_response_cache.graphql.http.messages import written_in

VIEWS = {"ours": GraphQL, "strawberry's": StockGraphQL}
EVERY = ("Cache-Tag", "Surrogate-Key", "xkey", "Cache-Groups")


@strawberry.type
class Book:
    id: strawberry.ID


@strawberry.type
class Author:
    id: strawberry.ID
    name: str


@strawberry.type
class Written:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    def author(self) -> Author:
        return Author(id=strawberry.ID("7"), name="Jane")


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def written(self) -> Written:
        """Its author has an entry of its own, which outlives it."""
        return Written(id=strawberry.ID("1"))

    @cache_control(ttl=60)
    @strawberry.field
    async def rate(self, info: strawberry.Info) -> int:
        """Built from a value of the cache."""
        cache: ResponseCache = info.context["cache"]
        return (await cache.remember(["rate"], 60, _rate, tags=["rates:eur", "a tag"])).value

    @cache_control(ttl=60, tags=["shelf:{args.shelf}"])
    @strawberry.field
    def books(self, shelf: str = "7") -> list[Book]:
        return [Book(id=strawberry.ID("1"))]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self) -> list[Book]:
        return []

    @strawberry.field
    def fails(self) -> int | None:
        raise ValueError

    @cache_control(ttl=60)
    @strawberry.field
    def tagged(self, info: strawberry.Info) -> int:
        """More than fits into a header."""
        restrict_cache(info, tags=[f"{number}:{'x' * 900}" for number in range(12)])
        return 1

    @strawberry.field
    async def changes(self, info: strawberry.Info) -> bool:
        """A mutation inside a query."""
        await info.schema.execute("mutation { change { id } }", context_value=info.context)
        return True


async def _rate() -> int:
    return 3


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self) -> Author:
        return Author(id=strawberry.ID("7"), name="Cassandra")

    @invalidates("shelf:7")
    @strawberry.mutation
    def change(self) -> Book:
        return Book(id=strawberry.ID("1"))

    @strawberry.mutation
    def loses(self) -> bool:
        """A fault of this package loses what the resolver says."""
        with resolver_guard():
            raise ZeroDivisionError
        return True


Ask = Callable[..., httpx.Response]


@pytest.fixture
def purged() -> list[InvalidatedTags]:
    return []


@pytest.fixture
def cache(purged: list[InvalidatedTags]) -> Iterator[ResponseCache]:
    with ResponseCache.from_url("memory://", prefix="tags", on_invalidate=purged.append) as cache:
        yield cache


@pytest.fixture(params=VIEWS)
def make(request: pytest.FixtureRequest, cache: ResponseCache) -> Callable[..., Ask]:
    def made(own: Sequence[tuple[str, str]] = (), **options: Any) -> Ask:
        chosen: dict[str, Any] = {"tenant": None, "session": lambda _: "alice"} | options
        extension = ResponseCacheExtension(cache, **chosen)
        schema = strawberry.Schema(
            Query,
            Mutation,
            extensions=[extension],
            config=StrawberryConfig(batching_config={"max_operations": 2}),
        )
        view: Any = VIEWS[request.param]

        class View(view):  # type: ignore[misc] # of one package or the other
            async def get_context(self, request: Any, response: Any) -> Any:
                for name, value in own:
                    response.headers[name] = value
                return {"request": request, "response": response, "cache": cache}

        application: Any = View(schema)

        def ask(
            *queries: str, headers: dict[str, str] | None = None, method: str = "POST"
        ) -> httpx.Response:
            operations = [{"query": query} for query in queries]
            sent = operations if len(queries) > 1 else operations[0]
            how: dict[str, Any] = {"params": sent} if method == "GET" else {"json": sent}

            async def asking() -> httpx.Response:
                transport = httpx.ASGITransport(application)
                async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                    return await client.request(method, "/", headers=headers, **how)

            return asyncio.run(asking())

        return ask

    return made


NAMES = ["~", "Book", "[Book]", "Book:1", "shelf:*", "shelf:7"]


def test_public_responses_send_their_tags_on_a_miss_and_on_a_hit(make: Callable[..., Ask]) -> None:
    ask = make(cdn_tags=EVERY, tag_prefix="shop-")
    names = [f"shop-{name}" for name in NAMES]
    for response in (ask("{ books { id } }"), ask("{ books { id } }")):
        assert response.headers["cache-tag"].split(",") == names
        assert response.headers["surrogate-key"].split(" ") == names
        assert response.headers["xkey"].split(" ") == names
        groups = response.headers["cache-groups"].split(", ")
        assert len(groups) == len(names)
        assert all(len(group.strip('"')) == 32 for group in groups)


@pytest.mark.parametrize("query", ["{ mine { id } }", "{ fails }", "{ unknown }"])
def test_responses_that_are_not_public_send_no_tags(make: Callable[..., Ask], query: str) -> None:
    ask = make(cdn_tags=EVERY)
    for response in (ask(query), ask(query)):
        assert not {name.lower() for name in EVERY} & set(response.headers)


def test_responses_to_requests_with_credentials_send_no_tags(make: Callable[..., Ask]) -> None:
    ask = make(cdn_tags=EVERY)
    for _ in range(2):
        assert "cache-tag" not in ask("{ books { id } }", headers={"cookie": "a=b"}).headers


def test_by_default_no_tags_are_sent(make: Callable[..., Ask]) -> None:
    assert not {name.lower() for name in EVERY} & set(make()("{ books { id } }").headers)


def test_purge_names_of_a_mutation_match_tags_of_the_responses_it_changed(
    make: Callable[..., Ask], cache: ResponseCache, purged: list[InvalidatedTags]
) -> None:
    ask = make(cdn_tags=EVERY, tag_prefix="shop-")
    told, other = ask("{ books { id } }").headers, ask("{ rate }").headers
    changed = ask("mutation { change { id } }")
    cache.close()  # waits until on_invalidate was told
    names = {name for tags in purged for name in purge_names(tags, prefix="shop-")}
    assert {"shop-Book:1", "shop-[Book]", "shop-shelf:7"} <= names
    assert names & set(told["cache-tag"].split(","))
    assert "shop-~" not in names
    groups = set(changed.headers["cache-group-invalidation"].split(", "))
    assert groups & set(told["cache-groups"].split(", "))
    assert not groups & set(other["cache-groups"].split(", "))
    assert "cache-group-invalidation" not in told


def test_a_mutation_whose_tags_were_lost_invalidates_every_response(
    make: Callable[..., Ask],
) -> None:
    ask = make(cdn_tags=EVERY)
    told, changed = ask("{ rate }").headers, ask("mutation { loses }").headers
    groups = set(changed["cache-group-invalidation"].split(", "))
    assert groups & set(told["cache-groups"].split(", "))


def test_groups_are_invalidated_only_where_they_are_told(make: Callable[..., Ask]) -> None:
    changed = make(cdn_tags=["Cache-Tag"])("mutation { change { id } }")
    assert "cache-group-invalidation" not in changed.headers


def test_only_responses_to_post_name_invalidated_groups(make: Callable[..., Ask]) -> None:
    """Caches ignore it beside a method that should change nothing (RFC 9875, section 3)."""
    ask = make(cdn_tags=EVERY)
    assert "cache-group-invalidation" in ask("{ changes }").headers
    assert "cache-group-invalidation" not in ask("{ changes }", method="GET").headers


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        (["{ books { id } }", "{ books { id } }"], ["mine", "~", "Book"]),
        (["{ books { id } }", "{ mine { id } }"], ["mine"]),
        (["{ mine { id } }", "{ books { id } }"], ["mine"]),
        (["{ books { id } }", "{ fails }"], ["mine"]),
    ],
)
def test_in_a_batch_tags_of_the_application_are_sent_once(
    make: Callable[..., Ask], queries: list[str], expected: list[str]
) -> None:
    ask = make(own=[("Cache-Tag", "mine")], cdn_tags=["Cache-Tag"])
    for response in (ask(*queries), ask(*queries)):
        said = response.headers["cache-tag"].split(",")
        assert said[:3] == expected
        assert said.count("mine") == 1


def test_several_header_lines_of_tags_are_joined_with_their_separator() -> None:
    lines = [(name, value) for name in (b"surrogate-key", b"cache-tag") for value in (b"a", b"b")]
    response = SimpleNamespace(raw_headers=lines)
    assert written_in(response) == {"surrogate-key": "a b", "cache-tag": "a,b"}


PARTS: dict[str, tuple[str, str, Callable[[Ask, ResponseCache], Any]]] = {
    "a field with an entry of its own": (
        "{ written { author { name } } }",
        "query Another { written { author { name } } }",
        lambda ask, _: ask("mutation { rename { id } }"),
    ),
    "a value of the cache": (
        "{ rate }",
        "query Another { rate }",
        lambda _, cache: cache.invalidate_sync("rates:eur"),
    ),
    "a value with a tag that no header can hold": (
        "{ rate }",
        "query Another { rate }",
        lambda _, cache: cache.invalidate_sync("a tag"),
    ),
}


@pytest.mark.parametrize(("first", "later", "change"), PARTS.values(), ids=PARTS.keys())
def test_purge_names_match_tags_of_responses_that_contain_a_changed_part(
    make: Callable[..., Ask],
    cache: ResponseCache,
    purged: list[InvalidatedTags],
    first: str,
    later: str,
    change: Callable[[Ask, ResponseCache], Any],
) -> None:
    """Whether the part was made for this response or was found in the cache, where only digests of its tags are."""
    ask = make(cdn_tags=["Cache-Tag"], tag_prefix="shop-")
    told = [ask(query).headers["cache-tag"].split(",") for query in (first, first, later, later)]
    change(ask, cache)
    cache.close()  # waits until on_invalidate was told
    names = {name for tags in purged for name in purge_names(tags, prefix="shop-")}
    for each in told:
        assert names & set(each)


def test_purge_names_of_other_tags_match_no_response_with_parts(
    make: Callable[..., Ask], cache: ResponseCache, purged: list[InvalidatedTags]
) -> None:
    ask = make(cdn_tags=["Cache-Tag"])
    told = ask("{ written { author { name } } }").headers["cache-tag"].split(",")
    cache.invalidate_sync("Author:8", "rates:usd")
    cache.close()
    (tags,) = purged
    assert not set(purge_names(tags)) & set(told)


def test_a_clear_purges_the_tag_of_all_responses_of_its_tenant_and_none_of_another(
    make: Callable[..., Ask], cache: ResponseCache, purged: list[InvalidatedTags]
) -> None:
    ask = make(
        cdn_tags=["Cache-Tag"],
        tenant=lambda context: context["request"].headers["x-tenant"],
        vary_headers={"tenant": ["X-Tenant"]},
    )
    told = {
        tenant: ask("{ books { id } }", headers={"x-tenant": tenant})
        .headers["cache-tag"]
        .split(",")
        for tenant in ("acme", "globex")
    }
    assert not set(told["acme"]) & set(told["globex"])
    assert not any("acme" in name for name in told["acme"])
    cache.for_tenant("acme").clear_sync()
    cache.close()
    (tags,) = purged
    assert purge_names(tags) == told["acme"][:1]


def test_a_tag_that_no_header_can_hold_is_sent_as_its_digest(
    make: Callable[..., Ask], cache: ResponseCache, purged: list[InvalidatedTags]
) -> None:
    ask = make(cdn_tags=["Cache-Tag"])
    told = ask('{ books(shelf: "a,b") { id } }').headers["cache-tag"].split(",")
    (digest,) = [each for each in told if each.startswith("#")]
    assert [each for each in told if each != digest] == ["~", "Book", "[Book]", "Book:1", "shelf:*"]
    cache.invalidate_sync("shelf:a,b")
    cache.close()
    (tags,) = purged
    assert digest in purge_names(tags)


@given(st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), max_size=30))
def test_stored_tags_are_read_back_and_fit_into_headers(tags: set[str]) -> None:
    shown = {tag.replace("\0", "*") for tag in tags}
    text, left_out = packed(tags)
    assert text.isascii()
    assert not set(text) & set(" \n\r")
    back = unpacked(text)
    assert left_out == 0
    assert {each for each in back if not each.startswith("#")} <= shown
    assert len(back) == len(shown)
    headers = tag_headers(back, EVERY)
    assert headers["cache-tag"].split(",") == list(back) or not back


def test_any_invalidation_purges_a_response_whose_tags_do_not_fit() -> None:
    names = ["Book", *(f"Book:{number:05}" for number in range(3_000))]
    text, left_out = packed(set(names))
    back = unpacked(text)
    assert back[:2] == ("*", "Book")
    assert len(back) - 1 + left_out == len(names)
    assert len(text) <= 8_000
    told = names_of_response(back, tenant="t" * 16, prefix="p" * 60)
    headers = tag_headers(told, EVERY)
    assert all(len(value) <= 8_000 for value in headers.values())
    assert headers["cache-groups"].count('"') == 64
    purged = purge_names(InvalidatedTags(["other"], tenant="t" * 16), prefix="p" * 60)
    for separator, header in ((",", "cache-tag"), (" ", "surrogate-key"), (" ", "xkey")):
        assert set(purged) & set(headers[header].split(separator))
    groups = invalidated_groups(purged, []).split(", ")
    assert set(groups) & set(headers["cache-groups"].split(", "))


def test_the_log_counts_the_tags_of_a_response_that_do_not_fit(
    make: Callable[..., Ask], caplog: pytest.LogCaptureFixture
) -> None:
    response = make(cdn_tags=["Cache-Tag"])("{ tagged }")
    names = response.headers["cache-tag"].split(",")
    assert names[:2] == ["~", "*"]
    assert len(response.headers["cache-tag"]) <= 8_000
    (line,) = [each for each in caplog.records if "cdn_tags" in each.getMessage()]
    assert vars(line)["response_cache.tag.count"] == 12 - sum("x" in each for each in names)


@pytest.mark.parametrize("count", [5, 25, 31, 32, 100])
def test_names_that_fit_into_one_header_only_are_still_matched_by_every_header(
    count: int,
) -> None:
    """Those of one entry may fit into some headers only."""
    tags = [f"Book:{number}" for number in range(count)]
    told = tag_headers(names_of_response(tags, tenant="", prefix=""), EVERY)
    for each in tags:
        purged = purge_names(InvalidatedTags([each], tenant=""))
        assert set(invalidated_groups(purged, []).split(", ")) & set(
            told["cache-groups"].split(", ")
        )
        assert each in told["cache-tag"].split(",")
    assert told["cache-groups"].count('"') <= 64


@pytest.mark.parametrize("count", [1, 7, 8, 40])
def test_a_mutation_with_any_number_of_tags_invalidates_a_group_of_each(count: int) -> None:
    tags = InvalidatedTags([f"Book:{number}" for number in range(count)], tenant="")
    said = invalidated_groups(purge_names(tags), ["~"]).split(", ")
    assert len(said) <= 32
    for each in tags:
        response = tag_headers(names_of_response([each], tenant="", prefix=""), EVERY)
        assert set(said) & set(response["cache-groups"].split(", "))


def test_invalidated_tags_are_a_tuple_that_keeps_its_tenant() -> None:
    tags = InvalidatedTags(["a", "b"], tenant="t")
    pickled: InvalidatedTags = pickle.loads(pickle.dumps(tags))  # noqa: S301 - its own
    for again in (tags, copy.copy(tags), copy.deepcopy(tags), pickled):
        assert (tuple(again), again.tenant) == (("a", "b"), "t")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cdn_tags": "Cache-Tag"}, "cdn_tags is a str"),
        ({"cdn_tags": ["X-Tags"]}, "cdn_tags holds a name that is not known"),
        ({"tag_prefix": "a b"}, "tag_prefix is not up to 64 letters"),
        ({"tag_prefix": None}, "tag_prefix is not up to 64 letters"),
    ],
)
def test_wrong_options_for_cdn_tags_are_refused(
    cache: ResponseCache, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=message):
        ResponseCacheExtension(cache, tenant=None, **options)


kinds = st.sampled_from(["Book", "[Book]", "Author", "shelf", "ein Regal", "x,y"])
some_tags = st.one_of(
    kinds,
    st.builds("{}:{}".format, kinds, st.integers(0, 3)),
    st.builds("{}:*".format, kinds),
    st.builds(whole_family, kinds),
    st.just("*"),
)


@given(
    own=st.sets(some_tags, max_size=6),
    parts=st.sets(some_tags, max_size=4),
    many=st.sampled_from([0, 0, 0, 40, 150]),
    of_parts=st.booleans(),
    invalidated=st.sets(some_tags, min_size=1, max_size=5),
)
@example(own={"x,y"}, parts=set(), many=0, of_parts=False, invalidated={"x,y"})
@example(own=set(), parts=set(), many=40, of_parts=False, invalidated={"Many:39"})
@example(own=set(), parts=set(), many=150, of_parts=True, invalidated={"Many:149"})
@example(own=set(), parts=set(), many=3_000, of_parts=False, invalidated={"Many:2999"})
def test_whatever_invalidates_an_entry_purges_its_response_from_every_cache_in_front(
    own: set[str], parts: set[str], many: int, invalidated: set[str], *, of_parts: bool
) -> None:
    """Redis compares digests, and caches in front compare names: whatever Redis ends, these purge."""
    more = {f"Many:{number}" for number in range(many)}
    own, parts = (own, parts | more) if of_parts else (own | more, parts)
    digests = frozenset(tag_digests(carried(parts)))
    ends = set(tag_digests(with_families(invalidated)))
    if not ends & {*tag_digests(carried(own)), *digests}:
        return
    text, _ = packed(carried(own), only_digests=digests - {*tag_digests(carried(own))})
    told = tag_headers(names_of_response(unpacked(text), tenant="t", prefix="p-"), EVERY)
    every = purge_names(InvalidatedTags(["*"], tenant="t"), prefix="p-")
    purged = purge_names(InvalidatedTags(shown(invalidated), tenant="t"), prefix="p-")
    assert set(told["cache-tag"].split(",")) & set(purged)
    assert set(told["surrogate-key"].split(" ")) & set(purged)
    groups = invalidated_groups(purged, every).split(", ")
    assert set(told["cache-groups"].split(", ")) & set(groups)
