"""The bytes of an entry: unchanged they decode to what was stored, and with any change they are unreadable."""

import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strawberry_response_cache.core import CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import tag_digests
from strawberry_response_cache.core.protocol.entry import (
    Entry,
    UnreadableEntryError,
    ValueRecording,
    decode,
    encode,
)
from tests.damages import ENTRY_DAMAGES, gone, into_hash, into_list, into_set, name_of, stored_bytes

WORD = st.text("abcXYZ019_-", min_size=1, max_size=20)
RECORDINGS = st.builds(
    ValueRecording,
    payload=st.binary(max_size=300),
    ttl_ms=st.integers(1, 10**12),
    stale_ms=st.integers(0, 10**12),
    tags=st.lists(st.text(max_size=5), max_size=20).map(tag_digests),
    meta=WORD,
    cost_ms=st.integers(0, 10**9),
    note=WORD,
)
SAMPLE = encode(
    ValueRecording(
        b'{"a": [1, "\n two"]}', 60_000, 5_000, tag_digests(["Book", "Book:1"]), "PUBLIC"
    ),
    write_id="wid_-09",
    epoch="epoch",
    clock=7,
)


@given(RECORDINGS, WORD, WORD, st.integers(0, 2**53))
def test_an_encoded_entry_decodes_to_the_same_entry(
    recording: ValueRecording, write_id: str, epoch: str, clock: int
) -> None:
    stored = encode(recording, write_id=write_id, epoch=epoch, clock=clock)

    entry = decode(stored, pttl_ms=recording.ttl_ms + recording.stale_ms)

    assert entry == Entry(recording, write_id, epoch, clock, recording.ttl_ms)
    assert (entry.age, entry.ttl) == (0, recording.ttl_ms / 1000)


def sealed(checked: bytes) -> bytes:
    """Put the checksum before what it covers."""
    return b"rc1 %08x%b" % (zlib.crc32(checked), checked)


BOUNDS = st.sampled_from([None, 10])
"""Above which size payloads are compressed."""
REPEATED = st.binary(min_size=1, max_size=5).map(lambda part: part * 50)
CHANGES = st.tuples(
    st.sampled_from(["byte", "end", "begin", "more"]), st.integers(0, 2**16), st.integers(1, 255)
)


@given(RECORDINGS, REPEATED | st.binary(max_size=20), BOUNDS, CHANGES)
def test_any_entry_with_any_damage_is_unreadable(
    recording: ValueRecording, payload: bytes, bound: int | None, change: tuple[str, int, int]
) -> None:
    stored = encode(
        replace(recording, payload=payload), write_id="w", epoch="e", clock=1, compress_above=bound
    )
    what, number, byte = change
    at = number % len(stored)
    damaged = {
        "byte": stored[:at] + bytes([stored[at] ^ byte]) + stored[at + 1 :],
        "end": stored[:at],
        "begin": stored[at + 1 :],
        "more": stored + bytes([byte]),
    }[what]
    with pytest.raises(UnreadableEntryError):
        decode(damaged, pttl_ms=1)


@given(RECORDINGS, REPEATED, st.integers(1, 2**16))
def test_a_compressed_payload_cut_before_its_checksum_was_made_is_unreadable(
    recording: ValueRecording, payload: bytes, number: int
) -> None:
    """Its checksum is right, and what it unpacks to may be JSON: ``12`` of ``123``."""
    recording = replace(recording, payload=payload)
    stored = encode(recording, write_id="w", epoch="e", clock=1, compress_above=10)
    packed = stored.partition(b"\n")[2]
    assert sealed(stored[12:]) == stored
    assert len(packed) < len(payload)
    with pytest.raises(UnreadableEntryError):
        decode(sealed(stored[12 : -1 - number % len(packed)]), pttl_ms=1)


def test_a_payload_that_compressing_makes_no_smaller_is_stored_as_it_is() -> None:
    payload = bytes(range(256))
    recording = ValueRecording(payload, 60_000)
    stored = encode(recording, write_id="w", epoch="e", clock=1, compress_above=10)

    assert stored == encode(recording, write_id="w", epoch="e", clock=1, compress_above=None)
    assert decode(stored, pttl_ms=60_000).recording == recording


def test_a_payload_is_compressed_above_the_bound_and_not_at_it() -> None:
    recording = ValueRecording(b"a" * 100, 60_000)
    plain, at_the_bound, above = (
        encode(recording, write_id="w", epoch="e", clock=1, compress_above=bound)
        for bound in (None, 100, 99)
    )
    assert plain == at_the_bound
    assert len(above) < len(plain)
    assert decode(above, pttl_ms=60_000) == decode(plain, pttl_ms=60_000)


