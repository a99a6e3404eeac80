"""The two columns of the key: which requests share an entry, and which never do."""

import copy
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.scalars import JSON

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.graphql.keys.field_plan import digest_of_tags
from strawberry_response_cache.graphql.keys.operation_key import (
    UnkeyableError,
    _is_same_value,
    canonical,
    field_key,
    field_stem,
    operation_key,
)
from tests.graphql.ledger import status


@strawberry.input
class Range:
    low: int = 0
    high: int = 9
    tags: list[str] | None = None


@strawberry.interface
class Shape:
    area: int


@strawberry.type
class Square(Shape):
    side: int = 2


@strawberry.type
class Circle(Shape):
    radius: int = 1


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def echo(
        self,
        text: str | None = "default",
        number: float | None = None,
        id: strawberry.ID | None = None,  # noqa: A002 - as schemas have it
        within: Range | None = None,
        anything: JSON | None = None,
    ) -> str:
        return repr((text, number, id, within, anything))

    @cache_control(ttl=60)
    @strawberry.field
    def shapes(self) -> list[Shape]:
        return [Square(area=4), Circle(area=3)]


Request = tuple[str, dict[str, Any]]


@pytest.fixture
def new_schema(cache: ResponseCache) -> Callable[[], strawberry.Schema]:
    def make() -> strawberry.Schema:
        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        return strawberry.Schema(Query, types=[Square, Circle], extensions=[extension])

    return make


def with_range(value: Any) -> Request:
    return "query ($r: Range) { echo(within: $r) }", {"variable_values": {"r": value}}


def with_json(value: Any) -> Request:
    return "query ($j: JSON) { echo(anything: $j) }", {"variable_values": {"j": value}}


DEFAULTED = 'query ($t: String = "x") { echo(text: $t) }'
OPTIONAL = "query ($t: String) { echo(text: $t) }"

SAME: list[tuple[Request, Request]] = [
    (('{ echo(text: "a") }', {}), ('# why\nquery\n{echo(text:"a",)}', {})),
    (with_range({"low": 1, "high": 2}), with_range({"high": 2, "low": 1})),
    (with_json({"a": {"b": 1, "c": 2}}), with_json({"a": {"c": 2, "b": 1}})),
    ((DEFAULTED, {}), (DEFAULTED, {"variable_values": {"t": "x"}})),
    ((OPTIONAL, {}), (OPTIONAL, {"variable_values": {"undeclared": 1}})),
    (
        ("query A { shapes { area } } query B { echo }", {"operation_name": "A"}),
        ("query B { echo } query A { shapes { area } }", {"operation_name": "A"}),
    ),
    (
        ("{ ...F } fragment F on Query { echo }", {}),
        ("fragment F on Query { echo } { ...F }", {}),
    ),
]

