"""`cache_control(inherit=True)` on a type: fields that return it live as long as their parent."""

from typing import Annotated, Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.graphql.ledger import outcome


@cache_control(inherit=True)
@strawberry.type
class Money:
    amount: int = 1


@cache_control(ttl=20)
@strawberry.type
class Rate:
    amount: int = 2


@strawberry.type
class Silent:
    amount: int = 3


MoneyOrRate = Annotated[Money | Rate, strawberry.union("MoneyOrRate")]
MoneyOrSilent = Annotated[Money | Silent, strawberry.union("MoneyOrSilent")]
Following = Annotated[
    Silent | Rate, strawberry.union("Following", directives=[cache_control(inherit=True)])
]


@cache_control(inherit=True, scope=CacheScope.PRIVATE)
@strawberry.interface
class Named:
    name: str = "n"


@strawberry.type
class Person(Named):
    """Inherits the scope, but not ``inherit=True``."""


@strawberry.type
class Account:
    attribute: Money
    person: Person

    @strawberry.field
    def unannotated(self) -> Money:
        return Money()

    @cache_control()
    @strawberry.field
    def bare(self) -> Money:
        return Money()

    @cache_control(ttl=10)
    @strawberry.field
    def own(self) -> Money:
        return Money()

    @cache_control()
    @strawberry.field
    def mixed(self) -> MoneyOrRate:
        return Money()

    @cache_control()
    @strawberry.field
    def silent(self) -> MoneyOrSilent:
        return Money()

    @cache_control()
    @strawberry.field
    def following(self) -> Following:
        return Silent()

    @cache_control()
    @strawberry.field
    def scalar(self) -> int:
        return 1

    @cache_control(inherit=True)
    @strawberry.field
    def inheriting(self) -> MoneyOrRate:
        return Money()


def account() -> Account:
    return Account(attribute=Money(), person=Person())


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def account(self) -> Account:
        return account()

    @cache_control()
    @strawberry.field
    def money(self) -> Money:
        return Money()


def schema_of(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda _: "alice", debug=True, **options
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    extension.check(schema)
    return schema


@pytest.mark.parametrize(
    ("field", "own_mode", "apollos"),
    [
        ("attribute { amount }", 60, 60),
        # A hint on a type alone does not make a field with a resolver cacheable.
        ("unannotated { amount }", "resolver_without_hint", 60),
        ("bare { amount }", 60, 60),
        ("own { amount }", 10, 10),
        ("mixed { ... on Money { amount } }", 20, 20),
        ("silent { ... on Money { amount } }", "without_ttl", 40),
        ("following { __typename }", 20, 20),
        # A scalar has no type that could say so; in Apollo's mode it inherits from its parent.
        ("scalar", "without_ttl", 60),
        ("inheriting { ... on Money { amount } }", 20, 20),
    ],
)
def test_a_field_without_a_ttl_inherits_that_of_its_parent_if_its_type_says_inherit(
    cache: ResponseCache, field: str, own_mode: int | str, apollos: int
) -> None:
    query = f"{{ account {{ {field} }} }}"
    said = outcome(schema_of(cache).execute_sync(query))
    assert said.get("ttl", said.get("reason")) == own_mode
    # There a field that returns an object would live for the default ttl.
    longer = schema_of(cache, default_ttl=40, schema_name="apollo")
    told = outcome(longer.execute_sync(query))
    assert told.get("ttl", told.get("reason")) == apollos
    explained = explain(longer, query)
    assert explained.ttl == apollos


def test_inherit_on_a_type_gives_a_root_field_no_ttl(cache: ResponseCache) -> None:
    query = "{ money { amount } }"
    assert outcome(schema_of(cache).execute_sync(query))["reason"] == "without_ttl"
    assert outcome(schema_of(cache, default_ttl=40).execute_sync(query))["ttl"] == 40


def test_a_subtype_inherits_the_scope_of_its_base_but_not_inherit_true(
    cache: ResponseCache,
) -> None:
    query = "{ account { person { name } } }"
    said = outcome(schema_of(cache).execute_sync(query))
    assert (said["ttl"], said["scope"]) == (60, "PRIVATE")
    assert outcome(schema_of(cache, default_ttl=40).execute_sync(query))["ttl"] == 40


def test_ttl_zero_of_a_base_outranks_inherit_true() -> None:
    @cache_control(ttl=0)
    @strawberry.interface
    class Never:
        amount: int = 1

    @cache_control(inherit=True)
    @strawberry.type
    class Always(Never):
        pass

    @strawberry.type
    class Holder:
        always: Always

    @strawberry.type
    class Root:
        @cache_control(ttl=60)
        @strawberry.field
        def holder(self) -> Holder:
            raise NotImplementedError

    told = explain(strawberry.Schema(Root), "{ holder { always { amount } } }")
    assert told.reason == "ttl_zero"


def test_the_sdl_prints_inherit_true_as_apollos_argument() -> None:
    printed = strawberry.Schema(Query).as_str()
    assert "type Money @cacheControl(inheritMaxAge: true) {" in printed
    assert "union Following @cacheControl(inheritMaxAge: true) =" in printed
    assert "interface Named @cacheControl(scope: PRIVATE, inheritMaxAge: true) {" in printed


def test_a_release_that_adds_inherit_true_hits_no_entry_of_the_release_before(
    cache: ResponseCache,
) -> None:
    def released(hint: Any) -> strawberry.Schema:
        @strawberry.type
        class Coin:
            amount: int = 1

        @strawberry.type
        class Purse:
            coin: Coin

        if hint is not None:
            Coin.__strawberry_definition__.directives = [hint]  # type: ignore[attr-defined] # Strawberry's

        @strawberry.type
        class Root:
            @cache_control(ttl=60)
            @strawberry.field
            def purse(self) -> Purse:
                return Purse(coin=Coin())

        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        return strawberry.Schema(Root, extensions=[extension])

    query = "{ purse { coin { amount } } }"
    hints = [None, cache_control(inherit=True), cache_control(ttl=60)]
    said = [outcome(released(hint).execute_sync(query))["status"] for hint in hints]
    assert said == ["miss", "miss", "miss"]
