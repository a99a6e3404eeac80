"""Reads and writes the context, request and response objects of all frameworks."""

from collections.abc import Mapping
from functools import cached_property
from inspect import getattr_static
from typing import Any, Final

from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql.http.cdn_tags import SEPARATORS

BETWEEN: Final = {name.lower(): separator for name, separator in SEPARATORS.items()}
"""The separator of the values of a header, by lower-case name; for other headers it is a comma with a space."""
OF_FRESHNESS: Final = ("age", "expires", "pragma")
"""Headers beside ``Cache-Control`` by which an application says how long its response may be reused."""
_NAMES: Final = (
    *OF_FRESHNESS,
    *("cache-control", "cache-group-invalidation", "cache-status", "etag", "set-cookie", "vary"),
    *BETWEEN,
)
_OK: Final = 200
STATUS: Final = ":status"
"""The name, among the headers of a response, of its status if that is not 200."""
LIMITS: Final = ("set-cookie", STATUS)
"""A response with one of these must not be stored."""
_OF_CACHES: Final = frozenset({*_NAMES, *(name.encode() for name in _NAMES)})
_WRITTEN: Final = {
    "etag": "ETag",
    **{name: name.title() for name in ("age", "cache-control", "vary")},
}
"""How names are usually written, where a framework keeps them as they are."""
_CREDENTIALS: Final = ("authorization", "cookie")
_CREDENTIALS_CGI: Final = tuple(f"HTTP_{name.upper()}" for name in _CREDENTIALS)
_CREDENTIALS_RAW: Final = frozenset(name.encode() for name in _CREDENTIALS)


def header(message: object, name: str) -> str | None:
    """Return a header of a request or response; None if it has none, or cannot be read.

    Args:
        message: A framework's request or response.
        name: The name of the header, in any case.
    """
    value = called(_value_of_header, message, name)
    return None if type(value) is Raised else value


def _value_of_header(message: Any, name: str) -> str | None:  # noqa: ANN401 - of any framework
    headers = message.headers
    every = getattr(headers, "getlist", None) or getattr(headers, "getall", None)
    if every is not None:  # a header may have several lines
        values = every(name) if name in headers else []
        return BETWEEN.get(name.lower(), ", ").join(map(str, values)) if values else None
    value = headers.get(_spelled(headers, name) or name)
    return None if value is None else _text(value)


def _spelled(headers: Any, name: str) -> Any:  # noqa: ANN401 - of any framework
    """Return the name as a dict of headers spells it; None if it is not in the dict, or the headers are no dict."""
    if not isinstance(headers, dict):
        return None
    wanted = name.lower()
    return next((each for each in headers if _text(each).lower() == wanted), None)


def written_in(response: object) -> dict[str, str]:
    """Return the headers of a response that concern caches, by lower-case names, read at once.

    ``set-cookie`` is among them if the response sets a cookie, or cannot be read; `STATUS` if its status is not 200.
    """
    found = called(_written_in, response)
    return {"set-cookie": ""} if type(found) is Raised else found


def _written_in(response: Any) -> dict[str, str]:  # noqa: ANN401 - of any framework
    found: dict[str, str] = {}
    raw = getattr(response, "raw_headers", None)
    if type(raw) is list:  # Starlette's, which would decode each
        for name, value in raw:
            if (lower := name.lower()) in _OF_CACHES:
                key, text = _text(lower), _text(value)
                found[key] = f"{found[key]}{BETWEEN.get(key, ', ')}{text}" if key in found else text
    else:
        for each in response.headers:
            name = each[0] if type(each) is tuple else each  # pairs are werkzeug's
            if (lower := name.lower()) in _OF_CACHES:
                found[_text(lower)] = _value_of_header(response, name) or ""
        if getattr(response, "cookies", None):
            found["set-cookie"] = ""
    status = getattr(response, "status_code", None)
    if status is None:
        status = getattr(response, "status", None)
    if status != _OK and isinstance(status, int):
        found[STATUS] = str(status)
    return found


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


