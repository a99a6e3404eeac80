"""Whether a framework is about to send a session's cookie: its middleware does so after the view has returned."""

import sys
from typing import Any, Final

from strawberry_response_cache.core._user_code import called

_WITH_GLOBALS: Final = ("flask.globals", "quart.globals")


def sends_session_cookie(request: object) -> bool:
    """Whether a framework will set a session cookie on the response to a request; False if it cannot be read.

    These sessions are known: Starlette's, FastAPI's, Litestar's, Django's with its CSRF token, those of Channels,
    Flask's, Quart's and aiohttp_session's.
    """
    return called(changes_session, request) is True


def changes_session(request: Any) -> bool:  # noqa: ANN401 - of any framework
    """Whether a framework will set a session cookie on the response; raises what the request raises when read."""
    sessions = []
    meta = getattr(request, "META", None)
    if meta is not None and isinstance(
        meta, dict
    ):  # Django's; Starlette's `session` raises without one
        if meta.get("CSRF_COOKIE_NEEDS_UPDATE"):
            return True
        if (session := getattr(request, "session", None)) is not None:
            sessions.append(session)
    scope = getattr(request, "scope", None)
    if scope is None:
        scope = getattr(getattr(request, "consumer", None), "scope", None)  # that of Channels
    if scope is not None and isinstance(scope, dict) and "session" in scope:
        sessions.append(scope["session"])
    if "aiohttp_session" in sys.modules:
        sessions.append(called(_in_state, request))
    for name in _WITH_GLOBALS:
        if name in sys.modules:
            sessions.append(called(_in_context, sys.modules[name]))  # noqa: PERF401 - a generator takes 0.4 µs of each hit
    return bool(sessions) and any(called(_is_changed, each) is True for each in sessions)


def _in_state(request: Any) -> Any:  # noqa: ANN401 - any session
    return request["aiohttp_session"]


def _in_context(module: Any) -> Any:  # noqa: ANN401 - any session
    context = module.request_ctx._get_current_object()  # noqa: SLF001 - werkzeug documents it
    # Flask's proxy counts as an access, after which it varies by `Cookie`.
    session = getattr(context, "_session", None)
    return context.session if session is None else session


def _is_changed(session: Any) -> bool:  # noqa: ANN401 - of any framework
    if type(session) is dict:  # that of Litestar, which is sent if it holds anything
        return bool(session)
    return bool(getattr(session, "modified", False) or getattr(session, "_changed", False))
