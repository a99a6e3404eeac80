"""The root fields of an operation that failed in part: which of them are stored."""

from itertools import islice
from typing import Any, Final

from graphql import ExecutionResult
from graphql.pyutils import Path
from strawberry.schema import Schema

from strawberry_response_cache.graphql._compat.executor import failed_root_fields, root_fields
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.considered import Considered
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField
from strawberry_response_cache.graphql.execution.recorder import RootFields
from strawberry_response_cache.graphql.policy.above import NOTHING_ABOVE

_MOST: Final = 100
"""The most root fields that a run which failed in part stores; others are stored when they are looked up."""


def fields_of_failed(
    considered: Considered, schema: Schema, result: ExecutionResult
) -> RootFields | None:
    """Return the root fields of an operation that failed in part; None if an error has no known root field.

    Their keys are made of the variables. If a resolver changed these, the recorder refuses to store; see `UsedInputs`.

    Args:
        considered: The operation, which was executed.
        schema: The Strawberry schema.
        result: Its result, with data and errors.
    """
    executor, around = considered.asked.executor, considered.variant.policy.life
    data: Any = result.data
    failed = failed_root_fields(executor, result.errors or ())
    if failed is None:
        return None
    fields, (parent, selected) = considered.fields(schema), root_fields(executor)
    found: list[tuple[CacheRequest, Any]] = []
    failed_entries: set[str] = set()
    for name, details in islice(selected.items(), _MOST):
        cached = fields.cached_field(executor, parent, details, NOTHING_ABOVE)
        # A field that outlives the operation's entry has an entry of its own, and its execution stored it if it could.
        is_apart = isinstance(cached, CachedField) and cached.plan.policy.life.outlives(around)
        if not isinstance(cached, CachedField) or is_apart is not (name in failed):
            continue
        asked = cached.admit(executor.root_value, Path(None, name, parent.name))
        if not isinstance(asked, CacheRequest):
            continue
        if is_apart:
            failed_entries.add(asked.keys.entry)
        else:
            found.append((asked, data[name]))
    return RootFields(found, frozenset(failed_entries))
