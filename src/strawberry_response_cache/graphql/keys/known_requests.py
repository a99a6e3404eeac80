"""Remembers requests: what only the document, the operation name and the raw variables decide.

A request that is sent again needs no coercion of its variables, no executor to read them from, and no walk through
its plan. Requests whose variables or literals a custom scalar parses are not remembered: its function may read
anything.
"""

import marshal
import weakref
from dataclasses import dataclass, field
from hashlib import blake2b
from sys import getsizeof
from typing import Any, Final

from graphql import DocumentNode

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.serialization.codec import find_inexact
from strawberry_response_cache.graphql.keys.operation_key import print_json
from strawberry_response_cache.graphql.keys.plan import Plan, Variant
from strawberry_response_cache.graphql.keys.plans import Plans
from strawberry_response_cache.graphql.policy.reasons import Problem

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_SIZE: Final = 1_100
"""The approximate size of a request, in bytes, apart from the texts that clients choose."""
_DIGEST: Final = 20
_SHORT: Final = 80
"""Variables of at most this many bytes get no digest: it takes longer and is hardly shorter."""
_EVERY_TIME_ALIKE: Final = 2
"""The version of `marshal` that writes equal values alike, however often they are referred to."""


@dataclass(slots=True, kw_only=True)
class KnownRequest:
    """What a document, the name of an operation and the variables that were sent decide.

    Attributes:
        plan: The plan of the operation.
        variant: The operation with its conditions decided.
        printed: The variables as they stand in its key; see `Plan.printed`.
        noted: The remembered request; None if it was not remembered before.
    """

    plan: Plan
    variant: Variant
    printed: str = field(repr=False)
    noted: "Noted | None" = None


@dataclass(slots=True, kw_only=True)
class Noted:
    """A remembered request. It refers weakly to its plan, which is freed with the document.

    Attributes:
        plan: The plan of the operation.
        variant: The operation with its conditions decided.
        printed: The variables as they stand in its key.
        public: The keyspace of the tenant that requested it last, the keys of its PUBLIC entry, and the operation,
            for the log and the observer. None if anything else of a request is part of the keys.
    """

    plan: "weakref.ref[Plan]"
    variant: "weakref.ref[Variant]"
    printed: str = field(repr=False)
    public: tuple[Keyspace, EntryKeys, Subject] | None = field(default=None, repr=False)


class KnownRequests:
    """Recent requests of one schema, in a bounded memory that drops the least recently used.

    Long variables are stored as a digest.
    """

    def __init__(self, plans: Plans, *, max_bytes: int) -> None:
        self._plans = plans
        self._known: Bounded[tuple[int, str | None, bytes], Noted] = Bounded(max_bytes)

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self._known)

    @property
    def size(self) -> int:
        """Their approximate size in memory, in bytes."""
        return self._known.size

    def find(
        self, document: DocumentNode, operation_name: str | None, variables: object
    ) -> KnownRequest | Problem | None:
        """Return what is remembered of a request, or why nothing of it is cached; None if nothing is remembered."""
        if (planned := self._plans.planned(document)) is None:
            return None
        if (problem := planned.uncached.get(operation_name)) is not None:
            return problem
        if (printed := _digest_of_variables(variables)) is None:
            return None
        noted = self._known.get((planned.number, operation_name, printed))
        if noted is None:
            return None
        plan, variant = noted.plan(), noted.variant()
        if plan is None or variant is None:
            return None
        return KnownRequest(plan=plan, variant=variant, printed=noted.printed, noted=noted)

    def note(
        self,
        document: DocumentNode,
        operation_name: str | None,
        variables: object,
        request: KnownRequest,
    ) -> None:
        """Remember a request, unless a custom scalar parses its variables or literals."""
        planned = self._plans.planned(document)
        if planned is None or request.plan.is_parsed:
            return
        if (printed := _digest_of_variables(variables)) is None:
            return
        noted = Noted(
            plan=weakref.ref(request.plan),
            variant=weakref.ref(request.variant),
            printed=request.printed,
        )
        size = _SIZE + getsizeof(request.printed) + getsizeof(operation_name)
        self._known.put((planned.number, operation_name, printed), noted, size=size)

    def note_uncached(
        self, document: DocumentNode, operation_name: str | None, problem: Problem
    ) -> None:
        """Remember why an operation is never cached, with any variables."""
        if (planned := self._plans.planned(document)) is not None:
            planned.uncached[operation_name] = problem


def _digest_of_variables(variables: Any) -> bytes | None:  # noqa: ANN401 - whatever a caller sent
    """Return bytes that identify the variables that were sent: a digest, or short variables themselves.

    Returns:
        The bytes; None if the variables are not plain JSON, because different ones may print alike.
    """
    if not variables:
        return b""
    if type(variables) is not dict:
        return None
    for name, value in variables.items():
        if type(value) not in _SCALARS or type(name) is not str:
            return _digest_of_nested(variables)
    written = marshal.dumps(variables, _EVERY_TIME_ALIKE)
    if _DIGEST < len(written) <= _SHORT:
        return written  # longer than any digest
    return blake2b(written, digest_size=_DIGEST).digest()


def _digest_of_nested(variables: dict[str, Any]) -> bytes | None:
    if find_inexact(variables) is not None:
        return None
    printed = print_json(variables).encode()
    return blake2b(printed, digest_size=_DIGEST, person=b"json").digest()
