"""The request and response objects of frameworks: their headers are read and written alike."""

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
