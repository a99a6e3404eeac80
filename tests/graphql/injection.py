"""Makes one chosen call into this package raise, at its start or at its end.

`Instrument` traces a request with `sys.settrace`, which works alike on every supported Python. It counts
each call into the package, and it can raise `InjectedFaultError` in one of them:

* before: at the call, before the first line of the function runs;
* after: at the return, when all of the function has run and its effects are done.

A coroutine or generator counts once, when it starts. Its start is the call that first resumes it (the
call that makes it runs none of its code), and its end is its own return. A suspension is neither: a
fault there would be a fault of what it waits for. Lambdas and comprehensions with frames of their own
count as functions.

A trace function that raises is removed by the interpreter. So there is one fault in a run, and nothing
is traced after it.
"""

import dis
import inspect
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

import strawberry_response_cache

_PACKAGE: Final = str(Path(strawberry_response_cache.__file__).parent)
_WATCHED: Final = ("graphql/", "http/", "middleware/")
_GRAPHQL: Final = tuple(str(Path(_PACKAGE, each)) + os.sep for each in _WATCHED)
_TRUSTED: Final = frozenset(
    {
        "core/_user_code.py",
        "graphql/_guard.py",
        "graphql/_compat/executor.py",
        "graphql/_compat/endings.py",
        "graphql/_compat/phases.py",
    }
)
"""What catches the faults, and what stands in the place of Strawberry's own and hands itself to it."""
_CALLERS: Final = ("strawberry.", "graphql.", "tests.graphql.shop")
"""Whose calls are entrances. A fault in an entrance itself is in no guard: it holds the guard, and no more."""
_ENTRANCES: Final = frozenset(
    {
        "_CachingView.create_response",
        "_CachingView.guarded_body",
        "_CachingView._guarded_begin",
        "_CachingView._guarded_finish",
        "_CachingView._guarded_refusal",
        "AsyncCachingView.execute_single",
        "ResponseCacheMiddleware.__call__",
        "Incoming.receive",
        "Outgoing.send",
        "_delivering",
        "RequestHooks.__init__",
        "RequestHooks.begin_execution",
        "RequestHooks.end_execution",
        "RequestHooks.on_execute",
        "RequestHooks.on_operation",
        "RequestHooks.on_parse",
        "RequestHooks.on_validate",
    }
)
"""Entrances that are called through `contextlib`, those of a view and of the middleware, and the one that only assigns."""

_RETURNS: Final = frozenset(
    dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap
)


class InjectedFaultError(Exception):
    """Stands for any error that a mistake in this package can raise."""


class When(Enum):
    """Where in a call the fault is."""

    BEFORE = "before"
    AFTER = "after"


class Depth(Enum):
    """Which calls are watched."""

    GRAPHQL = "graphql"
    """Each call of a function in `graphql/`, `http/` and `middleware/`, and of one in `core/` that these call themselves."""
    CORE = "core"
    """Each call of a function in `core/`, as deep as it is, that is made on behalf of `graphql/`: in the
    task or thread of a request, and not in tasks that serve several requests."""


class Function(NamedTuple):
    """One function of the package.

    Attributes:
        module: Its file, below the package.
        name: Its qualified name.
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


class Call(NamedTuple):
    """Calls of one function by another.

    Attributes:
        called: The function.
        caller: Which function of the package calls it; None for code outside.
    """

    called: Function
    caller: Function | None

    def __str__(self) -> str:
        return f"{self.called} (by {self.caller or 'code outside'})"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault to inject.

    Attributes:
        call: Which call raises.
        occurrence: Its number among calls of its kind; 1 is the first.
        when: At its start or its end.
    """

    call: Call
    occurrence: int
    when: When

    def __str__(self) -> str:
        return f"{self.when.value} {self.call} #{self.occurrence}"


