"""Starts background tasks."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any


def started(work: Coroutine[Any, Any, None], context: contextvars.Context) -> "asyncio.Task[None]":
    """Start a task in a context, on the next pass of the event loop.

    An eager task factory (Python 3.12) would start it at once. The caller may be running in the same
    context, and a context cannot be entered twice.

    Args:
        work: The coroutine.
        context: The context in which it runs.
    """
    return asyncio.Task(work, loop=asyncio.get_running_loop(), context=context)
