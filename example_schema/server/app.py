"""The ASGI application."""

import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from example_schema.api.context import Services
from example_schema.server.timing import ServerTimingMiddleware
from example_schema.server.tracing import ServerSpanMiddleware
from example_schema.server.view import LedgerGraphQL

GRAPHQL_PATH = "/graphql"


def create_app(schema: strawberry.Schema, services: Services, *beside: BaseRoute) -> Starlette:
    """Return the application. It owns none of its parts: whoever made them closes them.

    Args:
        schema: The schema.
        services: What all requests share.
        beside: What else it serves.
    """
    return Starlette(
        routes=[Route(GRAPHQL_PATH, LedgerGraphQL(schema, services)), *beside],
        middleware=[Middleware(ServerSpanMiddleware), Middleware(ServerTimingMiddleware)],
    )
