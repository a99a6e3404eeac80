"""The context, request and response objects of frameworks: they are read and written alike."""

from collections.abc import Mapping
from inspect import getattr_static
from typing import Any

from strawberry_response_cache.core._user_code import Raised, called


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
    value = headers.get(_spelled(headers, name))
    if value is None:
        return None
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _spelled(headers: Any, name: str) -> Any:  # noqa: ANN401 - of any framework
    """Return the name as it is spelled there: the headers of some frameworks are plain dicts."""
    if type(headers) is not dict:
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


def set_header(message: object, name: str, value: str | None) -> bool:
    """Set a header of a response, or remove it.

    Args:
        message: A framework's response.
        name: The name of the header.
        value: Its value; None removes it.

    Returns:
        Whether that was possible.
    """
    return type(called(_write, message, name, value)) is not Raised


def _write(message: Any, name: str, value: str | None) -> None:  # noqa: ANN401 - of any framework
    headers = message.headers
    spelled = _spelled(headers, name)
    if value is None:
        if spelled in headers:
            del headers[spelled]
    else:
        headers[spelled] = value


def has_credentials(request: object) -> bool:
    """Whether a request tells who sends it: it has ``Authorization`` or ``Cookie``, or its headers are not known.

    Args:
        request: A framework's request; None if it is not known.
    """
    found = called(_has_any, request, ("Authorization", "Cookie"))
    return found is not False


def _has_any(message: Any, names: tuple[str, ...]) -> bool:  # noqa: ANN401 - of any framework
    headers = message.headers
    return any(headers.get(_spelled(headers, name)) is not None for name in names)


def sets_cookie(response: object) -> bool:
    """Whether a response sets a cookie, or that is not known."""
    found = called(_sets_cookie, response)
    return found is not False


def _sets_cookie(response: Any) -> bool:  # noqa: ANN401 - of any framework
    if _has_any(response, ("Set-Cookie",)):
        return True
    cookies = getattr(response, "cookies", None)
    return bool(cookies)


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