@dataclass
class Instrument:
    """Traces what runs inside `tracing`, in the threads that enter it and in those that start meanwhile.

    Attributes:
        fault: What to inject; None only counts.
        depth: Which calls are watched.
        calls: How often each was made, in the order of their first times.
        ended: Which of them returned, where `fault` is None; others raised, or did not end.
        chain: The package's functions around the fault, itself first; empty if it was not reached.
        others: The names of all other functions around it.
    """

    fault: Fault | None = None
    depth: Depth = Depth.GRAPHQL
    calls: Counter[Call] = field(default_factory=Counter)
    ended: set[tuple[Call, int]] = field(default_factory=set)
    chain: tuple[Function, ...] = ()
    others: frozenset[str] = frozenset()
    _is_on: bool = False
    _failing: str | None = field(init=False)

    def __post_init__(self) -> None:
        """Note the name of the function that fails."""
        self._failing = None if self.fault is None else self.fault.call.called.name

    @property
    def is_reached(self) -> bool:
        """Whether the fault was injected."""
        return bool(self.chain)

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Trace this thread; what traced it before, such as coverage, goes on afterwards."""
        before, before_in_threads = sys.gettrace(), threading.gettrace()
        self._is_on = True
        threading.settrace(self._on_call)
        sys.settrace(self._on_call)
        try:
            yield
        finally:
            self._is_on = False  # threads that were started meanwhile go on asking
            sys.settrace(before)
            threading.settrace(before_in_threads)

    def _on_call(self, frame: FrameType, _event: str, _arg: object) -> Any:
        # It is asked at every call of a Python function; nearly all of them are not the package's, or
        # not of the function that fails.
        code = frame.f_code
        if self._failing is not None and code.co_qualname != self._failing:
            return None
        file = code.co_filename
        module = _modules[file] if file in _modules else _module_of(file)
        if module is None or not self._is_on or not self._is_watched(module, frame.f_back):
            return None
        if code.co_qualname in _ENTRANCES or _is_called_from_outside(frame.f_back):
            return None
        if frame.f_lasti > _start_of(code):
            return frame.f_trace  # resumed, not called
        call = Call(Function(module, code.co_qualname), _function_of(frame.f_back))
        self.calls[call] += 1
        if self.fault is None:
            frame.f_trace_lines = False
            return partial(self._note_end, call, self.calls[call])
        if self.chain or self.fault.call != call or self.fault.occurrence != self.calls[call]:
            return None
        if self.fault.when is When.BEFORE:
            self._raise(frame)
        frame.f_trace_lines = False
        return self._raise_at_end

    def _note_end(
        self, call: Call, occurrence: int, frame: FrameType, event: str, _arg: object
    ) -> Any:
        if event == "return" and _is_ending(frame):
            self.ended.add((call, occurrence))
        return frame.f_trace

    def _raise_at_end(self, frame: FrameType, event: str, returned: object) -> Any:
        if event == "return" and self._is_on and _is_ending(frame):
            if inspect.iscoroutine(returned):
                returned.close()  # nobody gets it, to await it
            self._raise(frame)
        return self._raise_at_end

    def _raise(self, frame: FrameType) -> None:
        self.chain = tuple(filter(None, map(_function_of, _frames(frame))))
        self.others = frozenset(
            each.f_code.co_name for each in _frames(frame) if _function_of(each) is None
        )
        raise InjectedFaultError

    def _is_watched(self, module: str, caller: FrameType | None) -> bool:
        if module in _TRUSTED:
            return False
        if module.startswith(_WATCHED):
            return self.depth is Depth.GRAPHQL
        if not module.startswith("core/"):
            return False
        if self.depth is Depth.CORE:
            return any(_is_graphql(frame) for frame in _frames(caller))
        return caller is not None and _is_graphql(caller)


def _is_graphql(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_GRAPHQL)


def _is_called_from_outside(caller: FrameType | None) -> bool:
    """Whether Strawberry, graphql-core or a resolver calls."""
    return caller is not None and str(caller.f_globals.get("__name__")).startswith(_CALLERS)


def _is_ending(frame: FrameType) -> bool:
    """Whether a `return` event is one: exceptions that leave a frame and suspensions are told alike."""
    return frame.f_code.co_code[frame.f_lasti] in _RETURNS


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _function_of(frame: FrameType | None) -> Function | None:
    """Return a frame's function, if it is one of the package."""
    if frame is None:
        return None
    module = _module_of(frame.f_code.co_filename)
    return None if module is None else Function(module, frame.f_code.co_qualname)


_modules: Final[dict[str, str | None]] = {}
_starts: Final[dict[int, tuple[CodeType, int]]] = {}
"""By identity, since code objects are slow to hash; each is kept alive beside."""


def _module_of(file: str) -> str | None:
    """Return a file's name below the package; None for one outside."""
    if file not in _modules:
        path = Path(file)
        inside = path.is_relative_to(_PACKAGE)
        _modules[file] = path.relative_to(_PACKAGE).as_posix() if inside else None
    return _modules[file]


def _start_of(code: CodeType) -> int:
    """Return where a function's body starts: `RESUME` stands there, after a generator is made."""
    known = _starts.get(id(code))
    if known is None:
        start = next(each.offset for each in dis.get_instructions(code) if each.opname == "RESUME")
        known = _starts[id(code)] = (code, start)
    return known[1]
