"""The execution of one request with the cache."""
