"""With usual instrumentation packages, hits stay hits, and each package records what it records without the cache."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
NEVER: Final = r"(?!)"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is expected of a package; each pattern is matched with a record as JSON.

    Attributes:
        program: The program that runs it, with its argument.
        needs: What has to be installed.
        operation: What it tells of each operation, a hit too.
        field: What it tells of a field whose resolver runs.
        step: What it tells of parsing and validation, which a known document does not need again.
        transaction: What it calls the request by the last resolver that ran, or by the operation.
        twice: What it tells twice of a document that cannot be parsed.
    """

    program: tuple[str, ...]
    needs: str
    operation: str
    field: str = NEVER
    step: str = NEVER
    transaction: str = NEVER
    twice: str = NEVER


SENTRY = {
    "needs": "sentry_sdk",
    "operation": r'^\["transaction"',
    "field": r'^\["span", "graphql.resolve"',
}
PACKAGES = [
    Told(program=("sentry", "by default"), **SENTRY),
    Told(program=("sentry", "async_execution=True"), **SENTRY),
    Told(program=("sentry", "async_execution=False"), **SENTRY),
    Told(program=("sentry", "by hand"), **SENTRY),
    Told(
        program=("datadog", "integration"),
        needs="ddtrace",
        operation=r'^\["graphql.(execute|parse|validate)"',
        step=r'^\["graphql.(parse|validate)"',
        twice=r'^\["graphql.parse"',
    ),
    Told(
        program=("datadog", "extensions"),
        needs="ddtrace",
        operation=r'^\["(Accounts|Fields|Guarded|Failing|Post|Invalid|Anonymous Query)"',
        field=r'^\["Resolving: ',
    ),
    Told(
        program=("newrelic",),
        needs="newrelic",
        operation=r'^\["(node", "GraphQL/operation/Strawberry/|transaction", )',
        field=r'^\["node", "(?!GraphQL/)',
        transaction=r'^\["(transaction"|node", "GraphQL/(?!operation/))',
    ),
    Told(program=("elastic",), needs="elasticapm", operation=r'^\["transaction", "POST /graphql"'),
    Told(
        program=("opentelemetry", "SDK"),
        needs="opentelemetry.sdk",
        operation=r'^\["GraphQL Query',
        field=r'^\["GraphQL Resolving: ',
    ),
    Told(
        program=("opentelemetry", "Logfire"),
        needs="logfire",
        operation=r'^\["GraphQL Query',
        field=r'^\["GraphQL Resolving: ',
    ),
    Told(
        program=("apollo",), needs="google.protobuf", operation=r'^\["tracing"', field=r'^\["field"'
    ),
    Told(program=("profiler",), needs="pyinstrument", operation='^"report"$'),
]
STATUSES: Final[dict[str, list[tuple[Any, ...]]]] = {
    "accounts": [("miss", None, []), ("hit", None, [])],
    "field by field": [
        ("bypass", "root_without_hint", ["miss"]),
        ("bypass", "root_without_hint", ["hit"]),
    ],
    "guarded": [("bypass", "guarded", ["miss"]), ("bypass", "guarded", ["hit"])],
    "failing": [("bypass", "errors", []), ("bypass", "errors", ["bypass", "hit"])],
    "mutation": [("bypass", "mutation", [])] * 2,
    "invalid": [(None, None, [])] * 2,
    "unparsable": [(None, None, [])] * 2,
}
CALLS_OF_A_HIT: Final = {
    "accounts": {},
    "field by field": {"fresh": 1},
    "guarded": {"Allowed": 1},
    "failing": {"failing": 1},
}


def require(name: str) -> None:
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # of a package around it
        found = None
    if found is None:
        version = ".".join(map(str, sys.version_info[:2]))
        pytest.skip(
            f"{name} is not installed: `uv run --group instrumentation` does, "
            f"where it has a wheel for Python {version}"
        )


