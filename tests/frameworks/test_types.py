"""What type checkers see of the views; `assert_type` is checked by pyright, and does nothing here."""

from typing import TypeAlias, assert_type

import strawberry
from strawberry.litestar.controller import GraphQLController

from strawberry_response_cache import (
    aiohttp,
    asgi,
    channels,
    fastapi,
    flask,
    litestar,
    quart,
    sanic,
)

Context: TypeAlias = dict[str, object]


@strawberry.type
class Query:
    ok: bool = True


SCHEMA = strawberry.Schema(Query)


def test_views_are_generic_as_those_of_strawberry() -> None:
    assert_type(asgi.GraphQL[Context, None](SCHEMA, graphql_ide=None), asgi.GraphQL[Context, None])
    router = fastapi.GraphQLRouter[Context, None](SCHEMA, path="/graphql")
    assert_type(router, fastapi.GraphQLRouter[Context, None])
    assert_type(flask.GraphQLView[Context, None](SCHEMA), flask.GraphQLView[Context, None])
    view = flask.AsyncGraphQLView[Context, None](SCHEMA, allow_queries_via_get=False)
    assert_type(view, flask.AsyncGraphQLView[Context, None])
    assert_type(aiohttp.GraphQLView[Context, None](SCHEMA), aiohttp.GraphQLView[Context, None])
    assert_type(quart.GraphQLView[Context, None](SCHEMA), quart.GraphQLView[Context, None])
    assert_type(sanic.GraphQLView[Context, None](SCHEMA), sanic.GraphQLView[Context, None])
    consumer = channels.GraphQLHTTPConsumer[Context, None](SCHEMA)
    assert_type(consumer, channels.GraphQLHTTPConsumer[Context, None])
    sync_consumer = channels.SyncGraphQLHTTPConsumer[Context, None](SCHEMA)
    assert_type(sync_consumer, channels.SyncGraphQLHTTPConsumer[Context, None])


def test_the_controller_of_litestar_keeps_its_type_and_arguments() -> None:
    controller = litestar.make_graphql_controller(SCHEMA, path="/graphql", keep_alive=True)
    assert_type(controller, type[GraphQLController])
