"""Each view answers as Strawberry's does, cold and warm, and hands on the stored bytes of a hit."""

import contextlib
import importlib
import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry import extensions
from strawberry.extensions import tracing
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache
from tests.frameworks.in_process import VIEWS, Request, View
from tests.frameworks.shop import Names, Stamps, make_schema

BOOKS: Final = "{ books { id title price sold isNew nothing sequel { title } } }"
MINE: Final = {"x-user": "alice"}


def _json(query: Any, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "json": {"query": query, **more}}


def _upload(**parts: str) -> dict[str, Any]:
    query = "mutation ($file: Upload!) { upload(file: $file) }"
    operations = {"query": query, "variables": {"file": None}}
    data = {"operations": json.dumps(operations), "map": '{"one": ["variables.file"]}', **parts}
    return {"method": "POST", "data": data, "files": {"one": ("a.txt", b"text")}}


HITS: Final[dict[str, dict[str, Any]]] = {
    "post": _json(BOOKS),
    "get": {"method": "GET", "params": {"query": BOOKS}},
    "get with variables": {
        "method": "GET",
        "params": {
            "query": "query Named($titles: [String!]) { books(titles: $titles) { title } }",
            "variables": '{"titles": ["\\u00e9 \\ud834\\udd1e"]}',
            "operationName": "Named",
        },
    },
    "variables": _json(
        "query ($titles: [String!]) { books(titles: $titles) { title } }",
        variables={"titles": ['"', "\\", "é\u2028𝄞\x00", "</script>"]},
    ),
    "empty list": _json("{ books(titles: []) { title } }"),
    "operation name": _json("query A { now } query B { books { id } }", operationName="B"),
    "private": {**_json("{ mine books { id } }"), "headers": MINE},
    "form": {
        "method": "POST",
        "data": {"operations": json.dumps({"query": BOOKS})},
        "files": {"x": b""},
    },
}
"""Requests whose second answer comes from the cache."""

OTHERS: Final[dict[str, dict[str, Any]]] = {
    "private without a user": _json("{ mine }"),
    "uncacheable beside cacheable": _json("{ now books { title } }"),
    "partial error": _json("{ books { title fails } }"),
    "error": _json("{ neverNull }"),
    "no JSON number": _json("{ infinite }"),
    "syntax error": _json("{ books"),
    "validation error": _json("{ unknown }"),
    "wrong variable": _json(
        "query ($titles: [String!]) { books(titles: $titles) { id } }", variables={"titles": [1]}
    ),
    "introspection": _json("{ __schema { queryType { name } } }"),
    "mutation": _json('mutation { rename(title: "é") { title } }'),
    "mutation by get": {
        "method": "GET",
        "params": {"query": 'mutation { rename(title: "") { id } }'},
    },
    "header of a resolver": _json('{ changes(how: "header") }'),
    "cookie of a resolver": _json('{ changes(how: "cookie") }'),
    "status of a resolver": _json('{ changes(how: "status") }'),
    "batch": {
        "method": "POST",
        "json": [{"query": BOOKS}, {"query": "{ now }"}, {"query": "{ neverNull }"}],
    },
    "empty batch": {"method": "POST", "json": []},
    "large batch": {"method": "POST", "json": [{"query": BOOKS}] * 4},
    "upload": _upload(),
    "upload without its file": _upload(map='{"two": ["variables.file"]}'),
    "upload of broken JSON": _upload(operations="{"),
    "broken JSON": {
        "method": "POST",
        "content": b"{",
        "headers": {"content-type": "application/json"},
    },
    "other content": {"method": "POST", "content": b"x", "headers": {"content-type": "text/plain"}},
    "no query": {"method": "POST", "json": {}},
    "a query that is no text": _json(1),
    "variables that are no object": _json(BOOKS, variables=[1]),
    "unknown operation": _json("query A { now }", operationName="B"),
    "page of the IDE": {"method": "GET", "headers": {"accept": "text/html"}},
    "put": {"method": "PUT", "json": {"query": BOOKS}},
}

pytestmark = [
    # Strawberry's controller for Litestar, and its requests of Starlette, are told off for these.
    pytest.mark.filterwarnings("ignore:.*Inferred dependency field"),
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile:ResourceWarning"),
]
views = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


