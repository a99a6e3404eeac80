"""A resolver that changes what it receives changes what other fields receive, and no entry is wrong for that.

graphql-core gives the same object to every field that uses a variable, and the same default to every request.
"""

import asyncio
import copy
import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, cast

import pytest
import strawberry
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.graphql.both_ways import WAYS
from tests.graphql.ledger import outcome


@dataclasses.dataclass
class Box:
    """What a scalar of the user's parses to: an object that is no JSON."""

    content: dict[str, Any]


class Tin:
    """The same with slots."""

    __slots__ = ("content",)

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content


class Pairs(dict[str, Any]):
    """The same, a mapping."""

    @property
    def content(self) -> "Pairs":
        return self


class Queue(deque[Any]):
    """The same, of a kind whose state nobody knows."""

    @property
    def content(self) -> "Queue":
        return self


SCALARS: dict[object, Any] = {
    kind: strawberry.scalar(name=kind.__name__, serialize=str, parse_value=kind)
    for kind in (Box, Tin, Pairs, Queue)
}


@strawberry.input
class Filter:
    where: JSON | None = None
    rows: list[JSON] | None = None


def taken(value: Any) -> str:
    """Take an item out of what a resolver received; return it."""
    if isinstance(value, list | deque):
        return str(value.pop()) if value else "nothing"
    content = getattr(value, "content", value)
    return str(content.pop("x", "nothing"))


@strawberry.type
class Item:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def shown(self, where: JSON | None = None) -> str:
        return f"{where}"


def renamed(values: dict[str, Any]) -> None:
    values["v"] = values.pop("w")


BINDINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "replaced": lambda values: values.update(w={"z": 9}),
    "added": lambda values: values.update(w={"z": 9}),
    "removed": lambda values: values.pop("w"),
    "renamed": renamed,
}
"""What a resolver does to the variables themselves, of which all fields after it read theirs."""


@strawberry.type
class Bound:
    id: strawberry.ID

    @strawberry.field
    def again(self, info: strawberry.Info) -> str:
        BINDINGS[info.context["binding"]](info.variable_values)
        return info.context["binding"]  # type: ignore[no-any-return] # it is a text

    @cache_control(ttl=60)
    @strawberry.field
    def shown(self, where: JSON | None = None) -> str:
        return f"{where}"


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def take(self, info: strawberry.Info, where: JSON | None = None) -> str:
        return "kept" if info.context.get("kind") else taken(where)

    @cache_control(ttl=60)
    @strawberry.field
    def count(self, where: JSON | None = None) -> str:
        return f"{where}"

    @cache_control(ttl=60)
    @strawberry.field
    def take_in(self, filter: Filter | None = None) -> str:  # noqa: A002 - GraphQL's name
        assert filter is not None
        return taken(filter.where if filter.rows is None else filter.rows[0])

    @cache_control(ttl=60)
    @strawberry.field
    def count_in(self, filter: Filter | None = None) -> str:  # noqa: A002 - as above
        return f"{filter}"

    @cache_control(ttl=60)
    @strawberry.field
    def take_of(
        self,
        box: Box | None = None,
        tin: Tin | None = None,
        pairs: Pairs | None = None,
        queue: Queue | None = None,
    ) -> str:
        return taken(box or tin or pairs or queue)

    @cache_control(ttl=60)
    @strawberry.field
    def count_of(
        self,
        box: Box | None = None,
        tin: Tin | None = None,
        pairs: Pairs | None = None,
        queue: Queue | None = None,
    ) -> str:
        each: Any = box or tin or pairs or queue
        return f"{each.content}"

    @cache_control(ttl=60)
    @strawberry.field
    def ids(self, ids: list[int]) -> str:
        return f"{ids}"

    @cache_control(ttl=60)
    @strawberry.field
    def rebind(self, info: strawberry.Info, name: str, inside: bool = False) -> str:
        values = info.variable_values
        if inside:
            values[name].append(99)
        else:
            values[name] = type(values[name])()
        return "done"

    @strawberry.field
    def bind(self, info: strawberry.Info) -> Bound:
        BINDINGS[info.context["binding"]](info.variable_values)
        return Bound(id=strawberry.ID("1"))

    @cache_control(ttl=60)
    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(id=strawberry.ID(str(number))) for number in range(3)]

    @cache_control(ttl=60)
    @strawberry.field
    def plain(self) -> int:
        return 1

    @strawberry.field
    def item(self) -> Bound:
        return Bound(id=strawberry.ID("1"))

    @strawberry.field
    def fresh(self) -> int:
        return 0