class Lines:
    """Headers that are set together.

    Args:
        values: Their values by lower-case names; None removes one.
    """

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self.values = values

    @cached_property
    def raw(self) -> dict[bytes, bytes | None]:
        """The values by name, both as bytes; None removes a header."""
        return {
            name.encode(): None if value is None else value.encode("latin-1")
            for name, value in self.values.items()
        }

    @cached_property
    def added(self) -> list[tuple[bytes, bytes]]:
        """The names and values of the headers to set, as bytes, in the form of ASGI."""
        return [(name, value) for name, value in self.raw.items() if value is not None]

    @cached_property
    def spelled(self) -> list[tuple[str, str]]:
        """The names, as they are usually written, and values of the headers to set."""
        return [
            (_WRITTEN.get(name, name), value)
            for name, value in self.values.items()
            if value is not None
        ]


def set_headers(response: object, lines: Lines, *, replaces: bool = True) -> None:
    """Set headers of a response; ignore an error that it raises.

    Args:
        response: A framework's response.
        lines: The headers.
        replaces: Whether the response may already have some of them, which are to be replaced.
    """
    called(_set_headers, response, lines, replaces)


def _set_headers(response: Any, lines: Lines, replaces: bool) -> None:  # noqa: ANN401, FBT001 - of any framework
    raw = getattr(response, "raw_headers", None)
    if type(raw) is list:  # Starlette's, which would be searched for each name
        if replaces:
            raw[:] = [each for each in raw if each[0] not in lines.raw]
        raw += lines.added
        return
    headers = response.headers
    if not replaces:
        add = getattr(headers, "add", headers.__setitem__)  # several lines may have one name
        for name, text in lines.spelled:
            add(name, text)
        return
    for name, value in lines.values.items():
        spelled = _spelled(headers, name)
        if value is not None:
            headers[spelled or _WRITTEN.get(name, name)] = value
        elif (spelled or name) in headers:
            del headers[spelled or name]


def has_credentials(request: Any) -> bool:  # noqa: ANN401 - of any framework
    """Whether a request tells who sends it: it has ``Authorization`` or ``Cookie``.

    Raises what the request raises when it is read.
    """
    scope = getattr(request, "scope", None)
    if type(scope) is dict and type(scope.get("headers")) is list:  # ASGI has lower-case names
        for name, value in scope["headers"]:  # noqa: SIM110 - a generator takes 0.2 µs of each hit
            if name in _CREDENTIALS_RAW and value:
                return True
        return False
    variables = getattr(request, "META", None) or getattr(request, "environ", None)
    if type(variables) is dict:  # Django's and Flask's, whose `headers` are made on demand
        return any(map(variables.get, _CREDENTIALS_CGI))
    # Django's test client sends an empty one.
    headers = request.headers
    sent = [each for each in _CREDENTIALS if each in headers or isinstance(headers, dict)]
    return bool(sent) and any(_value_of_header(request, name) for name in sent)


def set_status(response: object, status: int) -> None:
    """Set the status of a response; ignore an error that it raises."""
    called(_set_status, response, status)


def _set_status(response: Any, status: int) -> None:  # noqa: ANN401 - of any framework
    if hasattr(response, "set_status"):  # aiohttp
        response.set_status(status)
    elif hasattr(response, "status_code"):
        response.status_code = status
    else:
        response.status = status


def of_context(context: object, name: str) -> Any:  # noqa: ANN401 - whatever the user put there
    """Return the value of a context under a name; it may be a mapping or an object.

    Args:
        context: The context, of any class.
        name: The name. One that the context does not have gives None, also if the context raises for it.

    Raises:
        Exception: What a property or a mapping of the user's raises.
    """
    if type(context) is dict or isinstance(context, Mapping):
        return context.get(name)
    try:
        return getattr(context, name, None)
    except Exception:
        # `__getattr__` of settings and the like raises KeyError for a name that is missing.
        if getattr_static(context, name, None) is None:
            return None
        raise
