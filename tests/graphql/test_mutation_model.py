"""Whatever queries and mutations come in whatever order, a cached answer is what an uncached server says.

Queries are answered as a whole, or from fields by themselves where something keeps the whole from being cached.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from strawberry_response_cache import ResponseCache
from tests.conftest import UNHURRIED
from tests.graphql.bank import Bank, Row
from tests.graphql.generated import EXAMPLES

IDS = st.integers(1, 3)
FIELDS = st.lists(
    st.sampled_from(["name", "balance", "id", "n: name", "standing", "standing"]),
    min_size=1,
    max_size=4,
)
SELECTED = FIELDS.map(lambda fields: "{ " + " ".join(fields) + " }")
WHOLE = st.one_of(
    SELECTED.map(lambda selected: f"{{ accounts {selected} }}"),
    st.builds(lambda n, selected: f'{{ account(id: "{n}") {selected} }}', IDS, SELECTED),
    st.just("{ rate { percent } }"),
    st.builds(
        lambda n, one, other: (
            f'{{ a: account(id: "{n}") {one} accounts {other} rate {{ percent }} }}'
        ),
        IDS,
        SELECTED,
        SELECTED,
    ),
)
QUERIES = st.one_of(
    WHOLE,
    # What cannot be cached as a whole is answered from its fields.
    WHOLE.map(lambda query: f"{{ today {query[1:]}"),
    SELECTED.map(lambda selected: f"{{ listed {selected} }}"),
)
MUTATIONS = st.one_of(
    st.builds(
        lambda n, amount: (
            f"mutation {{ post(id: {n}, amount: {amount}) {{ ... on Posted {{ account {{ id }} }} }} }}"
        ),
        IDS,
        st.integers(1, 9),
    ),
    st.just('mutation { open(name: "new") { balance } }'),
    st.integers(1, 9).map(lambda n: f"mutation {{ setRate(percent: {n}) {{ percent }} }}"),
)
TENANTS = st.sampled_from(["a", "b"])
STEPS = st.lists(st.tuples(TENANTS, st.one_of(QUERIES, QUERIES, MUTATIONS)), max_size=25)


NUMBERS: Final = itertools.count()


@asynccontextmanager
async def empty_cache(quick_url: str) -> AsyncIterator[ResponseCache]:
    """A cache that shares nothing with those of other examples."""
    async with ResponseCache.from_url(
        quick_url,
        prefix=f"model-{next(NUMBERS)}",
        telemetry=False,
        **UNHURRIED,
    ) as cache:
        yield cache


async def _answers(bank: Bank, steps: list[tuple[str, str]]) -> list[tuple[Any, Any]]:
    """Return what the cached server said at each step, and what an uncached one would."""
    bank.extension._options.debug = False
    said = []
    for tenant, query in steps:
        cached = await bank.ask(query, tenant)
        assert cached.errors is None
        if query.startswith("mutation"):
            continue
        bank.extension._options.enabled = False
        fresh = await bank.ask(query, tenant)
        bank.extension._options.enabled = True
        said.append((cached.data, fresh.data))
    return said


@settings(max_examples=EXAMPLES)
@given(STEPS)
def test_with_the_reach_types_every_answer_is_what_an_uncached_server_says(
    quick_url: str, steps: list[tuple[str, str]]
) -> None:
    async def run() -> None:
        async with empty_cache(quick_url) as cache:
            bank = Bank(cache, invalidate_on_mutation="types")
            for cached, fresh in await _answers(bank, steps):
                assert cached == fresh

    asyncio.run(run())


@settings(max_examples=EXAMPLES)
@given(STEPS)
def test_with_the_reach_entities_no_object_is_older_than_the_last_mutation_returned(
    quick_url: str, steps: list[tuple[str, str]]
) -> None:
    async def run() -> None:
        async with empty_cache(quick_url) as cache:
            bank = Bank(cache, invalidate_on_mutation="entities")
            for cached, fresh in await _answers(bank, steps):
                _assert_no_older(cached, fresh)

    asyncio.run(run())


def _assert_no_older(cached: Any, fresh: Any) -> None:
    """Lists may lack what was opened since; what they hold is as it is now."""
    if isinstance(cached, list):
        for one, other in zip(cached, fresh, strict=False):
            _assert_no_older(one, other)
    elif isinstance(cached, dict):
        for name, value in cached.items():
            _assert_no_older(value, fresh[name])
    elif cached is not None:  # an account that was not there yet
        assert cached == fresh


def test_the_model_sees_an_invalidation_that_is_left_out(quick_url: str) -> None:
    async def run() -> None:
        async with empty_cache(quick_url) as cache:
            bank = Bank(cache, invalidate_on_mutation=None)
            bank.data["a"].rows[1] = Row(1, "x")
            steps = [
                ("a", "{ accounts { balance } }"),
                ("a", "mutation { post(id: 1, amount: 5) { __typename } }"),
                ("a", "{ accounts { balance } }"),
            ]
            (_, (cached, fresh)) = await _answers(bank, steps)
            assert cached != fresh

    asyncio.run(run())
