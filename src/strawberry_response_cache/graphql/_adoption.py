"""Adopts a schema: computes what all its requests share, and replaces its executor."""

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from strawberry.schema import BaseSchema

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._duration import seconds
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.graphql._compat.django_fields import types_of_same_rows
from strawberry_response_cache.graphql._compat.executor import replace_executor
from strawberry_response_cache.graphql._compat.handing_on import (
    schema_executes_plainly,
    schema_hands_results_on,
)
from strawberry_response_cache.graphql._compat.literals import Literals
from strawberry_response_cache.graphql._compat.phases import watch_phases
from strawberry_response_cache.graphql._compat.private_names import executable_of, with_resolve_hook
from strawberry_response_cache.graphql._compat.resolving import watch_guarded_resolvers
from strawberry_response_cache.graphql._options import Options, all_options_of
from strawberry_response_cache.graphql.annotations.run_notes import note_guarded, note_let_through
from strawberry_response_cache.graphql.execution.considered import Considering
from strawberry_response_cache.graphql.execution.documents import Documents
from strawberry_response_cache.graphql.execution.refused import RefusedOperations
from strawberry_response_cache.graphql.keys.known_requests import KnownRequests
from strawberry_response_cache.graphql.keys.plans import Plans
from strawberry_response_cache.graphql.keys.schema_identity import SchemaIdentity
from strawberry_response_cache.graphql.keys.setting import Setting
from strawberry_response_cache.graphql.policy.custom_code import (
    problem_of_executor,
    problem_of_hooks,
)
from strawberry_response_cache.graphql.policy.demands import Defaults
from strawberry_response_cache.graphql.policy.mistakes import mistakes_in
from strawberry_response_cache.graphql.policy.notes import Note, notes_on
from strawberry_response_cache.graphql.policy.reasons import Problem
from strawberry_response_cache.graphql.policy.rules import SchemaRules

_ADOPTED: Final = "_response_cache"
_MOST_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """An adopted schema.

    Attributes:
        considering: Decides what may be cached of its operations.
        plans: The plans of its operations.
        requests: The requests that it has seen before.
        documents: The documents that were sent to it.
        notes: What keeps it from being cached as its annotations say, other than mistakes.
        executes_plainly: Whether the code between its extensions and its executor is Strawberry's own.
        hands_results_on: Whether the code that executes and returns results is Strawberry's own.
        mistakes: The mistakes in its annotations, each with its coordinate; the cache is off if there are any.
        refused: Its operations that Redis refused lately.
    """

    considering: Considering
    plans: Plans
    requests: KnownRequests
    documents: Documents
    notes: tuple[Note, ...]
    executes_plainly: bool
    hands_results_on: bool
    mistakes: tuple[str, ...]
    refused: RefusedOperations = field(default_factory=RefusedOperations)


def adopt(schema: BaseSchema, options: Options) -> Adopted:
    """Adopt a schema: build its rules and replace its executor."""
    watch_phases(schema)  # first, so that mutations invalidate even if the rest fails
    setting = setting_of(schema, options)
    if setting.mistakes:
        logger.error(
            "The cache is off for this schema, whose annotations have mistakes:\n%s",
            listed(setting.mistakes),
        )
    notes = notes_of_schema(setting, options)
    if notes and options.off is None and not setting.mistakes:
        logger.warning(
            "This schema is cached less than it could be:\n%s",
            listed([note.text for note in notes]),
        )
    watch_guarded_resolvers(setting.schema, entered=note_guarded, let_through=note_let_through)
    replace_executor(schema)
    eighth = options.plan_bytes // 8
    plans = Plans(setting, max_bytes=3 * eighth)
    requests = KnownRequests(plans, max_bytes=eighth)
    return Adopted(
        considering=Considering(options, plans, requests),
        plans=plans,
        requests=requests,
        documents=Documents(setting.schema, setting.literals, max_bytes=4 * eighth),
        notes=notes,
        executes_plainly=schema_executes_plainly(schema),
        hands_results_on=schema_hands_results_on(schema),
        mistakes=setting.mistakes,
    )