Make = Callable[..., "Cached"]


class Cached:
    """A schema, whose last result is kept, and which can be asked without a cache."""

    def __init__(self, query: type, cache: ResponseCache, way: str) -> None:
        self._way = way
        config = StrawberryConfig(scalar_map=SCALARS)
        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        self._schema = strawberry.Schema(query, config=config, extensions=[extension])
        self._plain = strawberry.Schema(query, config=config)
        self.last: Any = None

    async def ask(self, query: str, variables: Any = None, **context: Any) -> Any:
        self.last = await self._ask(self._schema, query, variables, context)
        assert not self.last.errors
        return self.last.data

    async def ask_plain(self, query: str, variables: Any = None, **context: Any) -> Any:
        return (await self._ask(self._plain, query, variables, context)).data

    async def _ask(self, schema: Any, query: str, variables: Any, context: Any) -> Any:
        variables = copy.deepcopy(variables)  # without a cache, resolvers change the caller's
        if self._way == "execute_sync":
            return schema.execute_sync(query, variables, context_value=context)
        return await schema.execute(query, variables, context_value=context)


@pytest.fixture
def make(memory_cache: ResponseCache, way: str) -> Make:
    return lambda query=Query: Cached(query, memory_cache, way)


pytestmark = pytest.mark.parametrize("way", WAYS)
X: dict[str, Any] = {"x": 1, "y": 2}
KINDS = [
    ("$w: JSON", "take(where: $w)", "count(where: $w)", X),
    ("$w: JSON", "take(where: $w)", "count(where: $w)", [1, 2]),
    ("$w: JSON", "takeIn(filter: {where: $w})", "countIn(filter: {where: $w})", X),
    ("$w: JSON!", "takeIn(filter: {rows: [$w]})", "countIn(filter: {rows: [$w]})", X),
    ("$w: [JSON!]", "takeIn(filter: {rows: $w})", "countIn(filter: {rows: $w})", [X]),
    ("$w: Filter", "takeIn(filter: $w)", "countIn(filter: $w)", {"where": X}),
    ("$w: Filter", "takeIn(filter: $w)", "countIn(filter: $w)", {"rows": [X]}),
    ("$w: JSON = {x: 1, y: 2}", "take(where: $w)", "count(where: $w)", ...),
    ("$w: Box", "takeOf(box: $w)", "countOf(box: $w)", X),
    ("$w: Tin", "takeOf(tin: $w)", "countOf(tin: $w)", X),
    ("$w: Pairs", "takeOf(pairs: $w)", "countOf(pairs: $w)", X),
    ("$w: Queue", "takeOf(queue: $w)", "countOf(queue: $w)", [1, 2]),
    ("$w: [Int!]!", 'rebind(name: "w", inside: true)', "ids(ids: $w)", [1, 2]),
    ("$w: [Int!]!", 'rebind(name: "w")', "ids(ids: $w)", [1, 2]),
]


@pytest.mark.parametrize("fresh", ["", "fresh"])
@pytest.mark.parametrize(("declared", "take", "count", "value"), KINDS)
async def test_a_field_is_not_stored_under_the_sent_arguments_after_another_field_changed_them(
    make: Make, declared: str, take: str, count: str, value: Any, fresh: str
) -> None:
    schema = make()
    variables = {} if value is ... else {"w": value}
    both = f"query ({declared}) {{ {take} {count} plain {fresh} }}"
    alone = f"query ({declared}) {{ {count} plain {fresh} }}"
    for _ in range(2):
        answer = await schema.ask(both, variables)
        # What a field does to a variable that it does not use is not done again by a hit.
        assert "rebind" in take or answer == await schema.ask_plain(both, variables)
    expected = await schema.ask_plain(alone, variables)
    for _ in range(2):
        assert await schema.ask(alone, variables) == expected


