"""What is not a known hook, although it looks like one."""

import json
from collections import Counter
from typing import Any

import sentry_sdk.integrations.strawberry
from sentry_sdk.integrations.strawberry import SentrySyncExtension

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.instrumentation.schema import make


def with_a_hook_of_its_own() -> SentrySyncExtension:
    """Make an object whose hook is not that of its class."""
    made = SentrySyncExtension()
    vars(made)["resolve"] = made.resolve
    return made


class Subclass(SentrySyncExtension):
    """Could decide whatever it wants."""


named_alike = type(
    "SentrySyncExtension",
    (SentrySyncExtension,),
    {"__module__": sentry_sdk.integrations.strawberry.__name__},
)
found: dict[str, Any] = {
    "the class itself": SentrySyncExtension,
    "a subclass": Subclass,
    "the same name in another module": named_alike,
    "an object with a hook of its own": with_a_hook_of_its_own,
}


def reason_beside(extension: Any) -> str | None:
    """Return why a query is not cached beside an extension."""
    cache = ResponseCache.from_url("memory://", prefix="test", telemetry=False)
    ours = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = make([extension, ours], is_async=False)
    result = schema.execute_sync("{ accounts { id } }", context_value={"calls": Counter()})
    cache.close()
    said: dict[str, Any] = (result.extensions or {})["responseCache"]
    return said.get("reason")


if __name__ == "__main__":
    print(json.dumps([[name, reason_beside(each)] for name, each in found.items()]))  # noqa: T201 - the test reads it
