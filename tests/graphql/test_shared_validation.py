"""The validation result of one request does not count for the next: parsing and validation hold as without this package."""

import datetime
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from enum import Enum
from functools import partial
from typing import Any, NewType

import pytest
import strawberry
from graphql import (
    ASTValidationRule,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    ScalarLeafsRule,
    Source,
    parse,
    specified_rules,
    validate,
)
from hypothesis import given
from hypothesis import strategies as st
from strawberry import relay
from strawberry.extensions import AddValidationRules, DisableIntrospection, SchemaExtension
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.scalars import JSON, Base64
from strawberry.schema import schema as strawberrys
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import validate_document

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.graphql._compat.literals import Literals
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql.execution import documents
from tests.graphql.ledger import status

user: ContextVar[str] = ContextVar("user", default="guest")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Strawberry logs each error of a request."""
    caplog.set_level(logging.CRITICAL, "strawberry.execution")


def ask(schema: strawberry.Schema, query: Any, who: str = "guest", **more: Any) -> Any:
    token = user.set(who)
    try:
        return schema.execute_sync(query, **more)
    finally:
        user.reset(token)


def said(schema: strawberry.Schema, query: Any, who: str = "guest", **more: Any) -> Any:
    """Return what a requester is told, or how the request raised."""
    try:
        result = ask(schema, query, who, **more)
    except Exception as error:  # noqa: BLE001 - compared with the plain schema
        return type(error), str(error)
    return result.data, [(type(e), e.message, e.locations) for e in result.errors or ()]


# -- Validation that did not run -----------------------------------------------------------------------


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def hello(self) -> int:
        return 1

    @strawberry.field
    def other(self) -> int:
        return 2


@strawberry.type
class Mutation:
    @strawberry.mutation
    def pay(self) -> int:
        return 1


class Unvalidated(SchemaExtension):
    """Staff's requests are not validated: their result stands before."""

    def on_validate(self) -> Iterator[None]:
        if user.get() == "staff":
            self.execution_context.pre_execution_errors = []
        yield


