"""What a lookup asks of Redis, and which replies it accepts: none that is damaged or of another write."""

from typing import Any

import pytest

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.protocol import (
    Effect,
    Lookup,
    Lookups,
    ReadClock,
    Release,
    Unavailable,
    bundled,
)
from strawberry_response_cache.core.protocol.answers import (
    Fresh,
    Granted,
    Held,
    Lease,
    Moment,
    Moved,
    NoLease,
    Stale,
    Unreadable,
)
from strawberry_response_cache.core.protocol.effects import READ, RUN_ID
from strawberry_response_cache.core.protocol.entry import Entry, ValueRecording, encode
from strawberry_response_cache.core.protocol.lookups import MOST_IN_A_RUN, KnownEntry
from strawberry_response_cache.core.protocol.scripts import TAG_TABLE_LIFE_MS
from strawberry_response_cache.core.protocol.troubles import Trouble

SPACE = Keyspace("test")
KEYS = SPACE.keys(["a"])
RECORDING = ValueRecording(b"secret", 60_000, 5_000)
STORED = encode(RECORDING, write_id="w", epoch="of-entry", clock=3)
ENTRY = Entry(RECORDING, "w", "of-entry", 3, 40_000)
"""As it is with 45 seconds left, ttl and stale window together."""
NOT_EPOCHS = ["", "two words", "bell\a", "ä", 5, None]


def lookup(**more: Any) -> Lookup:
    return Lookup(KEYS, 1_000, token="token", **more)


def answer(look: Lookup, *words: Any, stored: Any = STORED) -> Any:
    return look.interpret([[*words], stored])


# -- Answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("fresh", "w", "45000", "-", "9"), Fresh(ENTRY)),
        (("stale", "w", "45000", "-", "9"), Stale(ENTRY, None)),
        (("refresh", "w", "45000", "e", "9"), Stale(ENTRY, Lease("token", "e", 9))),
        (("granted", "-", "0", "e", "9"), Granted(Lease("token", "e", 9))),
        (("held", "-", "0", "e", "9"), Held()),
    ],
)
def test_each_state_in_a_scripts_reply_becomes_an_answer(
    words: tuple[str, ...], expected: object
) -> None:
    assert answer(lookup(), *words) == expected


def test_a_refusal_and_an_unknown_state_say_what_is_wrong() -> None:
    refused = answer(lookup(), "refused", "-", "0", "OOM", "0")
    unknown = answer(lookup(), "another", "-", "0", "e", "9")
    assert (refused, refused.trouble) == (NoLease(), Trouble.FULL)
    assert (unknown, unknown.trouble) == (Unavailable("unknown_state"), Trouble.NONSENSE)


@pytest.mark.parametrize("state", ["fresh", "stale", "refresh"])
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, Moved()),
        (OSError(), Moved()),
        (encode(RECORDING, write_id="other", epoch="e", clock=3), Moved()),
        (STORED[:-1], Unreadable("w")),
    ],
)
def test_bytes_of_another_write_than_the_checked_one_are_not_taken_for_the_entry(
    state: str, stored: object, expected: object
) -> None:
    assert answer(lookup(), state, "w", "45000", "e", "9", stored=stored) == expected


@pytest.mark.parametrize("state", ["granted", "refresh"])
@pytest.mark.parametrize("epoch", NOT_EPOCHS)
def test_a_lease_with_a_malformed_epoch_is_a_failure(state: str, epoch: Any) -> None:
    said = answer(lookup(), state, "w", "45000", epoch, "9")
    assert said == Unavailable("malformed_epoch")
    assert said.trouble is Trouble.NONSENSE


def test_a_payload_is_unpacked_up_to_the_bound() -> None:
    packed = encode(
        ValueRecording(b"a" * 1_000, 60_000), write_id="w", epoch="e", clock=1, compress_above=0
    )
    words = ("fresh", "w", "45000", "-", "9")
    assert answer(lookup(max_bytes=999), *words, stored=packed) == Unreadable("w")
    assert isinstance(answer(lookup(max_bytes=1_000), *words, stored=packed), Fresh)


@pytest.mark.parametrize(
    "replies",
    [
        [OSError(), b""],
        [["fresh", "w", "45000", "-"], STORED],
        [["fresh", "w", "45000", "-", "9", "more"], STORED],
        [["fresh", "w", "soon", "-", "9"], STORED],
        [["granted", "-", "0", "e", "late"], STORED],
    ],
)
def test_a_damaged_answer_is_a_failure(replies: list[Any]) -> None:
    assert isinstance(lookup().interpret(replies), Unavailable)


# -- Entries that this process has ---------------------------------------------------------------------------


def known(*, good_at: int = 9) -> tuple[Bounded[str, KnownEntry], KnownEntry]:
    confirmed: Bounded[str, KnownEntry] = Bounded(1_000_000)
    entry = KnownEntry(entry=ENTRY, good_at=good_at)
    confirmed.put(KEYS.entry, entry, size=1)
    return confirmed, entry


def reads(effect: Effect[Any]) -> list[Any]:
    return [keys for name, keys, _ in effect.calls() if name == READ]


def test_an_entry_that_was_read_is_not_fetched_by_the_next_lookup() -> None:
    confirmed: Bounded[str, KnownEntry] = Bounded(1_000_000)
    first = lookup(confirmed=confirmed)
    assert (reads(first), first.wish) == ([[KEYS.entry]], "token 1000 0.0 - - 0")
    answer(first, "fresh", "w", "45000", "-", "9")

    second = lookup(confirmed=confirmed, draw=2.0)
    assert (reads(second), second.wish) == ([], "token 1000 2.0 - w 9")
    assert second.interpret([["fresh", "w", "41000", "-", "12"]]) == Fresh(
        Entry(RECORDING, "w", "of-entry", 3, 36_000)
    )
    assert lookup(confirmed=confirmed).wish == "token 1000 0.0 - w 12"


