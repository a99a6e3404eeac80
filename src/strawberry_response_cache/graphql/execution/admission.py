"""Decides what of an operation goes through the cache: the whole, its fields, or the objects of a gateway."""

from strawberry.schema import Schema

from strawberry_response_cache.graphql._compat.executor import uninstall
from strawberry_response_cache.graphql.execution.cache_request import FAILED_IN_PART, CacheRequest
from strawberry_response_cache.graphql.execution.conclusion import Conclusion
from strawberry_response_cache.graphql.execution.considered import Considered
from strawberry_response_cache.graphql.execution.fields.cached_field import Fields
from strawberry_response_cache.graphql.execution.fields.field_execution import install
from strawberry_response_cache.graphql.execution.refused import OLDER_PART
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason


def admit(
    considered: Considered, conclusion: Conclusion, schema: Schema, *, as_stored: bool
) -> CacheRequest | Problem:
    """Return the cache request of an operation, or why it has none; set up its executor to answer fields from entries.

    Args:
        considered: The operation; the functions that identify its requester (tenant, session, vary) were called.
        conclusion: Reports how it is answered.
        schema: The Strawberry schema.
        as_stored: Whether a view sends the bytes of a stored response without parsing them.
    """
    request, variant = considered.request, considered.variant
    if request.problem is not None:
        return request.problem
    if conclusion.claim is not None:
        problem = conclusion.claim.problem(request.answers)
        if problem is not None:
            return problem
    cache_request = variant.policy.problem or considered.cache_request(as_stored=as_stored)
    if isinstance(cache_request, CacheRequest) and conclusion.refused.has(cache_request.keys.entry):
        cache_request = OLDER_PART
    entities = None if (rule := variant.entities) is None else considered.entities(rule)
    if isinstance(entities, Problem):
        cache_request = entities if isinstance(cache_request, Problem) else cache_request
        entities = None
    elif entities is not None:
        cache_request = Problem(Reason.NO_OBJECTS)
    if not variant.watches_fields:
        return cache_request
    life = variant.policy.life if isinstance(cache_request, CacheRequest) else None
    fields = considered.fields(schema, around=life, entities=entities)
    return _answering(fields, considered, conclusion) or cache_request


def admit_fields(
    considered: Considered, conclusion: Conclusion, schema: Schema, problem: Problem
) -> Problem:
    """Return why an operation is not answered as a whole.

    If it failed in part, this sets up its executor to answer fields from their entries.

    Args:
        considered: The operation.
        conclusion: Reports how it is answered.
        schema: The Strawberry schema.
        problem: Why its entry does not answer it.
    """
    if problem is not FAILED_IN_PART:
        return problem
    fields = considered.fields(schema)
    uninstall(considered.asked.executor)  # what `admit` installed
    return _answering(fields, considered, conclusion) or problem


def _answering(fields: Fields, considered: Considered, conclusion: Conclusion) -> Problem | None:
    """Set up the executor to answer fields from their entries; return a problem if it is nested too deeply."""
    if not install(fields, considered.asked.executor):
        return Problem(Reason.SELECTION_TOO_LARGE)
    conclusion.report.fields = fields.outcomes
    conclusion.entities = fields.entities
    return None
