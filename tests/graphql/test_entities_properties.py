"""Whatever a gateway asks for in whatever order, a cached answer is what an uncached server says."""

import asyncio
import itertools
import json
from typing import Any, Final

import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
)
from tests.graphql.federated_shop import NAMES, Asking, Form, World, federated
from tests.graphql.generated import EXAMPLES

PRODUCT: Final = [
    "upc",
    "count",
    "title",
    "price",
    "double: price(factor: 2)",
    "price(factor: $factor)",
    "mine",
    "label",
    "secret",
    "must",
    "silent",
    "own",
    "reviews { title }",
    "reviews { stars upc }",
    "named { title ... on Product { count } }",
    "price @include(if: $yes)",
    "...ofProduct",
]
FRAGMENT: Final = " fragment ofProduct on Product { upc title }"


def _some(fields: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(fields), min_size=1, max_size=4).map(" ".join)


SELECTIONS: Final = st.lists(
    st.one_of(
        _some(PRODUCT).map(lambda fields: f"... on Product {{ {fields} }}"),
        _some(PRODUCT).map(lambda fields: f"... on Product {{ {fields} }}"),
        _some(["upc", "title", "stars"]).map(lambda fields: f"... on Review {{ {fields} }}"),
        _some(["upc", "weight", "doubled"]).map(lambda fields: f"... on Part {{ {fields} }}"),
        st.sampled_from(["__typename", "... on Named { title }", "...ofProduct"]),
    ),
    min_size=1,
    max_size=4,
).map(" ".join)
REPRESENTATIONS: Final = st.one_of(
    *[
        st.fixed_dictionaries(
            {"__typename": st.sampled_from(["Product", "Product", "Review", "Part"])}
            | {"upc": st.sampled_from(NAMES)}
        )
    ]
    * 4,
    st.fixed_dictionaries(
        {"__typename": st.just("Part"), "upc": st.sampled_from(NAMES[:2])},
        optional={"weight": st.sampled_from([1, 2, "2", 1.5, None])},
    ),
    st.sampled_from(
        [
            {"__typename": "Product"},
            {"__typename": "Product", "upc": "a", "more": 1},
            {"__typename": "Review", "upc": ["a"]},
        ]
    ),
)
ODD: Final = st.sampled_from(
    [
        {"__typename": "Nothing", "upc": "a"},
        {"__typename": "Named", "upc": "a"},
        {"__typename": "Query"},
        {"upc": "a"},
        "a",
        None,
    ]
)
LISTS: Final = st.one_of(
    st.lists(REPRESENTATIONS, max_size=6),
    st.lists(REPRESENTATIONS, max_size=6),
    st.lists(REPRESENTATIONS, max_size=6),
    st.lists(st.one_of(REPRESENTATIONS, ODD), max_size=3),
)
WHO: Final = st.tuples(st.sampled_from(["alice", "bob", None]), st.sampled_from(["en", "de"]))
ASKED: Final = st.tuples(SELECTIONS, LISTS, WHO, st.booleans(), st.integers(1, 2))
CHANGED: Final = st.tuples(
    st.sampled_from(["Product", "Review", "Part"]), st.sampled_from([*NAMES, "a1", "b2"])
)
STEPS: Final = st.lists(
    st.one_of(
        ASKED.map(lambda one: [one]),
        st.lists(ASKED, min_size=2, max_size=3),
        # The same once more, by somebody else.
        st.tuples(ASKED, WHO).map(lambda pair: [pair[0], (*pair[0][:2], pair[1], *pair[0][3:])]),
        CHANGED,
    ),
    max_size=12,
)
FORMS: Final = st.builds(
    Form,
    ttl=st.sampled_from([60, 60, 60, None, 0]),
    scope=st.sampled_from([None, None, CacheScope.PRIVATE]),
    review_ttl=st.sampled_from([30, None]),
    is_async=st.booleans(),
    reads_many=st.booleans(),
    private_reviews=st.booleans(),
)
OPTIONS: Final = st.fixed_dictionaries(
    {
        "default_ttl": st.sampled_from([None, None, 20]),
        "negative_ttl": st.sampled_from([None, 0, 5]),
        "store_after": st.sampled_from([1, 1, 2]),
    }
)
NUMBERS: Final = itertools.count()


def document(selection: str, factor: int, *, yes: bool) -> tuple[str, dict[str, Any]]:
    """Return the operation of a gateway, which declares what it uses."""
    variables: dict[str, Any] = {}
    declared = "$of: [_Any!]!"
    if "$factor" in selection:
        declared, variables = declared + ", $factor: Int! = 1", variables | {"factor": factor}
    if "$yes" in selection:
        declared, variables = declared + ", $yes: Boolean!", variables | {"yes": yes}
    used = FRAGMENT if "...ofProduct" in selection else ""
    query = f"query({declared}) {{ _entities(representations: $of) {{ {selection} }} }}{used}"
    return query, variables


async def execute(
    schema: strawberry.Schema, query: str, variables: Any, context: Asking, way: str
) -> str:
    """Return an answer as a client gets it, with its fields in their order."""
    sent = json.loads(json.dumps(variables))  # Strawberry changes what it is given
    if way == "execute":
        result: Any = await schema.execute(query, variable_values=sent, context_value=context)
    else:
        result = await asyncio.to_thread(
            lambda: schema.execute_sync(query, variable_values=sent, context_value=context)
        )
    errors = sorted((error.formatted for error in result.errors or ()), key=repr)
    return json.dumps([result.data, errors])


async def play(
    form: Form, options: dict[str, Any], steps: list[Any], *, local: bool, way: str
) -> None:
    world = World()
    way = "execute" if form.is_async else way
    async with ResponseCache.from_url(
        "memory://", prefix=f"gateway{next(NUMBERS)}", local_bytes=1_000_000 if local else 0
    ) as cache:
        extension = ResponseCacheExtension(
            cache,
            tenant=None,
            session=lambda context: context.user,
            vary={"locale": lambda context: context.locale},
            debug=False,
            **options,
        )
        schema, plain = federated(form, extensions=[extension]), federated(form)

        async def compared(asked: Any) -> None:
            selection, of, (user, locale), yes, factor = asked
            query, variables = document(selection, factor, yes=yes)
            variables["of"] = of
            found = [
                await execute(each, query, variables, Asking(world, user, locale), way)
                for each in (schema, plain)
            ]
            assert found[0] == found[1], (query, variables)

        for step in steps:
            if isinstance(step, list):
                await asyncio.gather(*map(compared, step))
            else:
                kind, upc = step
                query = f'mutation {{ change{kind}(upc: "{upc}") {{ upc }} }}'
                await execute(schema, query, {}, Asking(world, "alice", "en"), way)


@settings(max_examples=max(2, EXAMPLES // 2))
@given(
    form=FORMS,
    options=OPTIONS,
    steps=STEPS,
    local=st.booleans(),
    way=st.sampled_from(["execute", "execute_sync"]),
)
def test_each_answer_to_a_gateway_is_what_an_uncached_server_says(
    form: Form, options: dict[str, Any], steps: list[Any], local: bool, way: str
) -> None:
    asyncio.run(play(form, options, steps, local=local, way=way))
