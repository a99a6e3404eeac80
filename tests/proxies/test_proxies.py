"""Varnish and nginx, configured as the page on HTTP shows it, in front of this package's view."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.proxies.programs import PROGRAMS, proxy, why_not
from tests.proxies.service import STALE, TTL, Service, served
from tests.servers.waiting import wait_until

SECOND = 1
"""Headers count whole seconds."""

ALICE, BOB = {"authorization": "Bearer alice"}, {"authorization": "Bearer bob"}


class Front:
    """A proxy, and the service behind it."""

    def __init__(self, url: str, service: Service) -> None:
        self.url, self.service = url, service

    def get(self, query: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return httpx.get(self.url, params={"query": query}, headers=headers, timeout=60)

    def value(self, query: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Return the value of the only field, which says for whom it was made."""
        response = self.get(query, headers)
        (value,) = response.json()["data"].values()
        told: dict[str, Any] = json.loads(value)
        return told

    def is_kept(self, query: str, headers: dict[str, str] | None = None) -> bool:
        """Ask, and return whether the request did not reach the service."""
        before = len(self.service.seen)
        self.get(query, headers)
        return len(self.service.seen) == before


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.skipif(bool(why_not(name)), reason=why_not(name)))
        for name in PROGRAMS
    ],
)
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    directory = tmp_path_factory.mktemp("proxy")
    with served() as service, proxy(request.param, service.port, directory) as url:
        yield Front(url, service)


def test_public_responses_are_kept_by_the_proxy(front: Front) -> None:
    query = "query Kept { public }"

    def is_kept() -> bool:
        first = front.get(query)
        return front.is_kept(query) and front.get(query).text == first.text

    wait_until(is_kept, "an answer is reused")


@pytest.mark.combined
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_public_responses_are_kept_for_their_lifetime_and_not_longer(
    front: Front, is_warm: bool
) -> None:
    """The lifetime begins when the service stored the response, not when the proxy got it."""
    query = f"query Lifetime{is_warm} {{ public }}"
    if is_warm:
        service = f"http://127.0.0.1:{front.service.port}/"
        first = json.loads(httpx.get(service, params={"query": query}).json()["data"]["public"])
        got_at = time.monotonic()
        wait_until(lambda: time.monotonic() > got_at + TTL / 2, "half of the lifetime is over")
    else:
        first = front.value(query)
        got_at = time.monotonic()

    def is_replaced() -> bool:
        sent_at = time.monotonic()
        if front.value(query)["run"] != first["run"]:
            return True
        assert sent_at - got_at < TTL + SECOND
        return False

    wait_until(is_replaced, "another answer")


@pytest.mark.combined
@pytest.mark.parametrize(("field", "windows"), [("public", TTL), ("stale", TTL + STALE)])
def test_nothing_is_served_after_its_ttl_and_stale_window(
    front: Front, field: str, windows: int
) -> None:
    query = f"query Windows {{ {field} }}"
    front.get(query)
    got_at = time.monotonic()
    wait_until(lambda: time.monotonic() > got_at + windows + SECOND, "all windows are over")
    # Nobody has asked meanwhile, so nothing was refreshed.
    sent_at = time.monotonic()
    value = front.get(query).json()["data"][field]
    assert front.service.made[value] >= sent_at


def test_browsers_keep_a_response_no_longer_than_the_proxy_does(front: Front) -> None:
    """Either the proxy tells its age, or the browser has to ask again."""
    query = "query Browsers { public }"

    def is_kept_for_a_while() -> bool:
        sent_at = time.monotonic()
        response = front.get(query)
        age = sent_at - front.service.made[response.json()["data"]["public"]]
        control = response.headers["cache-control"]
        told = int(response.headers.get("age", 0))
        assert control == "no-cache" or (control == f"public, max-age={TTL}" and told > age - 2)
        return age > 2 * SECOND

    wait_until(is_kept_for_a_while, "an answer that is older than two seconds")


def test_private_responses_are_never_kept(front: Front) -> None:
    for who in (ALICE, BOB, ALICE, BOB):
        assert not front.is_kept("{ mine }", who)
        assert front.value("{ mine }", who)["authorization"] == who["authorization"]
    for credentials in (ALICE, {"cookie": "a=b"}):
        for _ in range(2):
            assert not front.is_kept("{ words }", credentials)
        assert front.get("{ words }", credentials).headers["cache-control"] == "private, max-age=60"
    assert front.get("{ mine }").headers["cache-control"] == "no-store"


@pytest.mark.combined
@pytest.mark.parametrize("query", ["{ now }", "{ fails }", "{ unknown }", "{ now public }"])
def test_responses_that_say_no_store_are_never_kept(front: Front, query: str) -> None:
    for _ in range(3):
        assert not front.is_kept(query)
    assert front.get(query).headers["cache-control"] == "no-store"


def test_tenants_and_locales_are_kept_apart(front: Front) -> None:
    query = "query Apart { words }"
    requesters = [
        {"x-tenant": tenant, "accept-language": locale}
        for tenant in ("acme", "globex")
        for locale in ("en", "de")
    ]
    runs = set()
    for _ in range(3):
        for who in requesters:
            told = front.value(query, who)
            runs.add(told.pop("run"))
            assert told == who
    assert len(runs) == len(requesters)
    assert all(front.is_kept(query, who) for who in requesters)


def test_conditional_requests_are_answered_with_304(front: Front) -> None:
    """The proxy answers for responses that it keeps, the service for private ones."""
    for query, who in (("query Public { words }", None), ("query Private { mine }", ALICE)):
        tag = front.get(query, who).headers["etag"]
        response = front.get(query, {"if-none-match": tag} | (who or {}))
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == tag
        other = front.get(query, {"if-none-match": 'W/"other"'} | (who or {}))
        assert other.status_code == 200
    seen = [each for each in front.service.seen if "Private" in each.query]
    assert [each.status for each in seen] == [200, 304, 200]


def test_mutations_reach_the_service_each_time(front: Front) -> None:
    mutation = {"query": "mutation { change }"}
    answers = [httpx.post(front.url, json=mutation, timeout=60).json() for _ in range(2)]
    assert answers[0] != answers[1]
