"""How long an answer lives where several fields, types and members of unions say it together."""

from typing import Annotated, Any

import pytest
import strawberry
from strawberry.scalars import JSON

from strawberry_response_cache import CacheScope, ResponseCache, cache_control
from tests.graphql.both_ways import FORMS, BothWays, statuses
from tests.graphql.ledger import outcome, reason

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)


# -- The lowest of several -----------------------------------------------------------------------------


@cache_control(ttl=2000, stale=600)
@strawberry.type
class Middle:
    middle: int = 1


@cache_control(ttl=1000, stale=900)
@strawberry.type
class Short:
    short: int = 1


@cache_control(ttl=3000, stale=300)
@strawberry.type
class Long:
    long: int = 1


@cache_control(ttl=1500)
@strawberry.type
class Prompt:
    """It names no stale window, which is none."""

    prompt: int = 1


@strawberry.type
class Silent:
    silent: int = 1


@cache_control(ttl=2500, stale=450)
@strawberry.interface
class Thing:
    id: strawberry.ID = strawberry.ID("1")


@strawberry.type
class Plain(Thing):
    """It says nothing, and takes what the interface says where that is declared."""


@cache_control(ttl=4000, stale=1200)
@strawberry.type
class Lasting(Thing):
    pass


MiddleFirst = Annotated[Middle | Short | Long, strawberry.union("MiddleFirst")]
ShortFirst = Annotated[Short | Middle | Long, strawberry.union("ShortFirst")]
ShortLast = Annotated[Long | Middle | Short, strawberry.union("ShortLast")]
WithPrompt = Annotated[Long | Prompt | Middle, strawberry.union("WithPrompt")]
SilentFirst = Annotated[Silent | Middle | Long, strawberry.union("SilentFirst")]
SilentLast = Annotated[Long | Middle | Silent, strawberry.union("SilentLast")]
Said = Annotated[
    Silent | Long, strawberry.union("Said", directives=[cache_control(ttl=1800, stale=750)])
]


@strawberry.type
class Holder:
    """Its plain attributes follow what they return, else their parent."""

    id: strawberry.ID = strawberry.ID("1")
    middle_first: MiddleFirst | None = None
    short_first: ShortFirst | None = None
    short_last: ShortLast | None = None
    with_prompt: WithPrompt | None = None
    silent_first: SilentFirst | None = None
    silent_last: SilentLast | None = None
    said: Said | None = None
    thing: Thing | None = None
    lasting: Lasting | None = None
    silent: Silent | None = None

    @cache_control(inherit=True)
    @strawberry.field
    def inherited(self) -> Short:
        return Short()

    @cache_control(inherit=True)
    @strawberry.field
    def inherited_long(self) -> Lasting:
        return Lasting()

    @cache_control(inherit=True)
    @strawberry.field
    def inherited_members(self) -> ShortLast | None:
        return None

    @cache_control(inherit=True)
    @strawberry.field
    def inherited_silent(self) -> Silent:
        return Silent()

    @cache_control()
    @strawberry.field
    def bare(self) -> ShortLast | None:
        return None

    @cache_control(stale=150)
    @strawberry.field
    def bare_with_its_own_window(self) -> ShortLast | None:
        return None


@strawberry.type
class Lives:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=3500, stale=1050)
    @strawberry.field
    def holder(self) -> Holder:
        return Holder()

    @cache_control(ttl=2200, stale=600)
    @strawberry.field
    def few(self) -> int:
        return 1

    @cache_control(ttl=2800)
    @strawberry.field
    def without_a_window(self) -> int:
        return 1

    @cache_control()
    @strawberry.field
    def middle_first(self) -> MiddleFirst | None:
        return None

    @cache_control()
    @strawberry.field
    def short_first(self) -> ShortFirst | None:
        return None

    @cache_control()
    @strawberry.field
    def short_last(self) -> ShortLast | None:
        return None

    @cache_control()
    @strawberry.field
    def with_prompt(self) -> WithPrompt | None:
        return None

    @cache_control()
    @strawberry.field
    def said(self) -> Said | None:
        return None

    @cache_control()
    @strawberry.field
    def thing(self) -> Thing | None:
        return None

    @cache_control()
    @strawberry.field
    def silent_last(self) -> SilentLast | None:
        return None


