"""A text is parsed and validated once, and counts only where the validated document is the executed one."""

import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import strawberry
from graphql import ASTValidationRule, DocumentNode, GraphQLError, parse
from graphql.validation import NoSchemaIntrospectionCustomRule
from strawberry.extensions import (
    AddValidationRules,
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from strawberry_response_cache.graphql.execution import documents as _documents
from tests.graphql.ledger import Ledger, Mutation, Query, status

QUERY = "{ accounts { id name } }"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was parsed and validated, in order."""
    from strawberry.schema import schema

    done: list[str] = []

    def counted(name: str, function: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            done.append(name)
            return function(*args, **kwargs)

        return wrapper

    validate = counted("validate", schema.validate_document)
    for module in (_documents, schema):
        monkeypatch.setattr(module, "parse", counted("parse", parse))
        monkeypatch.setattr(module, "validate_document", validate)
    return done


def adopted(ledger: Ledger) -> Any:
    return vars(ledger.schema)["_response_cache"].adopted


async def test_a_known_query_text_is_neither_parsed_nor_validated_again(
    ledger: Ledger, work: list[str]
) -> None:
    for expected in ("miss", "hit"):
        assert status(await ledger.ask(QUERY)) == expected
    assert status(await ledger.ask(QUERY, tenant="globex")) == "miss"
    assert status(ledger.ask_sync(QUERY)) == "hit"
    assert work == ["parse", "validate"]


async def test_a_known_mutation_text_is_neither_parsed_nor_validated_again(
    ledger: Ledger, work: list[str]
) -> None:
    for number in (1, 2):
        assert (await ledger.ask("mutation { post }")).data == {"post": number}
    assert work == ["parse", "validate"]


async def test_an_invalid_document_has_strawberrys_errors_on_each_request(ledger: Ledger) -> None:
    for query in ("{ nothing }", "{ accounts", "{ accounts }"):
        bare = await strawberry.Schema(ledger.schema.query).execute(query)
        for _ in range(2):
            result = await ledger.ask(query)
            assert result.errors is not None
            assert bare.errors is not None
            assert [e.formatted for e in result.errors] == [e.formatted for e in bare.errors]
            assert result.data is None


class Banned(SchemaExtension):
    """Forbids introspection to some, by a rule that is added when validation begins."""

    def on_validate(self) -> Iterator[None]:
        if self.execution_context.context["user"] != "admin":
            self.execution_context.validation_rules += (NoSchemaIntrospectionCustomRule,)
        yield


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "after ours"])
async def test_a_validation_rule_added_for_some_requests_validates_only_those(
    make_ledger: Callable[..., Ledger], first: bool
) -> None:
    ledger = make_ledger(Banned)
    if first:
        ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
    query = "{ __schema { description } accounts { id } }"
    for user in ("admin", "alice", "admin", "alice"):
        for result in (await ledger.ask(query, user=user), ledger.ask_sync(query, user=user)):
            assert bool(result.errors) is (user != "admin"), user
            for error in result.errors or ():
                assert "introspection" in error.message


async def test_a_validation_rule_class_made_per_request_runs_on_each_and_is_freed(
    make_ledger: Callable[..., Ledger],
) -> None:
    asked: list[int] = []

    def once() -> AddValidationRules:
        class Counts(ASTValidationRule):
            def enter_field(self, *_: Any) -> None:
                asked.append(1)

        return AddValidationRules([Counts])

    ledger = make_ledger(once)
    for _ in range(3):
        await ledger.ask("{ accounts { id } }")
    assert len(asked) == 6
    gc.collect()
    alive = [c for c in ASTValidationRule.__subclasses__() if c.__name__ == "Counts"]
    assert len(alive) <= 1, "the last request's may still be in somebody's hands"


async def test_a_validation_rule_without_weak_references_does_not_prevent_caching(
    make_ledger: Callable[..., Ledger],
) -> None:
    class Odd:
        __slots__ = ()

        def __call__(self, context: Any) -> ASTValidationRule:
            return ASTValidationRule(context)

    ledger = make_ledger(lambda: AddValidationRules([Odd()]))  # type: ignore[list-item] # on purpose
    assert [status(await ledger.ask(QUERY)) for _ in range(2)] == ["miss", "hit"]


async def test_a_validation_rule_for_one_user_refuses_a_document_that_others_validated(
    make_ledger: Callable[..., Ledger],
) -> None:
    class Refuse(ASTValidationRule):
        def enter_field(self, node: Any, *_: Any) -> None:
            self.report_error(GraphQLError("refused", node))

    class ForSome(SchemaExtension):
        def on_operation(self) -> Iterator[None]:
            if self.execution_context.context["user"] == "mallory":
                self.execution_context.validation_rules += (Refuse,)
            yield

    ledger = make_ledger(ForSome)
    for user, is_refused in (("alice", False), ("mallory", True), ("alice", False)):
        assert bool((await ledger.ask(QUERY, user=user)).errors) is is_refused


class Exchange(SchemaExtension):
    """Exchanges the document of one user, in the phase that the context names."""

    def _exchange(self, phase: str) -> None:
        context = self.execution_context.context
        if context["user"] == "mallory" and context["phase"] == phase:
            self.execution_context.graphql_document = parse(context["instead"])

    def on_parse(self) -> Iterator[None]:
        self._exchange("before parsing")
        yield
        self._exchange("parsed")

    def on_validate(self) -> Iterator[None]:
        self._exchange("before validation")
        yield
        self._exchange("validated")

    def on_execute(self) -> Iterator[None]:
        self._exchange("before execution")
        yield


class OwnRule(ASTValidationRule):
    """A rule of the user's own, which runs for every request and finds nothing."""


def with_an_own_rule() -> SchemaExtension:
    return AddValidationRules([OwnRule])


VALID, OTHER, INVALID = "{ unannotated }", "{ accounts { id } }", "{ nothing }"


@pytest.mark.combined  # each phase by itself
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize(
    "phase", ["before parsing", "parsed", "before validation", "validated", "before execution"]
)
@pytest.mark.parametrize("url", ["memory://"])
async def test_a_replaced_document_and_the_original_text_are_validated_separately(
    make_ledger: Callable[..., Ledger], phase: str, ours_first: bool
) -> None:
    """A validation result of the replacement does not count for the text, nor the other way round."""
    exchanged: list[tuple[str, str, list[Any]]] = [
        (VALID, OTHER, []),
        (VALID, INVALID, []),
        (VALID, INVALID, [with_an_own_rule]),
        (INVALID, VALID, []),
    ]
    for text, instead, others in exchanged:
        for users in (("mallory", "alice"), ("alice", "mallory", "alice")):
            ledger = make_ledger(Exchange, *others)
            if not ours_first:
                ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
            plain = Ledger(strawberry.Schema(ledger.schema.query, extensions=[Exchange, *others]))
            for user in (*users, *users):
                request = {"user": user, "context": {"phase": phase, "instead": instead}}
                result = await ledger.ask(text, **request)
                bare = await plain.ask(text, **request)
                if result.errors:
                    assert result.data is None
                    assert user == "mallory" or text == INVALID
                else:
                    assert (result.data, bare.errors) == (bare.data, None)


@pytest.mark.parametrize("phase", ["parsed", "before validation"])
@pytest.mark.parametrize("url", ["memory://"])
async def test_an_invalid_text_stays_invalid_after_its_replacement_was_validated_but_not_executed(
    make_ledger: Callable[..., Ledger], phase: str
) -> None:
    """The check at the execution does not run, because an extension raises before it."""

    class Stops(Exchange):
        def on_execute(self) -> Iterator[None]:
            if self.execution_context.context["user"] == "mallory":
                msg = "no further"
                raise GraphQLError(msg)
            yield

    for ours_first in (True, False):
        ledger = make_ledger(Stops)
        if not ours_first:
            ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
        for user in ("mallory", "alice", "mallory", "alice"):
            context = {"phase": phase, "instead": VALID}
            result = await ledger.ask(INVALID, user=user, context=context)
            assert result.errors is not None
            (error,) = result.errors
            assert result.data is None
            if user == "alice":
                assert "Cannot query field 'nothing'" in error.message


class Refused(SchemaExtension):
    """Finds fault with one user's requests by itself, in place of validation."""

    def on_validate(self) -> Iterator[None]:
        if self.execution_context.context["user"] == "mallory":
            self.execution_context.pre_execution_errors = [GraphQLError("refused by hand")]
        yield


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize("url", ["memory://"])
async def test_a_document_refused_by_another_extension_stays_refused(
    make_ledger: Callable[..., Ledger], ours_first: bool
) -> None:
    ledger = make_ledger(Refused)
    if not ours_first:
        ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
    for user in ("alice", "mallory", "alice", "mallory"):
        result = await ledger.ask(QUERY, user=user)
        messages = [error.message for error in result.errors or ()]
        assert messages == (["refused by hand"] if user == "mallory" else [])


@strawberry.type
class Counting:
    """Subscriptions whose sources are counted."""

    @strawberry.subscription
    async def ticks(self, info: strawberry.Info) -> AsyncGenerator[int]:
        info.context["begun"] += 1
        yield 1


async def test_a_subscription_is_validated_before_its_source_runs(
    memory_cache: ResponseCache,
) -> None:
    class ForSome(SchemaExtension):
        def on_validate(self) -> Iterator[None]:
            if self.execution_context.context["user"] == "mallory":
                self.execution_context.validation_rules += (Refuse,)
            yield

    class Refuse(ASTValidationRule):
        def enter_field(self, node: Any, *_: Any) -> None:
            self.report_error(GraphQLError("refused", node))

    extension = ResponseCacheExtension(
        memory_cache, tenant=None, vary={"locale": lambda context: "en"}
    )
    schema = strawberry.Schema(
        Query, Mutation, subscription=Counting, extensions=[extension, ForSome]
    )
    for user, begun in (("alice", 1), ("mallory", 0), ("alice", 1)):
        context = {"user": user, "begun": 0}
        answers = await schema.subscribe("subscription { ticks }", context_value=context)
        if isinstance(answers, AsyncIterator):
            errors = [each.errors async for each in answers]
        else:
            errors = [answers.errors]
        assert bool(errors[0]) is (begun == 0)
        assert context["begun"] == begun


class LimitForSome(SchemaExtension):
    """Limits the tokens of one user's documents."""

    def on_parse(self) -> Iterator[None]:
        if self.execution_context.context["user"] == "mallory":
            self.execution_context.parse_options["max_tokens"] = 3
        yield


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("users", "refused"),
    [
        (("alice", "mallory", "alice"), [False, True, False]),
        (("mallory", "alice", "mallory"), [True, False, True]),
    ],
)
async def test_a_token_limit_for_some_requests_holds_whichever_extension_comes_first(
    make_ledger: Callable[..., Ledger], first: bool, users: tuple[str, ...], refused: list[bool]
) -> None:
    ledger = make_ledger(LimitForSome)
    if first:
        ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
    results = [await ledger.ask(QUERY, user=user) for user in users]
    assert [bool(result.errors) for result in results] == refused


