"""Each of Strawberry's views and the view of this package in its place, called in this process."""

import asyncio
import contextlib
import importlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.urls import path

Request = Callable[..., httpx.Response]
"""Sends one request; its arguments are those of `httpx.Client.request`, without the URL."""

UPLOADS: Final = {"multipart_uploads_enabled": True}


def _asgi(view: Any, schema: Any) -> Any:
    return view(schema, **UPLOADS)


def _fastapi(view: Any, schema: Any) -> Any:
    from fastapi import FastAPI

    application = FastAPI()
    application.include_router(view(schema, path="/", **UPLOADS))
    return application


class _Urls:
    """Makes a handler of Django serve one view."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._urls = (path("", view),)

    def resolve_request(self, request: Any) -> Any:
        request.urlconf = self._urls
        return super().resolve_request(request)  # type: ignore[misc] # of a handler


class _WSGI(_Urls, WSGIHandler):
    pass


class _ASGI(_Urls, ASGIHandler):
    pass


def _django(view: Any, schema: Any) -> Any:
    return _WSGI(view.as_view(schema=schema, **UPLOADS))


def _async_django(view: Any, schema: Any) -> Any:
    return _ASGI(view.as_view(schema=schema, **UPLOADS))


def _flask(view: Any, schema: Any) -> Any:
    from flask import Flask

    application = Flask(__name__)
    application.add_url_rule("/", view_func=view.as_view("graphql", schema=schema, **UPLOADS))
    return application


def _quart(view: Any, schema: Any) -> Any:
    from quart import Quart

    application = Quart(__name__)
    application.add_url_rule("/", view_func=view.as_view("graphql", schema=schema, **UPLOADS))
    return application


def _aiohttp(view: Any, schema: Any) -> Any:
    from aiohttp.web import Application

    application = Application()
    application.router.add_route("*", "/", view(schema, **UPLOADS))
    return application


def _litestar(view: Any, schema: Any) -> Any:
    from litestar import Litestar

    return Litestar([view(schema, path="/", **UPLOADS)], logging_config=None)


def _sanic(view: Any, schema: Any) -> Any:
    from sanic import Sanic

    Sanic.test_mode = True  # it compiles its own methods anew for each application
    application: Any = Sanic(f"of-a-test-{uuid.uuid4()}")
    application.add_route(view.as_view(schema=schema, **UPLOADS), "/")
    return application


def _channels(view: Any, schema: Any) -> Any:
    return view.as_asgi(schema=schema, **UPLOADS)


@dataclass(frozen=True, kw_only=True)
class View:
    """A view of Strawberry, and that of this package with the same name.

    Attributes:
        stock: Strawberry's module.
        ours: This package's module, without the package.
        name: The name in both.
        mount: Makes an application of a view and a schema.
        is_sync: Whether it executes operations in threads.
    """

    stock: str
    ours: str
    name: str
    mount: Callable[[Any, Any], Any]
    is_sync: bool = False

    @contextlib.contextmanager
    def serving(
        self, schema: Any, *, ours: bool, around: Callable[[Any], Any] | None = None
    ) -> Iterator[Request]:
        """Serve a schema with one of the two views.

        Args:
            schema: The schema.
            ours: Whether it is this package's view.
            around: Puts ASGI middleware around the application, if the view is served by ASGI.
        """
        module = f"strawberry_response_cache.{self.ours}" if ours else f"strawberry.{self.stock}"
        application = self.mount(getattr(importlib.import_module(module), self.name), schema)
        if self.mount in {_django, _flask}:
            transport = httpx.WSGITransport(application)
            with httpx.Client(transport=transport, base_url="http://test") as client:
                yield lambda method, **named: client.request(method, "/", **named)
            return
        with asyncio.Runner() as runner:
            async_client, stop = runner.run(_start(application, around))
            try:
                yield lambda method, **named: runner.run(async_client.request(method, "/", **named))
            finally:
                runner.run(async_client.aclose())
                runner.run(stop())


async def _start(
    application: Any, around: Callable[[Any], Any] | None
) -> tuple[httpx.AsyncClient, Callable[[], Any]]:
    """Start an application; return a client, and what stops the application."""
    kind = type(application).__module__.partition(".")[0]
    if kind == "aiohttp":
        from aiohttp.test_utils import TestServer

        server = TestServer(application)
        await server.start_server()
        return httpx.AsyncClient(base_url=str(server.make_url("/"))), server.close
    stop: Callable[[], Any] = lambda: asyncio.sleep(0)  # noqa: E731 - nothing to stop
    if kind == "sanic":
        stop = await _lifespan(application)
    transport = httpx.ASGITransport(application if around is None else around(application))
    return httpx.AsyncClient(transport=transport, base_url="http://test"), stop


async def _lifespan(application: Any) -> Callable[[], Any]:
    """Start an ASGI application; return what stops it."""
    messages: asyncio.Queue[Any] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    messages.put_nowait({"type": "lifespan.startup"})
    running = asyncio.ensure_future(application({"type": "lifespan"}, messages.get, answers.put))
    started = await answers.get()
    assert started["type"] == "lifespan.startup.complete", started

    async def stop() -> None:
        messages.put_nowait({"type": "lifespan.shutdown"})
        await running

    return stop


VIEWS: Final = {
    "asgi": View(stock="asgi", ours="asgi", name="GraphQL", mount=_asgi),
    "fastapi": View(stock="fastapi", ours="fastapi", name="GraphQLRouter", mount=_fastapi),
    "django": View(
        stock="django.views", ours="django", name="GraphQLView", mount=_django, is_sync=True
    ),
    "async django": View(
        stock="django.views", ours="django", name="AsyncGraphQLView", mount=_async_django
    ),
    "flask": View(
        stock="flask.views", ours="flask", name="GraphQLView", mount=_flask, is_sync=True
    ),
    "async flask": View(stock="flask.views", ours="flask", name="AsyncGraphQLView", mount=_flask),
    "aiohttp": View(stock="aiohttp.views", ours="aiohttp", name="GraphQLView", mount=_aiohttp),
    "litestar": View(
        stock="litestar", ours="litestar", name="make_graphql_controller", mount=_litestar
    ),
    "quart": View(stock="quart.views", ours="quart", name="GraphQLView", mount=_quart),
    "sanic": View(stock="sanic.views", ours="sanic", name="GraphQLView", mount=_sanic),
    "channels": View(
        stock="channels", ours="channels", name="GraphQLHTTPConsumer", mount=_channels
    ),
    "sync channels": View(
        stock="channels",
        ours="channels",
        name="SyncGraphQLHTTPConsumer",
        mount=_channels,
        is_sync=True,
    ),
}

ON_ASGI: Final = {
    name: replace(view, mount=_async_django) if view.mount is _django else view
    for name, view in VIEWS.items()
    if view.mount not in {_flask, _aiohttp}
}
"""Those that a server of ASGI may serve."""
