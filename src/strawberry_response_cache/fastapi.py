"""Strawberry's router for FastAPI; stored responses are sent as they are, with headers for caches."""

from strawberry.fastapi import GraphQLRouter as _GraphQLRouter
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.starlette import StarletteView

__all__ = ["GraphQLRouter"]


class GraphQLRouter(StarletteView, _GraphQLRouter[Context, RootValue]):
    """`strawberry.fastapi.GraphQLRouter`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> from fastapi import FastAPI
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> application = FastAPI()
        >>> application.include_router(GraphQLRouter(schema, path="/graphql"))
    """
