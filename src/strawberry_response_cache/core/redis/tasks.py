"""Tasks that nobody's request is waiting in."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any


def started(work: Coroutine[Any, Any, None], context: contextvars.Context) -> "asyncio.Task[None]":
    """Start a task in a context, not before its creator goes on.

    A loop with an eager task factory (Python 3.12) would begin it at once, in a context that its creator
    may be in, and a context cannot be entered twice.

    Args:
        work: What it does.
        context: What it runs in.
    """
    return asyncio.Task(work, loop=asyncio.get_running_loop(), context=context)
