"""Whatever a request brings: exactly Strawberry's own answer, and never an error of the cache."""

import asyncio
import io
import logging
import types
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from typing import Any

import pytest
import strawberry
from strawberry.file_uploads import Upload
from strawberry.scalars import JSON
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheScope,
    Reason,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
    skip_cache,
)
from tests.conftest import UntilJoined
from tests.graphql.ledger import reason, status

FACES = ("execute", "execute_sync")
MEGABYTE = 1_000_000
MANY = 100_000

cached = cache_control(ttl=3600)


@strawberry.type
class Node:
    @cache_control(inherit=True)
    @strawberry.field
    def node(self) -> "Node":
        return Node()


@strawberry.type
class Query:
    @cached
    @strawberry.field
    def node(self) -> Node:
        return Node()

    @cached
    @strawberry.field
    def total(self, of: list[int]) -> float:
        return float(sum(of))

    @cached
    @strawberry.field
    def half(self, of: float = 1) -> float:
        return of / 2

    @cached
    @strawberry.field
    def size(self, of: JSON | None = None) -> str:
        return f"{type(of).__name__} {len(of) if isinstance(of, Sized) else ''}"

    @cached
    @strawberry.field
    def uploaded(self, of: Upload) -> str:
        return type(of).__name__

    @cached
    @strawberry.field
    def inexact(self, of: str) -> JSON:
        return JSON({"number": float(of)})

    @cached
    @strawberry.field
    def infinite(self, of: str = "inf") -> float:
        return float(of)


@pytest.fixture(autouse=True)
def _without_strawberrys_log(monkeypatch: pytest.MonkeyPatch) -> None:
    # A report holds what was logged, and pytest-xdist cannot send one with half of a pair of surrogates.
    monkeypatch.setattr(logging.getLogger("strawberry.execution"), "disabled", True)


