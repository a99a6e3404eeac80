"""The one cache of a process, made of the settings when it is first needed."""

import atexit
import threading

from django.conf import settings

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.django._configuration import configuration_of


class _Shared:
    """The cache, if it was made."""

    def __init__(self) -> None:
        self.lock = renewed_in_child(self, "lock", threading.Lock)
        self.cache: ResponseCache | None = None


_shared = _Shared()


def get_cache() -> ResponseCache:
    """Return the cache that ``RESPONSE_CACHE`` in the settings describes, without connecting.

    Each call returns the same object. It survives ``fork``: a forked worker opens connections of its own. It is
    closed when the process ends.

    Returns:
        The cache.

    Raises:
        CacheConfigurationError: If there are mistakes in ``RESPONSE_CACHE``. ``manage.py check`` lists them as well.

    Example:
        >>> from strawberry_response_cache.django import get_cache
        >>> get_cache() is get_cache()
        True
    """
    with _shared.lock:
        if _shared.cache is None:
            found = configuration_of(settings)
            _shared.cache = ResponseCache(
                found.handle, prefix=found.prefix, settings=found.settings
            )
        return _shared.cache


def drop_cache() -> None:
    """Close the cache; the next caller makes another."""
    with _shared.lock:
        cache, _shared.cache = _shared.cache, None
    if cache is not None:
        cache.close()


atexit.register(drop_cache)
