"""PRIVATE, vary, conditions and restrictions, not one by one but together: each answer is its requester's own."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    cache_control,
    restrict_cache,
    skip_cache,
)
from tests.graphql.both_ways import FORMS, WAYS, BothWays, statuses
from tests.graphql.ledger import outcome, status

PRIVATE = CacheScope.PRIVATE

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How operations are executed."""
    return str(request.param)


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Whether the operation is cached, or its fields."""
    return str(request.param)


def seen(info: strawberry.Info, *names: str) -> str:
    """What a resolver sees of who asks."""
    return " ".join(f"{name}={info.context.get(name)}" for name in names)


# -- PRIVATE and vary ----------------------------------------------------------------------------------


@cache_control(vary=["currency"])
@strawberry.type
class Priced:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    def price(self, info: strawberry.Info) -> str:
        return seen(info, "currency")

    @cache_control(ttl=600)
    @strawberry.field
    def offer(self, info: strawberry.Info) -> str:
        return f"{self.id} {seen(info, 'currency')}"

    @cache_control(ttl=600, scope=PRIVATE, vary=["locale"])
    @strawberry.field
    def basket(self, info: strawberry.Info) -> str:
        return f"{self.id} {seen(info, 'user', 'locale', 'currency')}"


@strawberry.type
class Shop:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60, scope=PRIVATE, vary=["locale"])
    @strawberry.field
    def greeting(self, info: strawberry.Info) -> str:
        return seen(info, "user", "locale")

    @cache_control(ttl=60, scope=PRIVATE, vary=["locale", "currency"])
    @strawberry.field
    def account(self, info: strawberry.Info) -> str:
        return seen(info, "user", "locale", "currency")

    @cache_control(ttl=60, vary=["locale", "currency"])
    @strawberry.field
    def prices(self, info: strawberry.Info) -> str:
        return seen(info, "locale", "currency")

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def motto(self, info: strawberry.Info) -> str:
        return seen(info, "locale")

    @cache_control(ttl=60)
    @strawberry.field
    def priced(self) -> Priced:
        return Priced(id=strawberry.ID("1"))

    @strawberry.field
    def listed(self) -> list[Priced]:
        return [Priced(id=strawberry.ID(str(number))) for number in (1, 2)]


@pytest.mark.parametrize(
    "query",
    [
        "{ greeting }",
        "{ account }",
        "{ prices }",
        "{ motto account }",
        "{ account motto }",
        "{ priced { price } greeting }",
        "{ greeting priced { price } }",
        "{ priced { offer basket } }",
        "{ listed { offer basket } }",
    ],
)
async def test_answers_are_kept_apart_by_session_and_by_every_varied_value(
    cache: ResponseCache, way: str, form: str, query: str
) -> None:
    """Session, locale and currency each take the values `a` and `b`."""
    shop = BothWays(Shop, cache)
    requesters: list[dict[str, Any]] = [
        {"user": user, "locale": locale, "currency": currency}
        for user, locale, currency in itertools.product(("a", "b"), ("a", "b"), ("a", "b"))
    ]
    for _ in range(2):
        for who in requesters:
            result = await shop.ask(query, way=way, form=form, **who)
            assert result.data == (await shop.ask_plain(query, form=form, **who)).data
    if "listed" not in query:
        assert statuses(result, form) == {"hit"}


async def test_a_private_response_without_a_session_is_not_stored_though_it_varies(
    cache: ResponseCache, way: str, form: str
) -> None:
    shop = BothWays(Shop, cache)
    for locale in ("a", "b", "a"):
        result = await shop.ask("{ account }", way=way, form=form, locale=locale)
        assert result.data is not None
        assert result.data["account"] == f"user=None locale={locale} currency=None"
        assert statuses(result, form) == {"bypass"}


@strawberry.type
class Identified:
    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def told(self, info: strawberry.Info) -> str:
        return repr(info.context["locale"])

    @strawberry.field
    def fresh(self) -> int:
        return 0


async def test_varied_values_that_print_alike_are_told_apart(
    cache: ResponseCache, way: str, form: str
) -> None:
    schema = BothWays(Identified, cache)
    number = UUID(int=7)
    values = [1, "1", True, None, "null", "None", number, str(number), [1], "[1]", ["1"], {}, "{}"]
    for expected in ("miss", "hit"):
        for value in values:
            result = await schema.ask("{ told }", way=way, form=form, locale=value)
            assert result.data is not None
            assert result.data["told"] == repr(value)
            assert statuses(result, form) == {expected}


# -- Conditions ------------------------------------------------------------------------------------------


@strawberry.type
class Person:
    id: strawberry.ID
    name: str = "someone"

    @cache_control(inherit=True, scope=PRIVATE)
    @strawberry.field
    def secret(self, info: strawberry.Info) -> str:
        return seen(info, "user")

    @cache_control(inherit=True, vary=["locale"])
    @strawberry.field
    def label(self, info: strawberry.Info) -> str:
        return seen(info, "locale")

    @cache_control(ttl=0)
    @strawberry.field
    def now(self, info: strawberry.Info) -> str:
        return str(next(info.context["clock"]))

    @strawberry.field
    def unannotated(self, info: strawberry.Info) -> str:
        return str(next(info.context["clock"]))


@strawberry.type
class People:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def person(self) -> Person:
        return Person(id=strawberry.ID("1"))

    @cache_control(ttl=60, scope=PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        return seen(info, "user")

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def motto(self, info: strawberry.Info) -> str:
        return seen(info, "locale")

    @cache_control(ttl=60)
    @strawberry.field
    def open(self) -> str:
        return "open"

    @cache_control(ttl=0)
    @strawberry.field
    def now(self, info: strawberry.Info) -> str:
        return str(next(info.context["clock"]))


CONDITIONAL = [
    "query ($a: Boolean!, $b: Boolean!) { open CHOICE_ROOT }",
    "query ($a: Boolean!, $b: Boolean!) { ...F } fragment F on People { open CHOICE_ROOT }",
    "query ($a: Boolean!, $b: Boolean!) { open ... on People IF_A { me motto } now IF_B }",
    (
        "query ($a: Boolean!, $b: Boolean!) { open ...F IF_A now IF_B } "
        "fragment F on People { me motto }"
    ),
    pytest.param(
        "query ($a: Boolean!, $b: Boolean!) { person { name CHOICE } }", marks=pytest.mark.quick
    ),
    (
        "query ($a: Boolean!, $b: Boolean!) { person { name ...F } } "
        "fragment F on Person { ...G } fragment G on Person { CHOICE }"
    ),
    "query ($a: Boolean!, $b: Boolean!) { person { name ... IF_A { secret label } now IF_B } }",
    "query ($a: Boolean!, $b: Boolean!) { open person IF_A { secret label } now IF_B }",
    "query ($a: Boolean!, $b: Boolean!) { person { name unannotated IF_A secret IF_B } }",
    "query ($a: Boolean!, $b: Boolean!) { person { name label IF_A IF_NOT_B secret IF_B IF_NOT_A } }",
    # One field selected twice is answered as one.
    "query ($a: Boolean!, $b: Boolean!) { person { name } person { CHOICE } }",
]
WRITTEN = {
    "include": {
        "IF_A": "@include(if: $a)",
        "IF_B": "@include(if: $b)",
        "IF_NOT_A": "@skip(if: $a)",
        "IF_NOT_B": "@skip(if: $b)",
    },
    "skip": {
        "IF_A": "@skip(if: $a)",
        "IF_B": "@skip(if: $b)",
        "IF_NOT_A": "@include(if: $a)",
        "IF_NOT_B": "@include(if: $b)",
    },
}


def conditional(template: str, directive: str) -> str:
    text = template.replace("CHOICE_ROOT", "me IF_A motto IF_A now IF_B")
    text = text.replace("CHOICE", "secret IF_A label IF_A now IF_B")
    for name in ("IF_NOT_A", "IF_NOT_B", "IF_A", "IF_B"):
        text = text.replace(name, WRITTEN[directive][name])
    return text


@pytest.mark.parametrize("directive", WRITTEN)
@pytest.mark.parametrize("template", CONDITIONAL)
async def test_only_fields_that_the_variables_include_decide_the_policy(
    cache: ResponseCache, form: str, template: str, directive: str
) -> None:
    """Whatever was asked before: one document is asked with all its conditions, twice."""
    query = conditional(template, directive)
    taken = [{"a": a, "b": b} for a, b in itertools.product((False, True), repeat=2)]
    people = BothWays(People, cache)
    for chosen in (*taken, *taken):
        for user, locale, way in (("alice", "en", "execute"), ("bob", "de", "execute_sync")):
            who = {"user": user, "locale": locale}
            clocks = {"clock": itertools.count()}, {"clock": itertools.count()}
            result = await people.ask(query, chosen, way=way, form=form, **who, **clocks[0])
            plain = await people.ask_plain(query, chosen, form=form, **who, **clocks[1])
            assert result.data == plain.data
            if form == "operation" and plain.data is not None:
                names = set(flat(plain.data))
                if names & {"now", "unannotated"}:
                    assert status(result) == "bypass"
                else:
                    private = names & {"me", "secret"}
                    assert outcome(result)["scope"] == ("PRIVATE" if private else "PUBLIC")


def flat(data: dict[str, Any]) -> list[str]:
    """The names of all fields of an answer."""
    names = list(data)
    for value in data.values():
        names += flat(value) if isinstance(value, dict) else []
    return names


# -- Restrictions ----------------------------------------------------------------------------------------

Say = Callable[[Any], None]

SAYS: dict[str, Say] = {
    "private": lambda info: restrict_cache(info, scope=PRIVATE),
    "short": lambda info: restrict_cache(info, ttl=5),
    "shorter": lambda info: restrict_cache(info, ttl=3),
    "longer": lambda info: restrict_cache(info, ttl=6000),
    "tags": lambda info: restrict_cache(info, tags=["first"]),
    "other tags": lambda info: restrict_cache(info, tags=["second"]),
    "nothing": restrict_cache,
}


@strawberry.type
class Item:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    def said(self, info: strawberry.Info, what: list[str]) -> str:
        return say(info, what)


def say(info: strawberry.Info, what: list[str]) -> str:
    for each in what:
        SAYS[each](info)
    return seen(info, "user")


@strawberry.type
class Restricted:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def said(self, info: strawberry.Info, what: list[str]) -> str:
        return say(info, what)

    @cache_control(ttl=60)
    @strawberry.field
    def item(self) -> Item:
        return Item(id=strawberry.ID("1"))


ORDERS = [
    ("private", "short", "tags"),
    ("tags", "short", "private"),
    ("private", "nothing"),
    ("short", "shorter", "longer"),
    ("longer", "shorter", "short"),
    ("tags", "other tags", "nothing"),
    ("longer",),
]


@pytest.mark.parametrize("what", ORDERS, ids="-".join)
@pytest.mark.parametrize("apart", [False, True], ids=["one resolver", "several resolvers"])
async def test_the_strictest_of_several_restrictions_counts_in_any_order(
    cache: ResponseCache, raw: Any, form: str, what: tuple[str, ...], apart: bool
) -> None:
    schema = BothWays(Restricted, cache)
    if apart:
        calls = [f's{number}: said(what: ["{each}"])' for number, each in enumerate(what)]
        query = f"{{ item {{ {' '.join(calls)} }} }}"
    else:
        listed = ", ".join(f'"{each}"' for each in what)
        query = f"{{ said(what: [{listed}]) }}"
    private = "private" in what
    lowest = min({"short": 5, "shorter": 3}.get(each, 60) for each in what)

    first = await schema.ask(query, form=form, user="alice")
    said = outcome(first) if form == "operation" else outcome(first)["fields"][0]
    assert said["status"] == "miss"
    assert (said["scope"], said["ttl"]) == ("PRIVATE" if private else "PUBLIC", lowest)
    lives = sorted(raw.pttl(key) for key in raw.keys("*:e:*"))
    assert lives[0] <= lowest * 1000
    # What stands under the public key of something PRIVATE holds nothing, and may stay for long.
    assert len(lives) == 1 + private

    for tag, name in (("tags", "first"), ("other tags", "second")):
        assert statuses(await schema.ask(query, form=form, user="alice"), form) == {"hit"}
        await cache.invalidate(name)
        again = await schema.ask(query, form=form, user="alice")
        assert statuses(again, form) == {"miss" if tag in what else "hit"}
    if private:
        bob = await schema.ask(query, form=form, user="bob")
        assert bob.data == (await schema.ask_plain(query, form=form, user="bob")).data


# -- A restriction beside a field that has an entry of its own -------------------------------------------


async def once(condition: Callable[[], object]) -> None:
    """Wait for a state from inside a resolver, where the test cannot."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


