"""Whether a framework is about to send a session's cookie: its middleware does so after the view has returned."""

import sys
from collections.abc import Iterator
from typing import Any

from strawberry_response_cache.core._user_code import called


def sends_session_cookie(request: object) -> bool:
    """Whether a cookie follows for a request, as far as the sessions of frameworks tell.

    These are Starlette's, FastAPI's, Litestar's, Django's with its CSRF token, those of Channels, Flask's,
    Quart's and aiohttp_session's.

    Args:
        request: A framework's request.
    """
    return called(_any_changed, request) is True


def _any_changed(request: Any) -> bool:  # noqa: ANN401 - of any framework
    meta = getattr(request, "META", None)
    if type(meta) is dict and meta.get("CSRF_COOKIE_NEEDS_UPDATE"):
        return True
    return any(called(_is_changed, each) is True for each in _sessions_of(request))


def _sessions_of(request: Any) -> Iterator[Any]:  # noqa: ANN401 - of any framework
    scope = getattr(getattr(request, "consumer", request), "scope", None)  # Channels has consumers
    if isinstance(scope, dict):
        yield scope.get("session")
    if isinstance(
        getattr(request, "META", None), dict
    ):  # Django's; Starlette's raises without a session
        yield getattr(request, "session", None)
    if "aiohttp_session" in sys.modules:
        yield called(_in_state, request)
    for name in ("flask", "quart"):
        if (module := sys.modules.get(f"{name}.globals")) is not None:
            yield called(_in_context, module)


def _in_state(request: Any) -> Any:  # noqa: ANN401 - any session
    return request["aiohttp_session"]


def _in_context(module: Any) -> Any:  # noqa: ANN401 - any session
    context = module.request_ctx
    # Flask's proxy counts as an access, after which it varies by `Cookie`.
    session = getattr(context, "_session", None)
    return context.session if session is None else session


def _is_changed(session: Any) -> bool:  # noqa: ANN401 - of any framework
    if type(session) is dict:  # that of Litestar, which is sent if it holds anything
        return bool(session)
    return bool(getattr(session, "modified", False) or getattr(session, "_changed", False))
