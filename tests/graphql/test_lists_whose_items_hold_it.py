"""`"lists"` reaches a list whose items hold an object of the type, as far as the query selects it."""

import itertools
from typing import Any

import pytest
import strawberry
from graphql import FieldNode, OperationDefinitionNode, parse

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.graphql._adoption import setting_of
from strawberry_response_cache.graphql.policy.held_in_lists import DEEPEST, HeldInLists
from strawberry_response_cache.graphql.policy.selection import Allowance, Selected
from tests.graphql.both_ways import FORMS, WAYS, formed
from tests.graphql.ledger import outcome, status


@strawberry.type
class Author:
    id: strawberry.ID = strawberry.ID("a")


@strawberry.type
class Commit:
    id: strawberry.ID
    author: Author = strawberry.field(default_factory=Author)


@strawberry.type
class PullRequestCommit:
    """What stands between a pull request and a commit, as in GitHub's schema."""

    id: strawberry.ID
    commit: Commit
    number: int = 1


@strawberry.type
class PullRequest:
    id: strawberry.ID
    commits: list[PullRequestCommit]
    head: Commit | None = None


@strawberry.type
class Box:
    """Holds a box, or an author at the bottom."""

    inner: "Box | None" = None
    author: Author | None = None


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def pull_request(self, info: strawberry.Info) -> PullRequest:
        held = [
            PullRequestCommit(id=strawberry.ID(f"l{c}"), commit=Commit(id=strawberry.ID(c)))
            for c in info.context["commits"]
        ]
        return PullRequest(id=strawberry.ID("1"), commits=held)

    @cache_control(ttl=60)
    @strawberry.field
    def pull_requests(self) -> list[PullRequest]:
        return []

    @cache_control(ttl=60, tags=["Commit"])
    @strawberry.field
    def numbers(self) -> list[PullRequestCommit]:
        return []

    @cache_control(ttl=60)
    @strawberry.field
    def boxes(self) -> list[Box]:
        return []

    @cache_control(ttl=60)
    @strawberry.field
    def box(self) -> Box:
        return Box()


@strawberry.type
class Mutation:
    @strawberry.mutation
    def push(self, info: strawberry.Info, id: strawberry.ID) -> Commit:  # noqa: A002 - as schemas have it
        info.context["commits"].append(id)
        return Commit(id=id)

    @strawberry.mutation
    def join(self) -> Author:
        return Author(id=strawberry.ID("new"))


class Served:
    def __init__(self, cache: ResponseCache, way: str, form: str, **options: Any) -> None:
        extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
        self.schema = strawberry.Schema(Query, Mutation, extensions=[extension])
        self.context: dict[str, Any] = {"commits": []}
        self._way, self._form = way, form

    async def ask(self, query: str) -> Any:
        text = query if query.startswith("mutation") else formed(query, self._form)
        if self._way == "execute":
            result = await self.schema.execute(text, context_value=self.context)
        else:
            result = self.schema.execute_sync(text, context_value=self.context)
        assert result.errors is None
        return result

    async def is_hit(self, query: str) -> bool:
        result = await self.ask(query)
        if self._form == "operation":
            return status(result) == "hit"
        return all(each["status"] == "hit" for each in outcome(result)["fields"])


@pytest.fixture(params=[(way, form) for way in WAYS for form in FORMS], ids="-".join)
def served(request: pytest.FixtureRequest, memory_cache: ResponseCache) -> Served:
    """The schema, asked in each way."""
    return Served(memory_cache, *request.param)


COMMITS = "{ pullRequest { commits { __typename number commit { id } } } }"


async def test_a_created_object_appears_in_a_list_whose_items_hold_such_objects(
    served: Served,
) -> None:
    for expected in ([], ["7"], ["7", "8"]):
        for _ in range(2):
            result = await served.ask(COMMITS)
            held = [each["commit"]["id"] for each in result.data["pullRequest"]["commits"]]
            assert held == expected
        assert await served.is_hit(COMMITS)
        await served.ask(f'mutation {{ push(id: "{len(expected) + 7}") {{ id }} }}')


async def test_a_created_object_invalidates_no_entry_without_such_a_list(served: Served) -> None:
    head = "{ pullRequest { head { id } } }"
    unselected = "{ pullRequest { commits { number } } }"
    for query in (head, unselected):
        await served.ask(query)
        assert await served.is_hit(query)
    await served.ask('mutation { push(id: "7") { id } }')
    assert [await served.is_hit(query) for query in (head, unselected)] == [True, True]


