"""The result of executing one field: its value and its errors."""

from typing import Any

from graphql import ExecutionResult, GraphQLError
from graphql.execution.executor import CollectedErrors
from graphql.pyutils import Path

from strawberry_response_cache.graphql._guard import ExecutionRaisedError


class CompletedField(ExecutionResult):
    """The result of an executed field.

    Attributes:
        raised: The error that the field raised, because it cannot be null; None if there is none.
    """

    __slots__ = ("raised",)

    def __init__(
        self,
        data: Any,  # noqa: ANN401 - whatever a field completes to
        errors: list[GraphQLError],
        raised: ExecutionRaisedError | None = None,
    ) -> None:
        super().__init__(data, errors or None)
        self.raised = raised

    def __repr__(self) -> str:
        """Return the number of errors, without the data."""
        return f"CompletedField({len(self.errors or ())} errors)"


class FieldErrors(CollectedErrors):
    """The errors of one field, held back until it is known that no stale value is served instead."""

    __slots__ = ("_holder", "_is_handed_on", "noted")

    def __init__(self, holder: CollectedErrors) -> None:
        super().__init__()
        self._holder = holder
        self._is_handed_on = False
        self.noted: list[tuple[GraphQLError, Path | None]] = []

    def add(self, error: GraphQLError, path: Path | None) -> None:
        """Note an error and its path."""
        super().add(error, path)
        self.noted.append((error, path))
        if self._is_handed_on:
            self._holder.add(error, path)

    def hand_on(self) -> None:
        """Add the errors of the field, now and later ones, to those of the execution around it."""
        self._is_handed_on = True
        for error, path in self.noted:
            self._holder.add(error, path)

    def completed(
        self,
        value: Any,  # noqa: ANN401 - whatever a field completes to
        raised: ExecutionRaisedError | None = None,
    ) -> CompletedField:
        """Return the result of the field, with its errors so far."""
        errors = [error for error, _ in self.noted]
        if raised is not None and isinstance(raised.error, GraphQLError):
            errors.append(raised.error)
        return CompletedField(value, errors, raised)
