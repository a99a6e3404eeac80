"""Levels: the fields with entries of their own in all objects of a list, looked up before the list is completed.

In an event loop, each field could look up its own entry, and all fields of a level would share a batch. But each would
need a task, which costs more than executing a plain field. So if nothing else in the objects of a list has to be
awaited, the list waits for one lookup, and then its hits are plain values.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from graphql import GraphQLNonNull, GraphQLObjectType, is_object_type
from graphql.execution import Executor
from graphql.pyutils import Path
from pydantic_core import from_json

from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core.protocol.entry import NO_META, PRIVATE, Entry
from strawberry_response_cache.graphql._guard import Execution, Later
from strawberry_response_cache.graphql.execution.attempt_result import limiting_field
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.fields.cached_field import CachedField, Fields
from strawberry_response_cache.graphql.execution.fields.inherited import NOTHING_SAID, said_above
from strawberry_response_cache.graphql.execution.fields.prefetch import OF_A_LIST, note_if_open
from strawberry_response_cache.graphql.execution.inputs import UsedInputs
from strawberry_response_cache.graphql.http.request_directives import NOTHING_ASKED
from strawberry_response_cache.graphql.policy.outcome import FieldOutcomes, Outcome
from strawberry_response_cache.graphql.policy.resolver_kind import ResolverKind
from strawberry_response_cache.graphql.policy.rules import FieldRule

if TYPE_CHECKING:
    from strawberry_response_cache.core._prefetched import ReadyEntries

_FEWEST: Final = 2
"""The fewest fields that are looked up together."""

CachedFieldOf: TypeAlias = Callable[[GraphQLObjectType, Any, Path], CachedField | None]


class FieldHit(NamedTuple):
    """The value of a field, from its entry."""

    data: Any


class Wanted(NamedTuple):
    """The entry of a field of one object.

    Attributes:
        field: The field.
        keys: The keys of the entry.
        is_private: Whether it belongs to the request's session.
    """

    field: CachedField
    keys: EntryKeys
    is_private: bool


class Level:
    """The fields of one list.

    Args:
        wanted: The entries of the fields, by the index of the object and the response key of the field.
        fields: The fields of the operation with entries of their own.
        inputs: The variables and defaults that the resolvers of these fields receive.
    """

    __slots__ = (
        "_fields",
        "_inputs",
        "_missing",
        "_ready",
        "_subject",
        "_tenant",
        "_wanted",
    )

    def __init__(
        self,
        wanted: dict[tuple[object, object], Wanted],
        fields: Fields,
        inputs: Sequence[UsedInputs],
    ) -> None:
        first = next(iter(wanted.values()))
        self._wanted = wanted
        self._fields = fields
        self._inputs = inputs
        self._subject = first.field.subject
        self._tenant = tenant_of(first.field.who.cache)
        self._ready: ReadyEntries | None = None
        self._missing = {each.entry: each for each in self._find_missing()}
        # Lists that are completed at once look up together no more than one of them may.
        fields.left -= len(wanted)

    def _find_missing(self) -> list[EntryKeys]:
        """Return the keys whose entries are neither in local memory nor prefetched, each once.

        While an invalidation is pending there are none, because no entry may be read.
        """
        ready = self._tenant.ready(self._fields.prefetched)
        every = {each.keys.entry: each.keys for each in self._wanted.values()}
        return [] if ready is None else ready.missing(every)

    def is_ready(self) -> bool:
        """Whether nothing has to be looked up."""
        return not self._missing

    async def look_up(self) -> None:
        """Look up the missing entries."""
        missing = [*self._missing.values()]
        await self._tenant.prefetch(self._fields.prefetched, missing, self._subject)

    def begin(self, executor: Executor[Any]) -> None:
        """Answer fields from now on, if their resolvers still receive what the keys were made of."""
        self._fields.left += len(self._wanted)  # each is counted when it is answered
        if not any(each.are_changed(executor) for each in self._inputs):
            self._ready = self._tenant.ready(self._fields.prefetched)

    def end(self) -> None:
        """Drop what was looked up: another list with the same objects may be completed much later."""
        self._fields.prefetched.drop(each.keys for each in self._wanted.values())

    def hit(self, index: object, name: object) -> FieldHit | None:
        """Return the value of a field from its entry; None if no entry is usable; then it is answered by itself."""
        wanted, ready = self._wanted.get((index, name)), self._ready
        if wanted is None or ready is None or (entry := ready.find(wanted.keys)) is None:
            return None
        recording = entry.recording
        if recording.meta != (PRIVATE if wanted.is_private else NO_META):
            return None
        try:
            data = from_json(recording.payload, cache_strings="keys")
        except ValueError:
            return None
        ready.note_part(wanted.keys, entry)
        self._fields.left -= 1
        saved, is_local = recording.cost_ms / 1000, wanted.keys.entry not in self._missing
        self._tenant.counters.requests["field"].hit(saved, is_local=is_local)
        if self._fields.outcomes is not None:
            self._note(self._fields.outcomes, wanted, entry)
        return FieldHit(data)

    def _note(self, outcomes: FieldOutcomes, wanted: Wanted, entry: Entry) -> None:
        plan = wanted.field.plan
        outcome = Outcome(
            "hit",
            age=entry.age,
            ttl=entry.ttl,
            scope="PRIVATE" if wanted.is_private else "PUBLIC",
            limited_by=limiting_field(plan.policy, wanted.field.who.cache, entry.age + entry.ttl),
        )
        outcomes.add(plan.rule.coordinate, outcome)


class Levels:
    """The levels of one executor, in an event loop."""

    __slots__ = ("_cached_field_of", "_complete", "_executor", "_fields", "_guard", "_open")

    def __init__(
        self, executor: Executor[Any], fields: Fields, cached_field_of: CachedFieldOf
    ) -> None:
        self._executor = executor
        self._fields = fields
        self._guard = fields.request.guard
        self._cached_field_of = cached_field_of
        self._complete = executor.complete_list_value
        self._open: dict[int, Level] = {}

    def hit(self, path: Path) -> FieldHit | None:
        """Return the value of a field, if it belongs to a list that is being completed, and its entry was found."""
        if (item := path.prev) is None or (level := self._open.get(id(item.prev))) is None:
            return None
        return level.hit(item.key, path.key)

    def complete_list(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - graphql-core's
        """Look up the fields of a list together, if that is possible, and complete the list."""
        self._guard.step(note_if_open, given, named)
        level = None
        if not named and len(given) == len(OF_A_LIST):
            level = self._guard.step(
                level_of, self._executor, self._fields, given, self._cached_field_of
            )
        execute = partial(self._complete, *given, **named)
        if level is None:
            return execute()
        path = given[OF_A_LIST.index("path")]
        return self._guard.around(execute, partial(self._answer, path, level))

    def _answer(self, path: Path, level: Level, execution: Execution) -> Any:  # noqa: ANN401 - graphql-core's
        if level.is_ready():
            self._begin(path, level, execution)
            return execution.rest()
        return Later(partial(self._later, path, level, execution))

    async def _later(self, path: Path, level: Level, execution: Execution) -> Any:  # noqa: ANN401 - graphql-core's
        await level.look_up()
        self._begin(path, level, execution)
        return await execution.run()

    def _begin(self, path: Path, level: Level, execution: Execution) -> None:
        """Complete a list, whose fields are answered from its level; all of them are called before this returns."""
        level.begin(self._executor)
        self._open[id(path)] = level
        try:
            execution.start()
        finally:
            del self._open[id(path)]
            level.end()


def level_of(
    executor: Executor[Any],
    fields: Fields,
    given: tuple[Any, ...],
    cached_field_of: CachedFieldOf,
) -> Level | None:
    """Return the level of a list; None if its fields are answered one by one.

    Args:
        executor: The execution.
        fields: The fields of the operation with entries of their own.
        given: What graphql-core's `complete_list_value` was called with.
        cached_field_of: Returns the cached field at a path, for a parent type and graphql-core's details.
    """
    request = fields.request
    if request.directives != NOTHING_ASKED or request.is_verified:
        return None
    if request.options.sightings is not None:
        return None
    if fields.prefetched.is_down or fields.left < _FEWEST:
        return None
    kind, details, _, path, result, _ = given
    item = kind.of_type
    item = item.of_type if isinstance(item, GraphQLNonNull) else item
    if not isinstance(result, list | tuple) or len(result) < _FEWEST or not is_object_type(item):
        return None
    cached: list[tuple[str, CachedField]] = []
    for name, field_details in executor.collect_subfields(item, details)[0].items():
        own = cached_field_of(item, field_details, Path(Path(path, 0, None), name, item.name))
        if own is not None and not (own.plan.rule.guarded or own.plan.rule.templates):
            cached.append((name, own))
        elif not _is_at_once(fields.rule(item, field_details), field_details):
            return None  # it may await something, which must not wait for these entries
    found = dict(islice(_wanted(item, path, result, cached), fields.left))
    inputs = [own.inputs for _, own in cached if own.inputs is not None]
    return Level(found, fields, inputs) if len(found) >= _FEWEST else None


def _is_at_once(rule: FieldRule | None, details: Any) -> bool:  # noqa: ANN401 - graphql-core's
    """Whether a field is a plain attribute of its object, with nothing below it and nothing to await."""
    if rule is None:
        return bool(details[0].node.name.value == "__typename")
    return rule.leaf and rule.source is ResolverKind.ATTRIBUTE and not rule.templates


def _wanted(
    item: GraphQLObjectType,
    path: Path,
    objects: Iterable[object],
    cached: Iterable[tuple[str, CachedField]],
) -> Iterator[tuple[tuple[object, object], Wanted]]:
    """Yield the entries of the fields of all objects, by the index of the object and the response key."""
    for name, own in cached:
        # Restrictions of resolvers above the list hold for all its objects, except for those of single objects.
        is_plain = own.plan.rule.key is None and said_above(Path(path, 0, None)) is NOTHING_SAID
        for index, source in enumerate(objects):
            if source is None:
                continue
            if is_plain:
                if (keys := own.keys(source)) is not None:
                    yield (index, name), Wanted(own, keys, own.is_private)
                continue
            found = own.admit(source, Path(Path(path, index, None), name, item.name))
            if isinstance(found, CacheRequest):
                yield (index, name), Wanted(own, found.keys, found.session is not None)