@pytest.mark.parametrize("codec", [b"z", b"d", b"~", b""])
def test_a_payload_that_is_not_packed_as_its_header_says_is_unreadable(codec: bytes) -> None:
    """Its checksum is right, as in an entry of a later release."""

    def changed(codec: bytes) -> bytes:
        checked = SAMPLE[12:].replace(b" j PUBLIC ", b" %b PUBLIC " % codec)
        return sealed(checked)

    assert changed(b"j") == SAMPLE
    with pytest.raises(UnreadableEntryError):
        decode(changed(codec), pttl_ms=1)


def test_the_size_of_a_recording_is_that_of_its_value_and_its_note() -> None:
    assert ValueRecording(b"12345", 1, note="123").size == 8


def test_a_recording_has_no_stale_window_and_no_cost_by_default() -> None:
    recording = ValueRecording(b"", 1)
    assert (recording.stale_ms, recording.cost_ms) == (0, 0)


def test_a_recording_whose_meta_word_ends_in_marker_is_a_marker() -> None:
    assert ValueRecording(b"", 1, meta="private-marker").is_marker
    assert not ValueRecording(b"", 1, meta="private").is_marker


def test_a_compressed_payload_is_checked_once_by_the_checksum_of_its_entry() -> None:
    """A checksum of what is unpacked would take a third of the time of unpacking it."""
    payload = b"a good read " * 1_000
    recording = ValueRecording(payload, 60_000)
    stored = encode(recording, write_id="w", epoch="e", clock=1, compress_above=10)
    packed = stored.partition(b"\n")[2]

    assert len(packed) < len(payload) / 10
    assert zlib.decompress(packed, -zlib.MAX_WBITS) == payload
    assert decode(stored, pttl_ms=60_000).recording == recording
    with pytest.raises(UnreadableEntryError):
        decode(stored, pttl_ms=60_000, max_bytes=len(payload) - 1)
    for at in (len(stored) - len(packed), len(stored) - 1):
        changed = stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
        with pytest.raises(UnreadableEntryError):
            decode(changed, pttl_ms=60_000)


def test_age_and_ttl_are_computed_from_the_pttl_of_the_server() -> None:
    within = decode(SAMPLE, pttl_ms=25_000)
    past = decode(SAMPLE, pttl_ms=1_000)

    assert (within.age, within.ttl) == (40, 20)
    assert (past.age, past.ttl) == (64, 0)


@given(st.binary(max_size=400))
@example(b"")
@example(b"rc1 \n")
@example(b"rc1 00000000 00000000 a b 1 1 1 1 j - - \n")
@example(b"rc1 zzzzzzzz 00000000 a b 1 1 1 1 j - - \n")
@example(b"rc1 00000000 00000000 \xff b 1 1 1 j - - \n")
@example(b"rc1 00000000 00000000 a b " + b"9" * 5000 + b" 1 1 1 j - - \n")
def test_random_bytes_are_unreadable_and_raise_no_other_error(stored: bytes) -> None:
    with pytest.raises(UnreadableEntryError):
        decode(stored, pttl_ms=1)


@given(
    st.lists(st.binary(max_size=12).map(lambda b: b.replace(b" ", b"")), min_size=11, max_size=11)
)
def test_a_header_of_random_fields_is_unreadable_and_raises_no_other_error(
    fields: list[bytes],
) -> None:
    with pytest.raises(UnreadableEntryError):
        decode(b"rc1 00000000 " + b" ".join(fields) + b"\npayload", pttl_ms=1)


