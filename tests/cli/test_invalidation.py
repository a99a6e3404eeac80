"""`invalidate` and `clear` invalidate the entries of one tenant or of all."""

from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache import ResponseCache


@pytest.fixture
def statuses(shop: Any) -> Callable[[], list[str]]:
    tenants = [shop.cache, shop.cache.for_tenant("acme"), shop.cache.for_tenant("globex")]

    def statuses() -> list[str]:
        found = [each.remember_sync(["a"], 60, lambda: 1, tags=["Book:1"]) for each in tenants]
        return [each.status.value for each in found]

    statuses()
    return statuses


def test_tags_are_invalidated_in_one_tenant(
    run: Callable[..., Any], as_json: Callable[..., Any], statuses: Callable[[], list[str]]
) -> None:
    assert run("invalidate", "Book:1", "Other") == (0, "Invalidated 2 tags without a tenant.\n")
    assert statuses() == ["miss", "hit", "hit"]
    assert as_json("invalidate", "Book:1", "--tenant", "acme") == {"invalidated": ["Book:1"]}
    assert statuses() == ["hit", "miss", "hit"]
    said = run("invalidate", "Book:1", "--tenant", "acme")
    assert said == (0, "Invalidated 1 tag of the tenant.\n")
    assert statuses() == ["hit", "miss", "hit"]


def test_a_tenant_is_cleared(
    run: Callable[..., Any], as_json: Callable[..., Any], statuses: Callable[[], list[str]]
) -> None:
    assert run("clear") == (0, "Cleared everything without a tenant.\n")
    assert statuses() == ["miss", "hit", "hit"]
    assert as_json("clear", "--tenant", "globex") == {"tenants": 1, "atomic": True}
    assert statuses() == ["hit", "hit", "miss"]
    assert run("clear", "--tenant", "acme") == (0, "Cleared everything of the tenant.\n")
    assert statuses() == ["hit", "miss", "hit"]


@pytest.mark.parametrize("command", [["clear"], ["invalidate", "Book:1"]])
def test_a_schema_with_tenants_is_not_invalidated_without_a_tenant(
    run: Callable[..., Any], statuses: Callable[[], list[str]], command: list[str]
) -> None:
    code, said = run(*command, "--schema", "shop:schema")
    assert (code, "name one with --tenant" in said) == (2, True)
    assert statuses() == ["hit", "hit", "hit"]
    assert run(*command, "--schema", "shop:schema", "--tenant", "acme")[0] == 0
    assert statuses() == ["hit", "miss", "hit"]


def test_clear_of_all_tenants_of_a_prefix_says_that_it_is_not_atomic(
    run: Callable[..., Any],
    as_json: Callable[..., Any],
    statuses: Callable[[], list[str]],
    valkey_url: str,
) -> None:
    with ResponseCache.from_url(valkey_url, prefix="shop2") as other:
        other.remember_sync(["a"], 60, lambda: 1)
        code, said = run("clear", "--all-tenants")
        assert (code, "Cleared 3 tenants" in said, "not atomic" in said) == (0, True, True)
        assert statuses() == ["miss", "miss", "miss"]
        assert as_json("clear", "--all-tenants") == {"tenants": 3, "atomic": False}
        assert statuses() == ["miss", "miss", "miss"]
        assert other.remember_sync(["a"], 60, lambda: 1).status.value == "hit"
