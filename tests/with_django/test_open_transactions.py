"""Which transactions of Django an invalidation waits for, and whether one waits."""

import asyncio
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import connections, transaction

from strawberry_response_cache.graphql.invalidation.django_transactions import (
    after_open_transactions,
    is_before_commit,
    is_djangos,
)


class Called:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The alias of a second database."""
    settings = connections.settings["default"] | {"NAME": ":memory:"}
    monkeypatch.setitem(connections.settings, "other", settings)
    yield "other"
    connections["other"].close()
    del connections["other"]


def test_without_a_transaction_no_callback_is_deferred() -> None:
    called = Called()
    assert not after_open_transactions(called)
    assert (called.times, is_before_commit()) == (0, False)


def test_what_waits_is_called_after_the_commit() -> None:
    called = Called()
    with transaction.atomic():
        transaction.on_commit(lambda: None)
        assert not is_before_commit(), "what waits is not ours"
        assert after_open_transactions(called)
        assert (called.times, is_before_commit()) == (0, True)
    assert (called.times, is_before_commit()) == (1, False)


def test_a_callback_waits_for_the_open_transactions_of_every_database(other: str) -> None:
    called = Called()
    with transaction.atomic(using=other):
        assert after_open_transactions(called)
        with transaction.atomic():
            assert after_open_transactions(called)
            assert (called.times, is_before_commit()) == (0, True)
        assert (called.times, is_before_commit()) == (1, True)
    assert (called.times, is_before_commit()) == (3, False)


def test_a_coroutine_is_not_in_the_transaction_of_the_thread_that_runs_its_loop() -> None:
    async def ask() -> bool:
        return is_before_commit()

    with transaction.atomic():
        after_open_transactions(Called())
        assert is_before_commit()
        assert not asyncio.run(ask())


@pytest.mark.parametrize("lacks", ["django.db", "django.conf"])
def test_where_django_is_not_used_no_callback_is_deferred(
    lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = Called()
    with transaction.atomic():
        after_open_transactions(called)
        with monkeypatch.context() as patch:
            if lacks == "django.db":
                patch.delitem(sys.modules, lacks)
            else:
                unused = SimpleNamespace(settings=SimpleNamespace(configured=False))
                patch.setitem(sys.modules, lacks, unused)
            assert not after_open_transactions(called)
            assert not is_before_commit()
    assert called.times == 1


def test_only_djangos_on_commit_is_recognized_as_djangos(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_djangos(transaction.on_commit)
    assert not is_djangos(lambda function: function())
    own = transaction.on_commit
    monkeypatch.delitem(sys.modules, "django.db.transaction")
    assert not is_djangos(own)
