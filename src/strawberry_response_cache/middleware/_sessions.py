"""Observes how the application uses the session that a middleware outside has put into the scope.

Starlette's sends its cookie if the session was changed, and `Vary: Cookie` if it was read; both after the application
has answered, so no header of that answer shows it.
"""

from typing import Any

from strawberry_response_cache.core._user_code import called
from strawberry_response_cache.middleware._messages import AsgiScope


class SessionUse:
    """What the application does with the session of one request.

    Args:
        scope: The ASGI scope, before the application is entered.
    """

    __slots__ = ("_before", "_session", "_was_read")

    def __init__(self, scope: AsgiScope) -> None:
        self._session: Any = scope.get("session")
        self._was_read = _is(self._session, "accessed")
        self._before = _content_of(self._session)

    @property
    def is_read(self) -> bool:
        """Whether the application has read the session, and no code before it has."""
        return not self._was_read and _is(self._session, "accessed")

    @property
    def is_changed(self) -> bool:
        """Whether the application has changed the session."""
        return called(_differ, self._before, _content_of(self._session)) is not False


def note_read(scope: AsgiScope) -> None:
    """Note in the session of a request that it was read, as the application would have."""
    session = scope.get("session")
    if session is not None:
        called(setattr, session, "accessed", True)  # noqa: FBT003 - as its class says it


def _content_of(session: Any) -> object:  # noqa: ANN401 - any session
    """Return what a session holds, and whether it is to be sent."""
    content = called(_items_of_session, session) if isinstance(session, dict) else None
    return content, _is(session, "modified"), _is(session, "_changed")


def _items_of_session(session: dict[str, Any]) -> object:
    return dict(session)


def _is(session: Any, name: str) -> bool:  # noqa: ANN401 - any session
    return called(getattr, session, name, None) is True


def _differ(one: object, other: object) -> bool:
    return one != other
