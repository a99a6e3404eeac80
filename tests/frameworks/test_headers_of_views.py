"""The headers of each view for browsers, proxies and CDNs are the same in every framework."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.frameworks.in_process import VIEWS, View
from tests.frameworks.shop import Query, make_schema
from tests.frameworks.test_comparison import BOOKS, HITS, OTHERS

GET: Final = HITS["get"]
MUTATION: Final = OTHERS["mutation"]
PUBLIC: Final = "public, max-age=60"
VARY: Final = "Accept, X-Locale"
OPTIONS: Final[dict[str, Any]] = {
    "headers": True,
    "vary": {"locale": lambda _: "en"},
    "vary_headers": {"locale": ["X-Locale"]},
}
REFUSED: Final[dict[str, dict[str, Any]]] = {
    "get without a query": {"method": "GET", "headers": {"accept": "application/json"}},
    "get with broken variables": {"method": "GET", "params": {"query": BOOKS, "variables": "{"}},
    "get with a syntax error": {"method": "GET", "params": {"query": "{ books"}},
    "get with an unknown field, and another answer": {
        "method": "GET",
        "params": {"query": "{ unknown }"},
        "headers": {"accept": "application/graphql-response+json"},
    },
    "get of an unknown operation": {
        "method": "GET",
        "params": {"query": BOOKS, "operationName": "Other"},
    },
    "get of a persisted query that is not known": {
        "method": "GET",
        "params": {"extensions": '{"persistedQuery": {"version": 1, "sha256Hash": "a"}}'},
        "headers": {"accept": "application/json"},
    },
}
NOT_OF_THE_VIEW: Final = {"put"}
"""What some frameworks answer themselves."""

pytestmark = [
    # Strawberry's controller for Litestar, and its requests of Starlette, are told off for these.
    pytest.mark.filterwarnings("ignore:.*Inferred dependency field"),
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile:ResourceWarning"),
]
views = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
ours_and_stock = pytest.mark.parametrize("ours", [True, False], ids=["ours", "strawberry's"])


@views
def test_responses_that_may_not_be_stored_say_no_store_and_have_the_usual_vary(
    view: View, caches: list[ResponseCache]
) -> None:
    with view.serving(make_schema(caches[0], **OPTIONS), ours=True) as ask:
        for name, request in {**OTHERS, **REFUSED}.items():
            if name in NOT_OF_THE_VIEW:
                continue
            for _ in range(2):
                response = ask(**request)
                said = response.headers
                assert (said["cache-control"], said["vary"]) == ("no-store", VARY), name
                assert not {"age", "etag"} & set(said), name


@views
def test_streams_say_no_store_and_have_the_usual_vary(
    view: View, caches: list[ResponseCache]
) -> None:
    if view.is_sync or view.ours == "flask":
        return  # these have no streams
    schema = strawberry.Schema(
        Query,
        extensions=[ResponseCacheExtension(caches[0], tenant=None, **OPTIONS)],
        config=StrawberryConfig(enable_experimental_incremental_execution=True),
    )
    query = {"query": "{ ... @defer { now } }"}
    with view.serving(schema, ours=True) as ask:
        for sent in ({"method": "GET", "params": query}, {"method": "POST", "json": query}):
            response = ask(**sent, headers={"accept": "multipart/mixed"})
            assert response.headers["content-type"].startswith("multipart/mixed")
            said = response.headers
            assert (said["cache-control"], said["vary"]) == ("no-store", VARY)


@views
@ours_and_stock
@pytest.mark.parametrize("name", ["authorization", "cookie"])
def test_a_request_with_credentials_is_answered_with_cache_control_private(
    view: View, caches: list[ResponseCache], name: str, *, ours: bool
) -> None:
    with view.serving(make_schema(caches[0], **OPTIONS), ours=ours) as ask:
        for _ in range(2):
            assert ask(**GET).headers["cache-control"] == PUBLIC
            answered = ask(**GET, headers={name: "a=b"})
            assert answered.headers["cache-control"] == "private, max-age=60"


@views
def test_304_has_the_headers_of_200_without_those_of_its_content(
    view: View, caches: list[ResponseCache]
) -> None:
    setting = setting_of({"X-Other": "1"})
    options = {**OPTIONS, "trusted_extensions": [setting], "cache_status": True}
    options["cdn_tags"] = ["Cache-Tag"]
    with view.serving(make_schema(caches[0], setting, **options), ours=True) as ask:
        ask(**GET)
        full = ask(**GET)
        told = [("if-none-match", '"other"'), ("if-none-match", full.headers["etag"])]
        again = ask(**GET, headers=told)
    assert (full.status_code, again.status_code, again.content) == (200, 304, b"")
    left_out = {"content-length", "content-type", "date"}
    # Strawberry's consumers for Channels give each response a content type.
    assert _of(again, left_out if view.ours == "channels" else set()) == _of(full, left_out)


def _of(response: httpx.Response, left_out: set[str]) -> dict[str, str]:
    """Return the headers of a response, but for a second that may have passed meanwhile."""
    found = {name: value for name, value in response.headers.items() if name not in left_out}
    return {**found, "age": "", "cache-status": "", "date": ""}


@views
@ours_and_stock
def test_a_request_with_only_if_cached_is_answered_504_if_nothing_is_stored(
    view: View, caches: list[ResponseCache], *, ours: bool
) -> None:
    schema = make_schema(caches[0], honour_request_cache_control=True, **OPTIONS)
    with view.serving(schema, ours=ours) as ask:
        for request in (GET, HITS["post"]):
            response = ask(**request, headers={"cache-control": "only-if-cached"})
            assert (response.status_code, response.headers["cache-control"]) == (504, "no-store")


# -- What the application sets itself ------------------------------------------------------------------


def setting_of(headers: dict[str, str], status: int | None = None) -> type[SchemaExtension]:
    """Return an extension that sets headers and the status before resolvers run, on hits as well."""

    class Setting(SchemaExtension):
        def on_operation(self) -> Iterator[None]:
            response = self.execution_context.context["response"]
            for name, value in headers.items():
                response.headers[name] = value
            if status is not None:
                known = "status_code" if hasattr(response, "status_code") else "_status"
                setattr(response, known, status)
            yield

    return Setting


def answers(
    view: View,
    cache: ResponseCache,
    request: dict[str, Any],
    setting: type[SchemaExtension],
    *,
    ours: bool,
) -> Iterator[httpx.Response]:
    """Yield the answers to a miss and to a hit."""
    options = {"trusted_extensions": [setting], "cdn_tags": ["Cache-Tag", "Cache-Groups"]}
    schema = make_schema(cache, setting, headers=True, **options)
    with view.serving(schema, ours=ours) as ask:
        for _ in range(2):
            yield ask(**request)


@views
@ours_and_stock
@pytest.mark.parametrize("name", ["Age", "Expires", "Pragma"])
def test_with_age_expires_or_pragma_of_the_application_a_response_says_no_store(
    view: View, caches: list[ResponseCache], name: str, *, ours: bool
) -> None:
    for response in answers(view, caches[0], GET, setting_of({name: "0"}), ours=ours):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers[name] == "0"
        assert "cache-tag" not in response.headers


@views
@ours_and_stock
@pytest.mark.parametrize("status", [202, 403])
def test_a_response_with_another_status_than_200_says_no_store(
    view: View, caches: list[ResponseCache], status: int, *, ours: bool
) -> None:
    for response in answers(view, caches[0], GET, setting_of({}, status), ours=ours):
        assert response.status_code == status
        assert response.headers["cache-control"] == "no-store"
        assert not {"age", "cache-tag", "etag"} & set(response.headers)


@views
@ours_and_stock
def test_cache_tags_of_the_application_are_listed_before_those_of_this_package(
    view: View, caches: list[ResponseCache], *, ours: bool
) -> None:
    setting = setting_of({"Cache-Tag": "mine", "Cache-Groups": '"mine"'})
    for response in answers(view, caches[0], GET, setting, ours=ours):
        assert response.headers["cache-tag"].split(",")[:3] == ["mine", "~", "Book"]
        assert response.headers["cache-groups"].startswith('"mine", "')
    private = {**GET, "headers": {"authorization": "a"}}
    for response in answers(view, caches[0], private, setting, ours=ours):
        assert response.headers["cache-tag"] == "mine"
        assert response.headers["cache-groups"] == '"mine"'


@views
@ours_and_stock
def test_cache_groups_that_the_application_invalidates_are_listed_before_those_of_a_mutation(
    view: View, caches: list[ResponseCache], *, ours: bool
) -> None:
    setting = setting_of({"Cache-Group-Invalidation": '"mine"', "Cache-Control": "max-age=7"})
    for response in answers(view, caches[0], MUTATION, setting, ours=ours):
        assert response.headers["cache-control"] == "max-age=7"
        assert response.headers["cache-group-invalidation"].startswith('"mine", "')
