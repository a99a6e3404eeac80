"""A request that comes again costs no coercion and no executor; what it is told apart by stays as it was."""

import asyncio
import copy
import gc
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from sys import getsizeof
from typing import Any, ClassVar, NewType

import pytest
import strawberry
from graphql import ASTValidationRule, FieldNode, GraphQLError
from graphql.execution import Executor, values
from strawberry.extensions import AddValidationRules, SchemaExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from strawberry_response_cache.graphql._compat import operation
from strawberry_response_cache.graphql.keys.known_requests import (
    KnownRequest,
    Noted,
    _digest_of_variables,
)

Word = NewType("Word", str)
parsed: list[str] = []


def parse_word(value: Any) -> Word:
    parsed.append(value)
    return Word(str(value))


CONFIG = StrawberryConfig(scalar_map={Word: strawberry.scalar(name="Word", parse_value=parse_word)})


@strawberry.input
class Filter:
    least: float = 0
    words: list[str] | None = None


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def said(
        self,
        number: float = 0,
        text: str = "",
        by: Filter | None = None,
        day: date | None = None,
    ) -> str:
        return f"{number!r} {text!r} {by!r} {day!r}"

    @cache_control(ttl=60)
    @strawberry.field
    def spelled(self, word: Word) -> str:
        return word

    @strawberry.field
    def uncached(self) -> int:
        return 1


