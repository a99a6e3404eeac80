"""Run it: uvicorn on_fastapi:app --workers 2"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from bookstore import Caller, make_schema
from fastapi import Depends, FastAPI, Header
from strawberry.fastapi import BaseContext
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
)

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.fastapi import GraphQLRouter

cache = ResponseCache.from_environment()


class ShopContext(BaseContext):
    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self.caller = caller


def get_caller(
    x_tenant: Annotated[str, Header()],
    x_user: Annotated[str | None, Header()] = None,
    x_debug: Annotated[str | None, Header()] = None,
) -> Caller:
    # FastAPI reads the headers of a websocket for it as well.
    return Caller(x_tenant, x_user, x_debug is not None)


def get_context(caller: Annotated[Caller, Depends(get_caller)]) -> ShopContext:
    return ShopContext(caller)


router = GraphQLRouter[ShopContext, None](
    make_schema(cache),
    path="/graphql",
    context_getter=get_context,
    multipart_uploads_enabled=True,
    subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await cache.aclose()


app = FastAPI(lifespan=lifespan)
app.include_router(router)