@pytest.mark.parametrize("binding", BINDINGS)
async def test_a_field_is_not_stored_under_the_sent_variables_after_a_resolver_rebound_one(
    make: Make, binding: str
) -> None:
    schema = make()
    variables: dict[str, Any] = {} if binding == "added" else {"w": X}
    declared, sent = "query ($w: JSON, $v: JSON)", {"binding": binding}
    for both, alone in (
        ("bind { id } count(where: $w)", "count(where: $w) fresh"),
        ("fresh item { again shown(where: $w) }", "fresh item { shown(where: $w) }"),
    ):
        for _ in range(2):
            await schema.ask(f"{declared} {{ {both} v: count(where: $v) }}", variables, **sent)
        for asked in (alone, alone):
            query = f"{declared} {{ {asked} v: count(where: $v) }}"
            expected = await schema.ask_plain(query, variables)
            assert await schema.ask(query, variables) == expected


async def test_a_field_that_does_not_use_the_changed_variable_is_stored(make: Make) -> None:
    schema = make()
    query = "query ($w: JSON) { take(where: $w) plain fresh }"
    await schema.ask(query, {"w": X})
    await schema.ask(query, {"w": X})
    fields = {each["field"]: each for each in outcome(schema.last)["fields"]}
    assert fields["Query.plain"]["status"] == "hit"
    assert fields["Query.take"]["status"] == "bypass"
    assert fields["Query.take"]["reason"] == "variables"


async def test_the_reason_of_an_operation_whose_variable_a_resolver_changed_is_variables(
    make: Make,
) -> None:
    schema = make()
    for _ in range(2):
        await schema.ask("query ($w: JSON) { take(where: $w) }", {"w": X})
        assert outcome(schema.last)["reason"] == "variables"


async def test_an_operation_whose_variables_no_resolver_changes_is_stored(make: Make) -> None:
    schema = make()
    query = "query ($w: JSON, $b: Box) { take(where: $w) countOf(box: $b) }"
    for expected in ("miss", "hit"):
        await schema.ask(query, {"w": X, "b": X}, kind=True)
        assert outcome(schema.last)["status"] == expected


async def test_nested_fields_are_not_stored_under_a_variable_that_a_root_field_changed(
    make: Make,
) -> None:
    schema = make()
    both = "query ($w: JSON) { take(where: $w) items { shown(where: $w) } fresh }"
    alone = "query ($w: JSON) { items { id shown(where: $w) } fresh }"
    await schema.ask(both, {"w": X})
    await schema.ask(both, {"w": X}, kind=True)
    assert await schema.ask(both, {"w": X}, kind=True) == await schema.ask_plain(
        both, {"w": X}, kind=True
    )
    assert await schema.ask(alone, {"w": X}) == await schema.ask_plain(alone, {"w": X})


async def test_a_field_is_not_answered_from_the_entry_of_the_sent_variable_after_a_change(
    make: Make, way: str
) -> None:
    """Without an event loop, fields run one after the other; in one, all are looked up before any runs."""
    if way == "execute":
        pytest.skip("the lookup comes before the change")
    schema = make()
    both = "query ($w: JSON) { take(where: $w) count(where: $w) fresh }"
    await schema.ask("query ($w: JSON) { count(where: $w) fresh }", {"w": X})
    assert (await schema.ask(both, {"w": X}))["count"] == "{'y': 2}"


@strawberry.input
class Page:
    order: JSON


@strawberry.type
class Defaults:
    """Whose defaults are made anew for each test."""

    @strawberry.field
    def fresh(self) -> int:
        return 0


def letters() -> Any:
    return ["a", "b", "c"]


def with_defaults() -> type:
    def shown(info: strawberry.Info, order: Any) -> str:
        if info.context.get("pops"):
            order.pop()
        return f"{order}"

    @strawberry.type(name="Query")
    class Made(Defaults):
        @cache_control(ttl=60)
        @strawberry.field
        def listed(self, info: strawberry.Info, order: JSON = letters()) -> str:  # noqa: B008 - as users write it
            return shown(info, order)

        @cache_control(ttl=60)
        @strawberry.field
        def paged(self, info: strawberry.Info, page: Page = Page(order=letters())) -> str:  # noqa: B008 - as above
            return shown(info, page.order)

        @cache_control(ttl=60)
        @strawberry.field
        def plain(self) -> int:
            return 1

    return Made


async def test_an_operation_whose_argument_defaults_no_resolver_changes_is_stored(
    make: Make,
) -> None:
    schema = make(with_defaults())
    for expected in ("miss", "hit"):
        await schema.ask("{ listed paged }")
        assert outcome(schema.last)["status"] == expected


