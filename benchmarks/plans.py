"""What it costs to decide: `uv run python -m benchmarks.plans`.

Times are the lowest of many repetitions, which is what the code costs when the machine does not stall.
Parsing the same document is the peer: a plan is compiled once for each text, as a parse is.
"""

import time
from collections.abc import Callable
from typing import Any

import strawberry
from graphql import OperationDefinitionNode, parse
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.extensions import ParserCache, ValidationCache

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.graphql._adoption import setting_of
from strawberry_response_cache.graphql.keys.operation_key import (
    operation_key,
    print_variables,
    sent_variables,
)
from strawberry_response_cache.graphql.keys.plans import Plans

LARGE = 1_000_000_000
FIELDS = 200
VARIABLES = 10


@strawberry.type
class Leaf:
    """A node of the tree that is selected."""

    id: strawberry.ID
    name: str

    @cache_control(inherit=True)
    @strawberry.field
    def child(self, first: int = 10) -> "Leaf":
        """Go one level down."""
        raise NotImplementedError


@strawberry.type
class Query:
    """Where it begins."""

    @cache_control(ttl=60)
    @strawberry.field
    def root(self, number: int = 0) -> Leaf:
        """Begin."""
        raise NotImplementedError

    @strawberry.field
    def unannotated(self, number: int = 0) -> int:
        """Cannot be cached."""
        return number


def best(call: Callable[[], Any], repetitions: int) -> float:
    """Return the lowest time of a call, in seconds."""
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def wide(fields: int) -> str:
    """Return an operation of that many fields, in pairs below roots."""
    roots = " ".join(
        f"r{n}: root(number: {n}) {{ id name child {{ id }} }}" for n in range(fields // 5)
    )
    return f"{{ {roots} }}"


def deep(levels: int) -> str:
    """Return an operation of that many levels."""
    return "{ root " + "{ id child " * levels + "{ id }" + " }" * (levels + 1)


def main() -> None:
    """Measure and print."""
    extension = ResponseCacheExtension(
        ResponseCache.from_url("memory://", prefix="benchmark"), tenant=None
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    setting = setting_of(schema, extension._options)  # noqa: SLF001 - its parts are what is measured

    def compiled(text: str) -> Callable[[], Any]:
        document = parse(text)
        operation = document.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        return lambda: Plans(setting, max_bytes=LARGE).plan(document, operation, {}).variant({})

    print(
        f"{'parsing ' + str(FIELDS) + ' fields':<58}{best(lambda: parse(wide(FIELDS)), 20) * 1e3:8.2f} ms"
    )
    print(
        f"{'compiling their plan (target 5 ms)':<58}{best(compiled(wide(FIELDS)), 20) * 1e3:8.2f} ms"
    )
    for levels in (20, 40):
        print(f"{f'compiling {levels} levels':<58}{best(compiled(deep(levels)), 20) * 1e3:8.2f} ms")

    declared = ", ".join(f"$v{n}: Int = {n}" for n in range(VARIABLES))
    used = " ".join(f"a{n}: root(number: $v{n}) {{ id }}" for n in range(VARIABLES))
    document = parse(f"query Q({declared}) {{ {used} }}")
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    plans = Plans(setting, max_bytes=LARGE)
    sent = {f"v{n}": n for n in range(VARIABLES)}
    values = get_variable_values(setting.schema, operation.variable_definitions or (), sent)
    assert isinstance(values, VariableValues)
    sources = values.sources

    def decide() -> list[str]:
        plan = plans.plan(document, operation, {})
        variant = plan.variant(sent)
        variables = sent_variables(plan.declared, sources)
        return operation_key(
            variant.stem, printed=print_variables(variables), session=None, varied={}, extensions={}
        )

    print(
        f"{f'policy and key, {VARIABLES} variables (target 10 µs)':<58}{best(decide, 2_000) * 1e6:8.2f} µs"
    )

    refused = parse("{ unannotated }")
    first = refused.definitions[0]
    assert isinstance(first, OperationDefinitionNode)
    print(
        f"{'policy of an operation that cannot be cached':<58}"
        f"{best(lambda: plans.plan(refused, first, {}).variant({}).policy.problem, 2_000) * 1e6:8.2f} µs"
    )
    bare = strawberry.Schema(Query)
    ours = best(lambda: schema.execute_sync("{ unannotated }"), 300)
    peer = best(lambda: bare.execute_sync("{ unannotated }"), 300)
    both = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    cached = best(lambda: both.execute_sync("{ unannotated }"), 300)
    print(
        f"{'a whole request of it: with us':<58}{ours * 1e6:8.0f} µs\n"
        f"{'  bare':<58}{peer * 1e6:8.0f} µs, {ours / peer:.2f} of it\n"
        f"{'  with ParserCache and ValidationCache':<58}{cached * 1e6:8.0f} µs, {ours / cached:.2f} of it"
    )


if __name__ == "__main__":
    main()