@pytest.fixture
def compared(memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    """Ask twice with the cache, and compare with the answer without one; return the outcomes."""
    extension = ResponseCacheExtension(memory_cache, tenant=lambda face: face, debug=True)
    bare = strawberry.Schema(Query)
    schema = strawberry.Schema(Query, extensions=[extension])

    async def answer(schema: strawberry.Schema, face: str, query: Any, request: Any) -> Any:
        request = {name: make() for name, make in request.items()} | {"context_value": face}
        try:
            if face == "execute_sync":
                return schema.execute_sync(query, **request)
            return await schema.execute(query, **request)
        except Exception as error:  # noqa: BLE001 - whatever Strawberry raises, it is compared
            return error

    async def compare(face: str, query: Any, **request: Callable[[], Any]) -> list[Any]:
        expected = await answer(bare, face, query, request)
        outcomes = []
        for _ in range(2):
            result = await answer(schema, face, query, request)
            assert shown(result) == shown(expected)
            said = getattr(result, "extensions", None) or {}
            outcomes.append(said.get("responseCache"))
        ours = [r for r in caplog.records if r.name.startswith("strawberry_response_cache")]
        assert not [record for record in ours if record.levelno >= logging.WARNING]
        return outcomes

    return compare


def shown(answer: Any) -> str:
    """Show an answer; NaN is not equal to itself, and its text is."""
    if isinstance(answer, Exception):
        return f"raised {answer!r}"
    return f"{[error.formatted for error in answer.errors or ()]} {answer.data!r}"


def through_faces(cases: Iterable[str]) -> list[tuple[str, str]]:
    """Pair cases with faces; what takes Strawberry itself long goes through one of them, in turn."""
    pairs = []
    for number, case in enumerate(cases):
        takes_long = any(
            size in case for size in ("1 MB", "100,000", "long", "10,000", "1,000 times")
        )
        pairs += [(case, face) for face in (FACES[number % 2 :][:1] if takes_long else FACES)]
    return pairs


def always(value: Any) -> Callable[[], Any]:
    return lambda: value


# -- Errors are Strawberry's ----------------------------------------------------------------------------

REFUSED: dict[str, tuple[Any, dict[str, Any]]] = {
    "a long comment before what does not exist": (f"#{'x' * MANY}\n{{ nothing }}", {}),
    "a long string that does not end": (f'{{ size(of: "{"x" * MANY}) }}', {}),
    "1 MB of braces": ("{" * MEGABYTE, {}),
    "one field 1,000 times": (f"{{ {'half ' * 1_000} }}", {}),
    "fields nested too deep": ("{ node" * 400 + "{ __typename" + "}" * 401, {}),
    "lists nested too deep": (f"{{ size(of: {'[' * 400 + ']' * 400}) }}", {}),
    "objects nested too deep": (f"{{ size(of: {'{a: ' * 400}1{'}' * 400}) }}", {}),
    "fields nested without end": ("{ node" * MANY, {}),
    "fragments in a circle": ("{ ...F } fragment F on Query { node { __typename } ...F }", {}),
    "two operations of one name": ("query A { half } query A { size }", {"operation_name": "A"}),
    "two operations without a name": ("{ half } { size }", {}),
    "an operation that does not exist": ("query A { half }", {"operation_name": "B"}),
    "an operation name that is no string": ("query A { half }", {"operation_name": 1}),
    "only a fragment": ("fragment F on Query { half }", {}),
    "an empty query": ("", {}),
    "no query": (None, {}),
    "a blank query": (" \n", {}),
    "a comment alone": ("# query", {}),
    "a query that is a number": (1, {}),
    "a query that is a list": (["{ half }"], {}),
    "a query that is no text": ("{ half \x00 }", {}),
    "half of a pair of surrogates": ('{ size(of: "\ud800") }', {}),
    "an operation that there is not": ("mutation { post }", {}),
}


@pytest.mark.parametrize(("what", "face"), through_faces(REFUSED))
async def test_a_bad_document_has_exactly_strawberrys_own_error(
    compared: Callable[..., Any], what: str, face: str
) -> None:
    query, request = REFUSED[what]
    request = {name: always(value) for name, value in request.items()}
    assert await compared(face, query, **request) == [None, None]


BAD_VARIABLES: dict[str, tuple[str, Callable[[], Any]]] = {
    "one is missing": ("[Int!]!", dict),
    "there are none": ("[Int!]!", always(None)),
    "one is null": ("[Int!]!", lambda: {"of": None}),
    "one is of another type": ("[Int!]!", lambda: {"of": "many"}),
    "one of 10,000 is of another type": ("[Int!]!", lambda: {"of": [*range(10_000), "last"]}),
    "100 are of another type": ("[Int!]!", lambda: {"of": ["x"] * 100}),
    "one is a float": ("[Int!]!", lambda: {"of": [1.5]}),
    "one is NaN": ("[Int!]!", lambda: {"of": [float("nan")]}),
    "one is too large": ("[Int!]!", lambda: {"of": [2**31]}),
    "one is no JSON": ("[Int!]!", lambda: {"of": [object]}),
    "they are a list": ("[Int!]!", lambda: [1]),
    "they are a string": ("[Int!]!", always("of")),
    "they are a number": ("[Int!]!", always(5)),
    "they are a set": ("[Int!]!", lambda: {"of"}),
    "the type does not exist": ("Nothing!", lambda: {"of": [1]}),
    "the type is another one": ("String!", lambda: {"of": "1"}),
}


@pytest.mark.parametrize(("what", "face"), through_faces(BAD_VARIABLES))
async def test_bad_variables_have_exactly_strawberrys_own_error(
    compared: Callable[..., Any], what: str, face: str
) -> None:
    declared, variables = BAD_VARIABLES[what]
    query = f"query ($of: {declared}) {{ total(of: $of) }}"
    assert await compared(face, query, variable_values=variables) == [None, None]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
async def test_a_number_that_json_does_not_know_is_refused_as_strawberry_refuses_it(
    compared: Callable[..., Any], number: float, face: str
) -> None:
    query = "query ($of: Float!) { half(of: $of) }"
    assert await compared(face, query, variable_values=lambda: {"of": number}) == [None, None]
    for said in await compared(face, f'{{ infinite(of: "{number}") }}'):
        assert (said["status"], said["reason"]) == ("bypass", "errors")


# -- What is odd, and yet has an answer -----------------------------------------------------------------


ANSWERED = {
    "a comment of 1 MB": f"#{'x' * MEGABYTE}\n{{ half }}",
    "a string of 1 MB": f'{{ size(of: "{"x" * MEGABYTE}") }}',
    "50 fields deep": "{ node" * 50 + "{ __typename" + "}" * 51,
    "150 lists deep": f"{{ size(of: {'[' * 150 + ']' * 150}) }}",
    "two operations and none chosen": "query A { half } query B { size }",
}


@pytest.mark.parametrize(("what", "face"), through_faces(ANSWERED))
async def test_a_large_or_odd_document_is_cached_as_any_other(
    compared: Callable[..., Any], what: str, face: str
) -> None:
    said = await compared(face, ANSWERED[what])
    assert [outcome["status"] for outcome in said] == ["miss", "hit"]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


ODD_JSON: dict[str, Callable[[], Any]] = {
    "1 MB of text": lambda: "x" * MEGABYTE,
    "100,000 numbers": lambda: list(range(MANY)),
    "1,000 keys": lambda: dict.fromkeys(map(str, range(1_000))),
    "150 deep": lambda: nested(150),
    "half of a pair of surrogates": lambda: "\ud800",
    "a large number": lambda: 10**400,
}


@pytest.mark.parametrize(("what", "face"), through_faces(ODD_JSON))
async def test_large_or_odd_json_is_cached_as_any_other(
    compared: Callable[..., Any], what: str, face: str
) -> None:
    query = "query ($of: JSON) { size(of: $of) }"
    said = await compared(face, query, variable_values=lambda: {"of": ODD_JSON[what]()})
    assert [outcome["status"] for outcome in said] == ["miss", "hit"]


class Odd(dict[str, Any]):
    """A dict that says so."""

    def __repr__(self) -> str:
        msg = "no repr"
        raise RuntimeError(msg)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("declared", "field", "value"),
    [
        pytest.param("Upload!", "uploaded", lambda: io.BytesIO(b"x"), id="an upload"),
        pytest.param("JSON", "size", object, id="an object"),
        pytest.param("JSON", "size", lambda: (1, 2), id="a tuple"),
        pytest.param("JSON", "size", lambda: {1, 2}, id="a set"),
        pytest.param("JSON", "size", lambda: b"x", id="bytes"),
        pytest.param("JSON", "size", lambda: {1: "x"}, id="a key that is no string"),
        pytest.param("JSON", "size", Odd, id="a dict of one's own"),
        pytest.param("JSON", "size", lambda: OrderedDict(a=1), id="an ordered dict"),
        pytest.param("JSON", "size", lambda: {"a": [float("nan")]}, id="NaN within"),
        pytest.param("JSON", "size", lambda: float("inf"), id="infinity"),
        pytest.param("JSON", "size", lambda: nested(10_000), id="10,000 deep"),
        pytest.param("JSON", "size", lambda: 10**5_000, id="a number beyond what is read back"),
        pytest.param("[Int!]!", "total", lambda: (1, 2), id="a tuple for a list"),
    ],
)
async def test_variables_that_are_not_json_are_answered_and_not_cached(
    compared: Callable[..., Any], declared: str, field: str, value: Callable[[], Any], face: str
) -> None:
    query = f"query ($of: {declared}) {{ {field}(of: $of) }}"
    for said in await compared(face, query, variable_values=lambda: {"of": value()}):
        assert said == {
            "status": "bypass",
            "reason": "variables",
            "advice": Reason.VARIABLES.advice,
        }


