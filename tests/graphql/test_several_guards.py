"""Several guards on one field: each is asked on every request, and no refusal of any is stored."""

from typing import Any

import pytest
import strawberry
from strawberry.permission import BasePermission, PermissionExtension

from strawberry_response_cache import CacheScope, ResponseCache, cache_control, restrict_cache
from tests.graphql.both_ways import WAYS, BothWays
from tests.graphql.ledger import outcome

pytestmark = [
    pytest.mark.parametrize("url", ["quick"], indirect=True),
    pytest.mark.combined,  # refusals are told apart in threads and in loops by code of their own
]


class _Needs(BasePermission):
    right = ""

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        info.context["asked"].append(self.right)
        return self.right in info.context["rights"]


class Reads(_Needs):
    message = "may not read"
    right = "read"


class Audits(_Needs):
    message = "may not audit"
    right = "audit"


class Signs(_Needs):
    message = "may not sign"
    right = "sign"


def guarded(
    *extensions: PermissionExtension, returns: Any = list[str] | None, ttl: int = 60
) -> Any:
    def resolve(info: strawberry.Info) -> Any:
        info.context["asked"].append("run")
        return ["secret"]

    resolve.__annotations__["return"] = returns
    hint = cache_control(ttl=ttl, scope=CacheScope.PUBLIC)
    return hint(strawberry.field(resolver=resolve, extensions=list(extensions)))


def loud(*classes: type[BasePermission]) -> PermissionExtension:
    return PermissionExtension([each() for each in classes])


def silent(*classes: type[BasePermission]) -> PermissionExtension:
    return PermissionExtension([each() for each in classes], fail_silently=True)


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    in_one = guarded(loud(Reads, Audits))
    in_two = guarded(loud(Reads), loud(Audits))
    in_three = guarded(loud(Reads), loud(Audits), loud(Signs))
    silent_first = guarded(silent(Reads), loud(Audits))
    silent_last = guarded(loud(Reads), silent(Audits))
    silent_between = guarded(loud(Reads), silent(Audits), loud(Signs))


RIGHTS = ("read", "audit", "sign")
FIELDS = ("inOne", "inTwo", "inThree", "silentFirst", "silentLast", "silentBetween")


async def asked(
    schema: Any, query: str, way: str, rights: tuple[str, ...]
) -> tuple[Any, list[str], list[str], Any]:
    """Return data, messages and what was asked and run, and the result."""
    context: dict[str, Any] = {"rights": rights, "asked": [], "user": "alice"}
    if way == "execute":
        result = await schema.execute(query, context_value=context)
    else:
        result = schema.execute_sync(query, context_value=context)
    messages = [error.message for error in result.errors or ()]
    return result.data, messages, context["asked"], result


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", FIELDS)
async def test_each_of_several_guards_refuses_what_is_stored(
    cache: ResponseCache, way: str, field: str
) -> None:
    """Whoever asked before, and whatever that one was told."""
    schema = BothWays(Query, cache)
    query = f"{{ {field} }}"
    everything = RIGHTS
    lacking = [tuple(each for each in RIGHTS if each != left) for left in RIGHTS]
    for rights in (*lacking, everything, *lacking, (), everything):
        data, messages, ran, result = await asked(schema.schema, query, way, rights)
        plain, expected, plainly, _ = await asked(schema.plain, query, way, rights)
        assert (data, messages) == (plain, expected), rights
        assert without_run(ran) == without_run(plainly), (
            "each was asked as often as without a cache"
        )
    assert "run" not in ran
    assert [each["status"] for each in outcome(result)["fields"]] == ["hit"]


def without_run(asked: list[str]) -> list[str]:
    return sorted(each for each in asked if each != "run")


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_hit_is_reported_as_a_bypass_with_the_reason_guarded(
    cache: ResponseCache, way: str
) -> None:
    schema = BothWays(Query, cache).schema
    for rights, status in ((RIGHTS, "miss"), (RIGHTS, "hit"), (("read",), "bypass")):
        *_, result = await asked(schema, "{ fresh inOne }", way, rights)
        [told] = outcome(result)["fields"]
        assert told["status"] == status
    assert told["reason"] == "guarded"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", ["silentFirst", "silentLast", "silentBetween"])
