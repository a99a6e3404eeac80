"""Records a verified run, and finds the field at a path of its response."""

from collections.abc import Sequence
from typing import Any, Final

from graphql import GraphQLObjectType
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.graphql._compat.executor import uninstall
from strawberry_response_cache.graphql._differences import Place, Places, ResponsePath
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.invalidation.entities import Entities
from strawberry_response_cache.graphql.policy.policy import Policy

_MOST_TYPES: Final = 10_000
"""The most objects of a response whose types are noted."""


class _TypedEntities(Entities):
    """The objects of a response, and the type of each by its path.

    Attributes:
        types_by_path: The names of the types.
    """

    __slots__ = ("types_by_path",)

    def __init__(self) -> None:
        super().__init__()
        self.types_by_path: dict[ResponsePath, str] = {}

    def add(self, kind: GraphQLObjectType, source: object, path: Path | None = None) -> None:
        """Note an object, and where it was completed."""
        super().add(kind, source)
        if path is not None and len(self.types_by_path) < _MOST_TYPES:
            self.types_by_path[tuple(path.as_list())] = kind.name


class VerifiedRun(Recorder):
    """Records a verified run of an operation or a field."""

    __slots__ = ("_begin", "_places", "_prefix", "_types")

    def __init__(self, guard: Guard, *, cache: ResponseCache) -> None:
        entities = _TypedEntities()
        super().__init__(guard, entities=entities, cache=cache)
        self._types = entities.types_by_path
        self._begin: Place | None = None
        self._prefix: ResponsePath = ()
        self._places: Places | None = None

    def stand_at(self, parent: GraphQLObjectType, details: Sequence[Any], path: Path) -> None:
        """Note that it runs one field, and where that field is in the response."""
        self._begin = Place.of_field(parent, (each.node for each in details))
        self._prefix = tuple(path.as_list())

    def watch(self, executor: Executor[Any], policy: Policy | None) -> None:  # noqa: ARG002 - nothing of it is stored
        """Watch the execution of the operation, or of the field; no field below is answered from its entry."""
        operation = executor.operation
        self._places = Places(executor.schema, executor.fragment_definitions, self._types)
        if self._begin is None:
            root = executor.schema.get_root_type(operation.operation)
            if root is not None:
                self._begin = Place(root.name, root, (operation.selection_set,))
            uninstall(executor)  # it would answer fields from their entries
        super().watch(executor, None)  # with None, every object is noted, however many there are

    def coordinate(self, path: ResponsePath) -> str:
        """Return the schema coordinate of the field at a path of the response."""
        begin, places = self._begin, self._places
        if begin is None or places is None:
            return ""
        return places.coordinate(begin, self._prefix, path)
