"""`CacheSettings`: frozen, bounded, readable from the environment, and each with a reason."""

import inspect
import pickle
import re
from typing import Any

import pytest

from strawberry_response_cache.core import CacheConfigurationError, CacheSettings, ResponseCache
from strawberry_response_cache.core._settings import SettingsByName
from tests.conftest import settings_of


def test_the_lease_is_10_s_and_the_read_deadline_100_ms_by_default() -> None:
    settings = CacheSettings()

    assert (settings.lease, settings.wait_budget, settings.read_deadline) == (10, 10, 0.1)
    assert settings.connect_deadline == 1
    assert settings.wait_budget >= settings.lease


def test_settings_are_frozen_and_compare_by_value() -> None:
    settings = CacheSettings(lease=5)

    with pytest.raises(ValueError, match="frozen"):
        settings.lease = 6
    assert settings == CacheSettings(lease=5)
    assert hash(settings) == hash(CacheSettings(lease=5))
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


def test_every_setting_has_a_docstring() -> None:
    source = inspect.getsource(CacheSettings)
    for name in CacheSettings.model_fields:
        assert re.search(rf'    {name}: .*\n(    .*\n|)    """', source), name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lease", 0),
        ("lease", -1),
        ("lease", "nan"),
        ("lease", "inf"),
        ("lease", None),
        ("read_deadline", 0),
        ("connect_deadline", 0),
        ("max_connections", 0),
        ("max_connections", 1.5),
        ("max_entry_bytes", 0),
        ("max_tags", 999),
    ],
)
def test_the_error_for_a_value_out_of_range_names_the_setting(name: str, value: Any) -> None:
    with pytest.raises(
        CacheConfigurationError, match=f"CacheSettings: {name}: Input should be"
    ) as e:
        CacheSettings(**{name: value})
    assert e.value.__cause__ is None


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(CacheConfigurationError, match=r"lease: .*; max_tags: .*; other: "):
        CacheSettings(lease=0, max_tags=0, other=1)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPONSE_CACHE_LEASE", "5")
    monkeypatch.setenv("RESPONSE_CACHE_MAX_TAGS", "2000")
    monkeypatch.setenv("OTHER_LEASE", "6")

    assert CacheSettings.from_environment() == CacheSettings(lease=5, max_tags=2000)


def test_settings_can_be_read_from_another_mapping() -> None:
    assert CacheSettings.from_environment({"RESPONSE_CACHE_LEASE": "5", "LEASE": "6"}).lease == 5
    assert CacheSettings.from_environment({}) == CacheSettings()


def test_a_cache_takes_settings_by_name() -> None:
    with ResponseCache.from_url(
        "memory://", prefix="test", telemetry=False, lease=5, max_tags=2000
    ) as cache:
        assert settings_of(cache) == CacheSettings(lease=5, max_tags=2000)


def test_settings_by_name_has_the_fields_of_cache_settings() -> None:
    assert {*SettingsByName.__annotations__} == {*CacheSettings.model_fields}


@pytest.mark.parametrize("name", CacheSettings.model_fields)
def test_every_setting_has_a_description(name: str) -> None:
    described = CacheSettings.model_fields[name].description
    assert described is not None
    assert described.rstrip().endswith((".", "MB."))


# -- A cache from the environment ----------------------------------------------------------------------

VARIABLES = {"RESPONSE_CACHE_URL": "memory://", "RESPONSE_CACHE_PREFIX": "test"}


def test_a_cache_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (VARIABLES | {"RESPONSE_CACHE_LEASE": "5"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RESPONSE_CACHE_ENABLED", "1")
    seen: list[object] = []
    with ResponseCache.from_environment(telemetry=False, on_invalidate=seen.append) as cache:
        assert repr(cache) == "<ResponseCache 'test' on RedisHandle('memory://')>"
        assert settings_of(cache) == CacheSettings(lease=5)
        cache.invalidate_sync("a")
    assert seen


@pytest.mark.parametrize("name", sorted(VARIABLES))
@pytest.mark.parametrize("value", [None, "", " "])
def test_the_error_for_a_missing_environment_variable_names_it(
    name: str, value: str | None
) -> None:
    environ = {key: text for key, text in VARIABLES.items() if key != name}
    environ |= {} if value is None else {name: value}
    with pytest.raises(CacheConfigurationError, match=f"{name}="):
        ResponseCache.from_environment(environ)


def test_all_missing_environment_variables_are_named_at_once() -> None:
    with pytest.raises(CacheConfigurationError) as raised:
        ResponseCache.from_environment({})
    assert all(f"{name}=" in str(raised.value) for name in VARIABLES)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("URL", "s3cret://host", "scheme is not known"),
        ("URL", "redis://:s3cret@host/one", "database is not a number"),
        ("PREFIX", "s3 cret", "prefix must be"),
        ("LEASE", "s3cret", "valid number"),
        ("LEESE", "s3cret", "there is no such setting"),
        ("STRICT", "s3cret", "valid boolean"),
        ("WAIT_BUDGET", "1.357", "is shorter than RESPONSE_CACHE_LEASE"),
    ],
)
def test_the_error_for_a_wrong_environment_variable_names_it_but_not_its_value(
    name: str, value: str, message: str
) -> None:
    environ = {**VARIABLES, f"RESPONSE_CACHE_{name}": value}
    with pytest.raises(CacheConfigurationError, match=message) as raised:
        ResponseCache.from_environment(environ)
    assert f"RESPONSE_CACHE_{name}" in str(raised.value)
    assert value not in str(raised.value)
    assert "s3cret" not in str(raised.value)