@contextlib.contextmanager
def _both(
    view: View, caches: list[ResponseCache], *others: Any, **options: Any
) -> Iterator[list[Request]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(view.serving(make_schema(cache, *others, **options), ours=ours))
            for cache, ours in zip(caches, (False, True), strict=True)
        ]


def _seen(
    response: httpx.Response, left_out: frozenset[str]
) -> tuple[int, list[tuple[str, str]], Any]:
    """Return what a client sees: the status, the headers, and the body as JSON if it is that."""
    if "content-length" in response.headers:
        assert int(response.headers["content-length"]) == len(response.content)
    left_out |= {"content-length", "date", "server"}
    headers = sorted(
        (name, "".join(sorted(value)) if name == "allow" else value)  # in any order
        for name, value in response.headers.multi_items()
        if name not in left_out
    )
    if response.headers.get("content-type", "").startswith("application/json"):
        return response.status_code, headers, _timeless(response.json())
    return response.status_code, headers, response.text


def _timeless(body: Any) -> Any:
    """Return a body without the times that tracing adds, the age of a response, and what is left of its ttl."""
    if isinstance(body, list):
        return [_timeless(each) for each in body]
    if isinstance(body, dict) and "extensions" in body:
        told: dict[str, Any] = {
            name: sorted(each) if name in {"tracing", "ftv1"} else each
            for name, each in body["extensions"].items()
        }
        if cached := told.get("responseCache"):
            told["responseCache"] = {
                name: each for name, each in cached.items() if name not in {"age", "ttl"}
            }
        return {**body, "extensions": told}
    return body


def _assert_equal_answers(
    both: list[Request], name: str, request: dict[str, Any], left_out: frozenset[str] = frozenset()
) -> list[httpx.Response]:
    """Send a request three times to both views; return what this package's view answered."""
    answers = [[ask(**request) for _ in range(3)] for ask in both]
    for stock, ours in zip(*answers, strict=True):
        assert _seen(ours, left_out) == _seen(stock, left_out), name
    return answers[1]


@views
def test_a_hit_is_answered_as_by_the_stock_view_with_the_stored_bytes(
    view: View, caches: list[ResponseCache], handed_on: list[bytes], decoded: list[bytes]
) -> None:
    with _both(view, caches) as both:
        for name, request in HITS.items():
            handed_on.clear()
            miss, *hits = _assert_equal_answers(both, name, request)
            assert miss.status_code == 200, name
            assert [each.content for each in hits] == handed_on[-2:], name
    assert decoded == []


@views
def test_other_requests_are_answered_as_by_the_stock_view(
    view: View, caches: list[ResponseCache]
) -> None:
    with _both(view, caches) as both:
        for name, request in OTHERS.items():
            _assert_equal_answers(both, name, request)


@views
def test_extensions_of_a_response_are_appended_to_the_stored_bytes(
    view: View, caches: list[ResponseCache], handed_on: list[bytes], decoded: list[bytes]
) -> None:
    with _both(view, caches, debug=True) as both:
        _, *hits = _assert_equal_answers(both, "post", HITS["post"])
    assert [each.json()["extensions"]["responseCache"]["status"] for each in hits] == ["hit"] * 2
    for hit, stored in zip(hits, handed_on, strict=True):
        assert hit.content.startswith(stored[:-1] + b',"extensions":{')
    assert decoded == []


@views
def test_a_header_a_cookie_and_a_status_that_are_set_before_a_hit_are_in_its_response(
    view: View, caches: list[ResponseCache], handed_on: list[bytes]
) -> None:
    with _both(view, caches, Stamps) as both:
        _, *hits = _assert_equal_answers(both, "post", HITS["post"])
    assert [each.content for each in hits] == handed_on
    for hit in hits:
        assert hit.status_code == 202
        assert "visited" in hit.headers["set-cookie"]


FOR_CACHES: Final = frozenset({"age", "cache-control", "etag", "vary"})