@strawberry.type
class Neighbour:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    def lasting(self) -> str:
        return "lasting"

    @cache_control(inherit=True)
    @strawberry.field
    def restricted(self, info: strawberry.Info) -> str:
        info.context["say"](info)
        return seen(info, "user")

    @cache_control(inherit=True)
    @strawberry.field
    async def restricted_later(self, info: strawberry.Info) -> str:
        await once(info.context["is_stored"])
        info.context["say"](info)
        return seen(info, "user")


@strawberry.type
class Neighbours:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=600)
    @strawberry.field
    def lasting(self) -> str:
        return "lasting"

    @cache_control(ttl=60)
    @strawberry.field
    def restricted(self, info: strawberry.Info) -> str:
        info.context["say"](info)
        return seen(info, "user")

    @cache_control(ttl=60)
    @strawberry.field
    async def restricted_later(self, info: strawberry.Info) -> str:
        await once(info.context["is_stored"])
        info.context["say"](info)
        return seen(info, "user")

    @cache_control(ttl=60)
    @strawberry.field
    def one(self) -> Neighbour:
        return Neighbour(id=strawberry.ID("1"))


@pytest.mark.parametrize(
    "query",
    ["{ lasting RESTRICTED }", "{ one { lasting RESTRICTED } }", "{ lasting one { RESTRICTED } }"],
)
@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        (lambda info: restrict_cache(info, scope=PRIVATE), {"scope": "PRIVATE"}),
        (lambda info: restrict_cache(info, ttl=5), {"ttl": 5}),
        (skip_cache, {"status": "bypass"}),
    ],
    ids=["private", "ttl", "skip"],
)
async def test_a_restriction_counts_although_a_field_of_the_operation_is_already_stored(
    cache: ResponseCache, raw: Any, way: str, query: str, restriction: Say, expected: dict[str, Any]
) -> None:
    """`lasting` has a longer ttl than the operation, so it has an entry of its own, which is stored first."""
    schema = BothWays(Neighbours, cache)
    text = query.replace("RESTRICTED", "restricted" if way == "execute_sync" else "restrictedLater")
    context: dict[str, Any] = {"say": restriction, "is_stored": lambda: raw.keys("*:e:*")}
    first = await schema.ask(text, way=way, user="alice", **context)
    assert (
        first.data == (await schema.ask_plain(text, form="operation", user="alice", **context)).data
    )
    assert {name: outcome(first).get(name) for name in expected} == expected
    assert {each["field"] for each in outcome(first)["fields"]} <= {
        "Neighbours.lasting",
        "Neighbour.lasting",
    }
    bob = await schema.ask(text, way=way, user="bob", **context)
    if "ttl" not in expected:
        plain = await schema.ask_plain(text, form="operation", user="bob", **context)
        assert bob.data == plain.data


@pytest.mark.parametrize(
    ("way", "name"),
    [
        ("execute", "restricted"),
        ("execute", "restrictedLater"),
        ("execute_sync", "restricted"),
    ],
)
async def test_a_restriction_of_a_field_counts_for_every_entry_that_holds_it(
    cache: ResponseCache, raw: Any, way: str, name: str
) -> None:
    """Three levels: the operation holds a field that holds a field that says PRIVATE."""
    schema = BothWays(Neighbours, cache)
    query = f"{{ one {{ lasting {name} }} }}"
    context: dict[str, Any] = {"say": SAYS["private"], "is_stored": lambda: raw.keys("*:e:*")}
    for form in FORMS:
        for user in ("alice", "bob", "alice"):
            result = await schema.ask(query, way=way, form=form, user=user, **context)
            assert result.data is not None
            assert result.data["one"][name] == f"user={user}"
