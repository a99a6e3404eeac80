"""Schemas, operations and requesters out of nothing, for tests of any schema and any request.

A blueprint and a request are plain data, so that a test can walk over them without asking
Strawberry, graphql-core or the cache what they mean.
"""

from hypothesis import settings

EXAMPLES = settings().max_examples // 5
"""Of what is many requests each."""
IS_QUICK = settings().max_examples < 100