@pytest.mark.combined
@pytest.mark.parametrize("fresh", ["", "fresh"])
@pytest.mark.parametrize("name", ["listed", "paged"])
async def test_an_answer_from_a_changed_default_is_not_stored_under_the_key_of_the_original(
    make: Make, name: str, fresh: str
) -> None:
    schema = make(with_defaults())
    query, other = f"{{ plain {name} {fresh} }}", f"{{ {name} {fresh} plain }}"
    assert (await schema.ask(query))[name] == "['a', 'b', 'c']"
    await schema.ask(other, pops=True)  # may be a hit on the field's entry
    await schema.ask("{ again: " + other[1:], pops=True)
    changed = (await schema.ask(f"{{ last: {name} {fresh} }}"))["last"]
    for _ in range(2):
        assert (await schema.ask(query))[name] == changed
    if not fresh:
        assert changed != "['a', 'b', 'c']"
        assert outcome(schema.last)["reason"] == "variables"


async def test_no_field_is_stored_under_an_input_default_that_another_field_changed(
    make: Make,
) -> None:
    """The keys of both fields are made from the original value of the default."""

    @strawberry.input
    class Chapter:
        order: JSON = strawberry.field(default_factory=letters)
        next: Annotated["Chapter", strawberry.lazy(__name__)] | None = None

    globals()["Chapter"] = Chapter

    @strawberry.type(name="Query")
    class Made(Defaults):
        @cache_control(ttl=60)
        @strawberry.field
        def one(self, info: strawberry.Info, chapter: Chapter) -> str:
            order: Any = chapter.order
            return str(order.pop() if info.context.get("pops") else order)

        @cache_control(ttl=60)
        @strawberry.field
        def other(self, chapter: Chapter) -> str:
            return str(chapter.order)

    schema = make(Made)
    for expected in ("miss", "hit"):
        await schema.ask("{ one(chapter: {}) }")
        assert outcome(schema.last)["status"] == expected
    await schema.ask("{ again: one(chapter: {}) fresh }", pops=True)
    await schema.ask("{ last: one(chapter: {next: {}}) }", pops=True)
    for name in ("one", "other"):
        for _ in range(2):
            await schema.ask(f"{{ {name}(chapter: {{}}) }}")
            assert outcome(schema.last)["reason"] == "variables"


async def test_an_answer_whose_default_a_concurrent_request_changed_reaches_no_other_process(
    memory_cache: ResponseCache, way: str
) -> None:
    if way == "execute_sync":
        pytest.skip("execute_sync has no resolvers that wait")
    entered, is_changed = asyncio.Event(), asyncio.Event()

    def process() -> strawberry.Schema:
        @strawberry.type
        class Holder:
            @cache_control(inherit=True)
            @strawberry.field
            def shown(self, info: strawberry.Info, order: JSON = letters()) -> str:  # noqa: B008 - as above
                if info.context.get("pops"):
                    cast("list[str]", order).pop()
                return f"{order}"

        @strawberry.type(name="Query")
        class Made:
            @cache_control(ttl=60)
            @strawberry.field
            async def waits(self) -> Holder:
                entered.set()
                await is_changed.wait()
                return Holder()

            @strawberry.field
            def uncached(self) -> Holder:
                return Holder()

        extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
        return strawberry.Schema(Made, extensions=[extension])

    one, other = process(), process()
    query = "{ waits { shown } }"
    waiting = asyncio.create_task(one.execute(query, context_value={}))
    await entered.wait()
    await one.execute("{ uncached { shown } }", context_value={"pops": True})
    is_changed.set()
    assert (await waiting).data == {"waits": {"shown": "['a', 'b']"}}
    result = await other.execute(query, context_value={})
    assert result.data == {"waits": {"shown": "['a', 'b', 'c']"}}


async def test_a_field_with_a_variable_too_large_to_compare_is_answered_and_never_a_hit(
    make: Make,
) -> None:
    schema = make()
    query = "query ($w: JSON) { items { shown(where: $w) } fresh }"
    large = {"w": {"x": "x" * 4_000_000}}
    for _ in range(2):
        await schema.ask(query, large)
        statuses = {each["field"]: each["status"] for each in outcome(schema.last)["fields"]}
        assert statuses["Item.shown"] in {"miss", "bypass"}
    assert await schema.ask(query, large) == await schema.ask_plain(query, large)