NAME = "{ __typename }"
LIVES = [
    # Of members, the lowest ttl and the lowest window, whichever comes first.
    (f"{{ middleFirst {NAME} }}", 1000, 300, "Lives.middleFirst"),
    (f"{{ shortFirst {NAME} }}", 1000, 300, "Lives.shortFirst"),
    (f"{{ shortLast {NAME} }}", 1000, 300, "Lives.shortLast"),
    (f"{{ withPrompt {NAME} }}", 1500, 0, "Lives.withPrompt"),
    # Who is silent takes what the union or the interface says, and nobody else does.
    (f"{{ said {NAME} }}", 1800, 300, "Lives.said"),
    (f"{{ thing {NAME} }}", 2500, 450, "Lives.thing"),
    # Of several fields, too, in whatever order.
    ("{ holder { id } few }", 2200, 600, "Lives.few"),
    ("{ few holder { id } }", 2200, 600, "Lives.few"),
    ("{ withoutAWindow few }", 2200, 0, "Lives.few"),
    ("{ few withoutAWindow }", 2200, 0, "Lives.few"),
    (f"{{ shortLast {NAME} holder {{ id }} few }}", 1000, 300, "Lives.shortLast"),
    (f"{{ holder {{ id }} shortLast {NAME} few }}", 1000, 300, "Lives.shortLast"),
    # Below a field.
    (f"{{ holder {{ middleFirst {NAME} }} }}", 1000, 300, "Holder.middleFirst"),
    (f"{{ holder {{ shortFirst {NAME} }} }}", 1000, 300, "Holder.shortFirst"),
    (f"{{ holder {{ shortLast {NAME} }} }}", 1000, 300, "Holder.shortLast"),
    (f"{{ holder {{ withPrompt {NAME} }} }}", 1500, 0, "Holder.withPrompt"),
    (f"{{ holder {{ said {NAME} }} }}", 1800, 300, "Holder.said"),
    (f"{{ holder {{ thing {NAME} }} }}", 2500, 450, "Holder.thing"),
    (f"{{ holder {{ lasting {NAME} }} }}", 3500, 1050, "Lives.holder"),
    (f"{{ holder {{ silent {NAME} }} }}", 3500, 1050, "Lives.holder"),
    # A member without a hint inherits from the parent, and the others count all the same.
    (f"{{ holder {{ silentFirst {NAME} }} }}", 2000, None, "Holder.silentFirst"),
    (f"{{ holder {{ silentLast {NAME} }} }}", 2000, None, "Holder.silentLast"),
    # What inherits takes its parent's ttl unless the type has its own.
    pytest.param(
        f"{{ holder {{ inherited {NAME} }} }}",
        *(1000, 900, "Holder.inherited"),
        marks=pytest.mark.quick,
    ),
    (f"{{ holder {{ inheritedLong {NAME} }} }}", 3500, 1050, "Lives.holder"),
    (f"{{ holder {{ inheritedMembers {NAME} }} }}", 1000, 300, "Holder.inheritedMembers"),
    (f"{{ holder {{ inheritedSilent {NAME} }} }}", 3500, 1050, "Lives.holder"),
    (f"{{ holder {{ bare {NAME} }} }}", 1000, 300, "Holder.bare"),
    (f"{{ holder {{ bareWithItsOwnWindow {NAME} }} }}", 1000, 150, "Holder.bareWithItsOwnWindow"),
]


def lives(ttl: int) -> range:
    """The seconds that may be said of a life: an answer ends with the first entry that it holds, which is older.

    Lives are further apart than these; no machine is that slow.
    """
    return range(ttl - 60, ttl + 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("query", "ttl", "stale", "limited_by"), LIVES)
async def test_an_entry_has_the_lowest_ttl_and_the_lowest_stale_window_of_its_fields(
    cache: ResponseCache,
    raw: Any,
    form: str,
    query: str,
    ttl: int,
    stale: int | None,
    limited_by: str,
) -> None:
    result = await BothWays(Lives, cache, types=[Plain, Lasting]).ask(query, form=form)
    assert statuses(result, form) == {"miss"}
    if form == "operation":
        assert outcome(result)["limitedBy"] == limited_by
        assert outcome(result)["ttl"] in lives(ttl)
    else:
        assert min(each["ttl"] for each in outcome(result)["fields"]) in lives(ttl)
    entries = raw.keys("*:e:*")
    if stale is not None and len(entries) == 1:
        # As in `lives`.
        assert raw.pttl(entries[0]) / 1000 == pytest.approx(ttl + stale, abs=60)


@pytest.mark.parametrize(
    ("query", "ttl"),
    [
        (f"{{ silentLast {NAME} }}", 2000),
        (f"{{ holder {{ silentLast {NAME} }} }}", 2000),
        (f"{{ holder {{ silentFirst {NAME} }} }}", 2000),
        (f"{{ holder {{ silent {NAME} }} }}", 3500),
    ],
)
@pytest.mark.parametrize("default_ttl", [1200, 9000])
async def test_default_ttl_lengthens_the_ttl_of_no_union_member(
    cache: ResponseCache, query: str, ttl: int, default_ttl: int
) -> None:
    schema = BothWays(Lives, cache, types=[Plain, Lasting], default_ttl=default_ttl)
    assert outcome(await schema.ask(query))["ttl"] in lives(min(ttl, default_ttl))


# -- Whether a value is JSON as it stands ----------------------------------------------------------------


@strawberry.type
class Amounts:
    id: strawberry.ID
    pair: JSON
    name: str = "a"


