"""Who may see something is decided for each request, whatever an earlier one was allowed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
import strawberry
from fastapi import BackgroundTasks
from graphql import GraphQLError, ValidationRule
from starlette.responses import Response
from strawberry.extensions import (
    AddValidationRules,
    DisableIntrospection,
    QueryDepthLimiter,
    SchemaExtension,
)
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.schema import schema as schema_of_strawberry
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import outcome, reason, status

FACES = ["execute", "execute_sync"]
user: ContextVar[str] = ContextVar("user", default="guest")


async def ask(
    schema: strawberry.Schema, face: str, query: str, context: Any = None, **request: Any
) -> Any:
    if face == "execute_sync":
        return schema.execute_sync(query, context_value=context, **request)
    return await schema.execute(query, context_value=context, **request)


# -- Validation rules ------------------------------------------------------------------------------------


class StaffOnly(ValidationRule):
    """Refuses `secret` to everyone but staff."""

    def enter_field(self, node: Any, *_: Any) -> None:
        if node.name.value == "secret" and user.get() != "staff":
            self.report_error(GraphQLError("not you"))


class StaffOnlyExtension(SchemaExtension):
    """Adds the rule when the operation begins, as an authentication extension would."""

    def on_operation(self) -> Iterator[None]:
        rules = self.execution_context.validation_rules
        self.execution_context.validation_rules = (*rules, StaffOnly)
        yield


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def open(self) -> int:
        return 1

    @strawberry.field
    def secret(self) -> str:
        return "for staff"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("rules", [AddValidationRules, StaffOnlyExtension])
async def test_a_validation_rule_that_reads_the_request_runs_for_each_request(
    memory_cache: ResponseCache, face: str, enabled: bool, before: bool, rules: Any
) -> None:
    adding = (lambda: AddValidationRules([StaffOnly])) if rules is AddValidationRules else rules
    ours = ResponseCacheExtension(memory_cache, tenant=None, enabled=enabled)
    extensions = [adding, ours] if before else [ours, adding]
    schema = strawberry.Schema(Query, extensions=extensions)
    for query in ("{ secret }", "{ open secret }"):
        for who, allowed in (("staff", True), ("guest", False), ("staff", True), ("guest", False)):
            token = user.set(who)
            result = await ask(schema, face, query)
            user.reset(token)
            assert (result.errors is None) is allowed, (query, who)
            assert (result.data is None) is not allowed


@pytest.mark.parametrize("before", [True, False])
def test_the_callback_of_the_depth_limiter_is_called_for_each_request(
    memory_cache: ResponseCache, before: bool
) -> None:
    depths: list[object] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    limiter = lambda: QueryDepthLimiter(max_depth=3, callback=depths.append)  # noqa: E731 - as users register it
    schema = strawberry.Schema(Query, extensions=[limiter, ours] if before else [ours, limiter])
    assert [status(schema.execute_sync("{ open }")) for _ in range(3)] == ["miss", "hit", "hit"]
    assert len(depths) == 3


@pytest.mark.parametrize("before", [True, False])
def test_introspection_stays_refused_and_graphql_cores_rules_run_once_per_document(
    memory_cache: ResponseCache, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []
    validate: Any = vars(schema_of_strawberry)["validate"]

    def counted(schema: Any, document: Any, rules: Any, *more: Any, **named: Any) -> Any:
        judged.append(len(rules))
        return validate(schema, document, rules, *more, **named)

    monkeypatch.setattr(schema_of_strawberry, "validate", counted)
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    others = [DisableIntrospection]
    schema = strawberry.Schema(Query, extensions=[*others, ours] if before else [ours, *others])
    for _ in range(3):
        assert schema.execute_sync("{ __schema { description } }").errors is not None
    judged.clear()
    assert [status(schema.execute_sync("{ open }")) for _ in range(3)] == ["miss", "hit", "hit"]
    assert len(judged) == 1


# -- The text ----------------------------------------------------------------------------------------------


class Rewriting(SchemaExtension):
    """Sends guests elsewhere, in a hook of its own."""

    def on_parse(self) -> Iterator[None]:
        if user.get() == "guest":
            self.execution_context.query = "{ open }"
        yield


class RewritingAfterwards(SchemaExtension):
    """Changes the text when it was parsed, which changes nothing."""

    def on_parse(self) -> Iterator[None]:
        yield
        self.execution_context.query = "mutation { nothing }"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    "other",
    [Rewriting, lambda: Rewriting(), RewritingAfterwards],  # noqa: PLW0108 - as extensions with arguments are registered
)
async def test_a_query_rewritten_by_an_extension_is_the_one_executed(
    memory_cache: ResponseCache, face: str, before: bool, other: Any
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, extensions=[other, ours] if before else [ours, other])
    plain = strawberry.Schema(Query, extensions=[other])
    for who in ("staff", "guest", "staff", "guest"):
        token = user.set(who)
        result = await ask(schema, face, "{ secret }")
        assert result.data == (await ask(plain, face, "{ secret }")).data
        user.reset(token)


def test_a_text_rewritten_by_a_later_extension_is_parsed_and_validated_again(
    memory_cache: ResponseCache,
) -> None:
    """A subclass of the schema adds the extension, so the schema's list does not show it."""

    class Surprising(strawberry.Schema):
        def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
            return [*super().get_extensions(sync), Rewriting()]

    schema = Surprising(Query, extensions=[ResponseCacheExtension(memory_cache, tenant=None)])
    assert schema.execute_sync("{ secret }").data == {"open": 1}


