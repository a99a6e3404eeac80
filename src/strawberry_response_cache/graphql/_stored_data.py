"""The data of a stored response whose bytes a view sends without parsing them."""

from collections.abc import Callable
from typing import Any, Final

from pydantic_core import from_json

BEGIN: Final = b'{"data":{'
"""How each stored response of an operation begins."""


class StoredData(dict[str, Any]):
    """The data of a stored response; it is decoded when it is first read.

    Args:
        response: The stored response: a JSON object whose only member is ``data``.

    Example:
        >>> data = StoredData(b'{"data":{"books":[]}}')
        >>> data.response
        b'{"data":{"books":[]}}'
        >>> data["books"]
        []
        >>> data.response is None  # what reads it may change it
        True
    """

    __slots__ = ("_response",)

    def __init__(self, response: bytes) -> None:
        self._response: bytes | None = response

    @property
    def response(self) -> bytes | None:
        """The bytes of the stored response; None after the data was read, and may have been changed."""
        return self._response

    def look(self) -> None:
        """Decode the data, unless that was done."""
        if self._response is not None:
            dict.update(self, from_json(self._response, cache_strings="keys")["data"])
            self._response = None

    def __reduce_ex__(self, _: object) -> tuple[type, tuple[dict[str, Any]]]:
        """Copy and pickle the data as a plain dict."""
        return dict, (dict(self),)


def _looking(method: Callable[..., Any]) -> Callable[..., Any]:
    def look(self: StoredData, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - as the method of dict
        self.look()
        return method(self, *args, **named)

    look.__name__ = method.__name__
    return look


_HARMLESS: Final = frozenset(
    {
        "__class_getitem__",
        "__doc__",
        "__getattribute__",
        "__hash__",
        "__init__",
        "__new__",
        "__sizeof__",
        "fromkeys",
    }
)
"""The members of `dict` that do not read the items."""

for _name in vars(dict).keys() - _HARMLESS:
    setattr(StoredData, _name, _looking(getattr(dict, _name)))