async def test_a_value_returned_by_a_silent_refusal_is_not_stored(
    cache: ResponseCache, way: str, field: str
) -> None:
    schema = BothWays(Query, cache)
    without = tuple(
        each for each in RIGHTS if each != ("read" if field == "silentFirst" else "audit")
    )
    data, messages, _, _ = await asked(schema.schema, f"{{ {field} }}", way, without)
    assert not messages
    assert data in ({field: None}, {field: []})
    data, messages, ran, _ = await asked(schema.schema, f"{{ {field} }}", way, RIGHTS)
    assert (data, messages) == ({field: ["secret"]}, [])
    assert "run" in ran


@strawberry.type
class Safe:
    id: strawberry.ID
    contents = guarded(silent(Reads), ttl=600)


@strawberry.type
class Vault:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @strawberry.field
    def safe(self) -> Safe:
        return Safe(id=strawberry.ID("1"))

    @cache_control(ttl=60)
    @strawberry.field
    def kept_safe(self) -> Safe:
        return Safe(id=strawberry.ID("1"))


@pytest.mark.parametrize("way", WAYS)
async def test_an_entry_that_contains_a_silently_refused_field_is_not_stored(
    cache: ResponseCache, way: str
) -> None:
    """Whoever is refused silently, and is let through later, gets no null that was stored meanwhile."""
    schema = BothWays(Vault, cache).schema
    query = "{ fresh keptSafe { contents } }"
    for _ in range(2):
        *_, result = await asked(schema, "{ fresh safe { contents } }", way, RIGHTS)
    assert [each["status"] for each in outcome(result)["fields"]] == ["hit"]
    for rights, expected in (((), []), (RIGHTS, ["secret"])):
        data, messages, _, _ = await asked(schema, query, way, rights)
        assert not messages
        assert (data["keptSafe"]["contents"] or []) == expected


class Records(BasePermission):
    """Lets everybody through, and notes what it was asked about."""

    def has_permission(self, source: Any, info: Any, **arguments: Any) -> bool:
        shown = (info.field_name, info.path.as_list(), arguments)
        info.context["asked"].append((source, *shown))
        return True


@strawberry.type
class Drawer:
    id: strawberry.ID

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[Records])  # type: ignore[untyped-decorator] # its overloads
    def paper(self, page: int, words: list[str]) -> str:
        return f"{self.id} {page} {words}"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[Records])  # type: ignore[untyped-decorator] # its overloads
    def own(self, info: strawberry.Info) -> str:
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return "own"


@strawberry.type
class Desk:
    @strawberry.field
    def drawers(self) -> list[Drawer]:
        return [Drawer(id=strawberry.ID(each)) for each in "ab"]


async def ask_as(schema: Any, query: str, way: str, user: str | None) -> tuple[list[Any], Any]:
    """Return what guards were asked about, and the result."""
    context: dict[str, Any] = {"asked": [], "user": user}
    if way == "execute":
        result = await schema.execute(query, {"page": 1}, context_value=context)
    else:
        result = schema.execute_sync(query, {"page": 1}, context_value=context)
    assert result.errors is None
    return sorted(context["asked"], key=str), result


@pytest.mark.parametrize("way", WAYS)
async def test_a_guard_gets_the_same_source_info_and_arguments_on_a_hit(
    cache: ResponseCache, way: str
) -> None:
    """The object, the path in the operation, and the coerced arguments."""
    schema = BothWays(Desk, cache)
    query = """query ($page: Int!) {
        drawers { id first: paper(page: $page, words: "one") paper(page: 2, words: ["one", "two"]) }
    }"""
    expected, plain = await ask_as(schema.plain, query, way, None)
    for status in ("miss", "hit"):
        about, result = await ask_as(schema.schema, query, way, None)
        assert {each["status"] for each in outcome(result)["fields"]} == {status}
        assert (about, result.data) == (expected, plain.data)


@pytest.mark.parametrize("way", WAYS)
async def test_a_guard_of_a_field_that_has_no_session_for_its_entry_is_asked_once(
    cache: ResponseCache, way: str
) -> None:
    """What turned PRIVATE is executed for those without a session."""
    schema = BothWays(Desk, cache).schema
    query = "{ drawers { own } }"
    for user, status in (("alice", "miss"), ("alice", "hit"), (None, "bypass")):
        about, result = await ask_as(schema, query, way, user)
        assert {each["status"] for each in outcome(result)["fields"]} == {status}
        assert [source.id for source, *_ in about] == ["a", "b"]
