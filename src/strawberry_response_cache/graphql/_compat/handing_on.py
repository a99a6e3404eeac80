"""Whether Strawberry's own code passes a result from the executor to the client, or the user's code does."""

import functools
from collections.abc import Iterable, Sequence
from inspect import getattr_static
from typing import Final

_OWN: Final = ("strawberry.", f"{__name__.partition('.')[0]}.")
"""How the names of the modules of Strawberry and of this package begin."""
_OF_A_SCHEMA: Final = ("execute", "execute_sync", "_execute_operation", "_handle_execution_result")
_BEFORE_AN_EXECUTOR: Final = (
    "execute",
    "execute_sync",
    "stream",
    "_stream_non_subscription",
    "_execute_operation",
    "_get_custom_context_kwargs",
    "_get_execute_function",
    "_get_middleware_manager",
)
_WITH_ERRORS_ONLY: Final = "_handle_errors"
"""A method that is called only with errors, so never for a hit. Sentry replaces it on Strawberry's own classes."""
_OF_A_VIEW: Final = (
    _WITH_ERRORS_ONLY,
    "create_response",
    "encode_json",
    "execute_operation",
    "execute_single",
    "process_result",
)


_AROUND_RUN: Final = (
    "__call__",
    "dispatch",
    "dispatch_request",
    "get",
    "handle",
    "handle_http",
    "post",
    "run",
)
"""Methods of views, of one framework or another, in which Strawberry turns a refusal into a response."""


def schema_hands_results_on(schema: object) -> bool:
    """Whether the methods of a schema that execute an operation and handle its result are Strawberry's own."""
    return _is_own_of(schema, _OF_A_SCHEMA)


def schema_executes_plainly(schema: object) -> bool:
    """Whether the methods of a schema that run between its extensions and its executor are Strawberry's own."""
    return _is_own_of(schema, _BEFORE_AN_EXECUTOR)


def _is_own_of(schema: object, names: Sequence[str]) -> bool:
    is_replaced = any(name in vars(schema) for name in names)
    return not is_replaced and _are_own(type(schema), names)


def view_hands_results_on(view: object) -> bool:
    """Whether the methods of a view that handle a result are Strawberry's own, or this package's."""
    is_replaced = any(name in vars(view) for name in _OF_A_VIEW)
    return not is_replaced and _is_plain_view(type(view))  # type: ignore[arg-type] # classes are hashable


@functools.lru_cache(256)
def _is_plain_view(kind: type) -> bool:
    return _are_own(kind, _OF_A_VIEW)


@functools.lru_cache(256)
def has_code_around_run(kind: type) -> bool:
    """Whether a subclass of the user's overrides a method that may handle what a view's `run` raises."""
    for base in kind.__mro__:
        if base.__module__.startswith(_OWN):
            return False
        if any(name in vars(base) for name in _AROUND_RUN):
            return True
    return False


def _are_own(kind: type, names: Iterable[str]) -> bool:
    """Whether each of these methods of a class is Strawberry's, or this package's."""
    for name in names:
        for base in kind.__mro__:
            if name in vars(base):
                modules = {base.__module__}
                if name != _WITH_ERRORS_ONLY:
                    modules.add(getattr(getattr_static(base, name), "__module__", ""))
                if not all(module.startswith(_OWN) for module in modules):
                    return False
    return True
