"""The hooks of this package's extension are called directly where no other extension has a hook in that phase."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.extensions.context import ExtensionContextManagerBase

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control

HOOKS = ["on_operation", "on_parse", "on_validate", "on_execute"]


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def hello(self) -> str:
        return "world"


def status(result: Any) -> str:
    assert result.errors is None
    assert result.data == {"hello": "world"}
    found: str = result.extensions["responseCache"]["status"]
    return found


def made(cache: ResponseCache, *others: Any, first: bool = False) -> strawberry.Schema:
    ours = ResponseCacheExtension(cache, tenant=None, debug=True)
    extensions = [*others, ours] if first else [ours, *others]
    return strawberry.Schema(Query, extensions=extensions)


async def streamed(schema: strawberry.Schema) -> Any:
    (frame,) = [each async for each in await schema.stream("{ hello }")]
    return frame


ASK: dict[str, Callable[[strawberry.Schema], Any]] = {
    "execute": lambda schema: asyncio.run(schema.execute("{ hello }")),
    "execute_sync": lambda schema: schema.execute_sync("{ hello }"),
    "stream": lambda schema: asyncio.run(streamed(schema)),
}


@pytest.mark.parametrize("face", list(ASK))
def test_a_request_makes_no_context_manager_of_strawberry_where_no_other_extension_has_a_hook(
    new_cache: Callable[..., ResponseCache], monkeypatch: pytest.MonkeyPatch, face: str
) -> None:
    entered: list[str] = []
    init = ExtensionContextManagerBase.__init__

    def noting(self: Any, extensions: list[SchemaExtension]) -> None:
        entered.append(self.HOOK_NAME)
        init(self, extensions)

    monkeypatch.setattr(ExtensionContextManagerBase, "__init__", noting)
    schema = made(new_cache("memory://"))
    assert [status(ASK[face](schema)) for _ in range(2)] == ["miss", "hit"]
    assert set(entered) <= {"on_stream_result"}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("face", list(ASK))
def test_a_hook_of_another_extension_is_entered_and_left_once_in_each_request(
    new_cache: Callable[..., ResponseCache], face: str, hook: str, first: bool
) -> None:
    calls: list[str] = []

    def generator(_: object) -> Iterator[None]:
        calls.append("in")
        yield
        calls.append("out")

    other = type("Other", (SchemaExtension,), {hook: generator})
    schema = made(new_cache("memory://"), other, first=first)
    assert [status(ASK[face](schema)) for _ in range(2)] == ["miss", "hit"]
    assert calls == ["in", "out"] * 2


@pytest.mark.parametrize("hook", HOOKS)
def test_after_another_hook_raised_the_next_requests_are_cached(
    new_cache: Callable[..., ResponseCache], hook: str
) -> None:
    raises = iter([True, False, False])

    def generator(_: object) -> Iterator[None]:
        if next(raises):
            raise PermissionError
        yield

    other = type("Other", (SchemaExtension,), {hook: generator})
    schema = made(new_cache("memory://"), other)
    assert schema.execute_sync("{ hello }").errors
    assert [status(schema.execute_sync("{ hello }")) for _ in range(2)] == ["miss", "hit"]