@pytest.mark.parametrize("face", FACES)
async def test_variables_in_a_mapping_that_is_no_dict_count_as_in_a_dict(
    compared: Callable[..., Any], face: str
) -> None:
    query = "query ($of: [Int!]!) { total(of: $of) }"
    for make in (dict, types.MappingProxyType, OrderedDict):
        await compared(face, query, variable_values=lambda make=make: make({"of": [1]}))
    hit, _ = await compared(face, query, variable_values=lambda: {"of": [1], "undeclared": object})
    assert hit["status"] == "hit"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
async def test_a_result_that_json_does_not_know_is_answered_and_not_stored(
    compared: Callable[..., Any], number: str, face: str
) -> None:
    for said in await compared(face, f'{{ inexact(of: "{number}") }}'):
        assert (said["status"], said["reason"]) == ("bypass", "unserializable")


# -- Contexts: one for many operations, none at all, and with odd values --------------------------------------


@dataclass
class Batch:
    """The context of a batch, whose resolvers wait at a gate."""

    user: str
    gate: asyncio.Event
    running: Counter[str]

    async def pass_gate(self, field: str) -> str:
        self.running[field] += 1
        await self.gate.wait()
        return f"{field} for {self.user}"


@strawberry.type
class Batched:
    @cached
    @strawberry.field
    async def open(self, info: strawberry.Info) -> str:
        await info.context.pass_gate("open")
        return "open for all"

    @cache_control(ttl=3600, scope=CacheScope.PRIVATE)
    @strawberry.field
    async def me(self, info: strawberry.Info) -> str:
        return str(await info.context.pass_gate("me"))

    @cached
    @strawberry.field
    async def restricted(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return str(await info.context.pass_gate("restricted"))

    @cached
    @strawberry.field
    async def skipped(self, info: strawberry.Info) -> str:
        skip_cache(info)
        return str(await info.context.pass_gate("skipped"))


FIELDS = ("open", "me", "restricted", "skipped")


async def test_operations_of_a_batch_are_cached_one_by_one_and_mix_no_private_data(
    memory_cache: ResponseCache, until_joined: UntilJoined
) -> None:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda context: context.user, debug=True
    )
    schema = strawberry.Schema(Batched, extensions=[extension])
    gate, running = asyncio.Event(), Counter[str]()

    async def batch(user: str) -> list[ExecutionResult]:
        context = Batch(user, gate, running)
        operations = (schema.execute(f"{{ {name} }}", context_value=context) for name in FIELDS)
        return await asyncio.gather(*operations)

    async def batches() -> Any:
        return await asyncio.gather(batch("alice"), batch("bob"))

    concurrent = asyncio.create_task(batches())
    await until_joined(memory_cache, 3)  # of another session, in all but `me`
    assert running == {"open": 1, "me": 2, "restricted": 1, "skipped": 1}
    gate.set()
    for results in (await concurrent, again := await batches()):
        for user, own in zip(("alice", "bob"), results, strict=True):
            seen = [result.data for result in own]
            assert seen == [
                {"open": "open for all"},
                {"me": f"me for {user}"},
                {"restricted": f"restricted for {user}"},
                {"skipped": f"skipped for {user}"},
            ]
    for own in again:
        assert [status(result) for result in own] == ["hit", "hit", "hit", "bypass"]