def observed(program: str, *arguments: str) -> list[Any]:
    """Run a program in a process of its own, since packages patch the process."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.instrumentation.programs.{program}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[Any] = json.loads(done.stdout)
    assert found
    return found


def records(request: dict[str, Any], leaving_out: str = NEVER) -> Counter[str]:
    """What was told during a request."""
    texts = (json.dumps(each, sort_keys=True) for each in request["told"])
    return Counter(text for text in texts if not re.search(leaving_out, text))


def some(pattern: str, told: Counter[str]) -> bool:
    return any(re.search(pattern, each) for each in told)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda told: " ".join(told.program))
def test_hits_stay_hits_and_a_package_records_what_it_records_without_the_cache(
    package: Told,
) -> None:
    require(package.needs)
    for way in observed(*package.program):
        assert way["faults"] == 0
        for number, (bare, ours) in enumerate(zip(way["without"], way["with"], strict=True)):
            where = (way["way"], bare["request"], number % 2)
            assert_the_cache_works(bare, ours, number % 2, where)
            assert_the_same_is_told(package, bare, ours, number % 2, where)
            if "after the first use" not in way["way"]:
                assert_operations_are_told(package, ours, number % 2, where)


def assert_the_cache_works(bare: Any, ours: Any, attempt: int, where: Any) -> None:
    name = bare["request"]
    assert (ours["data"], ours["errors"]) == (bare["data"], bare["errors"]), where
    fields = sorted(field["status"] for field in ours["cache"].get("fields", ()))
    said = (ours["cache"].get("status"), ours["cache"].get("reason"), fields)
    assert said == STATUSES[name][attempt], where
    is_hit = attempt == 1 and name in CALLS_OF_A_HIT
    assert ours["calls"] == (CALLS_OF_A_HIT[name] if is_hit else bare["calls"]), where


def assert_the_same_is_told(package: Told, bare: Any, ours: Any, attempt: int, where: Any) -> None:
    """On a hit, all but the fields whose resolvers did not run."""
    name = bare["request"]
    is_hit = attempt == 1 and name in CALLS_OF_A_HIT
    unlike = [package.step]
    if is_hit:
        unlike.append(package.transaction)
    if name == "unparsable":
        unlike.append(package.twice)
    expected, told = (records(each, "|".join(unlike)) for each in (bare, ours))
    if is_hit:
        ran = sum(count for each, count in told.items() if re.search(package.field, each))
        if name != "failing":  # how a package tells of a field that fails is its own affair
            assert ran == (name == "field by field" and some(package.field, expected)), where
        for some_told in (expected, told):
            for each in [*some_told]:
                if re.search(package.field, each):
                    del some_told[each]
    assert told == expected, where


def assert_operations_are_told(package: Told, ours: Any, attempt: int, where: Any) -> None:
    told, name = records(ours), ours["request"]
    if name not in {"invalid", "unparsable"}:
        assert some(package.operation, told), where
    if name == "accounts" and package.field != NEVER:
        assert some(package.field, told) == (attempt == 0), where


def test_datadogs_spans_of_resolvers_fail_operations_with_and_without_the_cache() -> None:
    """It looks for the middleware in another place than graphql-core 3.3 has it."""
    require("ddtrace")
    for way in observed("datadog", "integration with resolvers"):
        for bare, ours in zip(way["without"], way["with"], strict=True):
            assert (ours["data"], ours["errors"]) == (bare["data"], bare["errors"])
            if bare["request"] == "accounts":
                assert "not iterable" in bare["errors"][0]["message"]


def test_a_subclass_of_sentrys_extension_is_custom_code() -> None:
    require("sentry_sdk")
    found = observed("own_hooks")
    assert dict(found) == {
        "the class itself": None,
        "a subclass": "custom_code",
        "the same name in another module": "custom_code",
        "an object with a hook of its own": "custom_code",
    }


def test_the_cache_has_spans_of_its_own_and_none_of_the_instrumentation_of_redis() -> None:
    """The cache itself uses connections of redis-py. Commands of a resolver's client are recorded as usual."""
    require("opentelemetry.instrumentation.redis")
    for told in observed("redis_client"):
        assert told == [
            ["response_cache.get", "request"],
            ["INCRBY", "request"],
            ["response_cache.put", "request"],
            ["response_cache.get", "request"],
            ["response_cache.invalidate", "request"],
            ["request", None],
        ]
