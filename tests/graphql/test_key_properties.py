"""One key implies equal responses, and what means the same has one key."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import strawberry
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.graphql.generated import EXAMPLES
from tests.graphql.honest import (
    TYPES,
    Draft,
    HonestQuery,
    alike,
    drafts,
    filled,
    in_bytes,
    reordered,
    respaced,
)
from tests.graphql.ledger import outcome, status

Ask = Callable[..., ExecutionResult]


@pytest.fixture(scope="module")
def workers(store: ResponseCache) -> list[strawberry.Schema]:
    """Two schemas over one cache, as two processes have them."""

    def make() -> strawberry.Schema:
        extension = ResponseCacheExtension(
            store,
            tenant=lambda context: context["tenant"],
            session=lambda context: context["user"],
            vary={"locale": lambda context: context["locale"]},
            debug=True,
        )
        schema = strawberry.Schema(HonestQuery, types=TYPES, extensions=[extension])
        extension.check(schema)
        return schema

    return [make(), make()]


@pytest.fixture(scope="module")
def uncached() -> strawberry.Schema:
    return strawberry.Schema(HonestQuery, types=TYPES)


def clear(store: ResponseCache) -> None:
    for tenant in ("acme", "globex"):
        store.for_tenant(tenant).clear_sync()


def ask(schema: strawberry.Schema, draft: Draft, **other: Any) -> ExecutionResult:
    request = {
        "query": draft.text(),
        "variable_values": dict(draft.variables),
        "operation_name": draft.name,
        "context_value": dict(draft.context),
    }
    return schema.execute_sync(**(request | other))


def answer(result: ExecutionResult) -> tuple[str, list[str]]:
    return in_bytes(result.data), [in_bytes(e.formatted) for e in result.errors or []]


@st.composite
def several_alike(draw: st.DrawFn) -> list[Draft]:
    """Requests each of which differs from the one before in one piece."""
    made = [draw(drafts())]
    for _ in range(draw(st.integers(1, 3))):
        made.append(draw(alike(made[-1])))
    return made


@settings(max_examples=EXAMPLES)
@given(requests=several_alike(), spoiled=st.booleans())
def test_every_answer_equals_that_of_a_schema_without_a_cache(
    store: ResponseCache,
    workers: list[strawberry.Schema],
    uncached: strawberry.Schema,
    requests: list[Draft],
    *,
    spoiled: bool,
) -> None:
    """One uncacheable field may be in the operation; the other fields are answered from own entries."""
    clear(store)
    requests = [replace(each, spoiled=spoiled) for each in requests]
    expected = [answer(ask(uncached, each)) for each in requests]
    for schema in workers:
        assert [answer(ask(schema, each)) for each in requests] == expected


CHANGES = ["text", "order", "defaults", "undeclared", "session", "neighbour", "worker"]


@settings(max_examples=EXAMPLES)
@given(draft=drafts(), changes=st.sets(st.sampled_from(CHANGES), min_size=1), data=st.data())
def test_an_equivalent_request_written_differently_is_a_hit(
    store: ResponseCache,
    workers: list[strawberry.Schema],
    draft: Draft,
    changes: set[str],
    data: st.DataObject,
) -> None:
    clear(store)
    first = ask(workers[0], draft)
    assume(status(first) == "miss")
    text, variables, context = draft.text(), draft.variables, dict(draft.context)
    if "neighbour" in changes:
        text = f"query Unrelated {{ ...Far }} fragment Far on HonestQuery {{ echo }} {text}"
    if "text" in changes:
        text = respaced(data.draw, text)
    if "defaults" in changes:
        variables = filled(draft)
    if "order" in changes:
        variables = reordered(variables)
    if "undeclared" in changes:
        variables = {"undeclared": {"a": [1]}, **variables}
    if "session" in changes and outcome(first)["scope"] == "PUBLIC":
        context["user"] = data.draw(st.sampled_from(["alice", "bob", "carol", None]))
    second = ask(
        workers["worker" in changes],
        draft,
        query=text,
        variable_values=variables,
        context_value=context,
    )
    assert status(second) == "hit"
    assert answer(second) == answer(first)
