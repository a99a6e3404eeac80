"""A log handler that raises fails no request, and no mutation is answered otherwise for it."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.core import _interval
from strawberry_response_cache.core._log import Log
from tests.core.logs import LOGGER

NOBODY: Final = "redis://127.0.0.1:1/0"


class Failing(logging.Handler):
    """Raises at every record."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        msg = "the pipe is broken"
        raise BrokenPipeError(msg)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    """Make the log of this package fail; every failure is logged, not one per interval."""
    monkeypatch.setattr(_interval, "SECONDS", 0.0)
    handler, log = Failing(), logging.getLogger(LOGGER)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


@strawberry.type
class Item:
    id: strawberry.ID

    @cache_control(ttl=60, key=lambda _: 1 / 0)
    @strawberry.field
    def name(self) -> str:
        return "name"


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["hello:{args.n}"])
    @strawberry.field
    def hello(self, n: int = 1) -> int:
        return n

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self) -> str:
        return "me"

    @strawberry.field
    def item(self) -> Item:
        return Item(id=strawberry.ID("1"))


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self, info: strawberry.Info) -> Item:
        info.context["ran"] += 1
        return Item(id=strawberry.ID("1"))

    @invalidates("shelf:{result.nothing}")
    @strawberry.mutation
    def unfilled(self, info: strawberry.Info) -> Item:
        info.context["ran"] += 1
        return Item(id=strawberry.ID("1"))


@strawberry.type
class Mistaken:
    @cache_control(ttl=60, vary=["unknown"])
    @strawberry.field
    def hello(self) -> int:
        return 1


def _raise(*_: object) -> Any:
    raise KeyError


@dataclass(frozen=True, kw_only=True)
class Case:
    """What makes the package say something."""

    query: str
    options: dict[str, Any] = field(default_factory=dict)
    url: str = "memory://"
    root: type = Query


CHANGE: Final = "mutation { change { id } }"
CASES: Final = {
    "a query without a hint": Case(query="{ item { id } }"),
    "a private query without a session": Case(query="{ me }"),
    "a tenant that raises": Case(query="{ hello }", options={"tenant": _raise}),
    "a tenant that raises in a mutation": Case(query=CHANGE, options={"tenant": _raise}),
    "a switch that raises": Case(query="{ hello }", options={"enabled": _raise}),
    "a debug switch that raises": Case(query=CHANGE, options={"debug": _raise}),
    "a key that raises": Case(query="{ item { name } }"),
    "an on_commit that raises": Case(query=CHANGE, options={"on_commit": _raise}),
    "a tag that cannot be filled": Case(query="mutation { unfilled { id } }"),
    "no Redis for a query": Case(query="{ hello }", url=NOBODY),
    "no Redis for a mutation": Case(query=CHANGE, url=NOBODY),
    "mistakes in the annotations": Case(query="{ hello }", root=Mistaken),
}


def _answers(schema: strawberry.Schema, query: str, *, in_loop: bool) -> list[Any]:
    answers: list[Any] = []
    for _ in range(2):
        context = {"ran": 0}
        result: Any = (
            asyncio.run(schema.execute(query, context_value=context))
            if in_loop
            else schema.execute_sync(query, context_value=context)
        )
        answers.append((result.data, result.errors, context))
    return answers


@pytest.mark.parametrize("in_loop", [True, False])
@pytest.mark.parametrize("what", CASES)
def test_a_log_handler_that_raises_changes_no_answer(
    what: str,
    in_loop: bool,
    failing: Failing,
    new_cache: Callable[..., ResponseCache],
) -> None:
    case = CASES[what]
    deadlines = (
        {} if case.url == "memory://" else {"connect_deadline": 0.1, "invalidate_deadline": 0.1}
    )
    cache = new_cache(case.url, **deadlines)
    extension = ResponseCacheExtension(cache, **{"tenant": None} | case.options)
    plain = strawberry.Schema(case.root, Mutation)
    cached = strawberry.Schema(case.root, Mutation, extensions=[extension])
    faults = extension.faults
    expected = _answers(plain, case.query, in_loop=in_loop)
    assert _answers(cached, case.query, in_loop=in_loop) == expected
    assert failing.lines, "something was logged"
    assert extension.faults == faults


@pytest.mark.faults
@pytest.mark.parametrize("in_loop", [True, False])
@pytest.mark.parametrize("query", ["{ hello }", CHANGE])
def test_a_log_handler_that_raises_during_a_fault_changes_no_answer(
    query: str,
    in_loop: bool,
    failing: Failing,
    new_cache: Callable[..., ResponseCache],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "strawberry_response_cache.graphql.execution.run.RequestContext._to_ask", _raise
    )
    extension = ResponseCacheExtension(new_cache("memory://"), tenant=None)
    plain = strawberry.Schema(Query, Mutation)
    cached = strawberry.Schema(Query, Mutation, extensions=[extension])
    expected = _answers(plain, query, in_loop=in_loop)
    assert _answers(cached, query, in_loop=in_loop) == expected
    assert any("A fault of strawberry-response-cache" in line for line in failing.lines)


def test_a_log_record_names_the_function_that_wrote_it(caplog: pytest.LogCaptureFixture) -> None:
    Log(LOGGER).warning("%s", "said")
    (record,) = caplog.records
    frame = inspect.currentframe()
    assert frame is not None
    assert record.funcName == frame.f_code.co_name


def test_a_keyboard_interrupt_in_a_log_handler_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise KeyboardInterrupt

    log, handler = logging.getLogger(LOGGER), Interrupted()
    monkeypatch.setattr(log, "handlers", [handler])
    with pytest.raises(KeyboardInterrupt):
        Log(LOGGER).error("said")
