"""The context, request and response objects of frameworks: they are read and written alike."""

from collections.abc import Mapping
from inspect import getattr_static
from typing import Any, Final

from strawberry_response_cache.core._user_code import Raised, called

_OF_CACHES: Final = ("age", "cache-control", "cache-status", "etag", "set-cookie", "vary")
_OF_CACHES_RAW: Final = frozenset(name.encode() for name in _OF_CACHES)
_WRITTEN: Final = {
    "etag": "ETag",
    **{name: name.title() for name in ("age", "cache-control", "vary")},
}
"""How names are usually written, where a framework keeps them as they are."""
_CREDENTIALS: Final = ("authorization", "cookie")
_CREDENTIALS_RAW: Final = frozenset(name.encode() for name in _CREDENTIALS)


def header(message: object, name: str) -> str | None:
    """Return a header of a request or response; None if it has none, or cannot be read.

    Args:
        message: A framework's request or response.
        name: The name of the header, in any case.
    """
    value = called(_read, message, name)
    return None if type(value) is Raised else value


def _read(message: Any, name: str) -> str | None:  # noqa: ANN401 - of any framework
    headers = message.headers
    every = getattr(headers, "getlist", None) or getattr(headers, "getall", None)
    if every is not None:  # a header may have several lines
        values = every(name) if name in headers else []
        return ", ".join(map(str, values)) if values else None
    value = headers.get(_spelled(headers, name))
    if value is None:
        return None
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _spelled(headers: Any, name: str) -> Any:  # noqa: ANN401 - of any framework
    """Return the name as it is spelled there: the headers of some frameworks are dicts, in which case counts."""
    if not isinstance(headers, dict):
        return name
    wanted = name.lower()
    return next(
        (
            each
            for each in headers
            if (each.decode("latin-1") if isinstance(each, bytes) else each).lower() == wanted
        ),
        name,
    )


def written_in(response: object) -> dict[str, str]:
    """Return the headers of a response that concern caches, by lower-case names, read at once.

    ``set-cookie`` is among them if the response sets a cookie, or cannot be read.

    Args:
        response: A framework's response.
    """
    found = called(_written_in, response)
    return {"set-cookie": ""} if type(found) is Raised else found


def _written_in(response: Any) -> dict[str, str]:  # noqa: ANN401 - of any framework
    raw = getattr(response, "raw_headers", None)
    if type(raw) is list:  # Starlette's
        lines: dict[str, str] = {}
        for name, value in raw:
            if (lower := name.lower()) in _OF_CACHES_RAW:
                known, text = lines.get(lower.decode()), value.decode("latin-1")
                lines[lower.decode()] = text if known is None else f"{known}, {text}"
        return lines
    found = {name: value for name in _OF_CACHES if (value := _read(response, name)) is not None}
    if getattr(response, "cookies", None):
        found["set-cookie"] = ""
    return found


def set_headers(response: object, headers: Mapping[str, str | None]) -> bool:
    """Set headers of a response.

    Args:
        response: A framework's response.
        headers: Their values by lower-case names; None removes one.

    Returns:
        Whether that was possible.
    """
    return type(called(_set_headers, response, headers)) is not Raised


def _set_headers(response: Any, values: Mapping[str, str | None]) -> None:  # noqa: ANN401 - of any framework
    raw = getattr(response, "raw_headers", None)
    if type(raw) is list:  # Starlette's, which would be searched for each name
        for name, value in values.items():
            spelled = name.encode()
            for present, _ in raw:
                if present == spelled:
                    raw[:] = [each for each in raw if each[0] != spelled]
                    break
            if value is not None:
                raw.append((spelled, value.encode("latin-1")))
        return
    headers = response.headers
    for name, value in values.items():
        spelled = _spelled(headers, name)
        if value is not None:
            headers[spelled if spelled in headers else _WRITTEN.get(name, name)] = value
        elif spelled in headers:
            del headers[spelled]


def has_credentials(request: object) -> bool:
    """Whether a request tells who sends it: it has ``Authorization`` or ``Cookie``, or its headers are not known.

    Args:
        request: A framework's request; None if it is not known.
    """
    return called(_has_credentials, request) is not False


def _has_credentials(request: Any) -> bool:  # noqa: ANN401 - of any framework
    scope = getattr(request, "scope", None)
    if type(scope) is dict and type(scope.get("headers")) is list:  # ASGI has lower-case names
        return any(value and name in _CREDENTIALS_RAW for name, value in scope["headers"])
    return any(
        _read(request, name) for name in _CREDENTIALS
    )  # Django's test client sends an empty one


def set_status(response: object, status: int) -> None:
    """Set the status of a response, if it has one.

    Args:
        response: A framework's response.
        status: The status.
    """
    called(_set_status, response, status)


def _set_status(response: Any, status: int) -> None:  # noqa: ANN401 - of any framework
    if hasattr(response, "set_status"):  # aiohttp
        response.set_status(status)
    elif hasattr(response, "status_code"):
        response.status_code = status
    else:
        response.status = status


def of_context(context: object, *names: str) -> tuple[Any, ...]:
    """Return the values of a context under some names; it may be a mapping or an object.

    Args:
        context: The context, of any class.
        names: The names. A name that the context does not have gives None, also if the context raises for it.

    Raises:
        Exception: What a property or a mapping of the user's raises.
    """
    if isinstance(context, Mapping):
        return tuple(context.get(name) for name in names)
    return tuple(_attribute(context, name) for name in names)


def _attribute(context: object, name: str) -> Any:  # noqa: ANN401 - whatever the user put there
    value = called(getattr, context, name, None)
    if type(value) is not Raised:
        return value
    # `__getattr__` of settings and the like raises KeyError for what there is not.
    if getattr_static(context, name, None) is None:
        return None
    raise value.error