@views
def test_headers_for_caches_are_all_that_a_view_adds(
    view: View, caches: list[ResponseCache], handed_on: list[bytes]
) -> None:
    with _both(view, caches, headers=True) as both:
        for name, request in {**HITS, **OTHERS}.items():
            _assert_equal_answers(both, name, request, FOR_CACHES)
    assert handed_on


class _Sets(extensions.SchemaExtension):
    """Sets a header before resolvers run, spelled as it likes."""

    name = ""

    def on_operation(self) -> Iterator[None]:
        response = self.execution_context.context["response"]
        response.headers[self.name] = "a=b"
        yield


class _LowerCase(_Sets):
    name = "set-cookie"


class _TitleCase(_Sets):
    name = "Set-Cookie"


@views
@pytest.mark.parametrize("sets", [_LowerCase, _TitleCase])
def test_a_response_that_sets_a_cookie_says_no_store(
    view: View, caches: list[ResponseCache], sets: type[_Sets]
) -> None:
    with _both(view, caches, sets, headers=True) as both:
        for ask in both:
            response = ask(**HITS["get"])
            assert "a=b" in response.headers["set-cookie"]
            assert response.headers["cache-control"] == "no-store"


EXTENSIONS: Final[dict[str, Any]] = {
    "AddValidationRules": lambda: extensions.AddValidationRules([]),
    "DisableIntrospection": extensions.DisableIntrospection,
    "DisableValidation": extensions.DisableValidation,
    "MaskErrors": extensions.MaskErrors,
    "MaxAliasesLimiter": lambda: extensions.MaxAliasesLimiter(max_alias_count=5),
    "MaxTokensLimiter": lambda: extensions.MaxTokensLimiter(max_token_count=200),
    "ParserCache": extensions.ParserCache,
    **{
        name: getattr(extensions, name)
        for name in ("PydanticErrorExtension",)
        if hasattr(extensions, name)  # not in an older Strawberry
    },
    "QueryDepthLimiter": lambda: extensions.QueryDepthLimiter(max_depth=5),
    "ValidationCache": extensions.ValidationCache,
}
TRACING: Final = ("ApolloTracingExtension", "OpenTelemetryExtension")
READING: Final = {"Names"}
"""Extensions that may read results, as far as this package knows."""


def _others(view: View) -> dict[str, Any]:
    """Return the other extensions that a view is compared with."""
    traced = {name: getattr(tracing, f"{name}Sync" if view.is_sync else name) for name in TRACING}
    return {**EXTENSIONS, **traced, "Names": Names}


def test_every_extension_of_strawberry_is_compared() -> None:
    kinds = {
        name
        for name in extensions.__all__
        if isinstance(kind := getattr(extensions, name), type)
        and issubclass(kind, extensions.SchemaExtension)
    }
    assert kinds - {"SchemaExtension"} <= set(EXTENSIONS)


@views
def test_answers_with_an_extension_are_those_of_the_stock_view(
    view: View, caches: list[ResponseCache], handed_on: list[bytes]
) -> None:
    for name, other in _others(view).items():
        handed_on.clear()
        with _both(view, caches, other, schema_name=name) as both:
            for each in ("post", "partial error"):
                _assert_equal_answers(both, f"{name}: {each}", {**HITS, **OTHERS}[each])
        assert bool(handed_on) == (name not in READING), name


class _Persisted(extensions.SchemaExtension):
    """Takes the digest of a document that it knows in place of the text."""

    def on_operation(self) -> Iterator[None]:
        sent = (self.execution_context.operation_extensions or {}).get("persistedQuery", {})
        if not self.execution_context.query and sent.get("sha256Hash") == "known":
            self.execution_context.query = BOOKS
        yield


@views
def test_a_document_by_its_digest_is_answered_as_by_the_stock_view_and_from_the_entry_of_its_text(
    view: View, caches: list[ResponseCache]
) -> None:
    with _both(view, caches, _Persisted, debug=True) as both:
        _assert_equal_answers(both, "its text", HITS["post"])
        for digest in ("known", "unknown"):
            told = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
            by_get = {"method": "GET", "params": {"query": "", "extensions": json.dumps(told)}}
            for request in ({"method": "POST", "json": {"extensions": told}}, by_get):
                for each in _assert_equal_answers(both, digest, request):
                    assert (each.status_code == 200) is (digest == "known")
                    if digest == "known":
                        assert each.json()["extensions"]["responseCache"]["status"] == "hit"


