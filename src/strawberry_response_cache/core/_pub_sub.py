"""The messages that scripts publish on the channel of a cache, and their handling.

========================  =============================================
``t <table> <tag>,...``   tags were invalidated
``k <entry>``             an entry was invalidated
``c <table>``             all entries of a tag table were invalidated
``w <lease>``             a lease for which others wait has ended
========================  =============================================
"""

from collections.abc import Callable

from strawberry_response_cache.core._memory import Memory


def hear(message: bytes, memory: Memory | None, wake: Callable[[str], None]) -> None:
    """Handle a message. An unknown message may be an invalidation, so it empties local memory.

    Args:
        message: The published bytes.
        memory: The local memory, if it is on.
        wake: Called with the key of a lease that has ended.
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
