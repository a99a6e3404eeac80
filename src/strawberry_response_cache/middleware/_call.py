"""One request: it is answered from the cache; or the application answers, and its answer is compared with the hit's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic_core import from_json, to_json

from strawberry_response_cache.core import CacheDetail, CachedResponse, CacheStatus
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._observer import Concluded
from strawberry_response_cache.core.protocol import Unavailable
from strawberry_response_cache.core.protocol.entry import Entry, UnreadableEntryError
from strawberry_response_cache.graphql._claim import IN_SCOPE, Claim, Front
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.counting import count_hit
from strawberry_response_cache.graphql.execution.refused import RefusedOperations
from strawberry_response_cache.graphql.policy.reasons import Problem
from strawberry_response_cache.middleware._answers import (
    Answers,
    Repeated,
    content_type_of,
    has_etag,
    unlike,
)
from strawberry_response_cache.middleware._messages import (
    AsgiScope,
    Headers,
    Incoming,
    Message,
    Outgoing,
    Receive,
    Send,
)
from strawberry_response_cache.middleware._requests import AskedRequest, asked_by, name_of
from strawberry_response_cache.middleware._seen import SeenAnswers
from strawberry_response_cache.middleware._sessions import SessionUse, note_read

_OK: Final = 200
_LONGEST_PARSED: Final = 1024 * 1024
"""The most bytes of a body that is compared as JSON; a longer body has to have the same bytes."""
_HIT: Final = Concluded("hit", None)


@dataclass(slots=True, kw_only=True)
class Shared:
    """What the requests of one middleware share.

    Attributes:
        options: The extension's configuration.
        of_scope: The same configuration with the middleware's functions, which take a scope.
        has_functions: Whether the middleware has functions.
        answers: Makes the responses to hits.
        refused: The operations that Redis recently refused to store.
        front: The state that the extension knows.
        seen: What the application was seen to answer.
        log: Limits how often it is logged that an answer cannot be made here.
    """

    options: Options
    of_scope: Options
    has_functions: bool
    answers: Answers
    refused: RefusedOperations
    front: Front
    seen: SeenAnswers = field(default_factory=SeenAnswers)
    log: Interval = field(default_factory=Interval)


class MiddlewareCall:
    """One request that may be answered.

    Attributes:
        incoming: The request, for the application.
        send: Sends a message of the application to the client.
    """

    __slots__ = (
        "_asked",
        "_claim",
        "_context",
        "_guard",
        "_is_down",
        "_is_verified",
        "_name",
        "_outgoing",
        "_scope",
        "_session_use",
        "_shared",
        "incoming",
        "send",
    )

    def __init__(
        self,
        shared: Shared,
        asked: AskedRequest,
        *,
        scope: AsgiScope,
        receive: Receive,
        send: Send,
        guard: Guard,
    ) -> None:
        self._shared = shared
        self._asked = asked
        self._scope = scope
        self._guard = guard
        self._context: RequestContext | None = None
        self._name = b""
        self._is_verified = False
        self._is_down = False
        self._claim: Claim | None = None
        self._outgoing: Outgoing | None = None
        self._session_use: SessionUse | None = None
        self.incoming = Incoming(receive)
        self.send = send

    @property
    def context(self) -> RequestContext:
        """The context of the request."""
        if self._context is None:
            of_scope = self._shared.of_scope
            self._context = RequestContext(of_scope, self._scope, self._guard, synchronous=False)
        return self._context

    @property
    def _answers(self) -> Mapping[str, str | Problem | None]:
        """What the middleware's functions returned."""
        return {} if self._context is None else self._context.answers

    async def answer(self) -> tuple[Message, Message] | None:
        """Return the response to a hit; None if the application has to answer."""
        shared, asked = self._shared, self._asked
        body = await self.incoming.body() if asked.has_body else b""
        if body is None:
            return None
        if shared.has_functions:
            await self.context.ask(shared.of_scope.vary, session=True)
        self._name = name = name_of(asked, body, self._answers)
        repeated = shared.seen.answer(name)
        if repeated is not None:
            messages = await self._repeat(repeated)
            if messages is not None:
                return messages
        self._leave_claim()
        return None

    async def _repeat(self, repeated: Repeated) -> tuple[Message, Message] | None:
        verification = self._shared.options.verification
        if verification is not None and verification.chooses(self._scope) is True:
            self._is_verified = True
            return None
        hit = repeated.hit
        key, tenant = hit.keys.entry, tenant_of(hit.cache)
        if self._shared.refused.has(key):  # it is answered field by field
            return None
        memory = tenant.memory()
        entry = None if memory is None else memory.get(hit.keys)
        is_local = entry is not None
        if entry is None:
            found = await tenant.find(hit.keys, hit.subject)
            if isinstance(found, Unavailable):
                self._is_down = True
                return None
            entry = found
        messages = None if entry is None else self._messages(repeated, entry)
        if entry is None or messages is None or self._shared.front.is_off:
            return None
        saved = entry.recording.cost_ms / 1000
        if is_local and tenant.counters.operations is None:
            tenant.counters.requests["operation"].hit_locally(saved)
        else:
            detail = CacheDetail.LOCAL if is_local else CacheDetail.FRESH
            response = CachedResponse(None, CacheStatus.HIT, detail, entry.age, entry.ttl, saved)
            count_hit(tenant.counters, hit.subject.operation_name, key, response)
        tenant.observer.concluded(_HIT)
        for watcher in self._shared.options.watchers:
            watcher(self._shared.answers.report(hit, entry, self.context))
        if repeated.reads_session:
            note_read(self._scope)
        return messages

    def _messages(self, repeated: Repeated, entry: Entry) -> tuple[Message, Message] | None:
        try:
            return self._shared.answers.messages(
                repeated,
                entry,
                request=lambda: self.context,
                scope=self._scope,
                if_none_match=self._asked.if_none_match,
            )
        except UnreadableEntryError:
            return None

    # -- The application answers ---------------------------------------------------------------------

    def _leave_claim(self) -> None:
        """Put a claim into the scope, and record the application's answer if it may be repeated later."""
        shared = self._shared
        if shared.front.is_off:
            return
        self._claim = self._scope[IN_SCOPE] = Claim(
            shared.options,
            shared.front,
            self._answers,
            is_verified=self._is_verified,
            is_down=self._is_down,
        )
        if not shared.seen.is_unlike(self._name):
            most = tenant_of(shared.options.cache).max_entry_bytes
            self._outgoing = Outgoing(self.send, self._guard, most=most)
            self.send = self._outgoing.send
            # The application may change the scope and its headers; later requests come as this one did.
            self._session_use = SessionUse(self._scope)
            self._scope = {**self._scope, "headers": [*self._scope["headers"]]}

    async def learn(self) -> None:
        """Compare the application's answer with the middleware's for this hit; note whether it may be repeated."""
        outgoing, hit = self._outgoing, None if self._claim is None else self._claim.hit
        use = self._session_use
        if outgoing is None or use is None or hit is None:
            return
        if self._guard.is_faulted or self._shared.front.is_off:
            return
        body, content_type = outgoing.body, content_type_of(outgoing.headers)
        if outgoing.status != _OK or body is None or content_type is None:
            return
        repeated = Repeated(
            hit=hit,
            content_type=content_type,
            has_etag=has_etag(outgoing.headers),
            reads_session=use.is_read,
        )
        made = await self._made(repeated)
        if made is None:  # for example, it was invalidated meanwhile
            return
        headers, payload = made
        wrong, seen = unlike(outgoing.headers, headers), self._shared.seen
        if use.is_changed:  # a middleware outside sets a cookie
            wrong = sorted({*wrong, "set-cookie"})
        if wrong:
            self._log_unlike(wrong)
        if wrong or not _is_same_json(body, payload):
            seen.note_unlike(self._name)
        else:
            seen.note(self._name, repeated)

    async def _made(self, repeated: Repeated) -> tuple[Headers, bytes] | None:
        """Return the headers and the body that the middleware would send, never a 304; None if there is no hit."""
        hit = repeated.hit
        tenant = tenant_of(hit.cache)
        memory = tenant.memory()
        entry = None if memory is None else memory.get(hit.keys)
        found = entry or await tenant.find(hit.keys, hit.subject)
        self._asked = self._asked._replace(if_none_match=None)
        made = self._messages(repeated, found) if isinstance(found, Entry) else None
        return None if made is None else (made[0]["headers"], made[1]["body"])

    def _log_unlike(self, headers: list[str]) -> None:
        if (count := self._shared.log.counted()) is not None:
            logger.warning(
                "ResponseCacheMiddleware leaves requests to the application, whose responses have other headers than "
                "it would send (%s%s). Set them outside of the middleware.",
                ", ".join(headers[:5]),
                count.words,
                extra={"response_cache.failures": count.number},
            )


def call_of(
    shared: Shared, scope: AsgiScope, receive: Receive, send: Send, guard: Guard
) -> MiddlewareCall | None:
    """Return a request that may be answered; None if only the application may answer it."""
    asked = asked_by(scope, shared.options.honours_requests is not False)
    if asked is None:
        return None
    return MiddlewareCall(shared, asked, scope=scope, receive=receive, send=send, guard=guard)


def _is_same_json(sent: bytes, stored: bytes) -> bool:
    """Whether two bodies are the same JSON; views other than this package's encode it in another way."""
    if sent == stored:
        return True
    if len(sent) > _LONGEST_PARSED:
        return False
    try:
        return to_json(from_json(sent)) == to_json(from_json(stored))
    except ValueError:
        return False
