"""What the middleware cannot know to be right is refused when it is built."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import strawberry
from strawberry import extensions
from strawberry.extensions import AddValidationRules, MaskErrors, SchemaExtension

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
)
from tests.middleware.service import RUNS, Query, Shop


class Deciding(SchemaExtension):
    def on_operation(self) -> Iterator[None]:
        RUNS["on_operation"] += 1
        yield


class Resolving(SchemaExtension):
    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **named: Any) -> Any:
        return _next(root, info, *args, **named)


class OwnSchema(strawberry.Schema):
    async def execute(self, *given: Any, **named: Any) -> Any:
        return await super().execute(*given, **named)


@pytest.mark.parametrize("other", [Deciding, Resolving])
def test_another_extension_that_may_decide_per_request_is_refused(
    make: Callable[..., Shop], other: type[SchemaExtension]
) -> None:
    with pytest.raises(CacheConfigurationError, match=other.__name__):
        make(others=[other])


async def test_an_extension_that_is_trusted_by_name_is_not_refused(
    make: Callable[..., Shop],
) -> None:
    shop = make(others=[Deciding], trusted_extensions=[Deciding])
    assert await shop.is_answered_in_front()
    assert RUNS["on_operation"] == 2


OF_STRAWBERRY: Final[list[Callable[..., SchemaExtension]]] = [
    lambda: AddValidationRules([]),
    *(
        each
        for name in extensions.__all__
        if isinstance(each := getattr(extensions, name), type)
        and issubclass(each, SchemaExtension)
        and name not in {"AddValidationRules", "SchemaExtension"}
    ),
]
ARGUMENTS: Final[dict[str, dict[str, int]]] = {
    "MaxAliasesLimiter": {"max_alias_count": 5},
    "MaxTokensLimiter": {"max_token_count": 50},
    "QueryDepthLimiter": {"max_depth": 5},
}


async def test_extensions_of_strawberry_are_not_refused(make: Callable[..., Shop]) -> None:
    shop = make(
        others=[
            functools.partial(each, **ARGUMENTS.get(getattr(each, "__name__", ""), {}))
            for each in OF_STRAWBERRY
        ]
    )
    assert await shop.is_answered_in_front()


async def test_an_extension_factory_is_checked_again_on_each_request(
    make: Callable[..., Shop],
) -> None:
    kinds: list[type[SchemaExtension]] = [MaskErrors]

    def made(**named: Any) -> SchemaExtension:
        return kinds[0](**named)

    shop = make(others=[made])
    kinds[0] = Deciding
    assert not await shop.is_answered_in_front()


def test_a_schema_of_another_class_is_refused_unless_it_is_trusted(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = OwnSchema(Query, extensions=[extension])
    with pytest.raises(CacheConfigurationError, match="OwnSchema"):
        ResponseCacheMiddleware(print, extension, schema=schema, tenant=None)  # type: ignore[arg-type]
    extension = ResponseCacheExtension(memory_cache, tenant=None, trusted_extensions=[OwnSchema])
    schema = OwnSchema(Query, extensions=[extension])
    ResponseCacheMiddleware(print, extension, schema=schema, tenant=None)  # type: ignore[arg-type]


def test_the_extension_has_to_be_that_of_the_schema(memory_cache: ResponseCache) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    theirs = ResponseCacheExtension(memory_cache, tenant=None)
    schema: Any = strawberry.Schema(Query, extensions=[theirs])
    for extension, of in ((ours, schema), (None, schema), (ours, strawberry.Schema(Query))):
        with pytest.raises(CacheConfigurationError, match="is not the ResponseCacheExtension"):
            ResponseCacheMiddleware(print, extension, schema=of, tenant=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "of_scope", "said"),
    [
        ({}, {"tenant": None}, "tenant is a NoneType"),
        ({"tenant": None}, {}, "tenant is a function"),
        ({"session": None}, {}, "session is a function"),
        ({}, {"session": "alice"}, "session is a str"),
        ({}, {"vary": {"other": print}}, "vary has other"),
        ({}, {"vary": {"locale": 1}}, "vary"),
        ({}, {"path": "graphql"}, "path is a str"),
        ({}, {"path": None}, "path is a NoneType"),
        ({"enabled": lambda _: True}, {}, "enabled of the extension is a function"),
    ],
)
def test_arguments_that_do_not_fit_the_extension_are_refused(
    make: Callable[..., Shop], options: dict[str, Any], of_scope: dict[str, Any], said: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=said):
        make(of_scope=of_scope, **options)


async def test_a_cache_that_is_off_leaves_all_to_the_application(make: Callable[..., Shop]) -> None:
    shop = make(enabled=False)
    assert not await shop.is_answered_in_front()


def test_the_middleware_is_importable_from_the_public_package() -> None:
    assert ResponseCacheMiddleware.__module__ == "strawberry_response_cache.middleware._middleware"
