"""The plans of one schema, for the documents that are in use.

A plan belongs to one document object. The query's text would not do: another extension may have replaced
the document that was parsed from it.
"""

import itertools
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    print_ast,
)

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._keys import digest
from strawberry_response_cache.graphql.keys.document import UsedParts
from strawberry_response_cache.graphql.keys.operation_key import declared_variables
from strawberry_response_cache.graphql.keys.plan import SIZE, Plan
from strawberry_response_cache.graphql.keys.setting import Setting
from strawberry_response_cache.graphql.keys.stems import Grow
from strawberry_response_cache.graphql.policy.reasons import Problem


class Planned(NamedTuple):
    """The plans of a document's operations. They do not keep the document alive.

    Attributes:
        document: A weak reference to the document.
        plans: The plans, by the ``id()`` of the operation's node.
        number: A number that no other document has had in this process.
        uncached: By the name of an operation, why it is never cached, with any variables.
    """

    document: "weakref.ref[DocumentNode]"
    plans: dict[int, Plan]
    number: int
    uncached: dict[str | None, Problem]


class Plans:
    """The plans of one schema, in a bounded cache that drops the least recently used.

    A plan is kept as long as its document: as long as a parser cache keeps that, otherwise for one request.
    """

    def __init__(self, setting: Setting, *, max_bytes: int) -> None:
        self.setting = setting
        self._known: Bounded[int, Planned] = Bounded(max_bytes)
        self._gone: deque[int] = deque()
        self._numbers = itertools.count()

    def __len__(self) -> int:
        """Return the number of documents with plans; freed documents count until the next call of `plan`."""
        return len(self._known)

    def planned(self, document: DocumentNode) -> Planned | None:
        """Return the plans of a document; None if it has none."""
        planned = self._known.get(id(document))
        return planned if planned is not None and planned.document() is document else None

    def plan(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> Plan:
        """Return the plan of an operation, compiled on demand."""
        self._drop_gone()
        key = id(document)
        planned = self._known.get(key)
        if planned is None or planned.document() is not document:
            plans: dict[int, Plan] = {}
            known = weakref.ref(document, self._note_gone(key, plans))
            planned = Planned(known, plans, next(self._numbers), {})
            self._known.put(key, planned, size=SIZE)
        plan = planned.plans.get(id(operation))
        if plan is None:
            grow = partial(self._known.grow, key, planned)
            plan = self._compile(operation, fragments, grow)
            if grow(SIZE):
                planned.plans[id(operation)] = plan
        return plan

    def _note_gone(
        self, key: int, plans: dict[int, Plan]
    ) -> Callable[["weakref.ref[DocumentNode]"], None]:
        """Return the callback that drops a document's plans after the document was freed.

        It runs wherever an object is freed, so it takes no lock.
        """
        gone = self._gone  # not `self`, which the document would keep alive

        def drop(_: "weakref.ref[DocumentNode]") -> None:
            plans.clear()
            gone.append(key)

        return drop

    def _drop_gone(self) -> None:
        while self._gone:
            with suppress(IndexError):  # another thread took the last one
                key = self._gone.popleft()
                planned = self._known.get(key)
                if planned is not None and planned.document() is None:
                    self._known.drop(key, planned)

    def _compile(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        grow: Grow,
    ) -> Plan:
        used = UsedParts(operation, fragments)
        printed = [print_ast(operation), *map(print_ast, used.fragments.values())]
        return Plan(
            setting=self.setting,
            operation=operation,
            fragments=used.fragments,
            canonical=digest(printed),
            conditions=used.conditions,
            depth=used.depth,
            declared=declared_variables(operation, self.setting.schema),
            types={
                each.variable.name.value: print_ast(each.type)
                for each in operation.variable_definitions or ()
            },
            parses_variables=self.setting.literals.parse_variables(operation),
            parsed=self.setting.literals.fields_of([operation, *used.fragments.values()]),
            grow=grow,
        )
