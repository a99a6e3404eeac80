"""News of a cache: what the scripts publish on its channel, and who is told of it.

========================  =============================================
``t <table> <tag>,...``   tags were invalidated
``k <entry>``             an entry was invalidated
``c <table>``             all entries of a tag table were invalidated
``w <lease>``             a lease that others wait for has ended
========================  =============================================
"""

from collections.abc import Callable

from strawberry_response_cache.core._memory import Memory


def hear(message: bytes, memory: Memory | None, wake: Callable[[str], None]) -> None:
    """Pass a message on; one that is not understood may be an invalidation, so all memory goes.

    Args:
        message: What was published.
        memory: The local memory, if it is on.
        wake: Told the key of a lease that has ended.
    """
    kind, _, rest = message.decode("ascii", "replace").partition(" ")
    if kind == "w":
        wake(rest)
    elif memory is None:
        return
    elif kind == "t":
        table, _, tags = rest.partition(" ")
        memory.invalidate(table, tags.split(","))
    elif kind == "k":
        memory.forget(rest)
    elif kind == "c":
        memory.clear(rest)
    else:
        memory.forget_everything()