def test_every_flipped_bit_is_noticed() -> None:
    accepted = []
    for bit in range(len(SAMPLE) * 8):
        damaged = bytearray(SAMPLE)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            decode(bytes(damaged), pttl_ms=1)
        except UnreadableEntryError:
            continue
        accepted.append((bit // 8, bytes(damaged[bit // 8 : bit // 8 + 1])))

    assert accepted == []


def test_every_truncation_and_extension_is_noticed() -> None:
    for length in range(len(SAMPLE)):
        with pytest.raises(UnreadableEntryError):
            decode(SAMPLE[:length], pttl_ms=1)
        with pytest.raises(UnreadableEntryError):
            decode(SAMPLE[length + 1 :], pttl_ms=1)
    with pytest.raises(UnreadableEntryError):
        decode(SAMPLE + b"\0", pttl_ms=1)


def test_an_entry_shows_no_payload_where_its_parts_are_printed() -> None:
    from strawberry_response_cache.core.algorithm.flights import Landed

    assert "secret" not in repr(ValueRecording(b"secret", 1))
    assert "secret" not in repr(Landed(ValueRecording(b"secret", 1)))


# -- On a store --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 8, 9, 20, 300])
async def test_a_header_of_any_length_is_read_as_a_whole(
    cache: ResponseCache, face: Any, count: int
) -> None:
    """A script that reads less of it than there is would not see the last tag."""
    tags = [f"t{number}" for number in range(count)]
    await face.remember(cache, ["a"], 60, lambda: "old", tags=tags)
    await face.invalidate(cache, "another")
    assert (await face.remember(cache, ["a"], 60, lambda: "no")).status is CacheStatus.HIT
    await face.invalidate(cache, tags[-1])
    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


@pytest.mark.parametrize("damage", ENTRY_DAMAGES, ids=name_of)
async def test_a_damaged_entry_is_generated_again_and_then_hits(
    cache: ResponseCache, face: Any, raw: Any, damage: Any
) -> None:
    keys = tenant_of(cache).keys(["a"])
    await face.remember(cache, ["a"], 60, lambda: "stored", stale=60)

    damage(raw, keys.entry)

    new = await face.remember(cache, ["a"], 60, lambda: "new", stale=60)
    assert (new.value, new.status) == ("new", CacheStatus.MISS)
    assert not raw.exists(keys.lease)
    hit = await face.remember(cache, ["a"], 60, lambda: "no", stale=60)
    assert (hit.value, hit.status) == ("new", CacheStatus.HIT)


@pytest.mark.parametrize("damage", [into_list, into_hash, into_set, gone], ids=name_of)
async def test_after_damage_to_a_tag_table_entries_are_generated_again_and_then_hit(
    cache: ResponseCache, face: Any, raw: Any, damage: Any
) -> None:
    await face.remember(cache, ["a"], 60, lambda: "stored")

    damage(raw, tenant_of(cache).keyspace.tag_tables[0])

    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"
    assert (await face.remember(cache, ["a"], 60, lambda: "no")).status is CacheStatus.HIT


@pytest.mark.parametrize(
    ("field", "content"),
    [("e", "foreign"), ("c", ""), ("c", "foreign"), ("c", "-1"), ("c", "nan")],
)
async def test_with_foreign_content_in_a_tag_table_entries_are_generated_again_and_then_hit(
    memory_cache: ResponseCache, face: Any, raw_of: Any, field: str, content: str
) -> None:
    cache = memory_cache
    await face.remember(cache, ["a"], 60, lambda: "stored", tags=["t"])
    raw_of(cache).hset(tenant_of(cache).keyspace.tag_tables[0], field, content)
    await face.forget(cache, ["a"])

    for _ in range(3):
        response = await face.remember(cache, ["a"], 60, lambda: "stored", tags=["t"])
        assert response.value == "stored"
    assert response.status is CacheStatus.HIT


@pytest.mark.parametrize("damage", [into_list, into_hash, into_set], ids=name_of)
async def test_a_lease_key_of_another_redis_type_does_not_prevent_storing(
    cache: ResponseCache, face: Any, raw: Any, damage: Any
) -> None:
    damage(raw, tenant_of(cache).keys(["a"]).lease)

    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"
    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "new"


@pytest.mark.parametrize("damage", [into_list, into_hash, gone], ids=name_of)
async def test_a_value_is_returned_although_its_lease_is_damaged_while_the_generator_runs(
    cache: ResponseCache, face: Any, raw: Any, damage: Any
) -> None:
    def generate() -> str:
        damage(raw, tenant_of(cache).keys(["a"]).lease)
        return "value"

    assert (await face.remember(cache, ["a"], 60, generate)).value == "value"
    await face.remember(cache, ["a"], 60, lambda: "again")
    assert (await face.remember(cache, ["a"], 60, lambda: "no")).value == "again"


async def test_a_foreign_lease_without_an_expiry_does_not_prevent_storing_for_ever(
    new_cache: Any, face: Any, raw_of: Any
) -> None:
    cache = new_cache("memory://", lease=0.1, wait_budget=0.1)
    raw_of(cache).set(tenant_of(cache).keys(["a"]).lease, "foreign, and without an end")

    for _ in range(2):
        assert (await face.remember(cache, ["a"], 60, lambda: "value")).value == "value"

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).status is CacheStatus.HIT


async def test_an_entry_copied_to_a_key_of_another_tenant_is_not_served(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    """The checksum does not cover the key, so the copied entry itself is intact."""
    await face.remember(cache, ["a"], 60, lambda: "of a")
    other = cache.for_tenant("x")
    await face.remember(other, ["b"], 60, lambda: "of b")

    raw.set(
        tenant_of(other).keys(["b"]).entry,
        stored_bytes(raw, tenant_of(cache).keys(["a"]).entry),
        px=9999,
    )

    assert (await face.remember(other, ["b"], 60, lambda: "of b again")).value == "of b again"
