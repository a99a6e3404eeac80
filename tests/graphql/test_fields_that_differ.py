"""A field that is PUBLIC and depends on the session is found, with the coordinate of the first field that differs."""

from typing import Annotated, Any

import pytest
import strawberry
from hypothesis import example, given
from hypothesis import strategies as st
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.scalars import JSON

from strawberry_response_cache import CacheScope, ResponseCache, cache_control
from strawberry_response_cache.graphql._differences import first_difference
from tests.graphql.both_ways import FORMS, WAYS, BothWays


def user_of(info: strawberry.Info) -> str:
    user: str = info.context["user"]
    return user


@strawberry.interface
class Named:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    def label(self, info: strawberry.Info) -> str:
        return user_of(info)


@strawberry.type
class Author(Named):
    @cache_control(inherit=True)
    @strawberry.field
    def bio(self, info: strawberry.Info) -> str:
        return user_of(info)

    plain: str = "plain"


@strawberry.type
class Paper(Named):
    @cache_control(inherit=True)
    @strawberry.field
    def bio(self, info: strawberry.Info) -> str:
        return user_of(info)

    @cache_control(inherit=True)
    @strawberry.field
    def authors(self) -> list[Author]:
        return [Author(id=strawberry.ID("1")), Author(id=strawberry.ID("2"))]

    @cache_control(inherit=True)
    @strawberry.field
    def readers(self, info: strawberry.Info) -> list[Author]:
        return [Author(id=strawberry.ID(str(n))) for n in range(len(user_of(info)))]

    @cache_control(inherit=True)
    @strawberry.field
    def notes(self, info: strawberry.Info) -> list[list[str]]:
        return [["a"], ["b", user_of(info)]]

    @cache_control(inherit=True)
    @strawberry.field
    def settings(self, info: strawberry.Info) -> JSON:
        return JSON({"by": {"user": user_of(info)}, "plain": 1})

    plain: str = "plain"


Found = Annotated[Author | Paper, strawberry.union("Found")]


class Trusted(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return user_of(info) == "alice"


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def paper(self) -> Paper:
        return Paper(id=strawberry.ID("p"))

    @cache_control(ttl=60)
    @strawberry.field
    def papers(self) -> list[Paper]:
        return [Paper(id=strawberry.ID("p"))]

    @cache_control(ttl=60)
    @strawberry.field
    def named(self) -> list[Named]:
        return [Author(id=strawberry.ID("a")), Paper(id=strawberry.ID("p"))]

    @cache_control(ttl=60)
    @strawberry.field
    def found(self) -> list[Found]:
        return [Paper(id=strawberry.ID("p")), Author(id=strawberry.ID("a"))]

    @cache_control(ttl=60)
    @strawberry.field
    def any(self, info: strawberry.Info) -> Found:
        kind = Paper if user_of(info) == "alice" else Author
        return kind(id=strawberry.ID("1"))

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[Trusted])  # type: ignore[untyped-decorator] # its overloads
    def guarded(self) -> str | None:
        return "for those who are trusted"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(  # type: ignore[untyped-decorator] # its overloads
        extensions=[PermissionExtension(permissions=[Trusted()], fail_silently=True)]
    )
    def quiet(self) -> str | None:
        return "for those who are trusted"

    @strawberry.field
    def fresh(self) -> int:
        return 1


CASES = {
    "{ paper { plain label } }": "Paper.label",
    "{ paper { plain bio label } }": "Paper.bio",
    "{ paper { plain: label bio } }": "Paper.label",
    "{ papers { authors { plain bio } } }": "Author.bio",
    "{ papers { plain readers { id } } }": "Paper.readers",
    "{ papers { notes } }": "Paper.notes",
    "{ paper { settings } }": "Paper.settings",
    "{ paper { ...Far } } fragment Far on Paper { ...Farther } fragment Farther on Named { label }": "Paper.label",
    "{ paper { ... { authors { ... on Named { ... on Author { is: bio } } } } } }": "Author.bio",
    "{ named { id ... on Paper { bio } } }": "Paper.bio",
    "{ named { id label } }": "Author.label",
    "{ found { ... on Author { bio } ... on Paper { plain } } }": "Author.bio",
    "{ found { ... on Author { x: plain } ... on Paper { x: bio } } }": "Paper.bio",
    "{ found { ... on Named { x: id } ... on Author { bio } } }": "Author.bio",
    "{ any { ... on Named { id } __typename } }": "Query.any",
    "{ any { ... on Paper { plain } ... on Author { y: plain } } }": "Query.any",
    "{ paper { authors { plain } } again: paper { readers { plain } } }": "Paper.readers",
}


