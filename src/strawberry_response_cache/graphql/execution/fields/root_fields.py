"""The root fields of an operation that may have entries of their own if another one failed."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from graphql.pyutils import Path
from strawberry.schema import Schema

from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.graphql._compat.executor import root_fields
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.considered import Considered
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField
from strawberry_response_cache.graphql.policy.above import NOTHING_ABOVE

_MOST: Final = 100
"""Root fields of one operation that are stored by the run that failed; others are when they are looked up."""


def pieces_of(
    considered: Considered, schema: Schema, keys: EntryKeys
) -> Iterator[tuple[str, CacheRequest]]:
    """Yield the root fields that were executed as parts of an operation and may have entries of their own.

    Args:
        considered: The operation, which was executed.
        schema: The Strawberry schema.
        keys: The keys of the operation's entry.
    """
    executor, around = considered.asked.executor, considered.variant.policy.life
    fields = considered.fields(schema, beside=keys)
    parent, selected = root_fields(executor)
    for name, details in islice(selected.items(), _MOST):
        found = fields.cached_field(executor, parent, details, NOTHING_ABOVE)
        # One that outlives the operation's entry had an entry of its own in the run.
        if not isinstance(found, CachedField) or found.plan.policy.life.outlives(around):
            continue
        request = found.admit(executor.root_value, Path(None, name, parent.name))
        if isinstance(request, CacheRequest):
            yield name, request
