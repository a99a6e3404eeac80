"""What happens to a request: it is answered from the cache, or the application answers and is watched."""

from collections.abc import Callable, Mapping
from typing import Any

from strawberry.schema import BaseSchema

from strawberry_response_cache.graphql._claim import Front
from strawberry_response_cache.graphql._extension import ResponseCacheExtension
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.middleware._answers import Answers
from strawberry_response_cache.middleware._call import Shared, call_of
from strawberry_response_cache.middleware._checks import (
    checked_functions,
    checked_options,
    checked_path,
    checked_sharing,
    is_for_the_application,
    refused_by,
)
from strawberry_response_cache.middleware._messages import Application, AsgiScope, Receive, Send


class ResponseCacheMiddleware:
    """ASGI middleware that answers hits before the GraphQL application is entered.

    Mount it directly around the GraphQL application: inside CORS, sessions, authentication and rate limits. On its
    hits nothing inside runs: no dependency, no ``get_context``, no hook of an extension. It answers a request only
    if the application answered the same request, byte for byte, from the cache before, and only for requesters whose
    requests the application answered with the same headers recently. Every other request reaches the application
    as it came.

    ``tenant``, ``session`` and ``vary`` are called with the ASGI scope, for each request that may be answered. They
    have to return what the functions of the extension return. If they do not, the middleware turns itself off and
    logs an ERROR.

    Args:
        app: The GraphQL application, such as this package's or Strawberry's view.
        extension: The extension of the schema.
        schema: The schema that the application executes.
        tenant: Returns the tenant for an ASGI scope, sync or async. None if the extension has no tenants.
        session: Returns the session for an ASGI scope, sync or async. None, the default, leaves PRIVATE responses
            to the application.
        vary: For each name, a function of the ASGI scope, sync or async. None, the default, leaves responses that
            vary to the application.
        path: The path on which the application answers, ``/graphql`` by default, as it stands in the ASGI scope.

    Raises:
        CacheConfigurationError: If another extension of the schema may decide per request and is not in
            ``trusted_extensions``, or if the arguments do not fit the extension.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
        >>> from strawberry_response_cache.asgi import GraphQL
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def motto(self) -> str:
        ...         return "once"
        >>> cache = ResponseCache.from_url("memory://", prefix="doc")
        >>> extension = ResponseCacheExtension(cache, tenant=None)
        >>> schema = strawberry.Schema(Query, extensions=[extension])
        >>> application = ResponseCacheMiddleware(GraphQL(schema), extension, schema=schema, tenant=None)
    """

    def __init__(
        self,
        app: Application,
        extension: ResponseCacheExtension,
        *,
        schema: BaseSchema,
        tenant: Callable[[AsgiScope], Any] | None,
        session: Callable[[AsgiScope], Any] | None = None,
        vary: Mapping[str, Callable[[AsgiScope], Any]] | None = None,
        path: str = "/graphql",
    ) -> None:
        options = checked_options(extension, schema)
        sharing = checked_sharing(schema, options)
        self._app = app
        self._path = checked_path(path)
        self._shared = Shared(
            options=options,
            of_scope=checked_functions(options, tenant=tenant, session=session, vary=vary),
            has_functions=bool(tenant or session or vary),
            answers=Answers(options, sharing),
            refused=refused_by(extension, schema),
            front=Front(is_off=is_for_the_application(options)),
        )
        options.is_fronted = options.is_fronted or not self._shared.front.is_off

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer a request from the cache, or let the application answer."""
        shared, guard = self._shared, Guard()
        is_left = shared.front.is_off or scope["type"] != "http" or scope["path"] != self._path
        call = None if is_left else guard.step(call_of, shared, scope, receive, send, guard)
        if call is None:
            await self._app(scope, receive, send)
            return
        messages = await guard.step_async(call.answer)
        if messages is None:
            await self._app(scope, call.incoming.receive, call.send)
            await guard.step_async(call.learn)
        else:
            for message in messages:
                await send(message)
