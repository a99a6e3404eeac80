"""`renew_cache`: the server's own code asks for a new response in place of the stored one."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

_MARK: Final = "_response_cache_renewed"


def renew_cache(context: Any) -> None:  # noqa: ANN401 - of any class
    """Execute the operations with a context even if a response is stored, and store the new response.

    Call it before the operation is executed, for example in ``get_context`` for a request of an editor who wants to
    see what was just changed elsewhere. Everybody gets the new answer from then on. Other requests for the same
    response wait for the new one. While Redis is down, the operation runs uncached.

    Args:
        context: The context of the operation: a dict, or an object that takes attributes.

    Raises:
        TypeError: If the context is neither, such as None.

    Example:
        >>> context = {"tenant": "acme"}
        >>> renew_cache(context)
    """
    try:
        if isinstance(context, MutableMapping):
            context[_MARK] = True
        else:
            setattr(context, _MARK, True)
    except (AttributeError, TypeError):
        msg = (
            f"renew_cache got a {type(context).__qualname__}, which takes no mark; pass the context of the operation, "
            "a dict or an object that takes attributes."
        )
        raise TypeError(msg) from None


def is_renewed(context: object) -> bool:
    """Whether `renew_cache` was called with a context."""
    if type(context) is dict or isinstance(context, Mapping):
        return context.get(_MARK) is True
    return getattr(context, _MARK, None) is True
