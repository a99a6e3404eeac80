"""Where `Instrument` raises: at the chosen call, before its first line or after its last, and only once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.graphql import injection
from tests.graphql.injection import Call, Fault, Function, InjectedFaultError, Instrument, When

ran: list[str] = []


@pytest.fixture(autouse=True)
def _part_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this file for one of the package's."""
    monkeypatch.setitem(injection._modules, __file__, "graphql/here.py")
    ran.clear()


def inner() -> int:
    ran.append("inner")
    return 1


def outer() -> int:
    try:
        ran.append("outer")
        return inner()
    except InjectedFaultError:
        ran.append("caught")
        return 2
    finally:
        ran.append("end")


def counting() -> Iterator[int]:
    ran.append("first")
    yield 1
    ran.append("last")


async def waiting() -> int:
    ran.append("begun")
    await asyncio.sleep(0)
    ran.append("woken")
    return 1


async def streaming() -> AsyncIterator[int]:
    ran.append("first")
    yield 1
    await asyncio.sleep(0)
    ran.append("last")


async def streamed() -> list[int]:
    return [each async for each in streaming()]


def failing() -> None:
    ran.append("failing")
    raise ValueError


def play(call: Callable[[], Any], instrument: Instrument) -> Any:
    with instrument.tracing():
        return asyncio.run(call()) if asyncio.iscoroutinefunction(call) else call()


def fault(name: str, when: When, caller: str | None = None, occurrence: int = 1) -> Instrument:
    by = None if caller is None else Function("graphql/here.py", caller)
    call = Call(Function("graphql/here.py", name), by)
    return Instrument(Fault(call=call, occurrence=occurrence, when=when))


@pytest.mark.parametrize(
    ("name", "call", "before", "after"),
    [
        ("outer", outer, [], ["outer", "inner", "end"]),
        ("counting", lambda: list(counting()), [], ["first", "last"]),
        ("waiting", waiting, [], ["begun", "woken"]),
        ("streaming", streamed, [], ["first", "last"]),
    ],
)
@pytest.mark.parametrize("when", When)
def test_an_injected_fault_is_raised_before_or_after_the_whole_call(
    name: str, call: Callable[[], Any], before: list[str], after: list[str], when: When
) -> None:
    """The function itself sees no fault, and none is raised where it yields or awaits."""
    unharmed = Instrument()
    play(call, unharmed)
    (found,) = (each for each in unharmed.calls if each.called.name == name)
    assert unharmed.calls[found] == 1
    assert (found, 1) in unharmed.ended
    ran.clear()
    instrument = Instrument(Fault(call=found, occurrence=1, when=when))
    with pytest.raises(InjectedFaultError):
        play(call, instrument)
    assert ran == (before if when is When.BEFORE else after)
    assert instrument.chain[0].name == name


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (When.BEFORE, ["outer", "caught", "end"]),
        (When.AFTER, ["outer", "inner", "caught", "end"]),
    ],
)
def test_the_caller_can_catch_an_injected_fault(when: When, expected: list[str]) -> None:
    assert play(outer, fault("inner", when, "outer")) == 2
    assert ran == expected


def test_an_injected_fault_fails_only_the_chosen_call() -> None:
    def thrice() -> list[int]:
        return [outer() for _ in range(3)]

    assert play(thrice, fault("inner", When.BEFORE, "outer", occurrence=2)) == [1, 2, 1]
    assert play(thrice, fault("inner", When.BEFORE, "failing")) == [1, 1, 1]


def test_a_call_that_raises_is_not_recorded_as_ended() -> None:
    instrument = Instrument()
    with pytest.raises(ValueError, match=r"^$"):
        play(failing, instrument)
    assert [each.called.name for each in instrument.calls] == ["failing"]
    assert instrument.ended == set()
    unreached = fault("failing", When.AFTER, "play")
    with pytest.raises(ValueError, match=r"^$"):
        play(failing, unreached)
    assert not unreached.is_reached
