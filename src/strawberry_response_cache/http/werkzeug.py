"""What this package adds to a view whose responses are werkzeug's, as those of Flask and Quart."""

from typing import Any


class WerkzeugView:
    """A view with responses of werkzeug."""

    def not_modified(self, response: Any) -> Any:  # noqa: ANN401 - werkzeug may not be installed
        """Return a response with status 304, without content and without the headers that describe content."""
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"]
        del response.headers["Content-Length"]
        return response
