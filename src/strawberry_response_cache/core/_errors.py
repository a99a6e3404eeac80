"""The errors of the cache; a generator's own error is never wrapped in one of them."""


class CacheError(Exception):
    """The base class of every error that this package raises on purpose.

    Example:
        >>> from strawberry_response_cache import ResponseCache
        >>> try:
        ...     ResponseCache.from_url("memory://", prefix="two words")
        ... except CacheError as error:
        ...     print(type(error).__name__)
        CacheConfigurationError
    """


class CacheConfigurationError(CacheError):
    """A wrong configuration or annotation; the message says what to write instead.

    Example:
        >>> from strawberry_response_cache import CacheSettings
        >>> CacheSettings(lease=-1)
        Traceback (most recent call last):
        strawberry_response_cache.core._errors.CacheConfigurationError: CacheSettings: lease: Input ...
    """


class CacheStoreError(CacheError):
    """Redis did not take an invalidation, or did not answer a `ResponseCache.ping`.

    Attributes:
        error_type: The qualified name of the error that the client or the server gave; empty if there is
            none.

    Example:
        >>> from strawberry_response_cache import ResponseCache
        >>> with ResponseCache.from_url("redis://127.0.0.1:1", prefix="ledger") as cache:
        ...     try:
        ...         cache.ping_sync()
        ...     except CacheStoreError as error:
        ...         print(error.error_type)
        redis.exceptions.ConnectionError
    """

    def __init__(self, message: str = "", *, error_type: str = "") -> None:
        super().__init__(message)
        self.error_type = error_type


class CacheSerializationError(CacheError):
    """A value cannot be stored so that a hit returns it unchanged.

    Example:
        >>> from strawberry_response_cache import ResponseCache
        >>> with ResponseCache.from_url("memory://", prefix="ledger") as cache:
        ...     try:
        ...         cache.remember_sync(["pair"], 60, lambda: (1, 2))
        ...     except CacheSerializationError as error:
        ...         print("pass as_type" if "as_type" in str(error) else error)
        pass as_type
    """


def named(value: object) -> str:
    """Name the type of a wrong argument, without showing the argument."""
    return (
        f"the class {value.__qualname__} itself"
        if isinstance(value, type)
        else f"a {type(value).__name__}"
    )
