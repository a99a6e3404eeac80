"""A schema asked in both ways, as whole operations and by field, and the same schema without a cache."""

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.graphql.ledger import outcome, status

WAYS = ("execute", "execute_sync")
FORMS = ("operation", "field")


class BothWays:
    """A schema over one cache; its context is a dictionary.

    Args:
        query: Its query type; a field `fresh` without a hint keeps the operation around it from being
            cached, so that its fields are.
        cache: Where it is cached.
        types: Further types.
        federation: Whether it is a schema of Apollo Federation.
        config: Of the schema.
        options: Of the extension.
    """

    def __init__(
        self,
        query: type,
        cache: ResponseCache,
        *,
        types: Sequence[type] = (),
        federation: bool = False,
        config: StrawberryConfig | None = None,
        **options: Any,
    ) -> None:
        chosen: dict[str, Any] = {
            "tenant": None,
            "session": lambda context: context.get("user"),
            "vary": {
                name: lambda context, name=name: context.get(name)
                for name in ("locale", "currency")
            },
            "debug": True,
        } | options
        self.extension = ResponseCacheExtension(cache, **chosen)
        self._kind = strawberry.federation.Schema if federation else strawberry.Schema
        self._made_of = query, tuple(types)
        self._config = config
        self.schema = self._kind(query, types=types, config=config, extensions=[self.extension])
        self.extension.check(self.schema)

    @property
    def plain(self) -> strawberry.Schema:
        """The same schema without a cache."""
        return _plain(self._kind, *self._made_of, config=self._config and _ById(self._config))

    async def ask(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        way: str = "execute",
        form: str = "operation",
        **context: Any,
    ) -> ExecutionResult:
        """Ask, in an event loop or in a thread without one; nothing may fail."""
        return await _execute(self.schema, formed(query, form), variables, way, context)

    async def ask_plain(
        self, query: str, variables: dict[str, Any] | None = None, *, form: str, **context: Any
    ) -> ExecutionResult:
        """Ask the schema without a cache."""
        return await _execute(self.plain, formed(query, form), variables, "execute", context)


class _ById:
    """A configuration, which has no hash of its own."""

    def __init__(self, config: StrawberryConfig) -> None:
        self.config = config

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.config is self.config

    def __hash__(self) -> int:
        return id(self.config)


@functools.lru_cache(16)
def _plain(
    kind: type[strawberry.Schema], query: type, types: tuple[type, ...], *, config: _ById | None
) -> strawberry.Schema:
    """The schema without a cache, once for many tests; it parses and validates each document once."""
    parsed, valid = ParserCache(), ValidationCache()
    known = [lambda: parsed, lambda: valid]
    chosen = None if config is None else config.config
    return kind(query, types=types, config=chosen, extensions=known)


async def _execute(
    schema: strawberry.Schema, query: str, variables: Any, way: str, context: dict[str, Any]
) -> ExecutionResult:
    if way == "execute_sync":
        result = await asyncio.to_thread(
            schema.execute_sync, query, variable_values=variables, context_value=context
        )
    else:
        result = await schema.execute(query, variable_values=variables, context_value=context)
    assert result.errors is None
    return result


def formed(query: str, form: str) -> str:
    """Put a field beside the others that is never cached, where they are to be cached by themselves."""
    return query if form == "operation" else query.replace("{", "{ fresh ", 1)


def statuses(result: ExecutionResult, form: str) -> set[str]:
    """What the cache did for the operation, or for its fields."""
    if form == "operation":
        return {status(result)}
    assert status(result) == "bypass"
    return {str(each["status"]) for each in outcome(result).get("fields", [])}
