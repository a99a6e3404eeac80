"""Whatever is put, grown, read and dropped, a bounded memory stays within its bytes and never mixes values up."""

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from strawberry_response_cache.core._bounded import Bounded

MOST: Final = 80
SHARE: Final = 10
"""An eighth, which is the most that one value takes."""
KEYS: Final = st.sampled_from("abcdefghijkl")
SIZES: Final = st.sampled_from([0, 4, 9, SHARE, SHARE, SHARE, SHARE + 1])
STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, SIZES),
        st.tuples(st.just("put"), KEYS, SIZES),
        st.tuples(st.sampled_from(["grow", "grow a value that went"]), KEYS, SIZES),
        st.tuples(st.sampled_from(["get", "drop"]), KEYS, st.just(0)),
    ),
    min_size=20,
    max_size=60,
)


@given(STEPS)
def test_a_bounded_memory_returns_the_last_value_of_a_key_or_nothing_within_its_bound(
    steps: list[tuple[str, str, int]],
) -> None:
    memory: Bounded[str, object] = Bounded(MOST)
    last: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for what, key, size in steps:
        if what == "put":
            last[key], sizes[key] = object(), size
            assert memory.put(key, last[key], size=size) == (size <= SHARE)
        elif what == "drop":
            memory.drop(key, last.get(key))
            assert memory.get(key) is None
        elif what == "grow":
            was_kept = memory.get(key) is not None
            is_grown = memory.grow(key, last.get(key), size)
            assert is_grown <= (was_kept and sizes[key] + size <= SHARE)
            if is_grown:
                sizes[key] += size
        elif what == "get":
            assert memory.get(key) in (None, last.get(key))
        else:
            assert not memory.grow(key, object(), size)
        kept = [each for each in last if memory.get(each) is not None]
        assert all(memory.get(each) is last[each] for each in kept)
        assert memory.size == sum(sizes[each] for each in kept) <= MOST
        assert len(memory) == len(kept)
