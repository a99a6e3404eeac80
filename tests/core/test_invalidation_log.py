"""An entry that was read while an invalidation came is outdated if the invalidation concerns it, and only then."""

from itertools import product
from typing import Any

import pytest

from strawberry_response_cache.core._invalidation_log import _MOST, InvalidationLog
from strawberry_response_cache.core._keys import EntryKeys

KEYS = EntryKeys("entry", "lease", "table", "channel", "tenant")
TAGS = ("a", "b")
CONCERNING: list[tuple[Any, ...]] = [
    ("invalidate", "table", ("b", "c")),
    ("clear", "table"),
    ("forget", "entry"),
    ("invalidate_all",),
]
OTHERS: list[tuple[Any, ...]] = [
    ("invalidate", "table", ("c",)),
    ("invalidate", "other", ("a",)),
    ("clear", "other"),
    ("forget", "another"),
]


@pytest.mark.parametrize("before", [[], *([each] for each in CONCERNING)])
def test_a_read_is_outdated_by_later_invalidations_that_concern_it_and_by_no_others(
    before: list[tuple[Any, ...]],
) -> None:
    every = [*CONCERNING, *OTHERS]
    for since in ((), *product(every), *product(every, every)):
        log = InvalidationLog()
        for name, *arguments in before:
            getattr(log, name)(*arguments)
        ticket = log.ticket()
        for name, *arguments in since:
            getattr(log, name)(*arguments)
        is_concerned = any(each in CONCERNING for each in since)
        assert log.concerns(KEYS, TAGS, ticket) is is_concerned, since


def test_a_read_is_outdated_once_more_invalidations_follow_than_the_log_keeps() -> None:
    log = InvalidationLog()
    ticket = log.ticket()
    for _ in range(_MOST):
        log.clear("other")
    assert not log.concerns(KEYS, TAGS, ticket)
    log.clear("other")
    assert log.concerns(KEYS, TAGS, ticket)
    assert not log.concerns(KEYS, TAGS, log.ticket())
