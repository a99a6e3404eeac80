"""What a response shows of what the cache did for an operation, and for its fields."""

from dataclasses import replace

import pytest

from strawberry_response_cache.graphql.policy.outcome import (
    FieldOutcomes,
    Outcome,
    is_worse,
    worse_of,
)
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

HIT = Outcome("hit", age=3.9, ttl=56.9, scope="PUBLIC", limited_by="Query.a")
STALE, MISS = replace(HIT, status="stale"), replace(HIT, status="miss")
BYPASS = Outcome("bypass", Reason.DISABLED, "Turn it on.")
FROM_BEST = [HIT, STALE, MISS, BYPASS]


def shown(*outcomes: Outcome, advice: str | None = None) -> list[dict[str, object]]:
    fields = FieldOutcomes()
    for each in outcomes:
        fields.add("Item.shown", each)
    return fields.as_extension(lambda _: advice)


def test_an_outcome_shows_only_known_values_with_whole_seconds() -> None:
    assert replace(HIT, verified="equal").as_extension() == {
        "status": "hit",
        "age": 3,
        "ttl": 56,
        "scope": "PUBLIC",
        "limitedBy": "Query.a",
        "verified": "equal",
    }
    assert BYPASS.as_extension() == {
        "status": "bypass",
        "reason": "disabled",
        "advice": "Turn it on.",
    }
    assert Outcome("bypass").as_extension() == {"status": "bypass"}
    new = replace(HIT, age=0.0, ttl=0.0).as_extension()
    assert (new["age"], new["ttl"]) == (0, 0)


def test_a_problem_is_shown_as_a_bypass() -> None:
    assert Outcome.of(Problem(Reason.DISABLED, None, "Turn it on.")) == BYPASS


def test_an_outcome_is_not_collapsed_by_default() -> None:
    assert not HIT.is_collapsed


@pytest.mark.combined
@pytest.mark.parametrize("at", range(3))
def test_of_two_outcomes_the_worse_is_shown_in_either_order(at: int) -> None:
    better, worse = FROM_BEST[at : at + 2]
    assert is_worse(worse, better)
    assert not is_worse(better, worse)
    assert worse_of(better, worse) == worse_of(worse, better) == worse


def test_of_two_equal_outcomes_the_lower_ttl_is_shown() -> None:
    later = replace(HIT, ttl=90.0)
    assert worse_of(HIT, later) == worse_of(later, HIT) == HIT
    assert is_worse(BYPASS, replace(BYPASS, ttl=0.5))
    assert not is_worse(HIT, HIT)


def test_two_answers_together_are_private_if_one_is() -> None:
    private = replace(HIT, scope="PRIVATE")
    for one, other in ((private, MISS), (MISS, private)):
        assert worse_of(one, other) == replace(MISS, scope="PRIVATE")
    assert worse_of(private, private) is private
    assert worse_of(HIT, MISS) is MISS
    assert worse_of(private, BYPASS) is BYPASS, "nothing is told of its scope"


def test_fields_at_one_coordinate_share_a_line_with_their_count_and_worst_status() -> None:
    line = {"field": "Item.shown", "scope": "PUBLIC", "limitedBy": "Query.a", "age": 3, "ttl": 56}
    assert shown() == []
    assert shown(HIT) == [line | {"status": "hit", "count": 1}]
    assert shown(HIT, HIT) == [line | {"status": "hit", "count": 2}]
    assert shown(MISS, MISS) == [line | {"status": "miss", "count": 2}]
    assert shown(HIT, MISS, HIT) == [line | {"status": "miss", "count": 3, "hits": 2}]
    assert shown(MISS, HIT) == [line | {"status": "miss", "count": 2, "hits": 1}]


def test_advice_for_a_field_is_shown_unless_its_outcome_has_advice() -> None:
    assert shown(HIT, advice="Write key=.")[0]["advice"] == "Write key=."
    assert shown(BYPASS, advice="Write key=.")[0]["advice"] == "Turn it on."
    assert "advice" not in shown(HIT)[0]


def test_each_coordinate_has_its_own_line_in_the_order_of_the_fields() -> None:
    fields = FieldOutcomes()
    for coordinate, outcome in (("B.x", HIT), ("A.x", MISS), ("B.x", MISS)):
        fields.add(coordinate, outcome)
    assert fields.items() == [("B.x", MISS, 2), ("A.x", MISS, 1)]