class UnvalidatedFromTheStart(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        if user.get() == "staff":
            self.execution_context.pre_execution_errors = []
        yield


class ValidatedByFewRules(SchemaExtension):
    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if user.get() == "staff" and context.graphql_document is not None:
            context.pre_execution_errors = validate(
                executable_of(context.schema), context.graphql_document, (ScalarLeafsRule,)
            )
        yield


class SaysSoAfterwards(SchemaExtension):
    """Drops the rules, and puts them back when validation is over."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        rules = context.validation_rules
        if user.get() == "staff":
            context.validation_rules = (ScalarLeafsRule,)
        yield
        context.validation_rules = rules


class FewRulesThatSayTheyAreAll(SchemaExtension):
    """Has its errors judged by a list that shows other rules to whoever looks again."""

    def on_validate(self) -> Iterator[None]:
        if user.get() == "staff":
            self.execution_context.pre_execution_errors = []
            self.execution_context.validation_rules = tuple(specified_rules)
        yield


BY_ONE_REQUEST = (
    Unvalidated,
    UnvalidatedFromTheStart,
    ValidatedByFewRules,
    SaysSoAfterwards,
    FewRulesThatSayTheyAreAll,
)


def for_some(make: Callable[[], SchemaExtension]) -> Callable[[], SchemaExtension]:
    """Return a factory that makes the extension for staff only."""
    return lambda: make() if user.get() == "staff" else SchemaExtension()


@pytest.mark.parametrize("picked", [False, True], ids=["for all", "by a factory"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("kind", BY_ONE_REQUEST)
def test_a_document_that_skipped_validation_is_validated_in_the_next_request(
    memory_cache: ResponseCache, kind: type[SchemaExtension], first: bool, picked: bool
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    other: Any = for_some(kind) if picked else kind
    extensions: list[Any] = [other, ours] if first else [ours, other]
    cached = strawberry.Schema(Query, Mutation, extensions=[*extensions, DisableIntrospection])
    plain = strawberry.Schema(Query, Mutation, extensions=[other, DisableIntrospection])
    texts = (
        "{ hello nope }",
        "{ __schema { description } }",
        "mutation { pay payAll }",
        "{ hello }",
    )
    for query in texts:
        for who in ("staff", "guest", "staff", "guest"):
            assert said(cached, query, who) == said(plain, query, who), (query, who)


class Lenient(SchemaExtension):
    """Drops one of graphql-core's rules for guests."""

    def on_validate(self) -> Iterator[None]:
        if user.get() == "guest":
            rules = self.execution_context.validation_rules
            self.execution_context.validation_rules = tuple(
                rule for rule in rules if rule is not ScalarLeafsRule
            )
        yield


def rules_of_validations(monkeypatch: pytest.MonkeyPatch, *modules: Any) -> list[tuple[Any, ...]]:
    """Return a list to which each validation by one of these modules adds its rules."""
    ran: list[tuple[Any, ...]] = []

    def noting(schema: Any, document: Any, rules: Any) -> Any:
        ran.append(tuple(rules))
        return validate_document(schema, document, rules)

    for module in modules:
        monkeypatch.setattr(module, "validate_document", noting)
    return ran


def test_a_validation_result_counts_only_for_the_rules_that_ran(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request with fewer rules does not count as validated by the other rules, and does not make them run again."""
    ran = rules_of_validations(monkeypatch, documents)
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[Lenient, ours])
    for _ in range(3):
        for who in ("guest", "staff"):
            assert ask(schema, "{ hello }", who).errors is None
    assert [len(rules) for rules in ran] == [len(specified_rules) - 1, 1]
    assert ran[1] == (ScalarLeafsRule,)


@pytest.mark.parametrize("more", [0, 1], ids=["alone", "with another rule"])
def test_an_invalid_document_is_not_validated_more_often_than_without_the_cache(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    ran = rules_of_validations(monkeypatch, documents, strawberrys)
    ours = ResponseCacheExtension(memory_cache, tenant=None)

    class Further(ScalarLeafsRule):
        pass

    others = [lambda: AddValidationRules([Further])] * more
    schema = strawberry.Schema(Query, extensions=[*others, ours])
    for _ in range(5):
        assert ask(schema, "{ nope }").errors
    assert len(ran) == 5 + more


def test_a_rule_that_raises_is_no_fault_of_this_package(memory_cache: ResponseCache) -> None:
    """Strawberry's rule for @oneOf raises at a variable that the operation does not declare."""

    @strawberry.input(one_of=True)
    class One:
        a: strawberry.Maybe[int]
        b: strawberry.Maybe[int]

    @strawberry.type(name="Query")
    class Choosing:
        @strawberry.field
        def chosen(self, one: One) -> int:
            return 1

    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached, plain = strawberry.Schema(Choosing, extensions=[ours]), strawberry.Schema(Choosing)
    before = faults.count
    deep = "{" + "chosen {" * 400 + "}" * 401
    for query in ("{ chosen(one: {a: $missing}) }", deep):
        for _ in range(2):
            assert said(cached, query) == said(plain, query)
    assert faults.count == before


class OwnRule(ScalarLeafsRule):
    """A rule of the user's own, which finds what graphql-core's finds."""


class SeesValidation(SchemaExtension):
    """Notes by what a document was validated, and what was found."""

    def on_execute(self) -> Iterator[None]:
        context = self.execution_context
        seen.append((context.validation_rules, context.pre_execution_errors))
        yield


@pytest.mark.parametrize("rules", [[], [OwnRule]], ids=["no rule", "a rule of the user's own"])
@pytest.mark.parametrize("is_first", [True, False], ids=["ours first", "ours last"])
def test_other_extensions_see_every_rule_although_only_unknown_ones_run(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, rules: list[Any], is_first: bool
) -> None:
    ours: Any = ResponseCacheExtension(memory_cache, tenant=None)
    others: list[Any] = [partial(AddValidationRules, rules), SeesValidation]
    cached = strawberry.Schema(Query, extensions=[ours, *others] if is_first else [*others, ours])
    ran = rules_of_validations(monkeypatch, strawberrys)
    for _ in range(3):
        seen.clear()
        ran.clear()
        assert ask(cached, "{ hello }").errors is None
        assert ran == [tuple(rules)] * len(rules)
        assert seen == [((*specified_rules, *rules), [])]


# -- Literals that a custom scalar reads ---------------------------------------------------------------


Ref = NewType("Ref", str)
Plain = NewType("Plain", str)


def parse_ref(value: Any) -> str:
    if user.get() != "staff":
        msg = "not for you"
        raise ValueError(msg)
    return str(value)


CONFIG = StrawberryConfig(
    scalar_map={
        Ref: strawberry.scalar(name="Ref", serialize=str, parse_value=parse_ref),
        Plain: strawberry.scalar(name="Plain", serialize=str),
    }
)


@strawberry.input
class Filter:
    ref: Ref | None = None
    refs: list[Ref] | None = None
    below: "Filter | None" = None


@strawberry.type
class Items:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self, ref: Ref) -> str:
        return f"item {ref}"

    @cache_control(ttl=60)
    @strawberry.field
    def optional(self, ref: Ref | None = None) -> str:
        return f"item {ref}"

    @cache_control(ttl=60)
    @strawberry.field
    def found(self, by: Filter) -> str:
        return "found"

    @cache_control(ttl=60)
    @strawberry.field
    def listed(self, refs: list[Ref]) -> str:
        return "listed"


@strawberry.type
class Changes:
    @strawberry.mutation
    def other(self) -> int:
        user_ran.append(user.get())
        return 1

    @strawberry.mutation
    def change(self, ref: Ref) -> str | None:
        return ref


user_ran: list[str] = []

LITERALS = (
    '{ item(ref: "a") }',
    '{ optional(ref: "a") }',
    '{ optional(ref: {a: [1, "b"]}) }',
    "{ optional(ref: [1]) }",
    "{ optional(ref: true) }",
    "{ optional(ref: FREE) }",
    '{ listed(refs: ["a", "b"]) }',
    '{ listed(refs: "a") }',
    '{ found(by: {ref: "a"}) }',
    '{ found(by: {refs: ["a"]}) }',
    "{ found(by: {below: {below: {ref: 1}}}) }",
    'query ($ref: Ref = "a") { optional(ref: $ref) }',
    'query ($by: Filter! = {ref: "a"}) { found(by: $by) }',
    'query ($b: Boolean = false) { ... f @skip(if: $b) } fragment f on Items { item(ref: "a") }',
    'mutation { other change(ref: "a") }',
)


@pytest.mark.parametrize("query", LITERALS)
def test_a_literal_that_a_custom_scalar_refuses_is_refused_to_each_requester(
    memory_cache: ResponseCache, query: str
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    cached = strawberry.Schema(Items, Changes, extensions=[ours], config=CONFIG)
    plain = strawberry.Schema(Items, Changes, config=CONFIG)
    for who in ("guest", "staff", "guest", "staff", "guest"):
        user_ran.clear()
        wanted, ran = said(plain, query, who), list(user_ran)
        user_ran.clear()
        assert (said(cached, query, who), user_ran) == (wanted, ran), who
        assert bool(wanted[1]) is (who == "guest")


def test_a_literal_that_was_valid_before_is_refused_on_a_hit_when_its_scalar_refuses_it(
    memory_cache: ResponseCache,
) -> None:
    today = [datetime.date(2026, 1, 1)]

    def parse_future(value: str) -> datetime.date:
        day = datetime.date.fromisoformat(value)
        if day < today[0]:
            msg = "in the past"
            raise ValueError(msg)
        return day

    Future = NewType("Future", datetime.date)
    future = strawberry.scalar(name="Future", serialize=str, parse_value=parse_future)

    @strawberry.type(name="Query")
    class Calendar:
        @cache_control(ttl=60)
        @strawberry.field
        def free(self, at: Future) -> bool:
            return True

    schema = strawberry.Schema(
        Calendar,
        extensions=[ResponseCacheExtension(memory_cache, tenant=None, debug=True)],
        config=StrawberryConfig(scalar_map={Future: future}),
    )
    query = '{ free(at: "2026-01-02") }'
    assert [status(ask(schema, query)) for _ in range(2)] == ["miss", "hit"]
    today[0] = datetime.date(2026, 1, 3)
    (error,) = ask(schema, query).errors
    assert "in the past" in error.message


def test_a_custom_scalar_is_asked_as_often_as_without_the_cache(
    memory_cache: ResponseCache,
) -> None:
    """Also in the first request, where the other rules are judged."""
    asked: list[Any] = []
    Token = NewType("Token", str)
    scalar = strawberry.scalar(
        name="Token",
        serialize=str,
        parse_value=lambda value: [value, asked.append(value)][0],  # type: ignore[func-returns-value]
    )

    @strawberry.type(name="Query")
    class Tokens:
        @strawberry.field
        def taken(self, token: Token) -> int:
            return 1

    config = StrawberryConfig(scalar_map={Token: scalar})
    counts: list[int] = []
    for extensions in ([], [ResponseCacheExtension(memory_cache, tenant=None)]):
        schema = strawberry.Schema(Tokens, extensions=extensions, config=config)
        for _ in range(2):
            asked.clear()
            assert ask(schema, '{ taken(token: "a") }').errors is None
            counts.append(len(asked))
    assert counts == [counts[0]] * 4


@strawberry.enum
class Color(Enum):
    RED = "red"


@strawberry.type
class Shipped:
    @cache_control(ttl=60)
    @strawberry.field
    def all(
        self,
        color: Color,
        number: int,
        real: float,
        text: str,
        flag: bool,
        key: strawberry.ID,
        node: relay.GlobalID,
        day: datetime.date,
        moment: datetime.datetime,
        anything: JSON,
        encoded: Base64,
        plain: Plain,
    ) -> int:
        return 1


EVERY_LITERAL = (
    '{ all(color: RED, number: 1, real: 1.5, text: "a", flag: true, key: 1, node: "Tm9kZTox", day: "2026-01-01", '
    'moment: "2026-01-01T00:00:00", anything: {a: [1]}, encoded: "YQ==", plain: "a") }'
)


@pytest.mark.parametrize("legacy", [False, True])
def test_literals_of_shipped_scalars_and_of_enums_are_validated_once(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    ran = rules_of_validations(monkeypatch, documents, strawberrys)
    config = StrawberryConfig(
        scalar_map={Plain: CONFIG.scalar_map[Plain]}, relay_use_legacy_global_id=legacy
    )
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Shipped, extensions=[ours], config=config)
    assert [status(ask(schema, EVERY_LITERAL)) for _ in range(3)] == ["miss", "hit", "hit"]
    assert ran == [tuple(specified_rules)]


def test_a_document_with_a_variable_of_a_custom_scalar_is_validated_once(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Items, extensions=[ours], config=CONFIG)
    query = "query ($ref: Ref!) { found(by: {ref: $ref}) item(ref: $ref) }"
    assert status(ask(schema, query, "staff", variable_values={"ref": "a"})) == "miss"
    for module in (documents, strawberrys):
        monkeypatch.setattr(module, "validate_document", None)
    assert status(ask(schema, query, "staff", variable_values={"ref": "a"})) == "hit"
    (error,) = ask(schema, query, "guest", variable_values={"ref": "a"}).errors
    assert "not for you" in error.message


class OwnScalar(GraphQLScalarType):
    """A scalar class of one's own: whatever its functions are, it may have others."""


def test_a_custom_scalar_class_or_enum_class_is_custom_code() -> None:
    class OwnEnum(GraphQLEnumType):
        pass

    takes: dict[str, Any] = {
        "plain": GraphQLScalarType("Plain"),
        "exact": GraphQLScalarType("Exact", parse_value=GraphQLString.parse_value),
        "enum": GraphQLEnumType("Plainly", {"A": 1}),
        "scalar": OwnScalar("Own", parse_value=GraphQLString.parse_value),
        "choice": OwnEnum("Choice", {"A": 1}),
    }
    arguments = {name: GraphQLArgument(kind) for name, kind in takes.items()}
    schema = GraphQLSchema(
        GraphQLObjectType("Query", {"taken": GraphQLField(GraphQLString, args=arguments)})
    )
    literals = Literals(schema)
    found = [name for name in takes if literals.run_custom_code(parse(f"{{ taken({name}: A) }}"))]
    assert found == ["scalar", "choice"]


def literals_of(depth: int) -> st.SearchStrategy[str]:
    """Return literals of any form, right or wrong where they stand."""
    flat = st.sampled_from(["1", "1.5", '"a"', "true", "null", "RED", "$v", "[]", "{}"])
    if not depth:
        return flat
    below = literals_of(depth - 1)
    names = st.sampled_from(["ref", "refs", "below", "other"])
    return st.one_of(
        flat,
        st.lists(below, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
        st.dictionaries(names, below, max_size=3).map(
            lambda each: "{" + ", ".join(f"{name}: {value}" for name, value in each.items()) + "}"
        ),
    )


@given(
    literal=literals_of(3),
    place=st.sampled_from(
        [
            "{{ item(ref: {}) }}",
            "{{ optional(ref: {}) }}",
            "{{ listed(refs: {}) }}",
            "{{ found(by: {}) }}",
            "{{ nested(refs: {}) }}",
            "query ($v: Ref = {}) {{ optional(ref: $v) }}",
            "query ($v: [Ref!] = {}) {{ optional }}",
            "query ($v: Filter = {}) {{ optional @skip(if: true) }}",
            "query ($v: [[Ref]] = {}) {{ ... on Items {{ optional }} }}",
            "{{ optional(nope: {}) }}",
            "fragment f on Items {{ found(by: {}) }} {{ ...f }}",
            "{{ optional @skip(if: {}) }}",
        ]
    ),
)
def test_every_literal_that_a_custom_scalar_parses_is_found_beforehand_properties(
    literal: str, place: str
) -> None:
    """What graphql-core hands to a parse function is found beforehand, whether it is valid or not."""
    is_default = place.startswith("query")  # which holds no variables
    document = parse(place.format(literal.replace("$v", "null") if is_default else literal))
    read.clear()
    validate_document(READING, document, tuple(specified_rules))
    if read:
        assert Literals(READING).run_custom_code(document)


read: list[Any] = []


def note_read(value: Any) -> Any:
    read.append(value)
    return value


def reading_schema() -> GraphQLSchema:
    @strawberry.type
    class Items:
        @strawberry.field
        def item(self, ref: Ref) -> str:
            return ""

        @strawberry.field
        def optional(self, ref: Ref | None = None) -> str:
            return ""

        @strawberry.field
        def found(self, by: Filter) -> str:
            return ""

        @strawberry.field
        def listed(self, refs: list[Ref]) -> str:
            return ""

        @strawberry.field
        def nested(self, refs: list[list[Ref | None]] | None = None) -> str:
            return ""

    scalar = strawberry.scalar(name="Ref", serialize=str, parse_value=note_read)
    return executable_of(
        strawberry.Schema(Items, config=StrawberryConfig(scalar_map={Ref: scalar}))
    )


READING = reading_schema()


# -- A text that is rewritten for some -----------------------------------------------------------------


class LooksLike(str):
    """A text that says that it equals another one."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) or other == "{ hello }"

    def __hash__(self) -> int:
        return hash("{ hello }")


class Outer(SchemaExtension):
    """Notes what stands around the parsing."""

    def on_parse(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            seen.append((type(error), str(error)))
            raise
        seen.append([str(e) for e in self.execution_context.pre_execution_errors or ()])


seen: list[Any] = []


class Rewrites(SchemaExtension):
    """Rewrites the text, or how it is parsed."""

    query: Any = "{ other }"
    options: Any = None
    late = False

    def on_parse(self) -> Iterator[None]:
        if self.late:
            yield
        self.execution_context.query = self.query
        if self.options is not None:
            self.execution_context.parse_options = self.options
        if not self.late:
            yield


def rewriting(**attributes: Any) -> type[Rewrites]:
    return type("Rewriting", (Rewrites,), attributes)


WAYS = {
    "another text": rewriting(),
    "a text that looks like another one": rewriting(query=LooksLike("{ other }")),
    "a source": rewriting(query=Source("{ other }", "persisted")),
    "none": rewriting(query=None),
    "empty": rewriting(query=""),
    "a syntax error": rewriting(query="{ nope"),
    "no text": rewriting(query=7),
    "bytes": rewriting(query=b"{ other }"),
    "unknown options": rewriting(query="{ hello }", options={"nonsense": 1}),
    "a limit": rewriting(query="{ hello }", options={"max_tokens": 1}),
    "options that are none": rewriting(query="{ hello }", options={}),
    "afterwards": rewriting(late=True),
    "afterwards to nonsense": rewriting(late=True, query="{ nope", options={"nonsense": 1}),
}


@pytest.mark.parametrize("picked", [False, True], ids=["for all", "by a factory"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_rewritten_text_has_the_same_result_as_without_the_cache(
    memory_cache: ResponseCache, way: str, first: bool, picked: bool
) -> None:
    kind = WAYS[way]
    other: Any = for_some(kind) if picked else kind
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    extensions: list[Any] = [other, ours] if first else [ours, other]
    cached = strawberry.Schema(Query, extensions=[Outer, *extensions])
    plain = strawberry.Schema(Query, extensions=[Outer, other])
    before = faults.count
    for who in ("guest", "staff", "staff", "guest"):
        told: list[Any] = []
        for schema in (plain, cached):
            seen.clear()
            told.append((said(schema, "{ hello }", who), list(seen)))
            seen.clear()
            token = user.set(who)
            try:
                result: Any = await schema.execute("{ hello }")
                told[-1] += (result.data, str(result.errors), list(seen))
            except Exception as error:  # noqa: BLE001 - compared with the plain schema
                told[-1] += (repr(error), list(seen))
            finally:
                user.reset(token)
        assert told[0] == told[1], who
    assert faults.count == before


class OwnRunner(SchemaExtensionsRunner):
    """Rewrites the text when it is asked for the hooks around the parsing."""

    def parsing(self) -> Any:
        manager = super().parsing()
        entered = manager.__class__.__enter__

        class Rewriting(manager.__class__):  # type: ignore[misc, name-defined]
            def __enter__(self) -> None:
                entered(self)
                if user.get() == "staff":
                    context.query = "{ other }"

        context = self.execution_context
        return Rewriting(self.extensions)

    def validation(self) -> Any:
        """Replace the document, or forbid more, when it is asked for the hooks around the validation."""
        manager = super().validation()
        entered = manager.__class__.__enter__

        class Changing(manager.__class__):  # type: ignore[misc, name-defined]
            def __enter__(self) -> None:
                entered(self)
                if user.get() == "invalid":
                    context.graphql_document = parse("{ hello nope }")
                if user.get() == "forbidden":
                    context.validation_rules += (Forbids,)

        context = self.execution_context
        return Changing(self.extensions)


class Forbids(ASTValidationRule):
    def enter_field(self, node: Any, *_: Any) -> None:
        self.report_error(GraphQLError("forbidden", node))


class OwnRunnerSchema(strawberry.Schema):
    def create_extensions_runner(self, execution_context: Any, extensions: Any) -> Any:
        return OwnRunner(execution_context, extensions)


def test_a_query_rewritten_by_a_custom_schema_is_answered_as_rewritten(
    memory_cache: ResponseCache,
) -> None:
    schema = OwnRunnerSchema(
        Query, extensions=[ResponseCacheExtension(memory_cache, tenant=None, debug=True)]
    )
    for _ in range(2):
        assert ask(schema, "{ hello }").data == {"hello": 1}
        assert ask(schema, "{ hello }", "staff").data == {"other": 2}
    assert status(ask(schema, "{ hello }")) == "hit"


@pytest.mark.parametrize("rules", [[], [OwnRule]], ids=["no rule", "a rule of the user's own"])
@pytest.mark.parametrize("who", ["invalid", "forbidden"])
def test_a_custom_runner_may_replace_what_is_validated_and_by_what(
    memory_cache: ResponseCache, who: str, rules: list[Any]
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None)
    other = partial(AddValidationRules, rules)
    cached = OwnRunnerSchema(Query, extensions=[other, extension])
    plain = OwnRunnerSchema(Query, extensions=[other])
    for each in ("guest", who, "guest", who):
        wanted = said(plain, "{ hello }", each)
        assert said(cached, "{ hello }", each) == wanted
        assert bool(wanted[1]) is (each == who)
