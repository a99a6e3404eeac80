"""What other extensions do to rules and documents holds as without this package."""

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, ValidationRule, parse
from strawberry.extensions import DisableIntrospection, SchemaExtension

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import status

user: ContextVar[str] = ContextVar("user", default="guest")


def said(result: Any) -> Any:
    return result.data, [e.message for e in result.errors or ()]


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def open(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def secret(self) -> str:
        return "for staff"


class StaffOnly(ValidationRule):
    def enter_field(self, node: Any, *_: Any) -> None:
        if node.name.value == "secret" and user.get() != "staff":
            self.report_error(GraphQLError("not you"))


class RuleOfRequest(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        rules = self.execution_context.validation_rules
        self.execution_context.validation_rules = (*rules, StaffOnly)
        yield

    def on_validate(self) -> Iterator[None]:
        token = user.set(self.execution_context.context["user"])
        yield
        user.reset(token)


@pytest.mark.parametrize("outer", ["staff", "guest"])
def test_a_validation_rule_sees_what_its_extension_set_in_on_validate(
    memory_cache: ResponseCache, outer: str
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Query, extensions=[ours, RuleOfRequest])
    plain = strawberry.Schema(Query, extensions=[RuleOfRequest])
    user.set(outer)
    for who in ("staff", "guest", "staff", "guest"):
        context = {"user": who}
        wanted = said(plain.execute_sync("{ secret }", context_value=dict(context)))
        assert said(cached.execute_sync("{ secret }", context_value=dict(context))) == wanted, who


class TrustStaff(SchemaExtension):
    """Staff may introspect, and need no validation."""

    def on_validate(self) -> Iterator[None]:
        if self.execution_context.context["user"] == "staff":
            self.execution_context.validation_rules = ()
        yield


def test_a_later_extension_can_remove_validation_rules_in_on_validate(
    memory_cache: ResponseCache,
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Query, extensions=[DisableIntrospection, ours, TrustStaff])
    plain = strawberry.Schema(Query, extensions=[DisableIntrospection, TrustStaff])
    for who in ("staff", "guest", "staff"):
        query = "{ __schema { queryType { name } } }"
        wanted = said(plain.execute_sync(query, context_value={"user": who}))
        assert said(cached.execute_sync(query, context_value={"user": who})) == wanted, who


class AddsRuleLate(SchemaExtension):
    def on_validate(self) -> Iterator[None]:
        rules = self.execution_context.validation_rules
        self.execution_context.validation_rules = (*rules, StaffOnly)
        yield

    def on_execute(self) -> Iterator[None]:
        self.execution_context.context["executed"] = True
        yield


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_validation_rule_added_in_on_validate_refuses_before_the_execution(
    memory_cache: ResponseCache, streamed: bool
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Query, extensions=[ours, AddsRuleLate])
    plain = strawberry.Schema(Query, extensions=[AddsRuleLate])
    seen: list[tuple[object, dict[str, Any]]] = []
    for schema in (plain, cached):
        context: dict[str, Any] = {}
        if streamed:
            stream = await schema.stream("{ secret }", context_value=context)
            results = [each async for each in stream]
            seen.append(([type(each).__name__ for each in results], context))
        else:
            result = await schema.execute("{ secret }", context_value=context)
            seen.append((type(result).__name__, context))
    assert seen[0] == seen[1]


class Exchanges(SchemaExtension):
    """Exchanges the document after validation, which nobody validates again."""

    def on_execute(self) -> Iterator[None]:
        self.execution_context.graphql_document = parse(
            "query ($unused: Int) { open } fragment f on Query { open }"
        )
        yield


@pytest.mark.parametrize("before", [True, False])
def test_a_document_replaced_after_validation_is_executed(
    memory_cache: ResponseCache, before: bool
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Query, extensions=[Exchanges, ours] if before else [ours, Exchanges])
    plain = strawberry.Schema(Query, extensions=[Exchanges])
    wanted = said(plain.execute_sync("{ secret }"))
    assert said(cached.execute_sync("{ secret }")) == wanted


class RulesLate(SchemaExtension):
    def on_execute(self) -> Iterator[None]:
        rules = self.execution_context.validation_rules
        self.execution_context.validation_rules = (*rules, StaffOnly)
        yield


@pytest.mark.parametrize("before", [True, False])
def test_validation_rules_added_after_validation_have_no_effect(
    memory_cache: ResponseCache, before: bool
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Query, extensions=[RulesLate, ours] if before else [ours, RulesLate])
    plain = strawberry.Schema(Query, extensions=[RulesLate])
    assert said(cached.execute_sync("{ secret }")) == said(plain.execute_sync("{ secret }"))


async def test_closing_an_unfinished_request_during_another_does_not_disturb_the_other(
    memory_cache: ResponseCache,
) -> None:
    """The garbage collector closes the coroutine of an unfinished task in whatever context it runs in."""
    given_up: list[Coroutine[Any, Any, Any]] = []

    class Collects(SchemaExtension):
        def on_execute(self) -> Iterator[None]:
            while given_up:
                given_up.pop().close()
            yield

    @strawberry.type
    class Waiting:
        @cache_control(ttl=60)
        @strawberry.field
        async def never(self) -> int:
            await asyncio.get_running_loop().create_future()
            return 1

        @cache_control(ttl=60)
        @strawberry.field
        def open(self) -> int:
            return 1

    schema = strawberry.Schema(
        Waiting,
        extensions=[ResponseCacheExtension(memory_cache, tenant=None, debug=True), Collects],
    )
    request: Any = schema.execute("{ never }")
    contextvars.copy_context().run(request.send, None)
    given_up.append(request)
    assert status(await schema.execute("{ open }")) == "miss"
    assert not given_up


class ReadsTheErrors(SchemaExtension):
    """Reads, inside of its own hook, what every request without the cache has."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        rules = len(context.validation_rules)
        yield
        context.context.append((rules, context.pre_execution_errors))


@pytest.mark.parametrize("before", [True, False])
def test_an_extension_sees_the_rules_and_the_validation_result_of_each_request(
    memory_cache: ResponseCache, before: bool
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    extensions: list[Any] = [ReadsTheErrors, ours] if before else [ours, ReadsTheErrors]
    cached = strawberry.Schema(Query, extensions=extensions)
    plain = strawberry.Schema(Query, extensions=[ReadsTheErrors])
    seen: list[Any] = []
    for schema in (plain, cached, cached, cached):
        assert schema.execute_sync("{ open }", context_value=seen).errors is None
    assert seen == [seen[0]] * 4