@pytest.mark.parametrize("query", CASES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
async def test_verify_names_a_public_field_that_depends_on_the_session(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture, query: str, form: str, way: str
) -> None:
    shown = BothWays(Query, memory_cache, types=[Author, Paper], verify=1.0)
    for user in ("alice", "alice", "bob"):
        await shown.ask(query, way=way, form=form, user=user)
    assert {vars(record)["response_cache.field"] for record in caplog.records} == {CASES[query]}
    assert memory_cache.statistics().verified["scope"]


async def test_verify_names_the_root_field_whose_error_makes_the_answer_null(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    @strawberry.type
    class Strict:
        @cache_control(ttl=60)
        @strawberry.field
        def admins(self, info: strawberry.Info) -> str:
            if user_of(info) != "alice":
                raise PermissionError
            return "for admins"

    shown = BothWays(Strict, memory_cache, verify=1.0)
    await shown.ask("{ x: admins }", user="alice")
    await shown.schema.execute("{ x: admins }", context_value={"user": "bob"})
    assert memory_cache.statistics().verified["scope"] == 1
    assert any(line.startswith("Strict.admins ") for line in caplog.messages)


async def test_an_error_of_another_field_does_not_change_which_field_verify_names(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    @strawberry.type
    class Own:
        @cache_control(ttl=60)
        @strawberry.field
        def notes(self, info: strawberry.Info) -> str | None:
            if user_of(info) != "alice":
                raise PermissionError
            return None

        @cache_control(ttl=60)
        @strawberry.field
        def me(self, info: strawberry.Info) -> str:
            return user_of(info)

    shown = BothWays(Own, memory_cache, verify=1.0)
    await shown.ask("{ notes me }", user="alice")
    await shown.schema.execute("{ notes me }", context_value={"user": "bob"})
    named = [line.partition(" ")[0] for line in caplog.messages if line.startswith("Own.")]
    assert named == ["Own.me"]


@pytest.mark.parametrize("name", ["guarded", "quiet"])
@pytest.mark.parametrize("way", WAYS)
async def test_verify_does_not_compare_a_field_that_permission_classes_refuse(
    memory_cache: ResponseCache, name: str, way: str
) -> None:
    """The classes also refuse on a hit, so the entry would not be served."""
    shown = BothWays(Query, memory_cache, types=[Author, Paper], verify=1.0)
    for user in ("alice", "alice", "bob"):
        context = {"user": user}
        if way == "execute":
            result = await shown.schema.execute(f"{{ {name} }}", context_value=context)
        else:
            result = shown.schema.execute_sync(f"{{ {name} }}", context_value=context)
    assert result.data == {name: None}
    verified = memory_cache.statistics().verified
    assert (verified["equal"], verified["scope"], verified["changed"]) == (1, 0, 0)


PIECES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)


def equal(one: Any, other: Any) -> bool:
    """Compare as JSON says."""
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    kinds = {float if type(each) is int else type(each) for each in (one, other)}
    return len(kinds) == 1 and one == other


def at(piece: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        piece = piece[key]
    return piece


@example(one={"a": [1]}, other={"a": [True]})
@example(one={"a": [1]}, other={"a": [1.0]})
@example(one={"a": None, "b": 2}, other={"b": 1, "a": None})
@given(one=PIECES, other=PIECES)
def test_first_difference_returns_the_path_of_the_first_unequal_value(one: Any, other: Any) -> None:
    path = first_difference(one, other)
    assert (path is None) == equal(one, other)
    assert first_difference(one, one) is None
    if path is not None:
        assert not equal(at(one, path), at(other, path))
        for length in range(len(path)):
            above = at(one, path[:length]), at(other, path[:length])
            keys = list(above[0]) if isinstance(above[0], dict) else range(len(above[0]))
            for key in keys:
                if key == path[length]:
                    break
                assert equal(above[0][key], above[1][key]), "something before it differs"
