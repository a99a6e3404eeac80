"""What this package's views add to Strawberry's: they send stored responses as they are, with headers for caches.

`run` has the framework's response: it writes the headers, and answers a conditional request. `create_response` has
the whole result: it replaces stored data with the stored bytes, or with a plain dict. `encode_json` returns these
bytes as they are. Nothing else passes bytes to it, so frames of websockets and streams stay text.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPMethod
from typing import TYPE_CHECKING, Any, Final, cast

from cross_web import HTTPException

from strawberry_response_cache.core._user_code import called
from strawberry_response_cache.graphql._compat.handing_on import (
    has_code_around_run,
    view_hands_results_on,
)
from strawberry_response_cache.graphql._delivery import Delivery, announce
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import options_of
from strawberry_response_cache.graphql._stored_data import StoredData
from strawberry_response_cache.graphql.http.conditional import etag, is_known_to_client
from strawberry_response_cache.graphql.http.messages import Lines, header, set_headers
from strawberry_response_cache.graphql.http.response_headers import ResponseHeaders
from strawberry_response_cache.graphql.http.rules import NO_STORE

if TYPE_CHECKING:
    from strawberry.http import GraphQLHTTPResponse

_DATA: Final = frozenset({"data"})
_MEMBERS: Final = _DATA | {"extensions"}
_current: Final[ContextVar[Delivery | None]] = ContextVar("current_delivery", default=None)
"""How the response of this task or thread is delivered."""


@contextmanager
def _delivering(delivery: Delivery | None) -> Iterator[None]:
    """Set how a response is delivered inside the block; restore it after, as a resolver may run another view."""
    before = _current.get()
    _current.set(delivery)
    try:
        yield
    finally:
        if _current.get() is delivery:  # an abandoned coroutine may end in another context
            _current.set(before)


class _Encoded(dict[str, Any]):
    """A response as bytes, on its way through a view's `create_response`."""

    body: bytes


