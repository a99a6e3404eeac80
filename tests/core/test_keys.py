"""Keys: two different requests never share a key, and no text of a user is readable in a key."""

import functools
import os
import re
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._keys import Keyspace, digest, tag_digests

ANY_TEXT = st.text(st.characters(codec=None), max_size=6)
"""Any text that Python holds, lone surrogates included."""

TRICKY = st.sampled_from(
    [
        "",
        "a",
        "b",
        "ab",
        "|",
        ":",
        ",",
        "0:",
        "1:",
        "1:a",
        "2:ab",
        "\x00",
        "\ud800",
        "\udc00",
        "\U00010000",
    ]
)
PARTS = st.lists(ANY_TEXT | TRICKY, max_size=5)


@given(PARTS, PARTS)
@example(["a|b"], ["a", "b"])
@example([], [""])
@example(["1:a"], ["a"])
@example(["a1:b"], ["a", "b"])
@example(["\ud83d\ude00"], ["\U0001f600"])
def test_different_parts_have_different_digests(one: list[str], other: list[str]) -> None:
    assert (digest(one) == digest(other)) == (one == other)


@given(st.lists(TRICKY, max_size=4), st.integers(0, 4), st.integers(0, 4))
def test_moving_the_border_of_two_parts_changes_the_digest(
    parts: list[str], position: int, cut: int
) -> None:
    position = min(position, len(parts))
    joined = [*parts[:position], "".join(parts[position:])]
    assert (digest(joined) == digest(parts)) == (joined == parts)
    split = [*joined[:-1], joined[-1][:cut], joined[-1][cut:]]
    assert digest(split) != digest(joined)


@given(PARTS)
def test_a_digest_is_160_bits_in_harmless_characters(parts: list[str]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{27}", digest(parts))


@given(st.lists(ANY_TEXT, max_size=5))
def test_each_tag_has_a_digest_of_its_own_in_a_stable_order(tags: list[str]) -> None:
    assert tag_digests(tags) == tag_digests(list(reversed(tags)) * 2)
    assert len(tag_digests(tags)) == len(set(tags))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", each) for each in tag_digests(tags))


@given(st.lists(ANY_TEXT.filter(bool), max_size=3), PARTS)
def test_entry_lease_and_tag_table_share_one_hash_tag(tenants: list[str], parts: list[str]) -> None:
    keyspace = Keyspace("ledger:v2", tuple(tenants))
    keys = keyspace.keys(parts)

    path = functools.reduce(lambda within, tenant: digest((within, tenant)), tenants, digest(()))
    (slot,) = {re.findall(r"\{([^}]+)\}", key)[0] for key in (keys.entry, keys.lease, keys.tags)}
    assert slot == f"ledger:v2:1:{path}"
    assert (keys.tags,) == keyspace.tag_tables
    assert len({keys.entry, keys.lease, keys.tags}) == 3
    assert all(key.isascii() and " " not in key for key in (keys.entry, keys.lease, keys.tags))


@given(st.lists(ANY_TEXT.filter(bool), max_size=3), st.lists(ANY_TEXT.filter(bool), max_size=3))
def test_different_tenants_have_different_namespaces(one: list[str], other: list[str]) -> None:
    namespaces = {Keyspace("p", tuple(one)).tag_tables, Keyspace("p", tuple(other)).tag_tables}
    assert (len(namespaces) == 1) == (one == other)


@given(st.lists(ANY_TEXT.filter(bool), max_size=3), ANY_TEXT.filter(bool))
def test_the_keys_of_a_nested_tenant_depend_on_the_whole_path(
    tenants: list[str], last: str
) -> None:
    narrowed = Keyspace("p", tenants).narrowed(last)
    assert narrowed == Keyspace("p", [*tenants, last])
    assert repr(last) not in repr(narrowed)


async def test_no_tenant_key_part_or_tag_is_readable_in_redis(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    tenant = cache.for_tenant("hunter2-tenant")

    def generate() -> int:
        everything.extend(raw.keys())
        return 1

    everything: list[bytes] = []
    await face.remember(tenant, ["hunter2-key"], 60, generate, tags=["hunter2-tag"])
    await face.invalidate(tenant, "hunter2-invalidated")
    everything.extend(raw.keys())
    for key in list(raw.scan_iter()):
        everything.append(raw.dump(key) if raw.type(key) == b"string" else b"")
        everything.extend(raw.hkeys(key) if raw.type(key) == b"hash" else [])

    assert len(everything) > 4
    assert not any(b"hunter2" in each for each in everything)


@pytest.mark.exhaustive  # test_workers_with_other_hash_seeds_share_an_entry shows it of operations
def test_keys_are_the_same_in_every_process() -> None:
    program = (
        "from strawberry_response_cache.core._keys import Keyspace, tag_digests\n"
        "print(Keyspace('p', ('t',)).keys(['a', '\\ud800']), tag_digests({'x', 'y', 'z'}))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    keys, tags = Keyspace("p", ("t",)).keys(["a", "\ud800"]), tag_digests({"x", "y", "z"})
    assert elsewhere == f"{keys} {tags}\n"


def test_keys_are_those_of_earlier_releases() -> None:
    """Whoever changes this raises the format version."""
    assert digest(["a", "b"]) == "AddT-l1yXdd5uC1M6NIg2Ny5t38"


@pytest.mark.parametrize("tenant", [None, 1.5, True, b"a", ["a"], object()])
def test_a_tenant_that_is_no_string_int_or_uuid_is_refused(
    memory_cache: ResponseCache, tenant: Any
) -> None:
    with pytest.raises(CacheConfigurationError, match="pass a string, an int or a UUID"):
        memory_cache.for_tenant(tenant)


def test_an_empty_tenant_is_refused(memory_cache: ResponseCache) -> None:
    with pytest.raises(CacheConfigurationError, match="pass what identifies the tenant"):
        memory_cache.for_tenant("")


def test_a_uuid_and_its_text_are_the_same_tenant(memory_cache: ResponseCache) -> None:
    tenant = UUID("12345678123456781234567812345678")
    memory_cache.for_tenant(tenant).remember_sync(["a"], 60, lambda: "kept")

    again = memory_cache.for_tenant(str(tenant)).remember_sync(["a"], 60, lambda: "no")
    assert again.value == "kept"


def test_a_tenants_name_is_in_no_repr(memory_cache: ResponseCache) -> None:
    assert "hunter2" not in repr(memory_cache.for_tenant("hunter2"))
