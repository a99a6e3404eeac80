"""Views that have an event loop for each request: one line in the log says what to use instead."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.core._engine import ENDED_LOOPS
from tests.conftest import UNHURRIED
from tests.core.logs import ours
from tests.frameworks.in_process import VIEWS, View
from tests.frameworks.shop import make_schema

ASYNC_ON_WSGI: Final = {
    "flask": VIEWS["async flask"],
    "django": replace(VIEWS["async django"], mount=VIEWS["django"].mount),
}
SYNC: Final = {name: VIEWS[name] for name in ("flask", "django")}


@pytest.fixture
def cache(valkey_url: str) -> Iterator[ResponseCache]:
    with ResponseCache.from_url(valkey_url, prefix="loops", telemetry=False, **UNHURRIED) as cache:
        yield cache


def answer_many(view: View, cache: ResponseCache) -> None:
    """Answer more requests than there may be event loops that have ended."""
    with view.serving(make_schema(cache), ours=True) as request:
        for _ in range(ENDED_LOOPS + 5):
            response = request("POST", json={"query": "{ books { title } }"})
            assert response.json() == {"data": {"books": [{"title": "Emma"}]}}
    assert cache.statistics().operations.hits == ENDED_LOOPS + 4


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # nobody closes their connections
@pytest.mark.parametrize("view", ASYNC_ON_WSGI.values(), ids=ASYNC_ON_WSGI)
def test_an_async_view_on_a_server_of_wsgi_says_once_what_to_use_instead(
    view: View, cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    answer_many(view, cache)
    [line] = ours(caplog.records)
    assert "an event loop that lasts" in line.getMessage()
    cache.close()
    gc.collect()  # while their warnings are ignored


@pytest.mark.parametrize("view", SYNC.values(), ids=SYNC)
def test_a_view_that_executes_in_threads_shares_its_connections(
    view: View, cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    answer_many(view, cache)
    assert ours(caplog.records) == []
