"""The ASGI application."""

import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from example_schema.api.context import Services
from example_schema.server.timing import ServerTimingMiddleware
from example_schema.server.tracing import ServerSpanMiddleware
from example_schema.server.view import LedgerGraphQL

GRAPHQL_PATH = "/graphql"


def create_app(schema: strawberry.Schema, services: Services) -> Starlette:
    """Return the application. It owns none of its parts: whoever made them closes them."""
    return Starlette(
        routes=[Route(GRAPHQL_PATH, LedgerGraphQL(schema, services))],
        middleware=[Middleware(ServerSpanMiddleware), Middleware(ServerTimingMiddleware)],
    )