@pytest.mark.parametrize("reach", ["lists", "types"])
async def test_an_explicit_tag_invalidates_a_list_of_which_the_objects_are_not_selected(
    memory_cache: ResponseCache, reach: str
) -> None:
    served = Served(memory_cache, "execute", "operation", invalidate_on_mutation=reach)
    untagged, tagged = "{ pullRequest { commits { number } } }", "{ numbers { number } }"
    for query in (untagged, tagged):
        await served.ask(query)
        assert await served.is_hit(query)
    await served.ask('mutation { push(id: "7") { id } }')
    assert [await served.is_hit(query) for query in (untagged, tagged)] == [True, False]


def nested(root: str, depth: int) -> str:
    return f"{{ {root} {{ " + "inner { " * depth + "author { id }" + " }" * depth + " } }"


async def test_a_created_object_invalidates_a_list_up_to_a_bounded_depth_of_objects(
    served: Served,
) -> None:
    for depth, in_fragments in itertools.product(range(DEEPEST + 1), [False, True]):
        query = nested("boxes", depth)
        if in_fragments:
            query = query.replace("author { id }", "... on Box { ...A }")
            query += " fragment A on Box { author { id } }"
        for each in (query, nested("box", depth)):
            await served.ask(each)
            assert await served.is_hit(each)
        await served.ask("mutation { join { id } }")
        assert await served.is_hit(query) is (depth >= DEEPEST)
        assert await served.is_hit(nested("box", depth)), "it is no list"


def held_in(query: str, *, allowance: int, times: int = 1) -> HeldInLists:
    """Return what is held in lists at the root of a query, noted so many times.

    Args:
        query: The query.
        allowance: How much of it the walk of the query may still look at.
        times: How many times each list is noted.
    """
    setting = setting_of(strawberry.Schema(Query), None)
    (operation,) = parse(query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    root = setting.schema.query_type
    assert root is not None
    selected = Selected(setting.schema, {}, {}, Allowance(allowance))
    held = HeldInLists(setting.rules, selected)
    for node in [*operation.selection_set.selections] * times:
        assert isinstance(node, FieldNode)
        rule = setting.rules.field(root, node.name.value)
        assert rule is not None
        assert node.selection_set is not None
        held.note(rule, node.selection_set)
    assert selected.allowance.left == allowance, "the walk of the query has an allowance of its own"
    return held


COSTS_8 = "{ numbers { number commit { id author { id } } } }"
"""Three selection sets with five selections."""


def test_the_walk_of_lists_finds_all_tags_within_its_allowance() -> None:
    held = held_in(COSTS_8, allowance=3)
    assert held.tags == {"[Commit]", "[Author]"}
    assert not held.is_cut_short


def test_the_walk_of_lists_reports_that_it_was_cut_short() -> None:
    assert held_in(COSTS_8, allowance=2).is_cut_short


def test_a_list_that_is_noted_again_takes_nothing_of_the_allowance() -> None:
    assert not held_in(COSTS_8, allowance=3, times=100).is_cut_short


def test_the_walk_of_a_list_leaves_out_lists_within_its_items() -> None:
    held = held_in("{ pullRequests { commits { commit { id } } } }", allowance=100)
    assert held.tags == set()


@strawberry.interface
class Tool:
    id: strawberry.ID = strawberry.ID("t")


@strawberry.type
class Pen(Tool):
    pass


@strawberry.type
class Brush(Tool):
    pass


@strawberry.interface
class Case:
    tool: Tool


@strawberry.type
class PenCase(Case):
    tool: Pen = strawberry.field(default_factory=Pen)


@strawberry.type
class BrushCase(Case):
    tool: Brush = strawberry.field(default_factory=Brush)


@strawberry.type(name="Query")
class Cases:
    @cache_control(ttl=60)
    @strawberry.field
    def cases(self) -> list[Case]:
        return [PenCase(), BrushCase()]


@strawberry.type(name="Mutation")
class Making:
    @strawberry.mutation
    def make_pen(self) -> Pen:
        return Pen(id=strawberry.ID("new"))

    @strawberry.mutation
    def make_brush(self) -> Brush:
        return Brush(id=strawberry.ID("new"))


@pytest.mark.parametrize("made", ["makePen", "makeBrush"])
def test_a_created_object_invalidates_a_list_if_any_type_of_its_items_holds_such_objects(
    memory_cache: ResponseCache, made: str
) -> None:
    """One selection of an interface is looked at for each type that implements it."""
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Cases, Making, types=[PenCase, BrushCase], extensions=[extension])
    for expected in ("miss", "hit"):
        assert status(schema.execute_sync("{ cases { tool { id } } }")) == expected
    assert schema.execute_sync(f"mutation {{ {made} {{ id }} }}").errors is None
    assert status(schema.execute_sync("{ cases { tool { id } } }")) == "miss"
