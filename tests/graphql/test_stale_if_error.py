"""Within the stale window an answer from before stands in for errors, unless they are the answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import django.core.exceptions
import pytest
import strawberry
from graphql import GraphQLError

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from tests.graphql.both_ways import FORMS, WAYS, formed
from tests.graphql.ledger import outcome


class BackendError(Exception):
    """What a resolver raises whose backend is gone."""


class DeniedError(django.core.exceptions.PermissionDenied):  # type: ignore[misc] # Django has no types here
    """A subclass of Django's."""


def _plainly(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def _from_another() -> None:
    raise BackendError from PermissionError()


def _while_another_is_handled() -> None:
    try:
        _plainly(PermissionError())()
    except PermissionError:
        raise BackendError  # noqa: B904 - many write it so


def _in_a_group() -> None:
    """As a task group raises it whose task was refused."""
    refused = ExceptionGroup("s3cret", [PermissionError()])
    raise ExceptionGroup(refused.message, [BackendError(), refused])


def _in_a_circle() -> None:
    """As code raises it that keeps an error and raises it anew from what followed."""
    error, cause = BackendError(), BackendError()
    cause.__cause__ = error
    raise error from cause


def _from_a_group() -> None:
    raise BackendError from ExceptionGroup("s3cret", [DeniedError()])


ANSWERS: dict[str, Callable[[], None]] = {
    "GraphQLError": _plainly(GraphQLError("no such account")),
    "GraphQLError with a path of its own": _plainly(
        GraphQLError("no such account", path=["elsewhere"])
    ),
    "PermissionError": _plainly(PermissionError()),
    "Django's PermissionDenied": _plainly(DeniedError()),
    "raised from a PermissionError": _from_another,
    "raised while a PermissionError is handled": _while_another_is_handled,
    "a group with a PermissionError": _in_a_group,
    "raised from a group with Django's PermissionDenied": _from_a_group,
}
"""What resolvers raise for the client to read."""


class Refuses(strawberry.BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return not info.context.get("refused")

    def on_unauthorized(self) -> None:
        return None


@strawberry.type
class Account:
    id: strawberry.ID
    name: str

    @cache_control(inherit=True)
    @strawberry.field(permission_classes=[Refuses])  # type: ignore[untyped-decorator] # its overloads
    def secret(self) -> str | None:
        return "secret"

    @cache_control(inherit=True)
    @strawberry.field
    def balance(self, info: strawberry.Info) -> int:
        """It cannot be null: an error passes through the account."""
        if (fail := info.context.get("fail")) is not None:
            fail()
        return 10


@strawberry.type
class Query:
    @cache_control(ttl=60, stale=600)
    @strawberry.field
    def account(self, info: strawberry.Info) -> Account | None:
        info.context["runs"].append(1)
        if info.context.get("restricts"):
            restrict_cache(info, **info.context["restricts"])
        return Account(id=strawberry.ID("1"), name=info.context["name"])

    @cache_control(ttl=60, stale=600)
    @strawberry.field
    def total(self, info: strawberry.Info) -> int:
        """It cannot be null: an error passes through the whole."""
        if (fail := info.context.get("fail")) is not None:
            fail()
        return 7

    @strawberry.field
    def fresh(self) -> int:
        return 1

    @strawberry.field
    def broken(self) -> int | None:
        raise BackendError


ACCOUNT = "{ account { name balance } }"
Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def ask(cache: ResponseCache) -> Ask:
    """Execute a query in one of the two ways."""
    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "me", debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    return asking(schema)


def asking(schema: strawberry.Schema) -> Ask:
    async def execute(query: str, way: str = "execute", **context: Any) -> Any:
        values = {"name": "old", "runs": []} | context
        if way == "execute":
            return await schema.execute(query, context_value=values)
        return schema.execute_sync(query, context_value=values)

    return execute


def make_stale(raw: Any) -> None:
    """Let the ttl of all entries pass, and leave 100 seconds of their stale windows."""
    for key in raw.scan_iter("*:e:*"):
        raw.pexpire(key, 100_000)


def told(result: Any, form: str) -> Any:
    """Return what the cache did for the operation, or for its first field."""
    return outcome(result) if form == "operation" else outcome(result)["fields"][0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("query", [ACCOUNT, "{ total }"], ids=["null above", "null at the root"])
async def test_the_stale_answer_is_served_instead_of_an_error(
    ask: Ask, raw: Any, query: str, way: str, form: str
) -> None:
    query = formed(query, form)
    before = await ask(query, way)
    assert before.errors is None
    make_stale(raw)

    result = await ask(query, way, name="new", fail=_plainly(BackendError()))

    assert result.errors is None
    assert result.data == before.data
    assert told(result, form)["status"] == "stale"


async def test_the_stale_answer_is_served_for_an_error_with_circular_causes(
    ask: Ask, raw: Any
) -> None:
    before = await ask(ACCOUNT)
    make_stale(raw)

    result = await ask(ACCOUNT, fail=_in_a_circle)

    assert result.errors is None
    assert result.data == before.data


@pytest.mark.parametrize("form", FORMS)
async def test_a_failed_refresh_is_not_repeated_by_the_next_requests(
    ask: Ask, raw: Any, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    query, runs = formed(ACCOUNT, form), list[int]()
    await ask(query)
    make_stale(raw)

    for _ in range(5):
        result = await ask(query, runs=runs, fail=_plainly(BackendError("s3cret")))
        assert result.errors is None

    assert len(runs) == 1
    (line,) = [r.getMessage() for r in caplog.records if "refresh failed" in r.getMessage()]
    assert "BackendError" in line
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fail", ANSWERS.values(), ids=ANSWERS.keys())
async def test_graphql_errors_and_refusals_are_served_instead_of_the_stale_answer(
    ask: Ask, raw: Any, fail: Callable[[], None], way: str, form: str
) -> None:
    query = formed(ACCOUNT, form)
    await ask(query, way)
    make_stale(raw)

    result = await ask(query, way, fail=fail)

    assert len(result.errors) == 1
    assert result.data["account"] is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
async def test_errors_of_a_run_in_which_a_guard_refused_are_served(
    ask: Ask, raw: Any, way: str, form: str
) -> None:
    query = formed("{ account { secret balance } }", form)
    await ask(query, way)
    make_stale(raw)

    result = await ask(query, way, refused=True, fail=_plainly(BackendError()))

    assert len(result.errors) == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "restricts", [{"scope": CacheScope.PRIVATE}, {"ttl": 0}, {"ttl": 5}], ids=str
)
async def test_errors_of_a_run_that_a_resolver_restricted_are_served(
    ask: Ask, raw: Any, restricts: dict[str, Any], form: str
) -> None:
    query = formed(ACCOUNT, form)
    await ask(query)
    make_stale(raw)

    result = await ask(query, restricts=restricts, fail=_plainly(BackendError()))

    assert len(result.errors) == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
async def test_without_a_stale_answer_errors_are_served(ask: Ask, way: str, form: str) -> None:
    result = await ask(formed(ACCOUNT, form), way, fail=_plainly(BackendError()))

    assert len(result.errors) == 1
    assert result.data["account"] is None


@pytest.mark.parametrize("way", WAYS)
async def test_errors_of_other_fields_are_served_with_a_stale_field(
    ask: Ask, raw: Any, way: str
) -> None:
    query = "{ broken account { name balance } }"
    await ask(query, way)
    make_stale(raw)

    result = await ask(query, way, fail=_plainly(BackendError()))

    assert [error.path for error in result.errors] == [["broken"]]
    assert result.data["account"] == {"name": "old", "balance": 10}


@pytest.mark.parametrize("form", FORMS)
async def test_an_invalidated_entry_is_not_served_instead_of_an_error(
    ask: Ask, cache: ResponseCache, raw: Any, form: str
) -> None:
    query = formed(ACCOUNT, form)
    await ask(query)
    make_stale(raw)
    assert (await ask(query, fail=_plainly(BackendError()))).errors is None
    await cache.invalidate("Account:1")

    assert len((await ask(query, fail=_plainly(BackendError()))).errors) == 1
    assert (await ask(query, name="new")).data["account"]["name"] == "new"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
async def test_stale_if_error_can_be_turned_off(
    cache: ResponseCache, raw: Any, way: str, form: str
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True, stale_if_error=False)
    ask = asking(strawberry.Schema(Query, extensions=[extension]))
    query = formed(ACCOUNT, form)
    await ask(query, way)
    make_stale(raw)

    assert len((await ask(query, way, fail=_plainly(BackendError()))).errors) == 1


def test_stale_if_error_is_a_bool(cache: ResponseCache) -> None:
    with pytest.raises(CacheConfigurationError, match="stale_if_error"):
        ResponseCacheExtension(cache, tenant=None, stale_if_error="yes")  # type: ignore[arg-type] # on purpose
