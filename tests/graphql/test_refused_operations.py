"""Operations that Redis refused twice are known for a while, each by the key of its entry."""

from strawberry_response_cache.graphql.execution.refused import RefusedOperations


class Times:
    """Notes refusals at the times of a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.operations = RefusedOperations(clock=lambda: self.now)

    def note(self, *times: float, key: str = "key", refused: bool = True) -> None:
        for self.now in times:
            self.operations.note(key, refused=refused)

    def has(self, time: float, key: str = "key") -> bool:
        self.now = time
        return self.operations.has(key)


def test_one_refusal_does_not_mark_an_operation_as_refused() -> None:
    times = Times()
    times.note(0, key="one")
    times.note(1, key="other")
    assert not times.has(2, key="one")
    assert not times.has(2, key="other")


def test_two_refusals_mark_an_operation_for_ten_seconds_from_the_second() -> None:
    times = Times()
    times.note(1, 9)
    assert [times.has(time) for time in (9, 18.5, 19, 30)] == [True, True, False, False]
    assert not times.has(9, key="other")


def test_two_refusals_ten_seconds_apart_do_not_mark_an_operation() -> None:
    times = Times()
    times.note(0, 10)
    assert not times.has(10)
    times.note(19.5)
    assert times.has(19.5)


def test_storing_an_operation_resets_its_count_of_refusals() -> None:
    times = Times()
    times.note(0)
    times.note(1, refused=False)
    times.note(2)
    assert not times.has(2)
    times.note(3)
    assert times.has(3)


def test_a_refusal_of_a_refused_operation_prolongs_the_ten_seconds() -> None:
    """The operation is marked for ten seconds from its last refusal."""
    times = Times()
    times.note(0, 1, 8)
    assert [times.has(time) for time in (17.5, 18)] == [True, False]
