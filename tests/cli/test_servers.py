"""`ping` and `stats` say what the servers are, and what they hold."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.cli import app
from strawberry_response_cache.cli.servers import advice_on_server
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._inspection import Server

WELL: Server = Server(
    name="localhost:6379",
    software="redis",
    version="7.0.15",
    run_id="a",
    role="master",
    policy="allkeys-lfu",
    max_bytes=100,
    used_bytes=1,
    evicted=0,
    round_trip=0.001,
)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": "6.2.1"}, "older than 7"),
        ({"role": "slave"}, "is a replica"),
        ({"max_bytes": 0}, "set maxmemory, and maxmemory-policy"),
        ({"policy": "noeviction"}, "refuses new entries"),
        ({"policy": "allkeys-random"}, "allkeys-lfu keeps that"),
        ({"policy": "volatile-ttl"}, "allkeys-lfu keeps that"),
        ({"round_trip": 0.06}, "more than half of read_deadline, 100 ms"),
    ],
)
def test_each_unfavourable_setting_of_a_server_gets_advice(change: Any, text: str) -> None:
    (advice,) = advice_on_server(replace(WELL, **change), 0.1)
    assert text in advice


@pytest.mark.parametrize("policy", ["allkeys-lfu", "volatile-lru"])
def test_a_server_that_is_set_up_well_gets_no_advice(policy: str) -> None:
    assert advice_on_server(replace(WELL, policy=policy), 0.1) == []


def test_ping_says_what_the_server_is(
    run: Callable[..., Any], as_json: Callable[..., Any], shop: Any, raw_valkey: Any
) -> None:
    code, said = run("ping")
    assert code == 0
    assert " answers.\n" in said
    (server,) = as_json("ping")
    info = raw_valkey.info()
    assert server["software"] == "valkey"
    assert server["version"] == info["valkey_version"]
    assert server["run_id"] == info["run_id"]
    assert (server["role"], server["maxmemory"]) == ("master", 0)
    assert server["round_trip_seconds"] > 0
    assert "maxmemory is not set" in server["advice"][0]
    assert run("ping", "--fail-on", "advice")[0] == 1


def test_commands_exit_with_3_if_the_server_does_not_answer(
    run: Callable[..., Any], shop: Any, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPONSE_CACHE_INVALIDATE_DEADLINE", "0.2")  # which is waited for
    where = ("--url", f"redis://:hush@127.0.0.1:{unused_port}", "--prefix", "p")
    for command in (["ping"], ["stats"], ["clear"], ["invalidate", "a"], ["key", "--part", "a"]):
        code, said = run(*command, *where)
        assert code == 3
        assert "hush" not in said
        assert "Traceback" not in said


def test_stats_counts_entries_tenants_and_tags(
    run: Callable[..., Any],
    as_json: Callable[..., Any],
    shop: Any,
    valkey_url: str,
    raw_valkey: Any,
) -> None:
    others = [
        ResponseCache.from_url(valkey_url, prefix=each) for each in ("shop2", "shop:1", "sho")
    ]
    for number in range(3):
        tenant = shop.cache.for_tenant(number)
        for entry in range(number + 1):
            tenant.remember_sync([str(entry)], 60, lambda: "x" * 1000, tags=["t"])
        tenant.invalidate_sync("t")
    for other in others:
        other.remember_sync(["a"], 60, lambda: 1)
        other.close()
    found = as_json("stats")
    assert (found["entries"], found["tenants"], found["leases"]) == (6, 3, 0)
    assert (found["tag_tables"], found["invalidated_tags"]) == (3, 3)
    entries = [
        each
        for each in raw_valkey.keys("*:e:*")
        if each.startswith(b"{shop:1:") and b":1:1:" not in each
    ]
    sizes = [raw_valkey.memory_usage(each) for each in entries if b"{shop:1:1:" not in each]
    assert found["entry_bytes"] == sum(sizes)
    largest = tenant_of(shop.cache.for_tenant(2)).tenant_hash
    assert found["largest_tenants"][0]["tenant"] == largest
    assert [each["entries"] for each in found["largest_tenants"]] == [3, 2, 1]
    assert as_json("stats", "--tenant", "1")["entries"] == 2
    code, said = run("stats")
    assert code == 0
    assert said.startswith("entries     6 in ")


def test_stats_counts_each_invalidated_tag_once_and_its_family(
    run: Callable[..., Any],
    as_json: Callable[..., Any],
    shop: Any,
    monkeypatch: pytest.MonkeyPatch,
    valkey_url: str,
) -> None:
    def counted(*tags: str) -> int:
        cache.invalidate_sync(*tags)
        return int(as_json("stats")["invalidated_tags"])

    monkeypatch.setenv("RESPONSE_CACHE_SLOTS_PER_TENANT", "4")
    with ResponseCache.from_url(valkey_url, prefix="shop", slots_per_tenant=4) as cache:
        for number in range(40):
            cache.remember_sync([str(number)], 60, lambda: 1)
        found = as_json("stats")
        assert (found["tag_tables"], found["invalidated_tags"]) == (4, 0)
        assert counted("t") == 1
        assert counted("t") == 1
        assert counted("Account:1") == 3  # with Account:*
        assert counted("Account:2", "u") == 5
    assert (
        "\ntags        5 invalidated, with their families: Account:1 and Account:* are two\n"
        in run("stats")[1]
    )


def test_stats_counts_no_floor_as_a_tag(
    as_json: Callable[..., Any], shop: Any, valkey_url: str, raw_valkey: Any
) -> None:
    """A table that had too many tags has two more fields: its floor, and how far it is swept."""
    with ResponseCache.from_url(valkey_url, prefix="shop", max_tags=1000) as cache:
        cache.remember_sync(["a"], 60, lambda: 1)
        for number in range(10):
            cache.invalidate_sync(*(f"t{number}.{each}" for each in range(100)))
    (table,) = raw_valkey.keys("*}:t")
    fields = raw_valkey.hkeys(table)
    assert {b"f", b"s"} < set(fields)
    tags = [each for each in fields if each.startswith(b"t:")]
    # One of them stands for all tags together.
    assert as_json("stats")["invalidated_tags"] == len(tags) - 1


def test_stats_says_that_nothing_is_stored(run: Callable[..., Any], shop: Any) -> None:
    assert run("stats") == (0, "Nothing is stored under the prefix shop.\n")
    said = run("stats", "--tenant", "acme")
    assert said == (0, "Nothing is stored for this tenant under the prefix shop.\n")


def test_stats_reads_a_server_in_bounded_steps(
    run: Callable[..., Any], shop: Any, raw_valkey: Any
) -> None:
    with raw_valkey.pipeline(transaction=False) as pipeline:
        for number in range(20_000):
            pipeline.set(f"of others {number}", "x")
        pipeline.execute()
    shop.cache.remember_sync(["a"], 60, lambda: 1)
    raw_valkey.config_resetstat()
    assert run("stats")[0] == 0
    calls = {
        name.removeprefix("cmdstat_"): figures["calls"]
        for name, figures in raw_valkey.info("commandstats").items()
    }
    assert calls["scan"] >= 20
    assert calls.get("keys", 0) == 0
    # Nothing is asked of the keys of others.
    assert calls["memory|usage"] == 2
    assert (calls["hlen"], calls["hmget"]) == (1, 1)


def test_progress_is_shown_on_stderr_of_a_terminal(
    shop: Any, raw_valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.cache.remember_sync(["a"], 60, lambda: 1)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as rich says that it writes to a terminal
    result = CliRunner().invoke(app, ["stats", "--json"])
    assert "Reading keys" in result.stderr
    assert json.loads(result.stdout)["entries"] == 1
    result = CliRunner().invoke(app, ["clear", "--all-tenants", "--json"])
    assert "Cleared 1 tenant" in result.stderr


def test_with_a_schema_its_own_cache_is_used(
    as_json: Callable[..., Any], shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.cache.remember_sync(["a"], 60, lambda: 1)
    monkeypatch.delenv("RESPONSE_CACHE_URL")
    monkeypatch.delenv("RESPONSE_CACHE_PREFIX")
    assert as_json("stats", "--schema", "shop")["entries"] == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("ping", "--url", "redis://h"), "--url and --prefix go together"),
        (("ping", "--schema", "shop:plain"), "has no ResponseCacheExtension"),
        (("ping", "--url", "memory://", "--prefix", "p"), "is a server inside each process"),
        (("ping", "--url", "redis://u:hush@h:x", "--prefix", "p"), ""),
        (("clear", "--tenant", "a", "--all-tenants"), "write one of them"),
    ],
)
def test_wrong_options_for_the_cache_are_reported_in_one_line(
    run: Callable[..., Any], shop: Any, arguments: tuple[str, ...], text: str
) -> None:
    code, said = run(*arguments)
    assert code == 2
    assert text in said
    assert "hush" not in said
    assert said.count("\n") == 1


def test_an_environment_without_a_url_is_reported(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESPONSE_CACHE_URL", raising=False)
    code, said = run("ping")
    assert (code, "The environment lacks a variable" in said) == (2, True)
