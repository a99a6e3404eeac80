"""A fault of this package: logged without what the request brought, and never the request's."""

import logging
import traceback

from strawberry_response_cache.graphql._reasons import Problem, Reason

logger = logging.getLogger("strawberry_response_cache")


def fault(error: Exception) -> Problem:
    """Log that deciding failed, and return that nothing is cached because of it."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    logger.error(
        "Deciding about an operation failed (%s in %s, line %s); not cached.",
        type(error).__qualname__,
        where.name,
        where.lineno,
        extra={"error.type": type(error).__qualname__},
    )
    return Problem(Reason.CACHE_FAULT, None, "A fault of the cache; please report the log.")