DIFFERENT: list[tuple[Request, Request]] = [
    (('{ echo(text: "a b") }', {}), ('{ echo(text: "a  b") }', {})),
    (('{ echo(text: "a#b") }', {}), ('{ echo(text: "a") }', {})),
    (('{ echo(text: """a\nb\n c""") }', {}), ('{ echo(text: """a\nb\n  c""") }', {})),
    (with_range({"tags": ["a", "b"]}), with_range({"tags": ["b", "a"]})),
    ((OPTIONAL, {}), (OPTIONAL, {"variable_values": {"t": None}})),
    ((OPTIONAL, {"variable_values": {"t": None}}), (OPTIONAL, {"variable_values": {"t": "null"}})),
    (with_json(1), with_json("1")),
    (with_json(1), with_json(True)),
    (with_json(1), with_json(1.0)),
    (with_json(None), with_json("null")),
    (with_json(["a|b"]), with_json(["a", "b"])),
    (with_json({"a": [1, 2]}), with_json({"a": [[1], 2]})),
    (("{ shapes { ... on Square { area } } }", {}), ("{ shapes { ... on Circle { area } } }", {})),
    (
        ("{ ...F } fragment F on Query { echo }", {}),
        ("{ ...F } fragment F on Query { shapes { area } }", {}),
    ),
    (
        ("{ ...F } fragment F on Query { ...G } fragment G on Query { echo }", {}),
        ("{ ...F } fragment F on Query { ...G } fragment G on Query { e: echo }", {}),
    ),
    (("{ echo }", {}), ("{ e: echo }", {})),
    (("{ echo shapes { area } }", {}), ("{ shapes { area } echo }", {})),
    (("query A { echo }", {}), ("query B { echo }", {})),
    (
        ("{ ...F } fragment F on Query { echo }", {}),
        ("{ ...F } fragment F on Query { e: echo }", {}),
    ),
    (
        ("query A { echo } query B { e: echo }", {"operation_name": "A"}),
        ("query A { echo } query B { e: echo }", {"operation_name": "B"}),
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
async def test_equal_requests_share_an_entry(
    new_schema: Callable[[], strawberry.Schema], one: Request, other: Request
) -> None:
    first = await new_schema().execute(one[0], **one[1])
    # Another schema object stands for another worker.
    second = await new_schema().execute(other[0], **other[1])
    assert first.errors is second.errors is None
    assert (status(first), status(second)) == ("miss", "hit")
    assert first.data == second.data


@pytest.mark.combined  # each pair by itself: where one is a hit for the other, somebody gets its answer
@pytest.mark.parametrize(("one", "other"), DIFFERENT)
async def test_different_requests_never_share_an_entry(
    new_schema: Callable[[], strawberry.Schema], one: Request, other: Request
) -> None:
    schema = new_schema()
    for query, request in (one, other):
        result = await schema.execute(query, **request)
        assert result.errors is None
        assert status(result) == "miss"


class Persisted(SchemaExtension):
    """Takes a document by its id, as servers of persisted operations do."""

    def on_operation(self) -> Iterator[None]:
        if self.execution_context.query == "id:1":
            self.execution_context.query = '{ echo(text: "persisted") }'
        yield


async def test_a_persisted_document_sent_by_id_and_by_text_shares_an_entry(
    cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    orders: list[list[Any]] = [[extension, Persisted], [Persisted, extension]]
    for extensions in orders:
        await cache.clear()
        schema = strawberry.Schema(Query, extensions=extensions)
        assert status(await schema.execute("id:1")) == "miss"
        by_id = await schema.execute(
            "id:1", operation_extensions={"persistedQuery": {"sha256Hash": "1"}}
        )
        assert status(by_id) == "hit"
        assert status(await schema.execute('{ echo(text: "persisted") }')) == "hit"


WORKER = """
import sys
import strawberry
from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.graphql.test_keys import Circle, Query, Square

cache = ResponseCache.from_url(sys.argv[1], prefix="test", read_deadline=20, connect_deadline=20)
extension = ResponseCacheExtension(cache, tenant=None, vary={"a": lambda _: {"x": 1, "y": 2}}, debug=True)
schema = strawberry.Schema(Query, types=[Square, Circle], extensions=[extension])
query = "query ($r: Range) { shapes { area ... on Circle { radius } ... on Square { side } } echo(within: $r) }"
result = schema.execute_sync(query, {"r": {"low": 1, "high": 2, "tags": ["a"]}})
print(result.extensions["responseCache"]["status"])
cache.close()
"""


def test_workers_with_other_hash_seeds_share_an_entry(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One worker is another interpreter with its own hash seed; the other is this process."""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    elsewhere = subprocess.run(
        [sys.executable, "-c", WORKER, valkey_url],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    monkeypatch.setattr(sys, "argv", ["worker", valkey_url])
    exec(WORKER, {})  # noqa: S102 - our own program
    assert (elsewhere, capsys.readouterr().out) == ("miss\n", "hit\n")


PARTS: dict[str, dict[str, Any]] = {
    "operation": {"stem": "s", "printed": "[[1]]"},
    "field": {"stem": "s", "parent": "p", "inherited": "i"},
}
OF_REQUESTS: dict[str, Any] = {"session": '"alice"', "varied": {"a": "1"}, "extensions": {"e": "1"}}
OTHER: dict[str, Any] = {
    "stem": "S",
    "printed": "[[2]]",
    "parent": "P",
    "inherited": "I",
    "session": '"bob"',
    "varied": {"a": "2"},
    "extensions": {"e": "2"},
}


def key_of_field(*, parent: str, **shared: Any) -> list[str]:
    """Return the parts of a field's key."""
    return field_key(field_stem(**shared), parent)


@pytest.mark.combined
@pytest.mark.parametrize("session", [None, '"alice"'], ids=["public", "private"])
@pytest.mark.parametrize("kind", PARTS)
def test_each_part_of_a_key_changes_the_key(kind: str, session: str | None) -> None:
    key_of: Any = {"operation": operation_key, "field": key_of_field}[kind]
    parts = PARTS[kind] | OF_REQUESTS | {"session": session}
    others = [parts | {name: OTHER[name]} for name in parts]
    others += [parts | {"varied": {"e": "1"}, "extensions": {"a": "1"}}]
    others += [parts | {"extensions": {}}, parts | {"varied": {}}]
    others += [parts | {"varied": {"a": "1", "e": "1"}, "extensions": {}}]
    keys = {repr(key_of(**each)) for each in [parts, *others]}
    assert len(keys) == 1 + len(others)


def test_public_and_private_entries_of_operations_and_fields_have_different_keys() -> None:
    keys = [
        key_of(**PARTS[kind], **OF_REQUESTS | {"session": session})
        for kind, key_of in (("operation", operation_key), ("field", key_of_field))
        for session in (None, '"alice"')
    ]
    assert len(set(map(repr, keys))) == 4


def test_equal_tags_have_one_digest_in_whatever_order_they_were_collected() -> None:
    """A frozenset iterates over items with colliding hashes in the order of insertion."""
    pairs = [*itertools.combinations((f"Tag:{number}" for number in range(30)), 2)]
    sets = [(frozenset([one, other]), frozenset([other, one])) for one, other in pairs]
    assert any(list(one) != list(other) for one, other in sets)
    assert all(digest_of_tags(one) == digest_of_tags(other) for one, other in sets)
    assert len({digest_of_tags(one) for one, _ in sets}) == len(pairs)


def test_different_session_and_vary_values_have_different_texts() -> None:
    one = UUID(int=1)
    values = ["a", 1, "1", None, "null", True, "true", 1.5, [1], [[1]], {"a": 1}, {"a": "1"}, ""]
    values += [one, str(one), f"uuid:{one}", UUID(int=2)]
    assert len({canonical(each) for each in values}) == len(values)


@pytest.mark.parametrize(
    "value",
    [object(), (1,), [(1,)], {"a": (1,)}, {1: 2}, float("nan"), float("inf"), {"a": float("nan")}],
)
def test_a_value_that_is_not_json_cannot_be_in_a_key(value: object) -> None:
    with pytest.raises(UnkeyableError):
        canonical(value)


def test_only_values_that_a_resolver_cannot_distinguish_are_equal() -> None:
    same = [None, True, 1, "a", 1.5, [1, "a"], {"a": [1.5], "b": {"c": None}}]
    other: list[tuple[object, object]] = [
        *((1, 1.0), (1, True), ("1", 1), (0.0, -0.0), (1, 2), ("a", "b"), ([1], (1,))),
        *(([1], [1, 2]), ([1, 2], [1]), ([1, 2], [1, 3]), ([1, 2], [3, 2]), ([0.0], [-0.0])),
        *(({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": 2}), ({"a": 1, "b": 2}, {"a": 1})),
        *(({"a": 1, "b": 2}, {"a": 1, "b": 3}), ({"a": 1, "b": 2}, {"a": 3, "b": 2})),
        (Decimal("1.5"), Decimal("1.50")),
    ]
    assert all(_is_same_value(each, copy.deepcopy(each)) for each in same)
    assert [pair for pair in other if _is_same_value(*pair)] == []
