"""What is known of one schema, worked out once for all of its requests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from strawberry.schema import BaseSchema

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._duration import seconds
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.graphql._compat.endings import watch_ends
from strawberry_response_cache.graphql._compat.executor import install
from strawberry_response_cache.graphql._compat.resolving import watch_guarded_resolvers
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql.annotations.run_notes import note_guarded, note_let_through
from strawberry_response_cache.graphql.execution.documents import Documents
from strawberry_response_cache.graphql.keys.plan import Plans, Setting
from strawberry_response_cache.graphql.policy.mistakes import mistakes_in
from strawberry_response_cache.graphql.policy.policy import Defaults
from strawberry_response_cache.graphql.policy.rules import SchemaRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What is known of one schema.

    Attributes:
        plans: The plans of its operations.
        documents: The documents that were sent to it.
    """

    plans: Plans
    documents: Documents

    @property
    def mistakes(self) -> tuple[str, ...]:
        """What is wrong with its annotations, each with its coordinate; the cache is off for it then."""
        return self.plans.setting.mistakes


def adopt(schema: BaseSchema, options: Options, *, registered: int) -> Adopted:
    """Work out what is known of a schema, and exchange its executor.

    Args:
        schema: The Strawberry schema.
        options: The extension's configuration.
        registered: How many of these the schema has.
    """
    watch_ends(schema)  # first: a mutation invalidates whatever comes of the rest
    setting = setting_of(schema, options)
    if registered > 1:
        two = "A schema takes one ResponseCacheExtension, and this one has two; keep one."
        setting = replace(setting, mistakes=(two, *setting.mistakes))
    if setting.mistakes:
        logger.error(
            "The cache is off for this schema, whose annotations have mistakes:\n%s",
            listed(setting.mistakes),
        )
    watch_guarded_resolvers(setting.schema, entered=note_guarded, let_through=note_let_through)
    install(schema)
    half = options.plan_bytes // 2
    return Adopted(
        plans=Plans(setting, max_bytes=half), documents=Documents(setting.schema, max_bytes=half)
    )


def setting_of(
    schema: BaseSchema, options: Options | None, *, default_ttl: float | None = None
) -> Setting:
    """Work out the rules of a schema; its mistakes stand beside them.

    Args:
        schema: A Strawberry schema.
        options: Those of its extension; None where it has none.
        default_ttl: Instead of the extension's, in seconds.

    Raises:
        CacheConfigurationError: If the ttl is no duration.
    """
    executable = schema._schema  # type: ignore[attr-defined] # noqa: SLF001 - Strawberry's name for it
    rules = SchemaRules(
        executable,
        trusted=frozenset() if options is None else options.trusted,
        info_class=schema.config.info_class,
        converts_exceptions=bool(getattr(schema, "exception_handlers", ())),
    )
    defaults = Defaults() if options is None else options.defaults
    if default_ttl is not None:
        defaults = replace(defaults, ttl=seconds(default_ttl, "default_ttl"))
    return Setting(
        schema=executable,
        rules=rules,
        defaults=defaults,
        schema_name="" if options is None else options.schema_name,
        mistakes=mistakes_in(executable, rules, None if options is None else options.vary),
    )


def raise_mistakes(mistakes: Sequence[str]) -> None:
    """Raise what is wrong with annotations, all at once.

    Raises:
        CacheConfigurationError: If there is anything.
    """
    if mistakes:
        msg = f"cache_control is used wrongly in this schema:\n{listed(mistakes)}"
        raise CacheConfigurationError(msg)


def listed(mistakes: Sequence[str]) -> str:
    """Return mistakes as lines."""
    return "\n".join(f"- {mistake}" for mistake in mistakes)
