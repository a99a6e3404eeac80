"""A caller: it asks and invalidates as it was drawn to, and has its answers judged."""

import time
from collections.abc import Coroutine
from typing import Any

from strawberry_response_cache.core import CacheStoreError, ResponseCache
from tests.fuzz.behaviour import Asking, Batch, Behaviour, Invalidate, Invalidating, Question
from tests.fuzz.checker import Asked, Checker
from tests.fuzz.faces import Callers, Face, TaskFace, ThreadFace, Value
from tests.fuzz.options import Options
from tests.fuzz.truth import Truth
from tests.fuzz.world import TENANTS, all_keys, tag_name


class GeneratorFailedError(Exception):
    """The error of a generator that was drawn to fail; it names its key."""


class Caller:
    """One of many who use a cache at the same time.

    Args:
        name: Who it is.
        behaviour: What it does.
        face: Whether it is a task or a thread.
        options: The run.
        cache: The cache under test.
        truth: What values are made of.
        checker: Judges the answers.
    """

    def __init__(
        self,
        name: str,
        behaviour: Behaviour,
        face: Face,
        options: Options,
        cache: ResponseCache,
        truth: Truth,
        checker: Checker,
    ) -> None:
        self._name = name
        self._face = face
        self._options = options
        self._behaviour = behaviour
        self._truth = truth
        self._checker = checker
        self._caches = {tenant: cache.for_tenant(tenant) if tenant else cache for tenant in TENANTS}

    async def run(self) -> None:
        """Do one thing after the other until all come to an end."""
        while not self._truth.stopped:
            await self._face.pause(self._behaviour.idle())
            match self._behaviour.next():
                case Question() as question:
                    await self._call(question)
                case Batch() as batch:
                    await self._call_for_many(batch)
                case Invalidate() as invalidate:
                    await self._invalidate(invalidate)

    async def _call(self, question: Question) -> None:
        asked = self._checker.asked(question, self._name)
        patience = self._face.patience(question.patience)
        started_ns = time.monotonic_ns()
        try:
            async with patience:
                await self._ask(asked)
            if patience.expired():
                self._checker.not_cancelled(asked)
        except GeneratorFailedError as error:
            self._checker.failed(asked, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody was to be given it
            if isinstance(error, TimeoutError) and patience.expired():
                self._checker.cancelled(asked)
            else:
                self._checker.raised(self._name, error, question.key)
        self._checker.over(started_ns)

    async def _call_for_many(self, batch: Batch) -> None:
        first = batch.questions[0]
        asked = {each.key.name: self._checker.asked(each, self._name) for each in batch.questions}
        patience = self._face.patience(first.patience)
        started_ns = time.monotonic_ns()
        try:
            async with patience:
                await self._ask_for_many(first, asked)
            if patience.expired():
                self._checker.not_cancelled(asked[first.key.name])
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody was to be given it
            if isinstance(error, TimeoutError) and patience.expired():
                self._checker.cancelled(asked[first.key.name])
            else:
                self._checker.raised(self._name, error, first.key)
        self._checker.over(started_ns)

    async def _ask_for_many(self, first: Question, asked: dict[str, Asked]) -> None:
        tags = {
            name: [tag_name(tag) for tag in one.question.key.tags] for name, one in asked.items()
        }
        results = await self._face.remember_many(
            self._caches[first.key.tenant],
            [*asked],
            lambda names: self._load([asked[name] for name in names]),
            ttl=first.ttl,
            stale=first.stale,
            tags=lambda name, _: tags[name],
            cacheable=lambda value: asked[value["key"]].question.storable,
        )
        for one, result in zip(asked.values(), results, strict=True):
            if isinstance(result, GeneratorFailedError):
                self._checker.failed(one, str(result))
            elif isinstance(result, Exception):
                self._checker.raised(self._name, result, one.question.key)
            else:
                self._checker.answered_among_many(one, result)

    async def _load(self, missing: list[Asked]) -> list[Value | Exception]:
        results: list[Value | Exception] = []
        for one in missing:
            try:
                results.append(await self._generate(one, is_alone=False))
            except GeneratorFailedError as error:
                results.append(error)
        return results

    async def _ask(self, asked: Asked) -> Value:
        question = asked.question
        response = await self._face.remember(
            self._caches[question.key.tenant],
            question.key.name,
            lambda: self._generate(asked),
            **self._how(question),
        )
        self._checker.answered(asked, response)
        return response.value

    def _how(self, question: Question) -> dict[str, Any]:
        # Those of the parts are the cache's to find out.
        tags = [tag_name(tag) for tag in question.key.tags]
        return {
            "ttl": question.ttl,
            "stale": question.stale,
            "tags": (lambda _: tags) if question.tags_from_value else tags,
            "cacheable": None if question.storable else lambda _: False,
            "background": question.in_background,
        }

    async def _generate(self, asked: Asked, *, is_alone: bool = True) -> Value:
        """Make a value of the truth, as the question was drawn to."""
        with self._checker.running(asked, is_alone=is_alone):
            return await self._read(asked)

    async def _read(self, asked: Asked) -> Value:
        question, key = asked.question, asked.question.key
        await self._face.pause(question.before)
        data = {str(d): version for d, version in self._truth.versions(key.own_data).items()}
        for part in question.parts:
            inside = await self._ask(self._checker.asked(part, self._name))
            for datum, version in inside["data"].items():
                data[datum] = min(version, data.get(datum, version))
        await self._face.pause(self._options.hang if question.hangs else question.after)
        if question.fails:
            raise GeneratorFailedError(key.name)
        self._checker.run_ends(asked)
        return {
            "tenant": key.tenant,
            "key": key.name,
            "data": data,
            "padding": "x" * question.padding,
        }

    async def _invalidate(self, invalidate: Invalidate) -> None:
        written = self._truth.write(invalidate.data)
        await self._face.pause(invalidate.delay)
        self._checker.invalidates(invalidate, written, self._name)
        try:
            async with self._face.patience(invalidate.patience):
                await self._ask_to_invalidate(invalidate)
        except (TimeoutError, CacheStoreError):
            taken = False
        else:
            self._truth.acknowledge(written)
            taken = True
        self._checker.invalidated(invalidate, written, self._name, taken=taken)

    async def _ask_to_invalidate(self, invalidate: Invalidate) -> None:
        cache = self._caches[invalidate.key.tenant]
        match invalidate.kind:
            case "tags":
                await self._face.invalidate(cache, *map(tag_name, invalidate.tags))
            case "key":
                await self._face.forget(cache, invalidate.key.name)
            case "clear":
                await self._face.clear(cache)


def callers(
    options: Options, process: int, cache: ResponseCache, truth: Truth, checker: Checker
) -> Callers:
    """Return what a process does: callers who mostly ask, and one who invalidates each key."""

    def asking(face: Face, number: int) -> Coroutine[Any, Any, None]:
        name = f"{process} {face.name} {number}"
        behaviour = Asking(options, name)
        return Caller(name, behaviour, face, options, cache, truth, checker).run()

    def invalidating(face: Face, number: int) -> Coroutine[Any, Any, None]:
        name = f"{process} invalidator {number}"
        behaviour = Invalidating(options, name, number)
        return Caller(name, behaviour, face, options, cache, truth, checker).run()

    invalidators = len(all_keys(nesting=options.nesting))
    return Callers(
        [asking(TaskFace(), number) for number in range(options.callers)]
        + [invalidating(TaskFace(), number) for number in range(invalidators)],
        [asking(ThreadFace(), number) for number in range(options.threads)],
    )
