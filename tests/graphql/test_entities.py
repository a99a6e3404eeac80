"""Objects that a gateway of Apollo Federation asks for: each has an entry of its own."""

import asyncio
import gc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import strawberry
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
    renew_cache,
    restrict_cache,
    skip_cache,
)
from strawberry_response_cache.graphql.execution.fields.entity_run import EntityRun
from strawberry_response_cache.graphql.policy.reasons import Reason
from tests.conftest import UntilJoined
from tests.graphql.federated_shop import (
    BROKEN,
    MISSING,
    SKIPPED,
    WRONG,
    Asking,
    Form,
    World,
    federated,
)
from tests.graphql.ledger import outcome

QUERY = "query($of: [_Any!]!) { _entities(representations: $of) { %s } }"
NAMED = QUERY % "... on Product { upc title } ... on Review { stars }"
WAYS = ["execute", "execute_sync"]
ONLY = "only-if-cached"


def products(*upcs: str) -> list[dict[str, Any]]:
    return [{"__typename": "Product", "upc": each} for each in upcs]


class Shop:
    """A federated schema with a cache, its world, and who asks."""

    def __init__(
        self,
        cache: ResponseCache,
        form: Form | None = None,
        *,
        made_with: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        chosen: dict[str, Any] = {
            "tenant": None,
            "session": lambda context: context.user,
            "vary": {"locale": lambda context: context.locale},
            "debug": True,
        } | options
        self.world = World()
        self.extension = ResponseCacheExtension(cache, **chosen)
        self.schema = federated(form or Form(), extensions=[self.extension], **(made_with or {}))
        assert self.extension.check(self.schema) == () or "max_ttl" in options

    async def ask(
        self,
        query: str,
        of: list[dict[str, Any]] | None = None,
        *,
        way: str = "execute",
        user: str | None = "alice",
        locale: str = "en",
        asked: str | None = None,
    ) -> Any:
        variables = None if of is None else {"of": [dict(each) for each in of]}
        context = Asking(self.world, user, locale)
        if asked is not None:
            vars(context)["request"] = SimpleNamespace(headers={"cache-control": asked})
        if way == "execute":
            return await self.schema.execute(query, variables, context_value=context)
        return await asyncio.to_thread(
            self.schema.execute_sync, query, variables, context_value=context
        )

    async def ask_twice(self, query: str, of: list[dict[str, Any]]) -> Any:
        await self.ask(query, of)
        return await self.ask(query, of)

    def ran(self, what: str) -> int:
        """How often a resolver ran since this was asked for the last time."""
        return self.world.runs.pop(what, 0)


def lines(result: Any) -> dict[str, tuple[str, int, int | None]]:
    """What became of the objects of each type: the worst, how many there are, and how many were hits among others."""
    return {
        line["field"].partition(": ")[2]: (line["status"], line["count"], line.get("hits"))
        for line in outcome(result)["fields"]
    }


@pytest.mark.parametrize("way", WAYS)
async def test_only_entities_without_an_entry_are_resolved(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = Shop(memory_cache)
    first = await shop.ask(NAMED, products("a", "b"), way=way)
    assert first.data == {"_entities": [{"upc": "a", "title": "a 0"}, {"upc": "b", "title": "b 0"}]}
    assert (outcome(first)["status"], lines(first)) == ("miss", {"Product": ("miss", 2, None)})
    shop.world.runs.clear()
    more = await shop.ask(NAMED, products("c", "b", "a"), way=way)
    assert [each["upc"] for each in more.data["_entities"]] == ["c", "b", "a"]
    assert shop.world.runs == {"? c": 1, "Product c": 1}
    assert (outcome(more)["status"], lines(more)) == ("miss", {"Product": ("miss", 3, 2)})
    hit = await shop.ask(NAMED, products("b", "c"), way=way)
    assert (outcome(hit)["status"], lines(hit)) == ("hit", {"Product": ("hit", 2, None)})


async def test_missing_entities_are_loaded_in_one_batch(memory_cache: ResponseCache) -> None:
    shop = Shop(memory_cache, Form(is_async=True, reads_many=True))
    await shop.ask(NAMED, products("a"))
    assert shop.ran("batches") == 1
    await shop.ask(NAMED, products("a", "b", "c", "restricted"))
    assert shop.ran("batches") == 1


@pytest.mark.parametrize("way", WAYS)
async def test_entities_without_errors_are_stored_although_others_fail(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = Shop(memory_cache)
    query = QUERY % "... on Product { upc must }"
    asked = products("a", BROKEN, "c", "b")
    for times in (1, 0):
        result = await shop.ask(query, asked, way=way)
        assert result.data == {
            "_entities": [
                {"upc": "a", "must": "must 0"},
                None,
                None,
                {"upc": "b", "must": "must 0"},
            ]
        }
        paths = sorted(error.path for error in result.errors)
        assert paths == [["_entities", 1], ["_entities", 2, "must"]]
        assert (shop.ran("? a"), shop.ran(f"? {BROKEN}"), shop.ran("? c")) == (times, 1, 1)


async def test_an_error_of_the_entities_field_is_that_of_a_schema_without_a_cache(
    memory_cache: ResponseCache,
) -> None:
    shop, plain = Shop(memory_cache), federated(Form())
    await shop.ask(NAMED, products("a"))
    for odd in ({"__typename": "Nothing"}, {"upc": "a"}, {"__typename": "Named", "upc": "a"}):
        asked = [*products("a"), odd]
        result = await shop.ask(NAMED, asked)
        expected = await plain.execute(
            NAMED, {"of": [dict(each) for each in asked]}, context_value=Asking(World(), "", "")
        )
        assert result.data == expected.data
        assert [e.formatted for e in result.errors] == [e.formatted for e in expected.errors or ()]
        assert outcome(result)["status"] == "bypass"


async def test_a_mutation_invalidates_the_entity_that_it_changes_and_no_other(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache)
    await shop.ask(NAMED, products("a", "b"))
    await shop.ask('mutation { changeProduct(upc: "a") { upc } }')
    shop.world.runs.clear()
    result = await shop.ask(NAMED, products("a", "b"))
    assert [each["title"] for each in result.data["_entities"]] == ["a 1", "b 0"]
    assert (shop.ran("? a"), shop.ran("? b")) == (1, 0)


async def test_creating_an_entity_invalidates_the_null_stored_for_it(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache, invalidate_on_mutation="entities")
    for times in (1, 0):
        assert (await shop.ask(NAMED, products(MISSING))).data == {"_entities": [None]}
        assert shop.ran(f"? {MISSING}") == times
    await shop.ask(f'mutation {{ changeProduct(upc: "{MISSING}") {{ upc }} }}')
    await shop.ask(NAMED, products(MISSING))
    assert shop.ran(f"? {MISSING}") == 1


async def test_a_null_is_resolved_again_after_a_mutation_that_returns_an_object_of_its_type(
    memory_cache: ResponseCache,
) -> None:
    """The object may have been created, and the mutation may name it by another key."""
    shop = Shop(memory_cache)
    await shop.ask_twice(NAMED, products(MISSING, "a"))
    assert (shop.ran(f"? {MISSING}"), shop.ran("? a")) == (1, 1)
    await shop.ask('mutation { changeProduct(upc: "b") { upc } }')
    await shop.ask(NAMED, products(MISSING, "a"))
    assert (shop.ran(f"? {MISSING}"), shop.ran("? a")) == (1, 0)


async def test_a_trusted_extension_is_called_for_objects_that_are_resolved(
    memory_cache: ResponseCache,
) -> None:
    resolved: list[str] = []

    class Noting(SchemaExtension):
        def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            resolved.append(info.field_name)
            return _next(root, info, *args, **kwargs)

    extension = ResponseCacheExtension(
        memory_cache,
        tenant=None,
        vary={"locale": lambda context: context.locale},
        trusted_extensions=[Noting],
    )
    schema = federated(Form(), extensions=[extension, Noting])
    for expected in (["_entities", "upc"], []):
        result: Any = await schema.execute(
            QUERY % "... on Product { upc }",
            {"of": products("a")},
            context_value=Asking(World(), "alice", "en"),
        )
        assert result.data == {"_entities": [{"upc": "a"}]}
        assert resolved == expected
        resolved.clear()


@pytest.mark.parametrize("way", WAYS)
async def test_what_one_user_sees_of_an_entity_is_served_to_no_other(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = Shop(memory_cache)
    for field in ("mine", "secret", "label"):
        query = QUERY % f"... on Product {{ {field} }}"
        for times in (1, 0):
            for user, locale in (("alice", "en"), ("bob", "de")):
                result = await shop.ask(query, products("a"), way=way, user=user, locale=locale)
                (found,) = result.data["_entities"]
                expected = {"mine": f"{user} 0", "label": f"{locale} 0", "secret": "secret of a 0"}
                refused = field == "secret" and user == "bob"
                assert found == {field: None if refused else expected[field]}
                assert shop.ran("Product a") == (0 if refused else times)
    nobody = await shop.ask(QUERY % "... on Product { mine }", products("a"), way=way, user=None)
    assert outcome(nobody)["reason"] == "private_without_session"


async def test_a_restriction_of_a_resolver_holds_for_its_entity_only(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache)
    query, asked = QUERY % "... on Product { upc price }", products("a", SKIPPED, "restricted")
    for _ in range(2):
        await shop.ask(query, asked)
    assert (shop.ran("? a"), shop.ran(f"? {SKIPPED}"), shop.ran("? restricted")) == (1, 2, 1)
    await shop.ask(query, asked, user="bob")
    assert (shop.ran("? a"), shop.ran("? restricted")) == (0, 1)


@pytest.mark.parametrize("way", WAYS)
async def test_a_restriction_of_resolve_reference_holds_for_all_entities_resolved_with_it(
    memory_cache: ResponseCache, way: str
) -> None:
    @cache_control(ttl=60)
    @strawberry.federation.type(keys=["id"])
    class Thing:
        id: strawberry.ID
        of: str

        @classmethod
        def resolve_reference(cls, id: strawberry.ID, info: strawberry.Info) -> "Thing":  # noqa: A002 - the key's name
            if id == "hidden":
                restrict_cache(info, scope=CacheScope.PRIVATE)
            if id == "skipped":
                skip_cache(info)
            return cls(id=id, of=info.context.user)

    extension = ResponseCacheExtension(
        memory_cache, tenant=None, session=lambda context: context.user, debug=True
    )
    schema = strawberry.federation.Schema(types=[Thing], extensions=[extension])
    query = QUERY % "... on Thing { of }"
    shop = Shop(memory_cache)
    shop.schema = schema
    for ids, users in {
        ("hidden", "beside"): [("alice", "miss"), ("bob", "miss"), ("bob", "hit")],
        ("skipped", "beside it"): [("alice", "bypass"), ("bob", "bypass")],
        ("alone",): [("alice", "miss")],
    }.items():
        for user, expected in users:
            of = [{"__typename": "Thing", "id": each} for each in ids]
            result = await shop.ask(query, of, way=way, user=user)
            assert result.data == {"_entities": [{"of": user}] * len(ids)}
            assert outcome(result)["status"] == expected


async def test_an_entity_of_another_type_than_asked_for_is_not_stored(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache, Form(review_ttl=60))
    for selected in ("stars", "upc", "stars"):
        query = QUERY % f"... on Product {{ reviews {{ stars }} }} ... on Review {{ {selected} }}"
        result = await shop.ask(query, products(WRONG))
        assert list(result.data["_entities"][0]) == [selected]
    assert shop.ran(f"? {WRONG}") == 3


async def test_every_field_of_a_representation_is_part_of_the_key(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache)
    query = QUERY % "... on Part { doubled }"
    for _ in range(2):
        for weight in (1, 2):
            asked = [{"__typename": "Part", "upc": "a", "weight": weight}]
            result = await shop.ask(query, asked)
            assert result.data == {"_entities": [{"doubled": 2 * weight}]}
    assert shop.ran("Part a") == 2


async def test_schemas_of_different_names_share_no_entity(memory_cache: ResponseCache) -> None:
    shops = [Shop(memory_cache, schema_name=name) for name in ("a", "b")]
    for shop, expected in zip(shops * 2, ("miss", "miss", "hit", "hit"), strict=True):
        assert outcome(await shop.ask(NAMED, products("a")))["status"] == expected


@pytest.mark.parametrize("way", WAYS)
async def test_an_entity_whose_representation_cannot_be_in_a_key_is_resolved_on_each_request(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = Shop(memory_cache)
    asked = ", ".join(
        f'{{__typename: "Part", upc: "{upc}", weight: {weight}}}'
        for upc, weight in (("a", "2"), ("b", "1e999"))
    )
    query = f"{{ _entities(representations: [{asked}]) {{ ... on Part {{ upc }} }} }}"
    for hits in (None, 1):
        result = await shop.ask(query, way=way)
        assert result.data == {"_entities": [{"upc": "a"}, {"upc": "b"}]}
        assert outcome(result)["reason"] == "variables"
        assert lines(result) == {"Part": ("bypass", 2, hits)}
    assert memory_cache.statistics().operations.bypasses == 2
    assert {*memory_cache.statistics().bypasses} == {"variables"}


async def _later(found: Any) -> Any:
    if found is None:
        raise ValueError(BROKEN)
    return found


def _raises(_: object) -> Any:
    raise ValueError(BROKEN)


RESOLVED: dict[str, Callable[[list[Any]], Any]] = {
    "raises": _raises,
    "raises later": lambda _: _later(None),
    "a list later": _later,
    "a tuple": tuple,
    "too few": lambda found: found[:1],
    "nothing": lambda _: None,
}
"""What another resolver of `_entities` makes of the list that Strawberry's returns."""
ODD = ("a tuple", "too few", "nothing")
"""Those of which no object can be told; a fault is noted, and nothing is stored."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "resolved",
    [pytest.param(each, marks=pytest.mark.faults) if each in ODD else each for each in RESOLVED],
)
async def test_any_result_of_the_entities_resolver_is_answered_as_without_a_cache(
    memory_cache: ResponseCache, resolved: str, way: str
) -> None:
    if way == "execute_sync" and "later" in resolved:
        pytest.skip("nothing is awaited there")
    shop, plain = Shop(memory_cache), federated(Form())
    schemas = (shop.schema, plain)
    for schema in schemas:
        definition: Any = schema._schema.type_map["Query"]
        field = definition.fields["_entities"]

        def resolve(*given: Any, original: Any = field.resolve, **named: Any) -> Any:
            return RESOLVED[resolved](original(*given, **named))

        field.resolve = resolve
    for upcs in ("ab", "bca"):
        answers = []
        for shop.schema in schemas:
            result = await shop.ask(NAMED, products(*upcs), way=way)
            answers.append((result.data, [each.formatted for each in result.errors or ()]))
        assert answers[0] == answers[1]


@pytest.mark.faults
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("occurrence", [1, 2])
@pytest.mark.parametrize("step", ["_resolve", "_take", "_complete", "_add", "_conclude"])
async def test_no_entity_is_resolved_twice_after_a_fault_of_this_package(
    memory_cache: ResponseCache,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    occurrence: int,
    way: str,
    *,
    is_after: bool,
) -> None:
    shop, calls = Shop(memory_cache), [0]
    original = getattr(EntityRun, step)

    def faulty(*given: Any) -> Any:
        calls[0] += 1
        is_now = calls[0] == occurrence
        if is_now and not is_after:
            raise RuntimeError
        found = original(*given)
        if is_now:
            raise RuntimeError
        return found

    monkeypatch.setattr(EntityRun, step, faulty)
    result = await shop.ask(NAMED, products("a", "b"), way=way)
    assert result.errors is None
    assert [each["title"] for each in result.data["_entities"]] == ["a 0", "b 0"]
    assert (shop.ran("? a"), shop.ran("? b"), shop.ran("Product a")) == (1, 1, 1)


@pytest.mark.filterwarnings(
    "ignore:.*never awaited", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("upcs", [("a",), ()])
def test_async_entity_resolvers_fail_execute_sync_as_without_a_cache(
    memory_cache: ResponseCache, upcs: tuple[str, ...]
) -> None:
    found: list[object] = []
    parts = [{"__typename": "Part", "upc": "p", "weight": 2}]
    shop = Shop(memory_cache, Form(is_async=True))
    for schema in (shop.schema, federated(Form(is_async=True))):
        of = {"of": [*parts, *products(*upcs)]}
        context = Asking(World(), "alice", "en")
        try:
            result = schema.execute_sync(NAMED, of, context_value=context)
            found.append((result.data, result.errors))
        except RuntimeError as error:
            found.append(f"{error}")
            del error
    gc.collect()  # while what was never awaited may be
    assert found[0] == found[1]


@pytest.mark.parametrize("way", WAYS)
async def test_an_operation_counts_as_a_hit_only_if_all_its_entities_are_hits(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = Shop(memory_cache)
    for upcs, expected in (("a", (0, 1)), ("ab", (0, 2)), ("ca", (0, 3)), ("abc", (1, 3))):
        await shop.ask(NAMED, products(*upcs), way=way)
        operations = memory_cache.statistics().operations
        assert (operations.hits, operations.misses) == expected


async def test_selections_on_other_types_are_not_in_the_key_of_an_entity(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache)
    await shop.ask(QUERY % "... on Product { title }", products("a"))
    both = QUERY % "... on Review { stars } ... on Product { title }"
    assert outcome(await shop.ask(both, products("a")))["status"] == "hit"
    other = QUERY % "... on Named { title } ... on Product { upc }"
    assert outcome(await shop.ask(other, products("a")))["status"] == "miss"


async def test_aliases_of_selected_fields_are_in_the_key_of_an_entity(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache)
    for expected in ("miss", "hit"):
        for selected, answer in (
            ("x: upc y: title", {"x": "a", "y": "a 0"}),
            ("y: upc x: title", {"y": "a", "x": "a 0"}),
            ("upc x: title y: title", {"upc": "a", "x": "a 0", "y": "a 0"}),
        ):
            result = await shop.ask(QUERY % f"... on Product {{ {selected} }}", products("a"))
            assert result.data == {"_entities": [answer]}
            assert outcome(result)["status"] == expected


async def test_an_entity_requested_twice_is_looked_up_once(memory_cache: ResponseCache) -> None:
    shop = Shop(memory_cache)
    for expected in ("miss", "hit", "hit"):
        result = await shop.ask(NAMED, products("a", "b", "a"))
        first, _, third = result.data["_entities"]
        assert first == third == {"upc": "a", "title": "a 0"}
        assert first is not third
        assert lines(result) == {"Product": (expected, 2, None)}


async def test_entities_of_a_type_without_a_ttl_are_resolved_on_each_request(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache, Form(review_ttl=None))
    asked = [*products("a"), {"__typename": "Review", "upc": "b"}]
    result = await shop.ask_twice(NAMED, asked)
    assert (shop.ran("Product a"), shop.ran("Review b")) == (1, 2)
    told = outcome(result)
    assert (told["status"], told["reason"]) == ("bypass", "without_ttl")
    assert told["advice"] == "Put @cache_control(ttl=...) above the type Review."
    assert lines(result) == {"Product": ("hit", 1, None), "Review": ("bypass", 1, None)}


async def test_a_field_has_an_entry_of_its_own_in_an_entity_that_is_not_stored(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache)
    query = QUERY % "... on Product { own silent }"  # an object with it is not stored
    result = await shop.ask_twice(query, products("a"))
    fields = {line["field"]: line["status"] for line in outcome(result)["fields"]}
    assert fields == {"Product.own": "hit"}
    assert outcome(result)["reason"] == "resolver_without_hint"


async def test_concurrent_requests_share_the_runs_of_common_entities(
    memory_cache: ResponseCache, until_joined: UntilJoined
) -> None:
    shop = Shop(memory_cache, Form(is_async=True, reads_many=True))
    shop.world.gate = asyncio.Event()
    asking = [asyncio.create_task(shop.ask(NAMED, products(*names))) for names in ("ab", "bca")]
    await until_joined(memory_cache, 2)
    shop.world.gate.set()
    one, other = await asyncio.gather(*asking)
    assert [each["upc"] for each in one.data["_entities"]] == ["a", "b"]
    assert [each["upc"] for each in other.data["_entities"]] == ["b", "c", "a"]
    assert [shop.ran(f"? {name}") for name in "abc"] == [1, 1, 1]


@pytest.mark.combined
@pytest.mark.parametrize(
    "query",
    [
        "query($of: [_Any!]!) { a: _entities(representations: $of) { ... on Product { title } } }",
        "query($of: [_Any!]!) { _entities(representations: $of) { ... on Product { title } } __typename }",
        "query($of: [_Any!]!) { _entities(representations: $of) @skip(if: false) { ... on Product { title } } }",
    ],
)
async def test_entities_are_not_looked_up_in_operations_that_no_gateway_sends(
    memory_cache: ResponseCache, query: str
) -> None:
    shop = Shop(memory_cache)
    for _ in range(2):
        result = await shop.ask(query, products("a"))
        assert outcome(result)["reason"] == "root_without_hint"
    assert shop.ran("? a") == 2


async def test_an_operation_without_entities_is_cached_as_one_answer(
    memory_cache: ResponseCache,
) -> None:
    shop, query = Shop(memory_cache), '{ product(upc: "a") { upc } }'
    for expected in ("miss", "hit"):
        told = outcome(await shop.ask(query))
        assert (told["status"], told["limitedBy"]) == (expected, "Query.product")


async def test_an_entities_field_of_a_schema_without_federation_is_cached_as_any_other(
    memory_cache: ResponseCache,
) -> None:
    @cache_control(ttl=60)
    @strawberry.type
    class Item:
        id: strawberry.ID

    members = Annotated[Item, strawberry.union("Items")]

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field(name="_entities")  # type: ignore[untyped-decorator] # its overloads
        def found(self, representations: list[str]) -> list[members]:
            return [Item(id=strawberry.ID(each)) for each in representations]

    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])
    for expected in ("miss", "hit"):
        result = await schema.execute(
            '{ _entities(representations: ["a"]) { ... on Item { id } } }'
        )
        assert result.data == {"_entities": [{"id": "a"}]}
        told = outcome(result)
        assert (told["status"], told["limitedBy"]) == (expected, "Query._entities")


async def test_no_entity_is_looked_up_where_no_type_has_a_ttl(memory_cache: ResponseCache) -> None:
    shop = Shop(memory_cache, Form(ttl=None, review_ttl=None))
    for _ in range(2):
        told = outcome(await shop.ask(NAMED, products("a")))
        assert (told["reason"], told.get("fields")) == ("root_without_hint", None)
    assert shop.ran("? a") == 2


def test_explain_says_that_an_entity_type_has_a_ttl_of_0(memory_cache: ResponseCache) -> None:
    schema = Shop(memory_cache, Form(review_ttl=0)).schema
    told = explain(schema, QUERY % "... on Review { upc }", {"of": products("a")})
    assert told.reason is Reason.TTL_ZERO


async def test_an_exception_handler_keeps_entities_from_being_stored(
    memory_cache: ResponseCache,
) -> None:
    @strawberry.type
    class Gone:
        message: str

    class Handler(strawberry.ExceptionHandler[KeyError, Gone]):
        def handle(self, exception: KeyError, *, field: Any, info: Any) -> Gone:
            return Gone(message="gone")

    shop = Shop(memory_cache, made_with={"exception_handlers": [Handler()]})
    for _ in range(2):
        told = outcome(await shop.ask(NAMED, products("a")))
        assert (told["status"], told["reason"]) == ("bypass", "custom_code")
    assert shop.ran("? a") == 2


@pytest.mark.combined
@pytest.mark.parametrize(
    ("kind", "ttl", "is_told"),
    [
        (strawberry.federation.Schema, 60, False),
        (strawberry.federation.Schema, None, True),
        (strawberry.Schema, None, True),
    ],
)
def test_check_notes_that_nothing_is_cached_unless_a_federated_type_has_a_ttl(
    memory_cache: ResponseCache, kind: type[strawberry.Schema], ttl: int | None, *, is_told: bool
) -> None:
    def hinted(product: type) -> type:
        return product if ttl is None else cache_control(ttl=ttl)(product)

    is_federated = kind is strawberry.federation.Schema
    keyed = strawberry.federation.type(keys=["upc"]) if is_federated else strawberry.type

    @hinted
    @keyed
    class Product:
        upc: str

    @strawberry.type
    class Query:
        @strawberry.field
        def product(self) -> Product | None:
            return None

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = kind(Query, extensions=[extension])
    assert any("othing" in str(note) for note in extension.check(schema)) is is_told


@pytest.mark.combined
@pytest.mark.parametrize(
    ("form", "options", "expected"),
    [
        (Form(ttl=60), {"max_ttl": 10}, 10),
        (Form(ttl=60), {"max_ttl": 100}, 60),
        (Form(ttl=60), {"default_ttl": 50}, 60),
        (Form(ttl=None), {"default_ttl": 50}, 50),
        (Form(ttl=None), {"default_ttl": 50, "max_ttl": 10}, 10),
        (Form(ttl=None), {"max_ttl": 10}, None),
    ],
)
async def test_the_ttl_of_an_entity_is_that_of_its_type_or_default_ttl_up_to_max_ttl(
    memory_cache: ResponseCache, form: Form, options: dict[str, Any], expected: int | None
) -> None:
    shop = Shop(memory_cache, form, **options)
    query = QUERY % "... on Product { upc }"
    result = await shop.ask_twice(query, products("a"))
    told = explain(shop.schema, query, {"of": products("a")})
    assert told.ttl == expected
    assert (outcome(result)["status"] == "hit") is (expected is not None)


def test_explain_tells_the_shortest_ttl_and_any_type_that_is_private_or_has_a_problem(
    memory_cache: ResponseCache,
) -> None:
    def told(form: Form, query: str) -> Any:
        return explain(Shop(memory_cache, form).schema, QUERY % query, {"of": products("a")})

    both = "... on Product { upc } ... on Review { upc }"
    assert told(Form(ttl=60, review_ttl=30), both).ttl == 30
    assert told(Form(ttl=20, review_ttl=30), both).ttl == 20
    assert told(Form(), both).scope is CacheScope.PUBLIC
    mine = "... on Product { mine } ... on Review { upc }"
    for ttl in (20, 60):
        assert told(Form(ttl=ttl), mine).scope is CacheScope.PRIVATE
        assert told(Form(ttl=ttl, private_reviews=True), both).scope is CacheScope.PRIVATE
        silent = told(Form(ttl=ttl), "... on Product { silent } ... on Review { upc }")
        assert silent.reason is Reason.RESOLVER_WITHOUT_HINT


@pytest.mark.combined
@pytest.mark.parametrize(
    "query",
    [
        QUERY % "... on Product { upc @marked }",
        QUERY.replace(") {", ") @marked {", 1) % "... on Product { upc }",
    ],
)
async def test_no_entity_is_looked_up_for_an_operation_with_a_custom_directive(
    memory_cache: ResponseCache, query: str
) -> None:
    @strawberry.directive(locations=[DirectiveLocation.FIELD, DirectiveLocation.QUERY])
    def marked(value: DirectiveValue[str]) -> str:
        return f"{value}!"

    shop = Shop(memory_cache, made_with={"directives": [marked]})
    for _ in range(2):
        told = outcome(await shop.ask(query, products("a")))
        assert (told["status"], told.get("fields")) == ("bypass", None)
    assert shop.ran("? a") == 2


@pytest.mark.exhaustive
async def test_at_most_1000_entities_are_looked_up(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> None:
    shop = Shop(new_cache(valkey_url))
    asked = products(*(f"n{number}" for number in range(1_010)))
    result = await shop.ask_twice(QUERY % "... on Product { upc }", asked)
    assert lines(result) == {"Product": ("bypass", 1_010, 1_000)}
    assert len(result.data["_entities"]) == 1_010
    assert outcome(result)["reason"] == "too_many_fields"
    assert (shop.ran("? n0"), shop.ran("? n1005")) == (1, 2)


async def test_cacheable_vetoes_the_whole_answer_of_entities(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache, cacheable=lambda result, _: False, default_ttl=60)
    for _ in range(2):
        result = await shop.ask(NAMED, products("a"))
        assert outcome(result)["reason"] == "vetoed"


@pytest.mark.parametrize("way", WAYS)
async def test_only_if_cached_resolves_no_missing_entity(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = Shop(memory_cache, honour_request_cache_control=True)
    await shop.ask_twice(NAMED, products("a"))
    for asked, expected in ((None, {"_entities": [{"upc": "a", "title": "a 0"}]}), (ONLY, None)):
        result = await shop.ask(NAMED, products("a", "b")[: 1 + bool(asked)], way=way, asked=asked)
        assert result.data == expected
    assert "the request asks for a stored answer only" in outcome(result)["advice"]
    assert shop.ran("? b") == 0


async def test_no_whole_answer_is_stored_where_its_entities_have_entries(
    memory_cache: ResponseCache, raw_of: Callable[[ResponseCache], Any]
) -> None:
    shop = Shop(memory_cache, default_ttl=60)
    result = await shop.ask_twice(NAMED, products("a", "b"))
    assert outcome(result)["status"] == "hit"
    assert len(raw_of(memory_cache).keys("*:e:*")) == 2


async def test_advice_says_why_entities_are_not_looked_up_one_by_one(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache, cacheable=lambda result, _: False)
    result = await shop.ask(NAMED, products("a"))
    assert outcome(result)["reason"] == "root_without_hint"
    assert "because the extension has cacheable=" in outcome(result)["advice"]


def test_explain_names_the_entity_type_that_limits_or_prevents_caching(
    memory_cache: ResponseCache,
) -> None:
    schema = Shop(memory_cache, Form(review_ttl=None)).schema
    of = {"of": products("a")}
    told = explain(schema, QUERY % "... on Product { upc }", of)
    assert (told.ttl, told.scope, told.limited_by) == (60, CacheScope.PUBLIC, "Product")
    told = explain(schema, QUERY % "... on Product { mine }", of)
    assert (told.ttl, told.scope) == (60, CacheScope.PRIVATE)
    told = explain(schema, NAMED, of)
    assert told.advice == "Put @cache_control(ttl=...) above the type Review."
    assert "but with an entry of its own for 60 s" in str(told)
    told = explain(schema, QUERY % "... on Product { upc } ... on Part { upc }", of)
    assert told.ttl == 60


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("query($of: [_Any!]!) { mine: _entities(representations: $of) { __typename } }", {}),
        (
            "query($of: [_Any!]!) { _entities(representations: $of) @include(if: true) { __typename } }",
            {},
        ),
        (
            "query($of: [_Any!]!) { __typename _entities(representations: $of) { __typename } }",
            {},
        ),
        (NAMED, {"cacheable": lambda *_: True}),
    ],
)
async def test_advice_for_hinted_entities_names_the_operation_or_the_option_that_prevents_lookups(
    memory_cache: ResponseCache, query: str, options: dict[str, Any]
) -> None:
    told = outcome(await Shop(memory_cache, **options).ask(query, products("a")))
    assert told["reason"] == "root_without_hint"
    words = "and the operation asks for nothing else, without an alias"
    if options:
        words = "not looked up one by one here, because the extension has"
    assert words in told["advice"]


async def test_the_reported_scope_of_entities_is_private_if_one_of_them_is(
    memory_cache: ResponseCache,
) -> None:
    shop, query = Shop(memory_cache), QUERY % "... on Product { price }"
    await shop.ask(query, products("a"))
    told = outcome(await shop.ask(query, products("a", "b", "restricted")))
    assert (told["scope"], [line["scope"] for line in told["fields"]]) == ("PRIVATE", ["PRIVATE"])
    public = outcome(await shop.ask(query, products("a")))
    assert (public["scope"], [line["scope"] for line in public["fields"]]) == ("PUBLIC", ["PUBLIC"])


async def test_renew_cache_replaces_the_entry_of_an_entity(
    memory_cache: ResponseCache,
) -> None:
    shop = Shop(memory_cache)
    await shop.ask(NAMED, products("a", "b"))
    shop.world.changes["Product a"] += 1  # without a mutation
    context = Asking(shop.world, "alice", "en")
    renew_cache(context)
    result: Any = await shop.schema.execute(NAMED, {"of": products("a")}, context_value=context)
    assert result.data == {"_entities": [{"upc": "a", "title": "a 1"}]}
    again = await shop.ask(NAMED, products("a", "b"))
    assert [each["title"] for each in again.data["_entities"]] == ["a 1", "b 0"]
    assert outcome(again)["status"] == "hit"


async def test_an_unreachable_server_fails_no_entity(memory_cache: ResponseCache) -> None:
    @cache_control(ttl=60)
    @strawberry.federation.type(keys=["id"])
    class Thing:
        id: strawberry.ID

        @classmethod
        def resolve_reference(cls, id: strawberry.ID) -> "Thing":  # noqa: A002 - the key's name
            return cls(id=id)

    cache = ResponseCache.from_url("redis://127.0.0.1:1", connect_deadline=0.1, prefix="down")
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.federation.Schema(types=[Thing], extensions=[extension])
    of = [{"__typename": "Thing", "id": each} for each in "ab"]
    result: Any = await schema.execute(QUERY % "... on Thing { id }", {"of": of})
    assert result.data == {"_entities": [{"id": "a"}, {"id": "b"}]}
    assert outcome(result)["status"] == "bypass"
    await cache.aclose()


@pytest.mark.parametrize("way", WAYS)
async def test_entities_of_a_verified_request_are_executed_and_compared_one_by_one(
    memory_cache: ResponseCache, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    shop, plain = Shop(memory_cache, verify=1.0), Shop(memory_cache)
    query = QUERY % "... on Product { upc title }"
    for upcs, changed in (("ab", ""), ("abc", "b"), ("cba", ""), ("aab", "a")):
        shop.world.changes.update(f"Product {each}" for each in changed)
        result = await shop.ask(query, products(*upcs), way=way)
        assert [each["title"] for each in result.data["_entities"]] == [
            f"{upc} {shop.world.changes[f'Product {upc}']}" for upc in upcs
        ]
    statistics = memory_cache.statistics()
    assert statistics.verified == {"equal": 3, "changed": 4, "scope": 0}
    assert (statistics.fields.misses, statistics.fields.hits) == (3, 7)
    result = await plain.ask(query, products(*"abc"), way=way)
    assert [each["title"] for each in result.data["_entities"]] == ["a 0", "b 0", "c 0"]
    assert caplog.messages == []
    await shop.ask(query, products("a"), user="bob", way=way)
    assert memory_cache.statistics().verified["scope"] == 1
    assert caplog.messages[0].startswith("Product.title ")


@pytest.mark.parametrize("way", WAYS)
async def test_no_field_of_a_verified_entity_is_verified_by_itself(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = Shop(memory_cache, verify=1.0)
    for _ in range(2):
        await shop.ask(QUERY % "... on Product { upc own }", products("a"), way=way)
    assert memory_cache.statistics().verified == {"equal": 1, "changed": 0, "scope": 0}
