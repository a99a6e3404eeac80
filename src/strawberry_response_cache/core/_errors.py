"""The errors of the cache; a generator's own error is never wrapped in one of them."""


class CacheError(Exception):
    """The root of every error that this package raises on purpose."""


class CacheConfigurationError(CacheError):
    """Something was configured or annotated in a way that cannot work; the message says what to write."""


class CacheStoreError(CacheError):
    """Redis did not take what had to be taken, such as an invalidation."""


class CacheSerializationError(CacheError):
    """A value cannot be stored so that reading it gives the same value back."""
