"""Which entries an invalidation reaches, where tags cannot be named one by one."""

from hypothesis import given
from hypothesis import strategies as st

from strawberry_response_cache.core import _families
from strawberry_response_cache.core._families import (
    EVERYTHING_TAGGED,
    all_of_family,
    carried,
    family_of,
    shown,
    with_families,
)
from strawberry_response_cache.core._keys import tag_digests

NAMED = st.sampled_from(["a", "a:1", "a:2", "a:b:1", "b", "b:1", ":1"])
OF_ENTRIES = NAMED | st.sampled_from(["a:*", "b:*", EVERYTHING_TAGGED])
"""An entry that holds too many objects of a kind to name each has the last tags."""


@given(st.frozensets(OF_ENTRIES), st.lists(NAMED))
def test_an_invalidation_reaches_the_entries_that_it_concerns_and_no_others(
    entry: frozenset[str], invalidated: list[str]
) -> None:
    families = {f"{tag.partition(':')[0]}:*" for tag in invalidated if ":" in tag}
    concerned = entry & {*invalidated, *families, *([EVERYTHING_TAGGED] if invalidated else [])}
    assert bool(carried(entry) & {*with_families(invalidated)}) is bool(concerned)


@given(st.frozensets(OF_ENTRIES), st.sampled_from(["a", "b", ""]))
def test_the_invalidation_of_a_family_reaches_each_entry_with_a_tag_of_it_and_no_others(
    entry: frozenset[str], kind: str
) -> None:
    concerned = any(tag.partition(":")[0] == kind or tag == EVERYTHING_TAGGED for tag in entry)
    assert bool(carried(entry) & {*with_families(all_of_family(kind))}) is concerned


def test_a_tag_without_a_colon_has_no_family() -> None:
    assert (family_of("Account:42"), family_of("Account")) == ("Account:*", None)


def test_the_hidden_tag_of_a_family_is_shown_as_its_pattern_and_once() -> None:
    assert shown([*all_of_family("shelf"), "shelf:*", "Book"]) == ("shelf", "shelf:*", "Book")


def test_the_constant_everything_holds_the_digest_of_the_tag_of_everything() -> None:
    assert tag_digests([EVERYTHING_TAGGED]) == _families.EVERYTHING
