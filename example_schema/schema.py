"""The schema for the command line, such as `strawberry-response-cache explain example_schema.schema:schema -`.

Nothing connects before it is asked for. The service itself makes its schema in `server/service.py`.
"""

import os
from typing import Final

from example_schema.api.mistakes import QueryWithMistakes
from example_schema.api.schema import create_schema
from strawberry_response_cache import ResponseCache

_CACHE: Final = ResponseCache.from_url(
    os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379", prefix="ledger"
)

schema = create_schema(_CACHE)
with_mistakes = create_schema(_CACHE, query=QueryWithMistakes)
