"""The schema with its cache."""

import strawberry
from graphql import GraphQLError
from strawberry.types import ExecutionContext

from example_schema.api.context import RequestContext
from example_schema.api.mutation import Mutation
from example_schema.api.query import Query
from example_schema.books.errors import LedgerError
from strawberry_response_cache import ResponseCache, ResponseCacheExtension


class LedgerSchema(strawberry.Schema):
    """A schema that logs the service's own failures, not the mistakes of its callers."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log what is neither a refusal of the ledger nor a mistake in the query."""
        failures = [
            error
            for error in errors
            if error.original_error and not isinstance(error.original_error, LedgerError)
        ]
        super().process_errors(failures, execution_context)


def create_schema(
    cache: ResponseCache, *, query: type[Query] = Query, verify: float = 0.0
) -> strawberry.Schema:
    """Return the schema, with everything in it that carries a hint cached in `cache`.

    Args:
        cache: The cache.
        query: The type of its queries.
        verify: The share of hits that are executed all the same and compared.
    """
    extension = ResponseCacheExtension(
        cache, tenant=_tenant_id, session=_user_id, debug=True, verify=verify
    )
    schema = LedgerSchema(query, Mutation, extensions=[extension])
    extension.check(schema)
    return schema


def _tenant_id(context: RequestContext) -> str:
    return context.tenant.id


def _user_id(context: RequestContext) -> str:
    return context.user.id
