"""A cache that does what the headers of responses say, and nothing else (RFC 9111, RFC 5861)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from tests.views.calls import Request, Response

Directives = dict[str, str]


def directives(response: Response) -> Directives:
    """The directives of ``Cache-Control`` (section 5.2)."""
    found = {}
    for each in response.headers.get("cache-control", "").split(","):
        name, _, value = each.strip().partition("=")
        found[name.lower()] = value.strip('"')
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored response.

    Attributes:
        request: What was asked; ``Vary`` names those of its headers that count.
        response: What was answered.
        received_at: When, in seconds.
    """

    request: Request
    response: Response
    received_at: float

    def answers(self, request: Request) -> bool:
        """Whether it may be selected for a request (section 4.1)."""
        names = [each.strip().lower() for each in self.response.headers.get("vary", "").split(",")]
        return "*" not in names and all(
            request.headers.get(name) == self.request.headers.get(name) for name in names if name
        )

    def age(self, now: float) -> float:
        """Seconds since the origin made it (section 4.2.3)."""
        return float(self.response.headers.get("age", 0)) + now - self.received_at

    def lifetime(self, *, is_shared: bool) -> float:
        """Seconds for which it is fresh (section 4.2.1). A heuristic is never used."""
        said = directives(self.response)
        if is_shared and "s-maxage" in said:
            return float(said["s-maxage"])
        return float(said.get("max-age", 0))

    def stale(self, *, is_shared: bool) -> float:
        """Seconds for which it may then be served while it is refreshed (RFC 5861, section 3)."""
        said = directives(self.response)
        if is_shared and "s-maxage" in said:  # section 5.2.2.10: as proxy-revalidate
            return 0
        return float(said.get("stale-while-revalidate", 0))


class HttpCache:
    """A shared cache, or the private one of a browser.

    Args:
        forward: Asks the next server.
        clock: Returns the time in seconds.
        is_shared: Whether several users share it.

    Attributes:
        forwarded: The requests that it sent on.
    """

    def __init__(
        self,
        forward: Callable[[Request], Response],
        clock: Callable[[], float],
        *,
        is_shared: bool,
    ) -> None:
        self._forward, self._clock, self._is_shared = forward, clock, is_shared
        self._stored: dict[str, list[Stored]] = {}
        self.forwarded: list[Request] = []

    def ask(self, request: Request) -> Response:
        """Answer a request."""
        if (
            request.method != "GET"
        ):  # section 4: what is unsafe is written through; its URI is another (4.4)
            return self._send(request)
        stored = next((each for each in self._of(request) if each.answers(request)), None)
        if stored is None:
            response = self._fetch(request)
        else:
            over = stored.age(self._clock()) - stored.lifetime(is_shared=self._is_shared)
            if over < 0:  # section 4.2
                response = self._reused(stored)
            elif over < stored.stale(is_shared=self._is_shared):
                response = self._reused(stored)
                self._validate(request, stored)
            else:
                response = self._validate(request, stored)
        return self._conditional(request, response)

    def _of(self, request: Request) -> list[Stored]:
        return self._stored.setdefault(request.query, [])

    def _send(self, request: Request) -> Response:
        self.forwarded.append(request)
        return self._forward(request)

    def _reused(self, stored: Stored) -> Response:
        """Return a stored response with its age (sections 4 and 5.1)."""
        age = str(ceil(stored.age(self._clock())))
        return replace(stored.response, headers={**stored.response.headers, "age": age})

    def _fetch(self, request: Request) -> Response:
        response = self._send(request)
        if self._may_store(request, response):
            of = self._of(request)
            of[:] = [each for each in of if not each.answers(request)]
            of.insert(0, Stored(request=request, response=response, received_at=self._clock()))
        return response

    def _may_store(self, request: Request, response: Response) -> bool:
        """Whether a response may be stored (section 3)."""
        said = directives(response)
        if response.status != 200 or "no-store" in said:
            return False
        if self._is_shared:
            if "private" in said:
                return False
            if "authorization" in request.headers and not said.keys() & {"public", "s-maxage"}:
                return False  # section 3.5
        return bool(said.keys() & {"public", "private", "max-age", "s-maxage"})

    def _validate(self, request: Request, stored: Stored) -> Response:
        """Ask whether a stored response still holds (section 4.3)."""
        of = self._of(request)
        tag = stored.response.headers.get("etag")
        if tag is None:
            of.remove(stored)
            return self._fetch(request)
        conditional = replace(request, headers={**request.headers, "if-none-match": tag})
        answer = self._send(conditional)
        of.remove(stored)
        if answer.status == 304:  # section 4.3.4: it takes the headers of the answer
            answer = replace(
                answer,
                status=200,
                body=stored.response.body,
                headers={**stored.response.headers, **answer.headers},
            )
        if self._may_store(request, answer):
            of[:] = [each for each in of if not each.answers(request)]
            of.insert(0, Stored(request=request, response=answer, received_at=self._clock()))
        return answer

    def _conditional(self, request: Request, response: Response) -> Response:
        """Answer the condition of a request (section 4.3.2)."""
        tag = response.headers.get("etag")
        if response.status == 200 and tag and request.headers.get("if-none-match") == tag:
            return replace(response, status=304, body=b"")
        return response
