"""The cache that is off: by the environment, or by an `enabled` that says nothing."""

import logging
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheSettings,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.graphql.ledger import outcome, reason, status

SWITCH = "RESPONSE_CACHE_ENABLED"


@strawberry.type
class Item:
    id: strawberry.ID


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self) -> Item:
        return Item(id=strawberry.ID("1"))


@strawberry.type
class Mutation:
    @strawberry.mutation
    def touch(self) -> Item:
        return Item(id=strawberry.ID("1"))


def schema_of(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
    return strawberry.Schema(Query, Mutation, extensions=[extension])


@pytest.mark.parametrize("word", ["0", "false", "No", " off "])
@pytest.mark.parametrize("enabled", [True, lambda _: True])
def test_the_environment_turns_the_cache_off_whatever_enabled_says(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, word: str, enabled: Any
) -> None:
    on = schema_of(cache)
    monkeypatch.setenv(SWITCH, word)
    off = schema_of(cache, enabled=enabled)
    monkeypatch.delenv(SWITCH)
    assert [status(on.execute_sync("{ item { id } }")) for _ in range(2)] == ["miss", "hit"]
    said = outcome(off.execute_sync("{ item { id } }"))
    assert (said["status"], said["reason"]) == ("bypass", "disabled")
    assert SWITCH in said["advice"]
    # Other processes may be on.
    off.execute_sync("mutation { touch { id } }")
    assert status(on.execute_sync("{ item { id } }")) == "miss"


def test_the_environment_is_read_once_when_the_extension_is_created(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    on = schema_of(cache)
    monkeypatch.setenv(SWITCH, "0")
    assert status(on.execute_sync("{ item { id } }")) == "miss"
    with caplog.at_level(logging.WARNING):
        off = schema_of(cache)
    assert SWITCH in caplog.text
    monkeypatch.setenv(SWITCH, "1")
    assert reason(off.execute_sync("{ item { id } }")) == "disabled"


def test_check_and_explain_name_the_variable(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "0")
    extension = ResponseCacheExtension(cache, tenant=None)
    schema = strawberry.Schema(Query, extensions=[extension])
    (note,) = extension.check(schema)
    assert SWITCH in note
    assert SWITCH in explain(schema, "{ item { id } }").advice


@pytest.mark.parametrize("word", ["", "1", "true", "Yes", "on"])
def test_every_value_that_means_on_leaves_enabled_to_decide(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv(SWITCH, word)
    assert status(schema_of(cache).execute_sync("{ item { id } }")) == "miss"
    assert reason(schema_of(cache, enabled=False).execute_sync("{ item { id } }")) == "disabled"


def test_a_switch_that_is_not_understood_is_refused(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "s3cret")
    with pytest.raises(CacheConfigurationError, match=SWITCH) as raised:
        schema_of(cache)
    assert "s3cret" not in str(raised.value)


def test_the_environment_switch_changes_no_field_of_the_settings() -> None:
    assert CacheSettings.from_environment({SWITCH: "0"}) == CacheSettings()


@pytest.mark.parametrize(
    ("answer", "expected"), [(None, "disabled"), (0, "context_failed"), ("", "context_failed")]
)
def test_an_enabled_that_returns_none_counts_as_off_and_is_logged_once_per_interval(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture, answer: object, expected: str
) -> None:
    schema = schema_of(cache, enabled=lambda _: answer)
    for _ in range(3):
        said = outcome(schema.execute_sync("{ item { id } }"))
        assert said["reason"] == expected
        assert "enabled" in said["advice"]
    lines = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    (line,) = [each for each in lines if "enabled" in each]
    assert ("returned None" in line) is (answer is None)


def test_an_enabled_that_returns_none_still_invalidates(cache: ResponseCache) -> None:
    on, off = schema_of(cache), schema_of(cache, enabled=lambda _: None)
    assert status(on.execute_sync("{ item { id } }")) == "miss"
    off.execute_sync("mutation { touch { id } }")
    assert status(on.execute_sync("{ item { id } }")) == "miss"


def test_a_debug_that_returns_nothing_usable_does_not_turn_the_cache_off(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, debug=lambda _: None)  # type: ignore[arg-type, return-value] # the mistake
    schema = strawberry.Schema(Query, extensions=[extension])
    schema.execute_sync("{ item { id } }")
    assert "debug counts as off" in caplog.text
    assert status(schema_of(cache).execute_sync("{ item { id } }")) == "hit"