# -- Refusals ------------------------------------------------------------------------------------------------


class Redacting(BasePermission):
    """Answers something instead of an error."""

    message = "no"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return bool(info.context["staff"])

    def on_unauthorized(self) -> Any:
        return "REDACTED"


class RedactingSoon(Redacting):
    """The same, asynchronously."""

    async def has_permission(self, source: Any, info: Any, **_: Any) -> bool:  # type: ignore[override] # as Strawberry allows
        await asyncio.sleep(0)
        return bool(info.context["staff"])


def _guarded(permission: type[BasePermission]) -> type:
    @strawberry.type
    class Person:
        id: strawberry.ID = strawberry.ID("1")

        @cache_control(ttl=60, scope=CacheScope.PUBLIC)
        @strawberry.field(permission_classes=[permission])  # type: ignore[untyped-decorator] # Strawberry's
        def salary(self) -> str:
            return "much"

        @strawberry.field(  # type: ignore[untyped-decorator] # Strawberry's
            extensions=[PermissionExtension([permission()], fail_silently=True)],
            directives=[cache_control(inherit=True)],
        )
        def friends(self) -> list[str]:
            return ["bob"]

    @strawberry.type
    class Guarded:
        @cache_control(ttl=60, scope=CacheScope.PUBLIC)
        @strawberry.field(permission_classes=[permission])  # type: ignore[untyped-decorator] # Strawberry's
        def secret(self) -> str:
            return "told"

        @cache_control(ttl=60)
        @strawberry.field
        def person(self) -> Person:
            return Person()

        @strawberry.field
        def fresh(self) -> int:
            return 0

    return Guarded


@pytest.mark.combined
@pytest.mark.parametrize("permission", [Redacting, RedactingSoon])
@pytest.mark.parametrize(
    "query",
    [
        "{ secret }",
        "{ fresh secret }",
        "{ person { salary } }",
        "{ fresh person { salary } }",
        "{ person { friends } }",
        "{ fresh person { id friends } }",
    ],
)
async def test_a_value_returned_by_a_refusing_permission_is_never_stored(
    cache: ResponseCache, permission: type[BasePermission], query: str
) -> None:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda context: context["user"], debug=True
    )
    kind = _guarded(permission)
    schema = strawberry.Schema(kind, extensions=[extension])
    plain = strawberry.Schema(kind)
    # The same session may gain and lose what it may see.
    for name, staff in [("a", False), ("a", True), ("a", False), ("b", True), ("a", True)]:
        context = {"user": name, "staff": staff}
        result = await schema.execute(query, context_value=context)
        expected = await plain.execute(query, context_value=context)
        if "salary" in query or "friends" in query:
            # Below a cached field, a decision holds for its session while the entry lives.
            assert result.data == expected.data or (name == "a" and not staff)
        else:
            assert result.data == expected.data


async def test_guarded_is_the_reason_where_a_refusal_keeps_a_response_from_being_stored(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda context: context["user"], debug=True
    )
    schema = strawberry.Schema(_guarded(Redacting), extensions=[extension])
    context = {"user": "a", "staff": False}
    for _ in range(2):
        result = await schema.execute("{ person { friends } }", context_value=context)
        assert (result.data, reason(result)) == ({"person": {"friends": []}}, "guarded")


# -- Executors -------------------------------------------------------------------------------------------------


class Filtering(StrawberryGraphQLCoreExecutionContext):
    """A user's own executor, with an attribute of a telling name."""

    caches = True


def test_a_custom_executor_is_custom_code_whatever_its_attributes(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension], execution_context_class=Filtering)
    result = schema.execute_sync("{ open }")
    assert reason(result) == "custom_code"
    assert f"{__name__}.Filtering" in outcome(result)["advice"]


# -- The functions of the context --------------------------------------------------------------------------------


