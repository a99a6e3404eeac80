"""The requests during which a package is watched, without the cache and with it."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Self

REQUESTS: Final = {
    "accounts": "query Accounts { accounts { id balance } }",
    "field by field": "query Fields { fresh accounts { id balance } }",
    "guarded": "query Guarded { secret }",
    "failing": "query Failing { failing accounts { id } }",
    "mutation": "mutation Post { post }",
    "invalid": "query Invalid { nothing }",
    "unparsable": "query Unparsable {",
}
"""Each is sent twice."""
_BOTH: Final = ("async", "sync")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An extension that a user registers with the schema.

    Attributes:
        extension: What is registered.
        faces: How the schema is executed with it; some make every resolver asynchronous.
    """

    extension: Any
    faces: tuple[str, ...] = _BOTH


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a program says of its package.

    Attributes:
        start: Starts the package in this process.
        told: Returns what the package told since the last call.
        listed: Returns what a user registers with the schema, by name. If it is None, the package only patches.
        faces: How a schema is executed that the package patches.
        around: What stands around each request, such as a transaction of the package.
        context: What the context of a request holds beside.
        answered: Returns what the package told in the `extensions` of a response.
    """

    start: Callable[[], None]
    told: Callable[[], list[Any]]
    listed: Callable[[], Mapping[str, Listed]] | None = None
    faces: tuple[str, ...] = _BOTH
    around: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
    context: Mapping[str, Any] | None = None
    answered: Callable[[dict[str, Any]], list[Any]] = lambda _: []


def run(package: Package) -> None:
    """Send the requests in every way, and print what the package told."""
    program = _Program(package)
    ways = program.patched() if package.listed is None else program.listed(package.listed)
    print(json.dumps(asyncio.run(_all(ways))))  # noqa: T201 - the test reads it


async def _all(ways: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each async for each in ways]


class _Program:
    def __init__(self, package: Package) -> None:
        self._package = package

    async def listed(self, listed: Callable[[], Mapping[str, Listed]]) -> AsyncIterator[Any]:
        """Register the package's extensions before ours and after ours."""
        self._package.start()
        for name, other in listed().items():
            for face in other.faces:
                for order in ("before ours", "after ours"):
                    async with _Schemas(face, other.extension, order) as schemas:
                        yield await self._watch(schemas, f"{name} {order}")

    async def patched(self) -> AsyncIterator[Any]:
        """Start the package after a schema was used, before it is made, and before it is validated."""
        used = [_Schemas(face) for face in self._package.faces]
        for schemas in used:
            for schema in schemas.all.values():
                [_ async for _ in self._told(schemas, schema, tenant="early")]
        self._package.start()
        for schemas in used:
            async with schemas:
                yield await self._watch(schemas, "after the first use")
        for order in ("before the schema", "before explain"):
            for face in self._package.faces:
                async with _Schemas(face) as schemas:
                    if order == "before explain":
                        schemas.explain()
                    yield await self._watch(schemas, order)

    async def _watch(self, schemas: "_Schemas", way: str) -> dict[str, Any]:
        told = {
            name: [each async for each in self._told(schemas, schema)]
            for name, schema in schemas.all.items()
        }
        return {"way": f"{way}, {schemas.face}", "faults": schemas.ours.faults, **told}

    async def _told(
        self, schemas: "_Schemas", schema: Any, tenant: str = "acme"
    ) -> AsyncIterator[dict[str, Any]]:
        for name, text in REQUESTS.items():
            for _ in range(2):
                calls: Counter[str] = Counter()
                context = {"tenant": tenant, "user": "alice", "calls": calls}
                context |= self._package.context or {}
                self._package.told()
                with self._package.around():
                    if schemas.face == "async":
                        result = await schema.execute(text, context_value=context)
                    else:
                        result = schema.execute_sync(text, context_value=context)
                extensions = result.extensions or {}
                cache = extensions.pop("responseCache", {})
                yield {
                    "request": name,
                    "data": result.data,
                    "errors": [error.formatted for error in result.errors or ()],
                    "calls": dict(calls),
                    "cache": cache,
                    "told": [*self._package.told(), *self._package.answered(extensions)],
                }


class _Schemas:
    """A schema without the cache and one with it."""

    def __init__(self, face: str, other: Any = None, order: str = "") -> None:
        # Not at the top: some packages patch what is imported later.
        from strawberry_response_cache import ResponseCache, ResponseCacheExtension
        from tests.instrumentation.schema import make

        self.face = face
        self._cache = ResponseCache.from_url(
            "memory://", prefix="test", telemetry=False, read_deadline=20, early_refresh=0
        )
        self.ours = ResponseCacheExtension(
            self._cache,
            tenant=lambda context: context["tenant"],
            session=lambda context: context["user"],
            debug=True,
        )
        others = [] if other is None else [other]
        both = [self.ours, *others] if order == "after ours" else [*others, self.ours]
        is_async = face == "async"
        self.all = {
            "without": make(others, is_async=is_async),
            "with": make(both, is_async=is_async),
        }

    def explain(self) -> None:
        """Explain two operations, as a user may do at start; this validates them."""
        from strawberry_response_cache import explain

        for schema in self.all.values():
            for name in ("accounts", "guarded"):
                explain(schema, REQUESTS[name])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cache.aclose()
