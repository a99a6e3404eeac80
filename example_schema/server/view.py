"""The GraphQL endpoint: settles who asks, then hands over to Strawberry."""

from typing import cast

import strawberry
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL

from example_schema.api.context import RequestContext, Services
from example_schema.server.identity import IdentityError, identify


class LedgerGraphQL(GraphQL[RequestContext, None]):
    """Strawberry's endpoint for requests that say who sends them.

    The page of GraphiQL opens for everybody; the requests that it makes need the headers.
    """

    def __init__(self, schema: strawberry.Schema, services: Services) -> None:
        """Serve `schema` to the users of the directory."""
        super().__init__(schema)
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        if self.should_render_graphql_ide(self.request_adapter_class(request)):
            page = await self.render_graphql_ide(request)
            await page(scope, receive, send)
            return
        try:
            await super().__call__(scope, receive, send)
        except IdentityError as error:
            # In the form of a GraphQL error, which every client knows how to show.
            refusal = JSONResponse({"errors": [{"message": str(error)}]}, error.status)
            await refusal(scope, receive, send)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> RequestContext:
        """Return the context of a request.

        Raises:
            IdentityError: The request does not say who sends it.
        """
        return RequestContext.of(
            # The endpoint is mounted for HTTP only.
            cast("Request", request),
            cast("Response", response),
            identify(request.headers, self._services.directory),
            self._services,
        )
