"""Calls those that wait for a server when it answers again."""

from typing import Protocol
from weakref import WeakSet


class Listener(Protocol):
    """Waits for a server."""

    def server_is_back(self) -> None:
        """Do now what had to wait; it must not raise."""
        ...


class Recoveries:
    """The listeners of one server or cluster; they are held weakly.

    Example:
        >>> class Waiting:
        ...     def server_is_back(self) -> None:
        ...         print("it is back")
        >>> recoveries, waiting = Recoveries(), Waiting()
        >>> recoveries.listen(waiting)
        >>> recoveries.tell()
        it is back
    """

    def __init__(self) -> None:
        self._listeners: WeakSet[Listener] = WeakSet()

    def listen(self, listener: Listener) -> None:
        """Add a listener, which is called when the server answers again."""
        self._listeners.add(listener)

    def tell(self) -> None:
        """Call all listeners, because a server answered after it had failed."""
        for listener in list(self._listeners):
            listener.server_is_back()