@strawberry.type
class Anyones:
    @cached
    @strawberry.field
    def open(self) -> str:
        return "open"

    @cache_control(ttl=3600, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self) -> str:
        return "me"

    @cache_control(ttl=3600, vary=["roles"])
    @strawberry.field
    def menu(self, info: strawberry.Info) -> str:
        return repr(info.context)


def anyones(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    chosen: dict[str, Any] = {"tenant": None, "vary": {"roles": lambda context: context}} | options
    extension = ResponseCacheExtension(cache, debug=True, **chosen)
    return strawberry.Schema(Anyones, extensions=[extension])


async def executed(schema: strawberry.Schema, face: str, query: str, context: Any) -> Any:
    if face == "execute_sync":
        return schema.execute_sync(query, context_value=context)
    return await schema.execute(query, context_value=context)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("session", "why"),
    [
        (lambda context: context, "private_without_session"),
        (lambda context: context["user"], "context_failed"),
        (lambda context: context.user, "context_failed"),
    ],
)
async def test_without_a_context_private_data_is_never_cached_and_public_data_unless_session_fails(
    memory_cache: ResponseCache, session: Any, why: str, face: str
) -> None:
    schema = anyones(memory_cache, session=session)
    for said in ("miss", "hit") if why == "private_without_session" else ("bypass", "bypass"):
        assert status(await executed(schema, face, "{ open }", None)) == said
        result = await executed(schema, face, "{ me }", None)
        assert (result.errors, result.data, reason(result)) == (None, {"me": "me"}, why)


@pytest.mark.parametrize("face", FACES)
async def test_nothing_is_cached_without_a_context_if_the_tenant_function_needs_one(
    memory_cache: ResponseCache, face: str
) -> None:
    schema = anyones(memory_cache, tenant=lambda context: context["tenant"])
    for _ in range(2):
        result = await executed(schema, face, "{ open }", None)
        assert (result.errors, result.data) == (None, {"open": "open"})
        assert reason(result) == "context_failed"


@pytest.mark.parametrize("face", FACES)
async def test_unhashable_varied_values_have_entries_of_their_own(
    memory_cache: ResponseCache, face: str
) -> None:
    schema = anyones(memory_cache)
    values: list[Any] = [["a", "b"], ["b", "a"], ["a,b"], [], {"a": 1}, {"a": [1]}, {"a": "1"}, {}]
    for said in ("miss", "hit"):
        for value in values:
            result = await executed(schema, face, "{ menu }", value)
            assert (status(result), result.data) == (said, {"menu": repr(value)})


@pytest.mark.parametrize("value", [{"a"}, ("a",), bytearray(b"a"), {1: "a"}])
@pytest.mark.parametrize(
    ("name", "query"), [("tenant", "{ open }"), ("session", "{ me }"), ("vary", "{ menu }")]
)
async def test_a_value_that_cannot_be_in_a_key_lets_the_request_run_uncached(
    memory_cache: ResponseCache, name: str, query: str, value: Any
) -> None:
    def found(context: Any) -> Any:
        return context

    schema = anyones(memory_cache, **{name: {"roles": found} if name == "vary" else found})
    for face in FACES:
        for _ in range(2):
            result = await executed(schema, face, query, value)
            assert (result.errors, status(result)) == (None, "bypass")
            assert reason(result) == "context_failed"