def _asking(cache: ResponseCache, *, soon: bool = False) -> tuple[strawberry.Schema, Counter[str]]:
    asked: Counter[str] = Counter()

    def function(name: str) -> Callable[[Any], Any]:
        def answer(context: Any) -> Any:
            asked[name] += 1
            asked["too late"] += context["ran"]
            return context[name]

        async def answer_soon(context: Any) -> Any:
            await asyncio.sleep(0)
            return answer(context)

        return answer_soon if soon else answer

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def number(self, info: strawberry.Info, of: int) -> int:
            info.context["ran"] = 1
            return of

        @cache_control(ttl=60, scope=CacheScope.PRIVATE, vary=["locale"])
        @strawberry.field
        def mine(self, info: strawberry.Info, of: int) -> str:
            info.context["ran"] = 1
            return f"{info.context['user']} {of}"

        @strawberry.field
        def fresh(self, info: strawberry.Info) -> int:
            info.context["ran"] = 1
            return 0

    extension = ResponseCacheExtension(
        cache,
        tenant=function("tenant"),
        session=function("user"),
        vary={"locale": function("locale"), "unused": function("unused")},
        debug=True,
    )
    return strawberry.Schema(Query, extensions=[extension]), asked


def _context(**other: Any) -> dict[str, Any]:
    return {"tenant": "acme", "user": "alice", "locale": "en", "unused": "", "ran": 0} | other


TWENTY = " ".join(f"a{n}: number(of: {n}) b{n}: mine(of: {n})" for n in range(20))


@pytest.mark.parametrize("query", [f"{{ {TWENTY} }}", f"{{ fresh {TWENTY} }}"])
@pytest.mark.parametrize("face", FACES)
async def test_tenant_session_and_vary_functions_are_called_once_and_before_any_resolver(
    memory_cache: ResponseCache, query: str, face: str
) -> None:
    schema, asked = _asking(memory_cache)
    first = await ask(schema, face, query, _context())
    asked.clear()
    result = await ask(schema, face, query, _context())
    assert result.data == first.data
    assert asked == {"tenant": 1, "user": 1, "locale": 1, "too late": 0}


@pytest.mark.parametrize("query", [f"{{ {TWENTY} }}", f"{{ fresh {TWENTY} }}"])
async def test_async_tenant_session_and_vary_functions_are_called_once_per_request(
    memory_cache: ResponseCache, query: str
) -> None:
    schema, asked = _asking(memory_cache, soon=True)
    for said in ("miss", "hit"):
        asked.clear()
        result = await schema.execute(query, context_value=_context())
        assert asked == {"tenant": 1, "user": 1, "locale": 1, "too late": 0}
        assert status(result) == (said if "fresh" not in query else "bypass")
    other = await schema.execute("{ mine(of: 1) }", context_value=_context(user="bob"))
    assert other.data == {"mine": "bob 1"}


@pytest.mark.parametrize("changed", ["tenant", "user", "locale"])
@pytest.mark.parametrize("query", ["{ mine }", "{ fresh mine }"])
@pytest.mark.parametrize("face", FACES)
async def test_a_response_is_not_stored_if_tenant_session_or_vary_changes_while_it_runs(
    memory_cache: ResponseCache, changed: str, query: str, face: str
) -> None:
    runs: list[str] = []

    @strawberry.type
    class Query:
        @cache_control(ttl=60, scope=CacheScope.PRIVATE, vary=["locale"])
        @strawberry.field
        def mine(self, info: strawberry.Info) -> str:
            if info.context.pop("changes", False):
                info.context[changed] = "another"
            runs.append(info.context["user"])
            return " ".join(info.context[name] for name in ("tenant", "user", "locale"))

        @strawberry.field
        def fresh(self) -> int:
            return 0

    extension = ResponseCacheExtension(
        memory_cache,
        tenant=lambda context: context["tenant"],
        session=lambda context: context["user"],
        vary={"locale": lambda context: context["locale"]},
        debug=True,
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    result = await ask(schema, face, query, _context(changes=True))
    told = outcome(result).get("fields", [{}])[0].get("reason", reason(result))
    assert told == "context_changed"
    result = await ask(schema, face, query, _context())
    assert result.data["mine"] == "acme alice en"
    assert len(runs) == 2


# -- What a hit would not do again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("query", ["{ posted }", "{ fresh posted }"])
@pytest.mark.parametrize("in_context", [True, False])
async def test_a_response_whose_resolver_adds_a_background_task_is_not_stored(
    memory_cache: ResponseCache, face: str, query: str, in_context: bool
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def posted(self, info: strawberry.Info) -> int:
            if in_context:
                info.context["background_tasks"].add_task(print)
            else:
                info.context["response"].background = BackgroundTasks()
            return 1

        @strawberry.field
        def fresh(self) -> int:
            return 0

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    for _ in range(2):
        tasks = BackgroundTasks()
        context = {"background_tasks": tasks, "response": Response()}
        result = await ask(schema, face, query, context)
        assert len(tasks.tasks) == int(in_context)
        told = outcome(result).get("fields", [{}])[0].get("reason", reason(result))
        assert told == "response_modified"