async def test_a_token_limit_for_every_request_holds_for_a_known_text(
    make_ledger: Callable[..., Ledger],
) -> None:
    ledger = make_ledger(lambda: MaxTokensLimiter(max_token_count=3))
    assert all([(await ledger.ask(QUERY)).errors for _ in range(3)])


@pytest.mark.parametrize("reverse", [False, True])
async def test_strawberrys_parser_and_validation_caches_can_be_combined_with_this_package(
    make_ledger: Callable[..., Ledger], reverse: bool
) -> None:
    ledger = make_ledger(ParserCache, ValidationCache)
    if reverse:
        ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
    assert [status(await ledger.ask(QUERY)) for _ in range(3)] == ["miss", "hit", "hit"]
    assert (await ledger.ask("{ nothing }")).errors


@pytest.mark.parametrize("url", ["memory://"])
async def test_kept_documents_are_bounded_in_bytes(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger(plan_bytes=400_000)
    documents = adopted(ledger).documents
    sizes = []
    for number in range(100):
        await ledger.ask(f"{{ a{number}: unannotated }}")
        sizes.append(documents.size)
    assert max(sizes) <= 200_000
    assert 10 < len(documents) < 100
    before = len(documents)
    await ledger.ask("{ " + " ".join(f"a{number}: unannotated" for number in range(100)) + " }")
    assert len(documents) == before, "one that takes more than its share is not kept"


@pytest.mark.parametrize("url", ["memory://"])
async def test_a_document_counts_for_the_memory_that_its_tokens_take(
    make_ledger: Callable[..., Ledger],
) -> None:
    """Also where there is little text to them."""
    documents = adopted(make_ledger(plan_bytes=2_000_000)).documents
    documents.parsed("{a" * 40 + "}" * 40, {})
    assert documents.size > 400 * 120


class WithoutLocations(SchemaExtension):
    """Has documents parsed without the places of their nodes."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["no_location"] = True  # type: ignore[typeddict-unknown-key] # graphql-core knows it
        yield


async def test_a_text_that_is_parsed_without_locations_is_parsed_once(
    make_ledger: Callable[..., Ledger], work: list[str]
) -> None:
    ledger = make_ledger(WithoutLocations)
    assert [status(await ledger.ask(QUERY)) for _ in range(2)] == ["miss", "hit"]
    assert work == ["parse", "validate"]
    assert adopted(ledger).documents.size > 0


def documents_alive() -> int:
    gc.collect()
    return sum(
        type(each) is DocumentNode for each in gc.get_objects()
    )  # `isinstance` asks lazy objects


@pytest.mark.parametrize("url", ["memory://"])
def test_many_distinct_documents_leave_only_the_kept_ones_in_memory(
    make_ledger: Callable[..., Ledger],
) -> None:
    ledger = make_ledger(plan_bytes=2_000_000)
    documents, plans = adopted(ledger).documents, adopted(ledger).plans
    before = documents_alive()
    for number in range(1_000):
        document = documents.parsed(f"{{ a{number}: accounts {{ id }} }}", {})
        plans.plan(document.node, document.node.definitions[0], {}).variant({})
    del document
    assert 10 < len(plans) <= len(documents) < 1_000
    assert documents_alive() - before <= len(documents) + 50