@dataclass
class Counted:
    """What graphql-core did."""

    coercions: int = 0
    executors: int = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count what graphql-core does for an operation before it executes it."""
    counts = Counted()
    coerce, begin = values.get_variable_values, Executor.__init__

    def coercing(*args: Any, **named: Any) -> Any:
        counts.coercions += 1
        return coerce(*args, **named)

    def beginning(self: Any, *args: Any, **named: Any) -> None:
        counts.executors += 1
        begin(self, *args, **named)

    monkeypatch.setattr("graphql.execution.executor.get_variable_values", coercing)
    monkeypatch.setattr(Executor, "__init__", beginning)
    return counts


@pytest.fixture(params=[0, 1_000_000], ids=["redis", "local"])
async def cache(request: pytest.FixtureRequest, empty_url: str) -> AsyncIterator[ResponseCache]:
    async with ResponseCache.from_url(
        empty_url, prefix="known", local_bytes=request.param, read_deadline=20, connect_deadline=20
    ) as made:
        yield made


def made(cache: ResponseCache, *others: Any, **options: Any) -> strawberry.Schema:
    executor = options.pop("executor", None)
    extension = ResponseCacheExtension(
        cache, **{"tenant": None, "debug": True, "schema_name": str(len(options)), **options}
    )
    return strawberry.Schema(
        Query, extensions=[extension, *others], config=CONFIG, execution_context_class=executor
    )


async def asked(
    schema: strawberry.Schema, query: str, variables: dict[str, Any] | None = None
) -> tuple[str, Any]:
    """Return the status and the first value of an answer."""
    result = await schema.execute(query, variables)
    assert result.errors is None
    assert result.data is not None
    assert result.extensions is not None
    return result.extensions["responseCache"]["status"], next(iter(result.data.values()))


def known(schema: strawberry.Schema) -> Any:
    return vars(schema)["_response_cache"].adopted.requests


SAID = "query($n: Float!, $by: Filter, $day: Date) { said(number: $n, by: $by, day: $day) }"


async def test_a_hit_coerces_no_variables_and_builds_no_executor(
    cache: ResponseCache, counted: Counted
) -> None:
    schema = made(cache)
    for status in ("miss", "hit", "hit"):
        variables = {"n": 1.5, "by": {"least": 2, "words": ["a"]}, "day": "2026-01-31"}
        assert (await asked(schema, SAID, variables))[0] == status

    assert counted == Counted(coercions=1, executors=1)


async def test_a_repeated_request_that_misses_coerces_its_variables_once(
    cache: ResponseCache, counted: Counted
) -> None:
    schema = made(cache)
    assert (await asked(schema, SAID, {"n": 1}))[0] == "miss"
    await cache.clear()

    assert await asked(schema, SAID, {"n": 1}) == ("miss", "1.0 '' None None")
    assert counted == Counted(coercions=2, executors=2)


async def test_a_custom_scalar_parses_its_variable_on_each_request(
    cache: ResponseCache, counted: Counted
) -> None:
    schema = made(cache)
    parsed.clear()
    spelled = "query($word: Word!) { spelled(word: $word) }"
    for status in ("miss", "hit"):
        assert await asked(schema, spelled, {"word": "yes"}) == (status, "yes")

    assert parsed == ["yes", "yes"]
    assert counted.coercions == 2
    assert len(known(schema)) == 0


@pytest.mark.parametrize(
    ("query", "first", "second"),
    [
        (SAID, {"n": 1}, {"n": 2}),
        ("query($t: String!) { said(text: $t) }", {"t": "a"}, {"t": "b"}),
        (SAID, {"n": 1, "by": {"words": ["a", "b"]}}, {"n": 1, "by": {"words": ["b", "a"]}}),
        (SAID, {"n": 1, "by": {}}, {"n": 1, "by": None}),
        ("query($t: String) { said(text: $t) }", {"t": "null"}, {}),
    ],
)
async def test_requests_with_different_variables_have_entries_of_their_own(
    cache: ResponseCache, query: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    schema = made(cache)
    answers = [await asked(schema, query, variables) for variables in (first, second) * 2]

    assert [status for status, _ in answers] == ["miss", "miss", "hit", "hit"]
    assert answers[0][1] == answers[2][1] != answers[1][1] == answers[3][1]


async def test_a_value_of_a_wrong_type_is_refused_although_an_equal_value_was_sent_before(
    cache: ResponseCache,
) -> None:
    schema = made(cache)
    assert (await asked(schema, SAID, {"n": 1}))[0] == "miss"

    for wrong in (True, "1"):
        assert (await schema.execute(SAID, {"n": wrong})).errors


async def test_operations_of_one_document_are_distinguished_by_name(cache: ResponseCache) -> None:
    schema = made(cache)
    both = 'query A { said(text: "a") } query B { said(text: "b") }'
    for _ in range(2):
        a = await schema.execute(both, operation_name="A")
        b = await schema.execute(both, operation_name="B")
        assert (a.data, b.data) == ({"said": "0 'a' None None"}, {"said": "0 'b' None None"})


async def test_variables_that_a_later_extension_replaces_are_the_ones_used(
    cache: ResponseCache,
) -> None:
    numbers = iter([1, 2, 1])

    class Changes(SchemaExtension):
        def on_execute(self) -> Iterator[None]:
            self.execution_context.variables = {"n": next(numbers)}
            yield

    schema = made(cache, Changes, trusted_extensions=[Changes])
    answers = [(await asked(schema, SAID, {"n": 0}))[1] for _ in range(3)]

    assert answers == [f"{n}.0 '' None None" for n in (1, 2, 1)]


async def test_a_custom_executor_is_built_on_each_request(
    cache: ResponseCache,
) -> None:
    numbers = iter([1, 2])

    class Decides(StrawberryGraphQLCoreExecutionContext):
        @classmethod
        def build(cls, *args: Any, **named: Any) -> Any:
            given = [*args]
            given[4] = {"n": next(numbers)}
            return super().build(*given, **named)

    schema = made(cache, executor=Decides, trusted_extensions=[Decides])
    answers = [(await asked(schema, SAID, {"n": 0}))[1] for _ in range(2)]

    assert answers == ["1.0 '' None None", "2.0 '' None None"]


async def test_an_extension_that_refuses_in_on_execute_is_called_on_each_hit(
    cache: ResponseCache,
) -> None:
    allowed = iter([True, False])

    class Authenticates(SchemaExtension):
        def on_execute(self) -> Iterator[None]:
            if not next(allowed):
                raise PermissionError
            yield

    schema = made(cache, Authenticates, trusted_extensions=[Authenticates])
    await asked(schema, "{ said }")

    assert (await schema.execute("{ said }")).data is None


class Refuses(BasePermission):
    message = "no"
    answers: ClassVar[Iterator[bool]]

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return next(self.answers)


@strawberry.type(name="Query")
class Guarded:
    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[Refuses])  # type: ignore[untyped-decorator] # its overloads
    def said(self) -> str:
        return "yes"


async def test_a_permission_is_checked_on_each_request(cache: ResponseCache) -> None:
    Refuses.answers = iter([True, True, False])
    schema = strawberry.Schema(Guarded, extensions=[ResponseCacheExtension(cache, tenant=None)])
    results = [await schema.execute("{ said }") for _ in range(3)]

    assert [bool(result.errors) for result in results] == [False, False, True]


async def test_a_validation_rule_is_run_on_each_request(cache: ResponseCache) -> None:
    allowed = iter([True, True, False])

    class Sometimes(ASTValidationRule):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if not next(allowed):
                self.report_error(GraphQLError("not now", node))

    schema = made(cache, lambda: AddValidationRules([Sometimes]))
    for status in ("miss", "hit"):
        assert (await asked(schema, "{ said }"))[0] == status

    assert (await schema.execute("{ said }")).errors


async def test_tenant_session_and_vary_functions_are_called_on_each_request(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE, vary=["language"])
        @strawberry.field
        def me(self, info: strawberry.Info) -> str:
            return " ".join(info.context)

    extension = ResponseCacheExtension(
        cache,
        tenant=lambda context: context[0],
        session=lambda context: context[1],
        vary={"language": lambda context: context[2]},
        debug=True,
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    found = []
    contexts = [tuple(each) for each in ("abc", "xbc", "axc", "abx")]
    for context in (*contexts, *contexts):
        result = await schema.execute("{ me }", context_value=context)
        assert result.extensions is not None
        assert result.data == {"me": " ".join(context)}
        found.append(result.extensions["responseCache"]["status"])

    assert found == ["miss"] * 4 + ["hit"] * 4


async def test_tenants_that_send_the_same_request_in_turns_have_entries_of_their_own(
    cache: ResponseCache,
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def name(self, info: strawberry.Info) -> str:
            return str(info.context)

    extension = ResponseCacheExtension(cache, tenant=lambda context: context, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    found = []
    for tenant in ("a", "b", "a", "b", "b", "a"):
        result = await schema.execute("{ name }", context_value=tenant)
        assert result.data == {"name": tenant}
        assert result.extensions is not None
        found.append(result.extensions["responseCache"]["status"])

    assert found == ["miss", "miss", "hit", "hit", "hit", "hit"]


async def test_requests_with_operations_that_are_never_cached_are_not_remembered(
    cache: ResponseCache,
) -> None:
    schema = made(cache)
    query = "query($b: Boolean!) { uncached said @include(if: $b) }"
    for number in range(3):
        assert (await asked(schema, "{ uncached }", {"n": number}))[0] == "bypass"
    assert len(known(schema)) == 0

    for said in (False, True, False, True):
        result = await schema.execute(query, {"b": said})
        assert result.data == {"uncached": 1} | ({"said": "0 '' None None"} if said else {})
    assert len(known(schema)) == 1, "of the one that a condition makes cacheable"


@pytest.mark.parametrize("is_known", [True, False], ids=["as known", "of an unknown graphql-core"])
async def test_a_scalar_that_changes_its_argument_keeps_the_operation_from_being_cached(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    monkeypatch.setattr(operation, "_BUILDS_AS_KNOWN", is_known)

    def pops(value: dict[str, str]) -> Word:
        return Word(value.pop("text"))

    config = StrawberryConfig(scalar_map={Word: strawberry.scalar(name="Word", parse_value=pops)})
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension], config=config)
    spelled = "query($word: Word!) { spelled(word: $word) }"
    answers = [await asked(schema, spelled, {"word": {"text": text}}) for text in "ab"]

    assert answers == [("bypass", "a"), ("bypass", "b")]


async def test_an_unknown_way_of_building_executors_still_hits_but_remembers_no_request(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, counted: Counted
) -> None:
    monkeypatch.setattr(operation, "_BUILDS_AS_KNOWN", False)
    schema = made(cache)
    for status in ("miss", "hit"):
        assert (await asked(schema, SAID, {"n": 1}))[0] == status

    assert counted.executors == 2


async def test_tenant_may_be_a_plain_function_where_session_is_async(cache: ResponseCache) -> None:
    calls: list[str] = []

    def tenant(_: object) -> str:
        calls.append("tenant")
        return "acme"

    async def session(_: object) -> str:
        calls.append("session")
        await asyncio.sleep(0)
        return "alice"

    schema = made(cache, tenant=tenant, session=session)
    await asked(schema, "{ said uncached }")
    calls.clear()

    assert (await asked(schema, "{ said uncached }"))[0] == "bypass"
    assert calls == ["tenant", "session"]


async def test_known_requests_are_bounded_in_bytes(
    new_cache: Callable[..., ResponseCache],
) -> None:
    schema = made(new_cache("memory://"), plan_bytes=80_000)
    for number in range(20):
        await schema.execute("query($n: Float!) { said(number: $n) }", {"n": number})

    assert 0 < len(known(schema)) < 10
    assert known(schema).size <= 10_000


@pytest.mark.parametrize("text", ["A", "é", "😀"])
async def test_the_size_of_known_requests_counts_variables_and_operation_names_in_bytes(
    new_cache: Callable[..., ResponseCache], text: str
) -> None:
    """Each request has its own copy of the name of its operation."""
    schema = made(new_cache("memory://"))
    name = "A" * 20_000
    query = f"query {name}($text: String!) {{ said(text: $text) }}"
    for number in range(10):
        variables = {"text": text * 5_000 + str(number)}
        await schema.execute(query, variables, operation_name=name)
    requests = known(schema)
    assert len(requests) == 10
    kept = requests._known._kept
    texts = sum(getsizeof(key[1]) + getsizeof(kept[key].value.printed) for key in kept)
    assert texts > 250_000
    assert texts < requests.size < texts + 50_000


async def test_more_combinations_of_conditions_than_are_remembered_are_all_cached(
    cache: ResponseCache,
) -> None:
    schema = made(cache)
    names = "abcdefg"
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f'{name}: said(text: "{name}") @include(if: ${name})' for name in names)
    query = f"query({declared}) {{ said {fields} }}"
    for number in range(65):
        sent = {name: bool(number >> at & 1) for at, name in enumerate(names)}
        await schema.execute(query, sent)
    gc.collect()

    expected = {"said": "0 '' None None"} | {
        name: f"0 '{name}' None None" for name in names if sent[name]
    }
    for _ in range(2):
        result = await schema.execute(query, sent)
        assert result.data == expected
        assert result.extensions is not None
        assert result.extensions["responseCache"]["status"] == "hit"


async def test_a_known_request_is_dropped_with_its_document(cache: ResponseCache) -> None:
    schema = made(cache, plan_bytes=0)
    for status in ("miss", "hit"):
        assert (await asked(schema, "{ said }"))[0] == status

    assert len(known(schema)) == 0


CHANGES: dict[str, tuple[str, dict[str, Any], Callable[[dict[str, Any]], object]]] = {
    "a value": ("$n: Float!", {"n": 1}, lambda sent: sent.update(n=99)),
    "a value within": (
        "$by: Filter",
        {"by": {"least": 1}},
        lambda sent: sent["by"].update(least=99),
    ),
    "a list": (
        "$by: Filter",
        {"by": {"words": ["a"]}},
        lambda sent: sent["by"]["words"].append("b"),
    ),
}


@pytest.mark.parametrize("form", ["{}", "{} uncached"])
@pytest.mark.parametrize("came_before", [True, False])
@pytest.mark.parametrize(("declared", "sent", "change"), CHANGES.values(), ids=CHANGES.keys())
async def test_variables_changed_after_the_execution_began_do_not_change_the_answer(
    cache: ResponseCache,
    declared: str,
    sent: dict[str, Any],
    change: Callable[[dict[str, Any]], object],
    form: str,
    *,
    came_before: bool,
) -> None:
    """A request logger may remove secrets from the variables during the lookup."""
    changed: list[dict[str, Any]] = []

    async def tenant(_: object) -> str:
        for each in changed:
            change(each)
        changed.clear()
        return "acme"

    schema = made(cache, tenant=tenant)
    argument = "number: $n" if "$n" in declared else "by: $by"
    field = form.format(f"said({argument})")
    query, variables = f"query({declared}) {{ {field} }}", copy.deepcopy(sent)
    if came_before:
        await asked(schema, query, copy.deepcopy(sent))
        await cache.for_tenant("acme").clear()
    changed.append(variables)

    _, answer = await asked(schema, query, variables)

    assert variables != sent
    expected = (await strawberry.Schema(Query, config=CONFIG).execute(query, sent)).data
    assert expected is not None
    assert answer == expected["said"]
    assert (await asked(schema, query, copy.deepcopy(sent)))[1] == expected["said"]
    assert (await asked(schema, query, variables))[1] != expected["said"]


NESTED: Any = []
for _ in range(100_000):
    NESTED = [NESTED]
TOLD_APART: list[Any] = [
    {},
    {"a": 1},
    {"a": "1"},
    {"a": 1.0},
    {"a": True},
    {"a": None},
    {"b": 1},
    {"a": 1, "b": 1},
    {"a": [1]},
    {"a": ["1"]},
    {"a": [1.5]},
    {"a": [True]},
    {"a": [None]},
    {"a": {"b": 1}},
    {"a": {"b": [1]}},
    {"a": [[1], 2]},
    {"a": [1, [2]]},
    {"a": "[1]"},
    {"a": "\ud800"},
    {"a": ["\ud800"]},
]
NOT_JSON: list[Any] = [
    [1],
    "a",
    OrderedDict(a=1),
    {1: "a"},
    {"a": (1,)},
    {"a": {1: "b"}},
    {"a": date(2026, 1, 31)},
    {"a": [date(2026, 1, 31)]},
    {"a": [float("nan")]},
    {"a": b"1"},
    {"a": NESTED},
]  # fmt: skip


def test_different_variables_have_different_digests() -> None:
    digests = [_digest_of_variables(each) for each in TOLD_APART]
    assert None not in digests
    assert len(set(digests)) == len(TOLD_APART)
    assert [_digest_of_variables(copy.deepcopy(each)) for each in TOLD_APART] == digests


def test_variables_with_shared_and_with_copied_values_have_equal_digests() -> None:
    one, other = (b"word".decode() for _ in range(2))
    assert one is not other
    assert _digest_of_variables({"a": one, "b": one}) == _digest_of_variables(
        {"a": one, "b": other}
    )


def test_the_digest_of_long_variables_has_20_bytes() -> None:
    for sent in ({"a": "word" * 100}, {"a": ["word" * 100]}):
        assert len(_digest_of_variables(sent) or b"") == 20


def test_no_variables_and_empty_variables_have_equal_digests() -> None:
    assert _digest_of_variables(None) == _digest_of_variables({})


@pytest.mark.combined  # each kind of value by itself
@pytest.mark.parametrize("sent", NOT_JSON, ids=range(len(NOT_JSON)))
def test_variables_that_are_not_plain_json_have_no_digest(sent: object) -> None:
    assert _digest_of_variables(sent) is None


def test_the_variables_of_a_request_are_in_no_repr() -> None:
    nothing: Any = None
    public: Any = ("secret", "secret", "secret")
    noted = Noted(plan=nothing, variant=nothing, printed="secret", public=public)
    request = KnownRequest(plan=nothing, variant=nothing, printed="secret", noted=noted)
    assert "secret" not in repr(request) + repr(noted)
