"""The two faces of a schema behind one: `execute` in tasks, `execute_sync` in threads."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import strawberry
from strawberry.types import ExecutionResult

from strawberry_response_cache import invalidate, invalidate_sync
from tests.fuzz import faces


class Face(faces.Face, Protocol):
    """What a requester needs, and what resolvers need that run for it."""

    async def execute(
        self,
        schema: strawberry.Schema,
        operations: Sequence[tuple[str, dict[str, Any]]],
        context: object,
    ) -> Sequence[ExecutionResult]: ...
    async def invalidate_in(self, info: strawberry.Info, *tags: str) -> None: ...


class TaskFace(faces.TaskFace):
    """The async face."""

    async def execute(
        self,
        schema: strawberry.Schema,
        operations: Sequence[tuple[str, dict[str, Any]]],
        context: object,
    ) -> Sequence[ExecutionResult]:
        """Execute operations; several of them run together, over one context, as Strawberry's views do."""
        if len(operations) == 1:
            ((query, variables),) = operations
            return [await schema.execute(query, variables, context_value=context)]
        return await asyncio.gather(
            *(
                schema.execute(query, variables, context_value=context)
                for query, variables in operations
            )
        )

    async def invalidate_in(self, info: strawberry.Info, *tags: str) -> None:
        """Invalidate tags from a resolver."""
        await invalidate(info, *tags)


class ThreadFace(faces.ThreadFace):
    """The sync face."""

    async def execute(
        self,
        schema: strawberry.Schema,
        operations: Sequence[tuple[str, dict[str, Any]]],
        context: object,
    ) -> Sequence[ExecutionResult]:
        """Execute operations, one after the other."""
        return [
            schema.execute_sync(query, variables, context_value=context)
            for query, variables in operations
        ]

    async def invalidate_in(self, info: strawberry.Info, *tags: str) -> None:
        """Invalidate tags from a resolver."""
        invalidate_sync(info, *tags)
