"""One try to answer a cache request: for all sessions, or for one session."""

from typing import Any, TypeVar

from strawberry_response_cache.core import CachedResponse
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.serializer import ResponseSerializer
from strawberry_response_cache.graphql.execution.verified_run import VerifiedRun
from strawberry_response_cache.graphql.http.gateway_tags import ENTITIES
from strawberry_response_cache.graphql.invalidation.entities import PlacedEntities

R = TypeVar("R")


class Attempt:
    """One try: for all sessions, or for one session.

    Args:
        cache_request: The request to the cache.
        request: The context of the request.
        tells_tags: Whether browsers and CDNs may be told the tags of its response; by default, for an operation only.

    Attributes:
        serializer: The serializer of its result.
        made_itself: The result that this request executed itself; None if it executed nothing.
    """

    __slots__ = ("_run", "cache_request", "made_itself", "request", "serializer")

    def __init__(
        self,
        cache_request: CacheRequest,
        request: RequestContext,
        *,
        tells_tags: bool | None = None,
    ) -> None:
        self.cache_request = cache_request
        self.request = request
        self.made_itself: object = None
        self._run: VerifiedRun | None = None
        if (sightings := request.options.sightings) is not None:
            sightings.note(cache_request.keys.entry)
        tells_tags = cache_request.whole if tells_tags is None else tells_tags
        self.serializer = ResponseSerializer(cache_request, request, tells_tags=tells_tags)

    def begin(self) -> Recorder:
        """Return the recorder of the execution. The session is known: resolvers may make the response PRIVATE."""
        if self._run is not None:
            self.serializer.recorder = self._run
            return self._run
        headers = self.request.options.headers
        by_item = self.cache_request.whole and headers is not None and headers.tells_gateways
        recorder = self.serializer.recorder = Recorder(
            self.request.guard,
            entities=PlacedEntities(ENTITIES) if by_item else None,
            cache=self.cache_request.cache,
        )
        recorder.tags.update(self.cache_request.inherited)
        session = self.request.session() if self.cache_request.session is None else None
        self.serializer.session = session if isinstance(session, str) else None
        return recorder

    def verify(self) -> VerifiedRun:
        """Return a verified run, which records what is executed next; nothing of that is stored."""
        self._run = VerifiedRun(self.request.guard, cache=self.cache_request.cache)
        if self.cache_request.whole:
            # Tags with placeholders are not filled in it, so a value that contains its result cannot be stored.
            tenant_of(self.cache_request.cache).note_unfit_part()
        return self._run

    def made(self, result: R) -> R:
        """Note and return the result that this request executed itself."""
        self.made_itself = result
        return result

    def has_generated(self, response: CachedResponse[Any]) -> bool:
        """Whether a response holds the result that this request executed itself."""
        return self.made_itself is not None and response.value is self.made_itself