@pytest.mark.parametrize(
    "recording",
    [
        ValueRecording(b"x" * 10_000, 60_000),
        ValueRecording(b"x", 60_000, tags=tuple(str(number) for number in range(100))),
    ],
    ids=["value", "tags"],
)
def test_known_entries_are_bounded_in_bytes(recording: ValueRecording) -> None:
    stored = encode(recording, write_id="w", epoch="e", clock=1)
    for most, count in ((80_000, 0), (100_000, 1)):  # one takes an eighth at most
        confirmed: Bounded[str, KnownEntry] = Bounded(most)
        answer(lookup(confirmed=confirmed), "fresh", "w", "45000", "-", "9", stored=stored)
        assert len(confirmed) == count


@pytest.mark.parametrize("state", ["granted", "held", "refused", "fresh"])
def test_an_entry_that_is_no_longer_valid_is_dropped_from_the_known_entries(state: str) -> None:
    confirmed, _ = known()
    said = lookup(confirmed=confirmed).interpret([[state, "other", "1000", "e", "10"]])
    assert not isinstance(said, Fresh)
    assert len(confirmed) == 0


def test_an_entry_that_another_lookup_has_read_meanwhile_stays_known() -> None:
    confirmed, _ = known()
    late = lookup(confirmed=confirmed)
    newer = KnownEntry(entry=ENTRY, good_at=10)
    confirmed.put(KEYS.entry, newer, size=1)
    late.interpret([["held", "-", "0", "e", "10"]])
    assert confirmed.get(KEYS.entry) is newer


def test_an_entry_that_could_not_be_rebuilt_is_rejected_and_fetched_again() -> None:
    confirmed, _ = known()
    again = lookup(confirmed=confirmed, rejected="w")
    assert len(confirmed) == 0
    assert (reads(again), again.wish) == ([[KEYS.entry]], "token 1000 0.0 w - 0")
    assert Lookup(KEYS, 0, token="token", rejected="w").wish == "token 0 0.0 w - 0"
    assert Lookup(KEYS, 0).wish == "", "it only reads"


def test_a_lookup_that_is_printed_shows_no_token_and_no_value() -> None:
    confirmed, _ = known()
    look = Lookup(KEYS, 0, token="its-token", confirmed=confirmed)
    for text in (repr(look), repr(ReadClock("table", token="its-token"))):
        assert "its-token" not in text
        assert "write_id" not in text


# -- The clock -----------------------------------------------------------------------------------------------


def test_a_clock_is_read_without_the_key_of_an_entry() -> None:
    clock = ReadClock("table", token="token")
    assert (clock.wish, ReadClock("table", True, "token").wish) == ("", "token 1 0 - - 0")
    (_, keys, _), (_, read, _) = clock.calls()
    assert list(keys) == ["table", "table:-", "table:-:l"]
    assert list(read) == ["table:-"]
    assert clock.interpret([["held", "-", "0", "e", "9"], None]) == Moment("e", 9)
    assert clock.interpret([["held", "-", "0", "-", "0"], None]) is None


# -- Several at once -----------------------------------------------------------------------------------------


def test_lookups_of_one_script_get_their_own_answers() -> None:
    confirmed, _ = known()
    others = [Lookup(SPACE.keys([name]), 1_000, token=name) for name in "bc"]
    together = Lookups(others[0], lookup(confirmed=confirmed))
    together.add(others[1])
    assert reads(together) == [[others[0].keys.entry, others[1].keys.entry]]
    keys, arguments = together.calls()[0][1:]
    assert [*arguments][1:] == [
        RUN_ID,
        TAG_TABLE_LIFE_MS,
        *(each.wish for each in together.lookups),
    ]
    assert [*keys] == [
        KEYS.tags,
        *(key for each in together.lookups for key in (each.keys.entry, each.keys.lease)),
    ]
    said = [
        "held",
        "-",
        "0",
        "e",
        "9",
        "fresh",
        "w",
        "45000",
        "-",
        "9",
        "fresh",
        "w",
        "x",
        "-",
        "9",
    ]
    held, fresh, failed = together.interpret([said, [None, STORED]])
    assert (held, fresh) == (Held(), Fresh(ENTRY))
    assert isinstance(failed, Unavailable)
    said[12] = "45000"
    assert together.interpret([said, [None, STORED]])[2] == Fresh(ENTRY)
    assert together.interpret([said, OSError()])[2] == Moved()
    for read in ([STORED], [None, STORED, STORED], b"12", None):
        assert all(isinstance(each, Unavailable) for each in together.interpret([said, read]))
    assert len(together.unavailable(OSError())) == 3


def test_lookups_of_one_slot_go_together_up_to_the_bound_and_not_past_another_effect() -> None:
    other = Keyspace("test", ("other",))
    here, there = Lookup(KEYS, 0), Lookup(other.keys(["a"]), 0)
    release = Release(KEYS, Lease("token", "e", 1))
    assert bundled([here, there, here, there]) == [[0, 2], [1, 3]]
    assert bundled([here, release, here]) == [[0], [1], [2]]
    many = bundled([here] * (MOST_IN_A_RUN + 1))
    assert [len(each) for each in many] == [MOST_IN_A_RUN, 1]
