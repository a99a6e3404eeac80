"""`RESPONSE_CACHE` in the settings makes one cache, and the system checks say what is wrong with it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from strawberry_response_cache import CacheConfigurationError
from strawberry_response_cache.django import get_cache
from tests.conftest import settings_of

PLAIN: dict[str, Any] = {"URL": "memory://", "PREFIX": "bookshop"}
REDIS = "django.core.cache.backends.redis.RedisCache"


def found(**given: Any) -> list[tuple[str, str]]:
    """The ids of what the system checks find, and all that they say."""
    with override_settings(**given):
        return [
            (str(each.id).rpartition(".")[2], f"{each.msg} {each.hint}")
            for each in run_checks()
            if str(each.id).startswith("strawberry_response_cache.")
        ]


WITH_LOCATION = {"BACKEND": REDIS, "LOCATION": "redis://:hush@localhost:6379/1"}


@pytest.mark.parametrize(
    ("given", "number", "said"),
    [
        (None, "E001", "is not set"),
        ("redis://:hush@localhost", "E001", "is no dict"),
        ({"PREFIX": "p"}, "E002", "neither URL nor CACHE"),
        (PLAIN | {"CACHE": "default"}, "E002", "both URL and CACHE"),
        (PLAIN | {"URL": None}, "E003", "is no string"),
        (PLAIN | {"URL": "http://:hush@localhost"}, "E003", "scheme is not known"),
        (PLAIN | {"URL": "redis://:hush@localhost:port"}, "E003", "no valid host and port"),
        ({"CACHE": "absent", "PREFIX": "p"}, "E004", "no name of an entry of CACHES"),
        ({"CACHE": ["hush"], "PREFIX": "p"}, "E004", "no name of an entry of CACHES"),
        ({"CACHE": "local", "PREFIX": "p"}, "E004", "is not on Redis"),
        ({"CACHE": "options", "PREFIX": "p"}, "E004", "has OPTIONS"),
        ({"CACHE": "nowhere", "PREFIX": "p"}, "E004", "is no string"),
        ({"URL": "memory://"}, "E005", "is missing"),
        (PLAIN | {"PREFIX": "hush {}"}, "E005", "cannot be used"),
        (PLAIN | {"PREFIX": 1}, "E005", "cannot be used"),
        (PLAIN | {"LEASES": 5}, "E006", "LEASES"),
        (PLAIN | {"lease": 5}, "E006", "lease"),
        (PLAIN | {"redis://:hush@localhost": 5}, "E006", "no name"),
        (PLAIN | {"LEASE": "hush"}, "E007", "LEASE: Input should be a valid number"),
        (PLAIN | {"LEASE": 60}, "E007", "WAIT_BUDGET is shorter than LEASE"),
    ],
)
def test_a_mistake_in_the_settings_is_reported_by_the_checks_and_where_the_cache_is_made(
    given: object, number: str, said: str
) -> None:
    caches = {
        "default": WITH_LOCATION,
        "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "options": WITH_LOCATION | {"OPTIONS": {"password": "hush"}},
        "nowhere": {"BACKEND": REDIS},
    }
    [(its_number, text)] = found(RESPONSE_CACHE=given, CACHES=caches)
    assert (its_number, said in text) == (number, True), text
    with (
        override_settings(RESPONSE_CACHE=given, CACHES=caches),
        pytest.raises(CacheConfigurationError) as caught,
    ):
        get_cache()
    assert number in str(caught.value)
    assert "hush" not in f"{text} {caught.value}"


def test_all_mistakes_are_reported_at_once() -> None:
    assert [number for number, _ in found(RESPONSE_CACHE={"LEASE": -1})] == [
        "E002",
        "E005",
        "E007",
    ]


def test_settings_without_mistakes_are_the_settings_of_the_cache() -> None:
    given = PLAIN | {"READ_DEADLINE": 0.05, "LOCAL_BYTES": 1000}
    assert found(RESPONSE_CACHE=given) == []
    with override_settings(RESPONSE_CACHE=given):
        settings = settings_of(get_cache())
        assert (settings.read_deadline, settings.local_bytes) == (0.05, 1000)
        assert repr(get_cache()).startswith("<ResponseCache 'bookshop'")


@pytest.mark.parametrize(
    "location",
    [
        "redis://:hush@localhost:6379/1",
        "redis://:hush@localhost:6379/1;redis://replica:6379/1",
        ["redis://:hush@localhost:6379/1", "redis://replica:6379/1"],
    ],
)
def test_cache_names_an_entry_of_caches_whose_primary_server_is_used(location: object) -> None:
    caches = {"default": {"BACKEND": REDIS, "LOCATION": location}}
    with override_settings(CACHES=caches, RESPONSE_CACHE={"CACHE": "default", "PREFIX": "p"}):
        assert repr(get_cache()).endswith("RedisHandle('redis://localhost:6379')>")


def test_there_is_one_cache_until_the_settings_change() -> None:
    cache = get_cache()
    assert get_cache() is cache
    with override_settings(RESPONSE_CACHE=PLAIN | {"PREFIX": "other"}):
        assert get_cache() is not cache
        assert "'other'" in repr(get_cache())


def test_a_forked_worker_uses_the_cache_with_connections_of_its_own(valkey_url: str) -> None:
    with override_settings(RESPONSE_CACHE={"URL": valkey_url, "PREFIX": "forked"}):
        cache = get_cache()
        assert cache.remember_sync(["a"], 60, lambda: 1, tags=["Book:1"]).status.value == "miss"
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            said = "failed"
            try:
                ours = get_cache()
                first = ours.remember_sync(["a"], 60, lambda: 2)
                ours.invalidate_sync("Book:1")
                said = f"{ours is cache} {first.status.value} {first.value}"
            finally:
                os.write(writing, said.encode())
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reading, 100).decode() == "True hit 1"
        os.close(reading)
        os.close(writing)
        # The connections of the parent are as they were, and it sees what the child invalidated.
        assert cache.remember_sync(["a"], 60, lambda: 3).value == 3


PROGRAM = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["strawberry_response_cache.django"],
    RESPONSE_CACHE={"URL": %r, "PREFIX": "ending", "READ_DEADLINE": 20},
)
django.setup()
from strawberry_response_cache.django import get_cache
print(get_cache().remember_sync(["a"], 60, lambda: 1).status.value)
from strawberry_response_cache.core._cache import tenant_of
engine = tenant_of(get_cache()).engine
import atexit
atexit._run_exitfuncs()
print(engine._sync)
"""


@pytest.mark.exhaustive
@pytest.mark.versions
def test_the_cache_is_closed_when_the_process_ends(valkey_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM % valkey_url],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("miss\nNone\n", "", 0)