def _overriding(base: Any, hook: str, seen: list[object]) -> Any:
    """Return a subclass of a view that overrides what becomes of a result, and keeps what it is given."""
    given: Any = getattr(base, hook)

    def override(self: Any, *arguments: Any, **named: Any) -> Any:
        for each in (*arguments, *named.values()):
            data = each.data if isinstance(each, ExecutionResult) else None
            if isinstance(each, dict):
                data = each.get("data")
            if isinstance(data, dict):
                seen.append(type(data))
        return given(self, *arguments, **named)

    return type(base.__name__, (base,), {hook: override})


@pytest.mark.combined
@views
@pytest.mark.parametrize(
    "hook", ["process_result", "encode_json", "create_response", "_handle_errors"]
)
def test_a_view_that_overrides_a_hook_is_given_plain_dicts(
    view: View,
    hook: str,
    caches: list[ResponseCache],
    handed_on: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = importlib.import_module(f"strawberry_response_cache.{view.ours}")
    made, seen = getattr(module, view.name), list[object]()
    if isinstance(made, type):
        replaced: Any = _overriding(made, hook, seen)
    else:

        def replaced(*arguments: Any, **named: Any) -> Any:
            return _overriding(made(*arguments, **named), hook, seen)

    monkeypatch.setattr(module, view.name, replaced)
    with _both(view, caches) as both:
        _assert_equal_answers(both, "post", HITS["post"])
        if hook == "_handle_errors":
            _assert_equal_answers(both, "partial error", OTHERS["partial error"])
    assert seen
    assert set(seen) == {dict}
    assert handed_on == []


class Documents:
    """Documents of the schema of `tests.frameworks.shop`, with their variables."""

    PLAIN = ("id", "title", "price", "sold", "isNew", "nothing", "__typename", "late: title")

    @staticmethod
    def selections() -> st.SearchStrategy[str]:
        plain = st.sampled_from(Documents.PLAIN)

        def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
            return st.one_of(
                inner.map(lambda chosen: f"sequel {{ {chosen} }}"),
                inner.map(lambda chosen: f"named: sequel(title: $title) {{ {chosen} }}"),
                inner.map(lambda chosen: f"... on Book @include(if: $yes) {{ {chosen} }}"),
                st.just("fails"),
                st.lists(inner, min_size=2, max_size=4, unique=True).map(" ".join),
            )

        return st.recursive(plain, nested, max_leaves=6)

    @staticmethod
    def requests() -> st.SearchStrategy[dict[str, Any]]:
        return st.builds(
            lambda chosen, title, titles, is_taken: _json(
                "query ($title: String!, $titles: [String!], $yes: Boolean!) "
                f"{{ books(titles: $titles) {{ id {chosen} }} again: books {{ title }}"
                " x: __typename @include(if: $yes) y: books(titles: [$title]) { id } }",
                variables={"title": title, "titles": titles, "yes": is_taken},
            ),
            Documents.selections(),
            st.text(max_size=5),
            st.none() | st.lists(st.text(max_size=5), max_size=3),
            st.booleans(),
        )


@views
def test_generated_documents_are_answered_as_by_the_stock_view_with_each_extension(
    view: View, caches: list[ResponseCache], handed_on: list[bytes]
) -> None:
    for name, others in {"none": (), **{n: (each,) for n, each in _others(view).items()}}.items():
        with _both(view, caches, *others, schema_name=name) as both:

            @settings(max_examples=15 if name == "none" else 3)
            @given(Documents.requests())
            def compare(request: dict[str, Any]) -> None:
                handed_on.clear()
                miss, *hits = _assert_equal_answers(both, f"{name}: {request}", request)  # noqa: B023 - called at once
                if "errors" in miss.json():
                    return
                if name in READING:  # noqa: B023
                    assert not handed_on
                    return
                for hit, stored in zip(hits, handed_on[-2:], strict=True):
                    assert hit.content.startswith(stored[:-1])

            compare()
