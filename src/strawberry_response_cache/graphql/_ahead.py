"""Reads ahead, in a thread: fields that will be executed one after another are looked up together.

An event loop does without: there, the look-ups of a level leave in one batch by themselves.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from graphql import GraphQLObjectType, get_named_type, is_object_type
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.core._port import Fresh
from strawberry_response_cache.graphql._passage import Admitted

AdmittedField: TypeAlias = Callable[[GraphQLObjectType, object, Any, Any], Admitted | None]

FoundAhead: TypeAlias = dict[str, Fresh]
"""What was looked up ahead, by entry key."""


class Ahead:
    """Looks fields up before a synchronous execution comes to them.

    Args:
        executor: The execution.
        admitted: Returns the way through the cache that a field will go: of a parent's type, the
            parent, graphql-core's details and the path.
        found: Where to leave what was found, by entry key.
    """

    __slots__ = ("_admitted", "_complete_list", "_execute_fields", "_executor", "_found")

    def __init__(self, executor: Executor[Any], admitted: AdmittedField, found: FoundAhead) -> None:
        self._executor = executor
        self._admitted = admitted
        self._found = found
        self._execute_fields = executor.execute_fields
        self._complete_list = executor.complete_list_value

    def fields(
        self,
        parent: GraphQLObjectType,
        source: Any,  # noqa: ANN401 - whatever resolvers return
        path: Any,  # noqa: ANN401 - graphql-core's own
        grouped: Any,  # noqa: ANN401 - graphql-core's own
        position: Any,  # noqa: ANN401 - graphql-core's own
    ) -> Any:  # noqa: ANN401 - graphql-core's own
        """Look the fields of one object up, then execute them."""
        self._look_up(list(self._of(parent, source, grouped, path)))
        return self._execute_fields(parent, source, path, grouped, position)

    def items(  # noqa: PLR0917 - graphql-core's
        self,
        kind: Any,  # noqa: ANN401 - graphql-core's own
        details: Any,  # noqa: ANN401 - graphql-core's own
        info: Any,  # noqa: ANN401 - graphql-core's own
        path: Any,  # noqa: ANN401 - graphql-core's own
        result: Any,  # noqa: ANN401 - whatever resolvers return
        position: Any,  # noqa: ANN401 - graphql-core's own
    ) -> Any:  # noqa: ANN401 - graphql-core's own
        """Look the fields of all objects of a list up, then complete them.

        Which fields objects of an abstract type have shows only one by one.
        """
        named = get_named_type(kind)
        if isinstance(result, list | tuple) and is_object_type(named):
            grouped = self._executor.collect_subfields(named, details)[0]
            self._look_up(
                [
                    each
                    for source in result
                    if source is not None
                    for each in self._of(named, source, grouped, path)
                ]
            )
        return self._complete_list(kind, details, info, path, result, position)

    def _of(
        self,
        parent: GraphQLObjectType,
        source: object,
        grouped: Any,  # noqa: ANN401 - graphql-core's own
        path: Any,  # noqa: ANN401 - graphql-core's own
    ) -> Iterator[Admitted]:
        for name, details in grouped.items():
            admitted = self._admitted(parent, source, details, Path(path, name, parent.name))
            if admitted is not None and admitted.keys.entry not in self._found:
                yield admitted

    def _look_up(self, admitted: list[Admitted]) -> None:
        """Ask for several entries at once; a single one is as well asked for when it is come to."""
        by_tenant: dict[str, list[Admitted]] = {}
        for each in admitted:
            by_tenant.setdefault(each.keys.tenant, []).append(each)
        for several in by_tenant.values():
            if len(several) > 1:
                cache = several[0].cache
                keys = list({each.keys.entry: each.keys for each in several}.values())
                self._found.update(cache._peek_sync(keys, several[0].subject))  # noqa: SLF001 - a client of the port
