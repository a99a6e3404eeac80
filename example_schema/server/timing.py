"""How long each request took, told to the client in the header `Server-Timing`."""

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ServerTimingMiddleware:
    """Adds `Server-Timing: total;dur=...`, in milliseconds, which browsers draw in their tools."""

    def __init__(self, app: ASGIApp) -> None:
        """Measure the requests to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and measure the time until its answer begins."""
        started = time.perf_counter()

        async def send_with_timing(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = (time.perf_counter() - started) * 1000
                headers = MutableHeaders(scope=message)
                headers.append("Server-Timing", f"total;dur={milliseconds:.1f}")
            await send(message)

        await self._app(scope, receive, send_with_timing)
