"""The errors of the cache; a generator's own error is never wrapped in one of them."""


class CacheError(Exception):
    """The root of every error that this package raises on purpose."""


class CacheConfigurationError(CacheError):
    """Something was configured or annotated in a way that cannot work; the message says what to write."""


class CacheStoreError(CacheError):
    """Redis did not take what had to be taken, such as an invalidation.

    Attributes:
        error_type: The qualified name of the error that the server was met with.
    """

    def __init__(self, message: str = "", *, error_type: str = "") -> None:
        super().__init__(message)
        self.error_type = error_type


class CacheSerializationError(CacheError):
    """A value cannot be stored so that reading it gives the same value back."""