@strawberry.type
class Inexact:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def pair(self) -> JSON:
        return JSON((1, 2))  # a hit would be a list

    @cache_control(ttl=60)
    @strawberry.field
    def plain(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def amounts(self) -> Amounts:
        return Amounts(id=strawberry.ID("1"), pair=JSON((1, 2)))


@pytest.mark.parametrize(
    "query",
    [
        "{ pair }",
        pytest.param("{ pair plain }", marks=pytest.mark.quick),
        "{ plain pair }",
        "{ amounts { pair name } plain }",
        "{ amounts { name pair id } }",
    ],
)
@pytest.mark.parametrize("form", FORMS)
async def test_a_scalar_that_json_would_change_is_not_stored_wherever_it_is_in_the_answer(
    cache: ResponseCache, form: str, query: str
) -> None:
    schema = BothWays(Inexact, cache)
    for _ in range(2):
        result = await schema.ask(query, form=form)
        assert repr(result.data) == repr((await schema.ask_plain(query, form=form)).data)
        if form == "operation":
            assert reason(result) == "unserializable"


# -- What lies above, at whatever distance -----------------------------------------------------------------

HINTS: dict[str, Any] = {
    "private": cache_control(scope=CacheScope.PRIVATE),
    "never": cache_control(ttl=0),
    "varies": cache_control(vary=["locale"]),
    "tagged": cache_control(tags=["marked"]),
}
ABOVE = [
    "the type",
    "a base",
    "a base of a base",
    "the first interface",
    "the last interface",
    "an interface of an interface",
]
OF_FIELDS = [
    "its field",
    "the field of a base",
    "the field of a base of a base",
    "the field of the first interface",
    "the field of the last interface",
    "the field of an interface of an interface",
]


def world(where: str, hint: Any) -> tuple[type, list[type]]:
    """Return a query type, and further types, with a hint in one place above or on a leaf."""

    def at(place: str) -> list[Any]:
        return [hint] if place == where else []

    def named(place: str) -> Any:
        return strawberry.field(directives=at(place))

    @strawberry.interface(directives=at("an interface of an interface"))
    class Far:
        name: str = named("the field of an interface of an interface")

    @strawberry.interface(directives=at("the first interface"))
    class First(Far):
        name: str = named("the field of the first interface")

    @strawberry.interface(directives=at("the last interface"))
    class Last:
        name: str = named("the field of the last interface")

    @strawberry.type(directives=at("a base of a base"))
    class Grand:
        name: str = named("the field of a base of a base")

    @strawberry.type(directives=at("a base"))
    class Base(Grand):
        name: str = named("the field of a base")

    @strawberry.type(directives=at("the type"))
    class Leaf(Base, First, Last):
        id: strawberry.ID = strawberry.ID("1")
        name: str = named("its field")

        @cache_control(ttl=600)
        @strawberry.field
        def own(self, info: strawberry.Info) -> str:
            return f"{info.context.get('user')} {info.context.get('locale')}"

    @strawberry.type
    class Other(First, Last):
        name: str = "other"

    union = strawberry.union("United", directives=at("the union"))

    @strawberry.type
    class Tree:
        leaf: Leaf
        first: First
        last: Last
        far: Far
        united: Annotated[Other | Leaf, union]

    def leaf() -> Leaf:
        return Leaf(name="leaf")

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def tree(self) -> Tree:
            return Tree(leaf=leaf(), first=leaf(), last=leaf(), far=leaf(), united=leaf())

        @strawberry.field
        def leaves(self) -> list[Leaf]:
            return [leaf()]

        @strawberry.field
        def fresh(self) -> int:
            return 0

    return Query, [Leaf, Other]


async def holds(schema: BothWays, cache: ResponseCache, query: str, form: str, what: str) -> bool:
    """Whether an answer is what a hint says that it is."""
    await cache.clear()

    async def ask(user: str = "alice", locale: str = "en") -> set[str]:
        result = await schema.ask(query, form=form, user=user, locale=locale)
        return statuses(result, form)

    first = await ask()
    if what == "never":
        return first <= {"bypass"}
    assert first == {"miss"}
    assert await ask() == {"hit"}
    if what == "private":
        return await ask(user="bob") == {"miss"}
    if what == "varies":
        return await ask(locale="de") == {"miss"}
    await cache.invalidate("marked")
    return await ask() == {"miss"}


DECLARED = ("leaf", "first", "last", "far", "united")


@pytest.mark.parametrize("what", HINTS)
@pytest.mark.parametrize(
    "where",
    [
        pytest.param(ABOVE[0], marks=pytest.mark.quick),
        *ABOVE[1:],
        *OF_FIELDS,
        "the union",
        "nowhere",
    ],
)
async def test_a_hint_above_an_interface_type_or_field_holds_however_far_above_it_is(
    cache: ResponseCache, where: str, what: str
) -> None:
    query, types = world(where, HINTS[what])
    schema = BothWays(query, cache, types=types)
    for declared in DECLARED:
        expected = where != "nowhere" and (where != "the union" or declared == "united")
        if (where, what) == ("the union", "never"):
            # What it says is its members' where they are silent.
            expected = declared == "united"
        text = f"{{ tree {{ {declared} {{ __typename ... on Leaf {{ name }} }} }} }}"
        assert await holds(schema, cache, text, "operation", what) is expected, declared
    # A field by itself is part of what its type's hints say, whatever way led there.
    assert await holds(schema, cache, "{ leaves { own } }", "field", what) is (where in ABOVE)
