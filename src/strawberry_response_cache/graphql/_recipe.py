"""How a GraphQL result becomes bytes and comes back from them."""

from typing import Any

from graphql import ExecutionResult
from pydantic_core import from_json

from strawberry_response_cache.core import CacheDetail, CacheSerializationError
from strawberry_response_cache.core._codec import dump, find_inexact
from strawberry_response_cache.core._duration import milliseconds
from strawberry_response_cache.core._entry import Recording, UnreadableEntryError
from strawberry_response_cache.core._keys import tag_digests
from strawberry_response_cache.core._recipe import NotStored
from strawberry_response_cache.graphql._policy import Policy
from strawberry_response_cache.graphql._reasons import Reason


class OperationRecipe:
    """Stores the data of a complete result without errors; a hit is a fresh result each time.

    Args:
        policy: The operation's policy, whose ttl is above 0.
        max_bytes: The largest payload that is stored.

    Attributes:
        refusal: Why `record` stored nothing.
    """

    __slots__ = ("_max_bytes", "_policy", "refusal")

    def __init__(self, policy: Policy, max_bytes: int) -> None:
        self._policy = policy
        self._max_bytes = max_bytes
        self.refusal: Reason | None = None

    def record(self, value: Any) -> Recording | NotStored:  # noqa: ANN401 - whatever an executor returns
        """Refuse whatever is not complete, without errors, and JSON as it stands."""
        if not isinstance(value, ExecutionResult):
            return self._refuse(Reason.CUSTOM_CODE)
        if value.errors or value.data is None:
            return self._refuse(Reason.ERRORS)
        if find_inexact(value.data) is not None:
            return self._refuse(Reason.UNSERIALIZABLE)
        try:
            payload = dump(value.data)
        except CacheSerializationError:
            return self._refuse(Reason.UNSERIALIZABLE)
        if len(payload) > self._max_bytes:
            return self._refuse(Reason.TOO_LARGE)
        policy = self._policy
        return Recording(
            payload,
            milliseconds(policy.ttl, "ttl"),
            milliseconds(policy.stale or 0, "stale"),
            tag_digests(policy.tags),
            "public" if policy.private_by is None else "private",
        )

    def _refuse(self, reason: Reason) -> NotStored:
        self.refusal = reason
        return NotStored(CacheDetail.UNCACHEABLE)

    def read(self, recording: Recording) -> ExecutionResult:
        """Build a result.

        Raises:
            UnreadableEntryError: If the payload is not a JSON object, or not of this visibility.
        """
        visibility = "public" if self._policy.private_by is None else "private"
        try:
            data = from_json(recording.payload)
        except ValueError:
            raise UnreadableEntryError from None
        if not isinstance(data, dict) or recording.meta != visibility:
            raise UnreadableEntryError
        return ExecutionResult(data, None)
