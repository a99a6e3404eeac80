"""A requester: it executes operations as it was drawn to, and has the responses judged."""

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from typing import Any

import strawberry

from strawberry_response_cache.core import CacheStoreError, ResponseCache
from tests.fuzz.faces import Callers
from tests.fuzz.graphql import tracking
from tests.fuzz.graphql.acknowledgements import Acknowledgements
from tests.fuzz.graphql.behaviour import Asking, Behaviour, Job, Request, Writing, written
from tests.fuzz.graphql.checker import Asked, ResponseChecker
from tests.fuzz.graphql.context import Context
from tests.fuzz.graphql.faces import Face, TaskFace, ThreadFace
from tests.fuzz.graphql.operations import tag
from tests.fuzz.graphql.schema import build
from tests.fuzz.graphql.world import TENANTS, datum
from tests.fuzz.options import Options
from tests.fuzz.truth import Truth

_NAMED_BY_RESOLVERS = frozenset(
    datum(tenant, name) for tenant in TENANTS for name in ("memo", "drafts")
)
"""Data whose mutations call `invalidate`: one that was cancelled may not have come to that."""
_PATIENCE = 2
"""Seconds that the tasks of a cancelled request are awaited."""


class Requester:
    """One of many who use a schema at the same time.

    Args:
        name: Who it is.
        behaviour: What it does.
        face: Whether it is a task or a thread.
        options: The run.
        schema: The schema under test.
        cache: Its cache.
        truth: What answers are made of.
        acknowledgements: Those of this process.
        checker: Judges the responses.
    """

    def __init__(
        self,
        name: str,
        behaviour: Behaviour,
        face: Face,
        *,
        options: Options,
        schema: strawberry.Schema,
        cache: ResponseCache,
        truth: Truth,
        acknowledgements: Acknowledgements,
        checker: ResponseChecker,
    ) -> None:
        self._name = name
        self._behaviour = behaviour
        self._face = face
        self._options = options
        self._schema = schema
        self._caches = {tenant: cache.for_tenant(tenant) for tenant in TENANTS}
        self._truth = truth
        self._acknowledgements = acknowledgements
        self._checker = checker
        self._draw = random.Random(f"{options.seed} {name} resolvers")  # noqa: S311 - it has to be reproducible

    async def run(self) -> None:
        """Do one thing after the other until all come to an end."""
        while not self._truth.stopped:
            await self._face.pause(self._behaviour.idle())
            match self._behaviour.next():
                case Request() as request:
                    await self._send(request)
                case Job() as job:
                    await self._do(job)

    def _context(self, request: Request) -> Context:
        return Context(
            tenant=request.tenant,
            session=request.session,
            locale=request.locale,
            name=request.name,
            debug=request.debug,
            refused=request.refused,
            fails=request.fails,
            longest=0.6 * self._options.lease,
            hang_share=self._options.hang_share,
            hang=self._options.hang,
            draw=self._draw,
            face=self._face,
            truth=self._truth,
        )

    async def _send(self, request: Request) -> None:
        context = self._context(request)
        self._acknowledgements.settle(request.tenant)
        asked = self._checker.asked(request, self._acknowledgements.pending(request.tenant))
        patience = self._face.patience(request.patience)
        started_ns = time.monotonic_ns()
        with tracking.tracked() as tasks:
            try:
                async with patience:
                    await self._execute(asked, context)
                if patience.expired():
                    self._checker.not_cancelled(asked)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody was to be given it
                if isinstance(error, TimeoutError) and patience.expired():
                    self._checker.cancelled(asked, context)
                else:
                    self._checker.raised(asked, error)
                await self._see_through(context, tasks)
        self._checker.over(started_ns)

    async def _execute(self, asked: Asked, context: Context) -> None:
        request = asked.request
        operations = [(sent.operation.text, dict(sent.variables)) for sent in request.sent]
        results = await self._face.execute(self._schema, operations, context)
        self._answered(context)
        self._checker.waited(asked, context)
        for sent, result in zip(request.sent, results, strict=True):
            self._checker.answered(asked, sent, context, result)

    def _answered(self, context: Context) -> None:
        """Note that mutations answered: what they wrote is invalidated, or queued to be."""
        for versions in context.changes:
            is_done = self._acknowledgements.add(context.tenant, versions)
            self._checker.wrote(context.name, versions, "acknowledged" if is_done else "queued")

    async def _see_through(self, context: Context, tasks: tracking.Tasks) -> None:
        """Wait for what a cancelled mutation began to do: it has to invalidate what it may have changed."""
        if not context.written:
            return
        alive = {task for task in tasks if not task.done()}
        if alive:
            _, alive = await asyncio.wait(alive, timeout=_PATIENCE)
        for versions in context.changes:
            certain = {
                number: version
                for number, version in versions.items()
                if number not in _NAMED_BY_RESOLVERS
            }
            if alive or not certain:
                self._checker.wrote(
                    context.name, versions, "cancelled, not known to be invalidated"
                )
                continue
            is_done = self._acknowledgements.add(context.tenant, certain)
            how = "acknowledged" if is_done else "queued"
            self._checker.wrote(context.name, versions, f"cancelled and {how}")

    async def _do(self, job: Job) -> None:
        versions = self._truth.write([datum(job.tenant, job.name)])
        await self._face.pause(job.delay)
        self._checker.job(self._name, job, versions)
        cache = self._caches[job.tenant]
        try:
            async with self._face.patience(job.patience):
                if job.kind == "clear":
                    await self._face.clear(cache)
                else:
                    await self._face.invalidate(cache, tag(job.name))
        except (TimeoutError, CacheStoreError):
            self._checker.wrote(self._name, versions, "by a job that failed")
        else:
            self._truth.acknowledge(versions)
            self._checker.wrote(self._name, versions, "by a job")


def callers(
    options: Options,
    process: int,
    cache: ResponseCache,
    truth: Truth,
    checker: ResponseChecker,
) -> Callers:
    """Return what a process does: requesters who mostly query, and one who writes each datum."""
    # It would log the errors of resolvers, which are drawn.
    logging.getLogger("strawberry.execution").setLevel(logging.CRITICAL)
    tracking.install(asyncio.get_running_loop())
    acknowledgements = Acknowledgements(cache, truth)
    schemas = {is_async: build(cache, is_async=is_async) for is_async in (True, False)}

    def run(name: str, behaviour: Behaviour, face: Face) -> Coroutine[Any, Any, None]:
        return Requester(
            name,
            behaviour,
            face,
            options=options,
            schema=schemas[isinstance(face, TaskFace)],
            cache=cache,
            truth=truth,
            acknowledgements=acknowledgements,
            checker=checker,
        ).run()

    def asking(face: Face, number: int) -> Coroutine[Any, Any, None]:
        name = f"{process} {face.name} {number}"
        return run(name, Asking(options, name), face)

    def writing(number: int) -> Coroutine[Any, Any, None]:
        name = f"{process} writer {number}"
        return run(name, Writing(options, name, number), TaskFace())

    writers = len(TENANTS) * len(written(options))
    return Callers(
        [asking(TaskFace(), number) for number in range(options.callers)]
        + [writing(number) for number in range(writers)],
        [asking(ThreadFace(), number) for number in range(options.threads)],
    )
