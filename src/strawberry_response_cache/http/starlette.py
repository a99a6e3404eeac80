"""What this package adds to a view whose responses are Starlette's."""

from cross_web import HTTPException
from starlette.responses import PlainTextResponse, Response

from strawberry_response_cache.http.views import AsyncCachingView

_OF_CONTENT = frozenset({b"content-length", b"content-type"})


class StarletteView(AsyncCachingView):
    """An async view with responses of Starlette."""

    def refusal(self, error: HTTPException) -> Response:
        """Return the reason of a refusal as plain text, as Strawberry's view does."""
        return PlainTextResponse(error.reason, status_code=error.status_code)

    def not_modified(self, response: Response) -> Response:
        """Return a response with status 304, without content and without the headers that describe content."""
        made = Response(status_code=304, background=response.background)
        made.raw_headers = [each for each in response.raw_headers if each[0] not in _OF_CONTENT]
        return made
