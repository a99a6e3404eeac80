"""Purging what a mutation makes out of date."""

import logging

from example_schema.api.context import RequestContext
from strawberry_response_cache import CacheStoreError

_logger = logging.getLogger(__name__)


async def forget_answers(context: RequestContext) -> None:
    """Forget every cached answer of the tenant; those of the others stay.

    Nearly all of them hold a balance, or follow from one: there is little to gain from choosing.
    """
    try:
        await context.cache.clear()
    except CacheStoreError:
        # What was written stands. Answers from before live on until their ttl ends.
        _logger.warning("Cached answers of %s could not be purged.", context.tenant.id)
