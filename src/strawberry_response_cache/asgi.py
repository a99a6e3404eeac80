"""Strawberry's ASGI application; stored responses are sent as they are, with headers for caches."""

from strawberry.asgi import GraphQL as _GraphQL
from strawberry.http.typevars import Context, RootValue

from strawberry_response_cache.http.starlette import StarletteView

__all__ = ["GraphQL"]


class GraphQL(StarletteView, _GraphQL[Context, RootValue]):
    """`strawberry.asgi.GraphQL`, which sends a stored response as it is, with headers for caches.

    Its arguments are Strawberry's. A subclass that overrides ``process_result``, ``encode_json``,
    ``create_response`` or the methods that execute gets hits as plain results too, which Strawberry encodes.

    Example:
        >>> import strawberry
        >>> @strawberry.type
        ... class Query:
        ...     ok: bool = True
        >>> schema = strawberry.Schema(Query)
        >>> application = GraphQL(schema)
    """