class _CachingView:
    """What sync and async views share."""

    def create_response(self, response_data: Any, sub_response: Any) -> Any:  # noqa: ANN401 - of any framework
        """Create the framework's response, from stored bytes where there are any."""
        body = self.guarded_body(response_data)
        if body is not None:
            response_data = _Encoded()
            response_data.body = body
        return super().create_response(response_data, sub_response)  # type: ignore[misc] # of Strawberry's view

    def encode_json(self, data: object) -> str | bytes:
        """Encode JSON as Strawberry's view does; return stored bytes as they are."""
        if type(data) is _Encoded:
            return data.body
        return super().encode_json(data)  # type: ignore[misc, no-any-return] # of Strawberry's view

    def guarded_body(
        self, response_data: "GraphQLHTTPResponse | list[GraphQLHTTPResponse]"
    ) -> bytes | None:
        """Return the body to send for a response that holds stored data; None for any other.

        Where it returns None, stored data in the response is replaced by a plain dict.
        """
        guard = Guard()
        body = guard.step(self._stored_body, response_data)
        if body is None:
            for each in response_data if isinstance(response_data, list) else [response_data]:
                guard.step(_make_plain, each)
                if guard.is_faulted:  # a view would encode stored data as an empty object
                    _make_plain(each)
        return body

    def _stored_body(
        self, response_data: "GraphQLHTTPResponse | list[GraphQLHTTPResponse]"
    ) -> bytes | None:
        """Return the body to send; None if a plain dict has to take the place of stored data."""
        _note_members(response_data)
        if isinstance(response_data, list):  # a batch
            return None
        data = response_data.get("data")
        if not isinstance(data, StoredData) or not _MEMBERS.issuperset(response_data):
            return None
        stored = data.response
        extensions = response_data.get("extensions")
        if stored is None or not extensions:
            return stored
        encoded = called(self.encode_json, extensions)
        if isinstance(encoded, str):
            encoded = encoded.encode()
        if not isinstance(
            encoded, bytes
        ):  # it raised, and raises again where the view encodes the whole
            return None
        return b"".join((stored[:-1], b',"extensions":', encoded, b"}"))

    def text_headers(self, response: Any) -> Any:  # noqa: ANN401 - of any framework
        """Return an object with the status of a response, and with its ``headers`` as text."""
        return response

    def refusal(self, error: HTTPException) -> Any:  # noqa: ANN401 - of any framework
        """Return the framework's response to a request that Strawberry's view refuses, as that view does."""
        raise NotImplementedError

    def not_modified(self, response: Any) -> Any:  # noqa: ANN401 - of any framework
        """Return a response with status 304, with the headers of a response and without its content."""
        raise NotImplementedError

    def _begun(self) -> Delivery | None:
        """Return how a response is delivered; None if the schema has no cache."""
        schema: Any = self.schema  # type: ignore[attr-defined] # of Strawberry's view
        options = options_of(schema)
        if options is None:
            return None
        headers = None if options.headers is None else ResponseHeaders(options.headers)
        is_plain = view_hands_results_on(self)
        return Delivery(schema=schema, takes_bytes=is_plain, headers=headers)

    def _guarded_refusal(self, error: HTTPException, delivery: Delivery | None) -> Any:  # noqa: ANN401 - of any framework
        """Return the response to a refused request; None if the user's code may handle it, or it needs no headers."""
        if delivery is None or delivery.headers is None:
            return None
        guard = Guard()
        has_code = guard.step(has_code_around_run, type(self))
        return guard.step(self.refusal, error) if has_code is False else None

    def _guarded_begin(self) -> Delivery | None:
        return Guard().step(self._begun)

    def _guarded_finish(self, response: Any, request: Any, delivery: Delivery | None) -> Any:  # noqa: ANN401 - of any framework
        if delivery is None:
            return response
        guard = Guard()
        finished = guard.step(self._finished, response, request, delivery)
        if not guard.is_faulted:
            return finished
        if delivery.headers is not None:  # not all headers may be written
            text = guard.step(self.text_headers, response)
            if text is not None:
                guard.step(set_headers, text, Lines({"cache-control": NO_STORE}))
        return response

    def _headers_of_streams(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers of a stream, which must not be stored."""
        delivery = _current.get()
        if delivery is None or delivery.headers is None:
            return headers
        return delivery.headers.of_stream(headers)

    def _finished(self, response: Any, request: Any, delivery: Delivery) -> Any:  # noqa: ANN401 - of any framework
        """Write the headers of a response; answer a conditional request if the client has it already."""
        headers = delivery.headers
        if headers is None or response is None:
            return response
        text = self.text_headers(response)
        headers.write(text, request, is_sent=True)
        if called(getattr, request, "method") != HTTPMethod.GET:
            return response
        is_as_stored = delivery.takes_bytes and not delivery.has_more
        validator = headers.validator(text) if is_as_stored else ""
        if not validator:
            return response
        set_headers(text, Lines({"etag": etag(validator)}))
        if is_known_to_client(header(request, "If-None-Match"), validator):
            return self.not_modified(response)
        return response


class _ExecutesInThreads:
    """What views share that execute operations in threads."""

    def execute_single(self, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - handed on
        """Execute one operation; tell the extension how its answer is delivered."""
        Guard().step(announce, _current.get())
        try:
            return super().execute_single(*args, **named)  # type: ignore[misc] # of Strawberry's view
        finally:
            Guard().step(announce, None)


class CachingView(_ExecutesInThreads, _CachingView):
    """What this package adds to a sync view of Strawberry."""

    def run(self, request: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - handed on
        """Answer a request, with headers for caches."""
        delivery = self._guarded_begin()
        with _delivering(delivery):
            try:
                response = super().run(request, *args, **named)  # type: ignore[misc] # of Strawberry's view
            except HTTPException as error:
                response = self._guarded_refusal(error, delivery)
                if response is None:
                    raise
        return self._guarded_finish(response, request, delivery)


class _IsAwaited(_CachingView):
    """What views share whose `run` is awaited."""

    async def run(self, request: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - handed on
        """Answer a request, with headers for caches."""
        opens_websocket = getattr(self, "is_websocket_request", _is_none)
        delivery = None if opens_websocket(request) else self._guarded_begin()
        with _delivering(delivery):
            try:
                response = await super().run(request, *args, **named)  # type: ignore[misc] # of Strawberry's view
            except HTTPException as error:
                response = self._guarded_refusal(error, delivery)
                if response is None:
                    raise
        return self._guarded_finish(response, request, delivery)


class ThreadedCachingView(_ExecutesInThreads, _IsAwaited):
    """What this package adds to a sync view whose `run` is awaited: a thread executes, with a copy of the context."""


class AsyncCachingView(_IsAwaited):
    """What this package adds to an async view of Strawberry."""

    async def execute_single(self, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - handed on
        """Execute one operation; tell the extension how its answer is delivered."""
        Guard().step(announce, _current.get())
        try:
            return await super().execute_single(*args, **named)  # type: ignore[misc] # of Strawberry's view
        finally:
            Guard().step(announce, None)

    async def create_streaming_response(
        self,
        request: Any,  # noqa: ANN401 - handed on
        stream: Any,  # noqa: ANN401 - handed on
        sub_response: Any,  # noqa: ANN401 - handed on
        headers: Mapping[str, str],
    ) -> Any:  # noqa: ANN401 - of any framework
        """Create the response of a stream, with headers that forbid to store it."""
        headers = Guard().step(self._headers_of_streams, headers) or headers
        return await super().create_streaming_response(  # type: ignore[misc] # of Strawberry's view
            request, stream, sub_response, headers
        )


def _note_members(
    response_data: "GraphQLHTTPResponse | list[GraphQLHTTPResponse]",
) -> None:
    """Note whether more than data is sent, and whether nobody may store it because of errors."""
    delivery = _current.get()
    if delivery is None:
        return
    members = response_data if isinstance(response_data, list) else [response_data]
    delivery.has_more = any(not _DATA.issuperset(each) for each in members)
    if not delivery.has_more or delivery.headers is None:
        return
    if any(each.get("errors") for each in members):
        delivery.headers.end(None)


def _make_plain(response_data: "GraphQLHTTPResponse") -> None:
    """Replace stored data by a plain dict."""
    data = response_data.get("data")
    if isinstance(data, StoredData):
        response_data["data"] = dict(cast("dict[str, object]", data))


def _is_none(_request: object) -> bool:
    """Return False: in a view without websockets, no request opens one."""
    return False
