"""What is kept from request to request is bounded, and what is used stays longer than what is not."""

from strawberry_response_cache.core._bounded import Bounded


def test_a_used_item_is_evicted_after_items_that_were_not_used() -> None:
    kept: Bounded[str, str] = Bounded(80)
    for key in "abcdefgh":
        kept.put(key, key, size=10)
    assert kept.get("a") == "a"
    kept.put("i", "i", size=10)
    kept.put("j", "j", size=10)
    assert [key for key in "abcdefghij" if kept.get(key)] == [*"adefghij"]
    assert kept.size == 80


def test_the_oldest_item_is_evicted_if_all_were_used() -> None:
    kept: Bounded[str, str] = Bounded(80)
    for key in "abcdefgh":
        kept.put(key, key, size=10)
        kept.get(key)
    kept.put("i", "i", size=10)
    assert [key for key in "abcdefghi" if kept.get(key)] == [*"bcdefghi"]


def test_an_item_that_grows_counts_as_used() -> None:
    kept: Bounded[str, str] = Bounded(80)
    for key in "abcdefg":
        kept.put(key, key, size=10)
    value = kept.get("a")
    assert value is not None
    assert kept.grow("a", value, 0)
    kept.put("h", "h", size=10)
    kept.put("i", "i", size=10)
    assert (kept.get("a"), kept.get("b")) == ("a", None)