class _Known(NamedTuple):
    """An adopted schema. A copy of the schema gets this object too, but is another schema."""

    schema: weakref.ref[BaseSchema]
    adopted: Adopted


class Adopting:
    """Adopts the schemas of one extension, each once.

    Args:
        options: The extension's configuration.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._tries = 0

    def __call__(self, schema: BaseSchema) -> Adopted | None:
        """Adopt a schema unless that was done, and return the result; None if that has failed several times."""
        known: _Known | None = vars(schema).get(_ADOPTED)
        if known is not None and known.schema() is schema:
            return known.adopted
        if self._tries >= _MOST_TRIES:
            return None
        self._tries += 1
        adopted = self.adopted(schema)
        self._tries = 0
        return adopted

    def adopted(self, schema: BaseSchema) -> Adopted:
        """Adopt a schema unless that was done, and return the result.

        Raises:
            CacheConfigurationError: If the schema cannot be adopted.
        """
        with self._lock:
            known: _Known | None = vars(schema).get(_ADOPTED)
            if known is None or known.schema() is not schema:
                known = _Known(weakref.ref(schema), adopt(schema, self._options))
                # Stored on the schema, because it refers to the schema's types; both are freed together.
                vars(schema)[_ADOPTED] = known
        return known.adopted


def setting_of(
    schema: BaseSchema, options: Options | None, *, default_ttl: float | None = None
) -> Setting:
    """Build the rules of a schema, and list its mistakes.

    Args:
        schema: A Strawberry schema.
        options: The configuration of its extension; None if it has none.
        default_ttl: A ``default_ttl`` in seconds; None takes the extension's.

    Raises:
        CacheConfigurationError: If the ttl is not a duration.
    """
    executable = executable_of(schema)
    rules = SchemaRules(
        executable,
        trusted=frozenset() if options is None else options.trusted,
        info_class=schema.config.info_class,
        exception_handlers=getattr(schema, "exception_handlers", ()),
    )
    defaults = Defaults() if options is None else options.defaults
    if default_ttl is not None:
        defaults = replace(defaults, ttl=seconds(default_ttl, "default_ttl"))
    mistakes = mistakes_in(executable, rules, None if options is None else options.vary)
    if len(all_options_of(schema)) > 1:
        mistakes = ("This schema has two ResponseCacheExtensions; keep one.", *mistakes)
    return Setting(
        schema=executable,
        rules=rules,
        defaults=defaults,
        schema_name="" if options is None else options.schema_name,
        mistakes=mistakes,
        identity=SchemaIdentity(getattr(schema.config, "relay_max_results", None)),
        literals=Literals(executable),
        same_rows=types_of_same_rows(executable),
    )


def notes_of_schema(setting: Setting, options: Options | None) -> tuple[Note, ...]:
    """Return the notes on a schema; without an extension, none of them says that ``session=`` is missing."""
    has_session = options is None or options.session is not None
    return notes_on(setting.schema, setting.rules, setting.defaults, has_session=has_session)


def problem_around(schema: BaseSchema, options: Options | None) -> Problem | None:
    """Return why the configuration keeps every operation of the schema from being cached; None if it does not."""
    if options is not None and options.off is not None:
        return options.off
    trusted: frozenset[object] = frozenset() if options is None else options.trusted
    hooks = with_resolve_hook(schema.get_extensions())  # type: ignore[attr-defined] # of Strawberry's Schema
    executor = schema.execution_context_class  # type: ignore[attr-defined] # of Strawberry's Schema
    return problem_of_executor(executor, trusted) or problem_of_hooks(hooks, trusted)


def raise_mistakes(mistakes: Sequence[str]) -> None:
    """Raise one error that lists all mistakes; do nothing if there are none.

    Raises:
        CacheConfigurationError: If there are mistakes.
    """
    if mistakes:
        msg = f"cache_control is used wrongly in this schema:\n{listed(mistakes)}"
        raise CacheConfigurationError(msg)


def listed(mistakes: Sequence[str]) -> str:
    """Return mistakes as a list in text, one line for each."""
    return "\n".join(f"- {mistake}" for mistake in mistakes)
