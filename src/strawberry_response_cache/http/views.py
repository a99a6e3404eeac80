"""The part of a view that sends stored responses as they are.

`create_response` is where a view has the whole response in its hands: what stood in a result until then is
replaced by the stored bytes, or by a plain dict. `encode_json` hands these bytes on, and nothing else passes
them to it, so frames of websockets and streams stay text.
"""

from typing import TYPE_CHECKING, Any, Final, cast

from strawberry_response_cache.graphql._compat.handing_on import view_hands_results_on
from strawberry_response_cache.graphql._stored_data import StoredData, announce

if TYPE_CHECKING:
    from strawberry.http import GraphQLHTTPResponse

_MEMBERS: Final = frozenset({"data", "extensions"})


class _Encoded(dict[str, Any]):
    """A response as bytes, on its way through a view's `create_response`."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


class _StoredResponses:
    """What sync and async views share."""

    def create_response(self, response_data: Any, sub_response: Any) -> Any:  # noqa: ANN401 - of any framework
        """Create the framework's response, from stored bytes where there are any."""
        body = self.stored_body(response_data)
        if body is not None:
            response_data = _Encoded(body)
        return super().create_response(response_data, sub_response)  # type: ignore[misc] # of Strawberry's view

    def encode_json(self, data: object) -> str | bytes:
        """Encode JSON as Strawberry's view does, and hand stored bytes on."""
        if type(data) is _Encoded:
            return data.body
        return super().encode_json(data)  # type: ignore[misc, no-any-return] # of Strawberry's view

    def stored_body(
        self, response_data: "GraphQLHTTPResponse | list[GraphQLHTTPResponse]"
    ) -> bytes | None:
        """Return the body to send for a response that holds stored data; None for any other.

        A response that is not sent as it was stored gets a plain dict.

        Args:
            response_data: What a view sends.
        """
        if isinstance(response_data, list):  # a batch
            for each in response_data:
                _make_plain(each)
            return None
        data = response_data.get("data")
        if not isinstance(data, StoredData):
            return None
        stored = data.response
        if stored is None or not _MEMBERS.issuperset(response_data):
            _make_plain(response_data)
            return None
        extensions = response_data.get("extensions")
        if not extensions:
            return stored
        encoded = self.encode_json(extensions)
        encoded = encoded if isinstance(encoded, bytes) else encoded.encode()
        return b"".join((stored[:-1], b',"extensions":', encoded, b"}"))

    def _announce(self) -> None:
        """Announce that the next operation may be answered with stored bytes."""
        is_plain = view_hands_results_on(self, _OURS)
        announce(self.schema if is_plain else None)  # type: ignore[attr-defined] # of Strawberry's view


class StoredResponses(_StoredResponses):
    """Makes a sync view of Strawberry send stored responses as they are."""

    def execute_single(self, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - handed on
        """Execute one operation, which may be answered with stored bytes."""
        self._announce()
        try:
            return super().execute_single(*args, **named)  # type: ignore[misc] # of Strawberry's view
        finally:
            announce(None)


class AsyncStoredResponses(_StoredResponses):
    """Makes an async view of Strawberry send stored responses as they are."""

    async def execute_single(self, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - handed on
        """Execute one operation, which may be answered with stored bytes."""
        self._announce()
        try:
            return await super().execute_single(*args, **named)  # type: ignore[misc] # of Strawberry's view
        finally:
            announce(None)


_OURS: Final = frozenset({_StoredResponses, StoredResponses, AsyncStoredResponses})


def _make_plain(response_data: "GraphQLHTTPResponse") -> None:
    """Replace stored data by a plain dict."""
    data = response_data.get("data")
    if isinstance(data, StoredData):
        response_data["data"] = dict(cast("dict[str, object]", data))
