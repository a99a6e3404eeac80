"""`invalidate_on_save`: what Django saves and deletes is invalidated after its commit."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.apps import apps
from django.db import models
from django.db.models import signals
from strawberry.schema import BaseSchema

from strawberry_response_cache.core import CacheConfigurationError, CacheError, CacheStoreError
from strawberry_response_cache.core._interval import Intervals
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.core._user_values import is_function, plain_identity
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.django._after_commit import Changes, ChangesByTransaction
from strawberry_response_cache.django._lookups import Model, meta_of
from strawberry_response_cache.django._shown import ShownModels
from strawberry_response_cache.graphql._compat.django_fields import share_rows
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import Options, options_of
from strawberry_response_cache.graphql.invalidation.due_invalidation import DueInvalidation
from strawberry_response_cache.graphql.invalidation.entities import at_most
from strawberry_response_cache.graphql.invalidation.repeats import repeats

TenantOf: TypeAlias = Callable[[Any], str | int | UUID]
"""Returns the tenant of an instance of a model."""

_CHANGES_OF_RELATIONS: Final = frozenset({"post_add", "post_remove", "post_clear"})


class WatchedModels:
    """The models of one schema whose changes are invalidated.

    Args:
        options: The configuration of the schema's extension.
        shown: Which types show which models.
        tenant: See `invalidate_on_save`.
    """

    def __init__(self, options: Options, shown: ShownModels, tenant: TenantOf | None) -> None:
        self.shown = shown
        self.tenant = tenant
        self._options = options
        self._changes = ChangesByTransaction(self._invalidate)
        self._intervals = Intervals()

    # -- Handling the signals; no error here fails a save ----------------------------------------------

    def saved(self, *, instance: models.Model, created: bool, using: str, **_: Any) -> None:
        """Invalidate what shows a row that was created or changed, after the commit."""
        Guard().step(self._saved, instance, created, using)

    def deleted(self, *, instance: models.Model, using: str, **_: Any) -> None:
        """Invalidate what shows a row that was deleted, after the commit."""
        Guard().step(self._deleted, instance, using)

    def related(
        self,
        *,
        sender: Model,
        instance: models.Model,
        action: str,
        model: Model,
        pk_set: set[Any] | None,
        using: str,
        **_: Any,
    ) -> None:
        """Invalidate what shows rows that a many-to-many relation now joins, or no longer joins, after the commit."""
        if action in _CHANGES_OF_RELATIONS and (pk_set is None or pk_set):
            Guard().step(self._related, sender, instance, model, pk_set, using)

    def _saved(self, instance: models.Model, created: bool, using: str) -> None:  # noqa: FBT001 - as Django has it
        self.note(instance, self.shown.of_change(instance, is_new=created), using)

    def _deleted(self, instance: models.Model, using: str) -> None:
        self.note(instance, self.shown.of_deletion(instance), using)

    def _related(
        self,
        through: Model,
        instance: models.Model,
        model: Model,
        keys: set[Any] | None,
        using: str,
    ) -> None:
        # Rows of a table of the user's own may relate other columns than primary keys.
        keys = keys if meta_of(through).auto_created else None
        tags = self.shown.of_change(instance) | self.shown.of_keys(model, keys)
        self.note(instance, tags, using)

    def note(self, instance: models.Model, tags: set[str], using: str) -> None:
        """Invalidate tags in the tenant of an instance, after the commit; log an error if it has no tenant.

        Args:
            instance: What has changed.
            tags: The tags.
            using: The alias of its database.
        """
        if self.tenant is None:
            self.note_in(None, tags, using)
            return
        answer = called(self.tenant, instance)
        tenant = None if type(answer) is Raised else called(plain_identity, answer)
        if isinstance(tenant, str) and tenant:
            self.note_in(tenant, tags, using)
        else:
            kind = answer.kind if type(answer) is Raised else type(answer).__qualname__
            self._log_without_tenant(meta_of(instance).label, kind)

    def note_in(self, tenant: str | None, tags: set[str], using: str) -> None:
        """Invalidate tags in a tenant, after the commit."""
        if tags:
            self._changes.add(tenant, tags, using=using)

    # -- Invalidating -------------------------------------------------------------------------------------

    def _invalidate(self, changes: Changes) -> None:
        for tenant, tags in changes.items():
            Guard().step(self._invalidate_in, tenant, at_most(set(tags)))

    def _invalidate_in(self, tenant: str | None, tags: set[str]) -> None:
        cache = self._options.cache
        due = DueInvalidation(
            cache if tenant is None else cache.for_tenant(tenant), tags, everything=False
        )
        if (loop := running_loop()) is not None:
            due.invalidate_in(loop)  # nothing waits for it, which would block the loop
        else:
            try:
                due.invalidate_sync()
            except CacheError as error:
                self._log_lost(error)
        if (seconds := self._options.invalidation.again_after) is not None:
            repeats.call_later(seconds, partial(due.invalidate_in, loop))

    def _log_lost(self, error: CacheError) -> None:
        # The cache logs errors of the server, with the server and once per interval.
        if isinstance(error, CacheStoreError):
            return
        kind = type(error).__qualname__
        if (count := self._intervals.counted(kind)) is not None:
            logger.error(
                "Nothing was invalidated after a save (%s%s); old responses are served until their ttl ends. %s",
                kind,
                count.words,
                error,
                extra={"response_cache.failures": count.number, "error.type": kind},
            )

    def _log_without_tenant(self, model: str, kind: str) -> None:
        if (count := self._intervals.counted(f"tenant of {model}")) is not None:
            logger.error(
                "The function tenant of invalidate_on_save gave nothing usable for %s (%s%s), so nothing was "
                "invalidated; old responses are served until their ttl ends.",
                model,
                kind,
                count.words,
                extra={"response_cache.failures": count.number, "error.type": kind},
            )


watches: Final[list[WatchedModels]] = []
"""One for each call of `invalidate_on_save`."""


def invalidate_on_save(schema: BaseSchema, *watched: Model, tenant: TenantOf | None = None) -> None:
    """Invalidate what a schema shows of Django's models when a row is saved, deleted or related to another.

    Call it once for a schema, in ``ready()`` of an ``AppConfig``, so that workers and commands invalidate as well.
    A saved or deleted row invalidates ``Type:pk`` and ``[Type]`` of each GraphQL type of its model, and what reads it
    in a lookup or an annotation. This happens after the commit of its transaction, once for all changes of the
    transaction, or at once where none is open. It never fails a save: what Redis does not take is queued.
    Django sends no signal for ``QuerySet.update`` and for ``author.books.add``; see `InvalidatingQuerySet`.

    Args:
        schema: A Strawberry schema with a ``ResponseCacheExtension``, whose cache is invalidated.
        *watched: The models. By default all of which the schema shows rows.
        tenant: A function of an instance of any of these models that returns its tenant: a string, an int or a
            UUID. None, the default, is for an extension with ``tenant=None``.

    Raises:
        CacheConfigurationError: If the schema has no extension, or shows no rows of a model, or if only one of
            the extension and this call has a ``tenant``.

    Example:
        >>> import strawberry_django
        >>> from django.contrib.auth.models import Group
        >>> from strawberry_response_cache import ResponseCacheExtension, cache_control
        >>> from strawberry_response_cache.django import get_cache, invalidate_on_save
        >>> @strawberry_django.type(Group)
        ... class GroupType:
        ...     id: strawberry.auto
        ...     name: strawberry.auto
        >>> @strawberry.type
        ... class Query:
        ...     groups: list[GroupType] = cache_control(ttl=60)(strawberry_django.field())
        >>> extension = ResponseCacheExtension(get_cache(), tenant=None)
        >>> schema = strawberry.Schema(Query, extensions=[extension])
        >>> invalidate_on_save(schema)
        >>> schema.execute_sync("{ groups { name } }").data
        {'groups': []}
        >>> editors = Group.objects.create(name="editors")
        >>> schema.execute_sync("{ groups { name } }").data
        {'groups': [{'name': 'editors'}]}
        >>> _ = editors.delete()
    """
    options = options_of(schema)
    if options is None:
        msg = "The schema has no ResponseCacheExtension; register one with its extensions=[...]."
        raise CacheConfigurationError(msg)
    if tenant is not None and not is_function(tenant):
        msg = "tenant is a function of an instance of a model, such as lambda book: book.shop_id."
        raise CacheConfigurationError(msg)
    if (tenant is None) != (options.tenant is None):
        msg = (
            "The extension has tenant=None, so its entries have no tenants; leave tenant out here."
            if options.tenant is None
            else "The extension has a function tenant, so its entries belong to tenants; pass a function of an "
            "instance, such as tenant=lambda book: book.shop_id."
        )
        raise CacheConfigurationError(msg)
    shown = ShownModels(executable_of(schema))
    for each in watched:
        if not shown.knows(each):
            msg = f"The schema shows no rows of {meta_of(each).label}: it has no type of strawberry-django for it."
            raise CacheConfigurationError(msg)
    if not shown.all_models:
        msg = "The schema has no type of strawberry-django."
        raise CacheConfigurationError(msg)
    watch = WatchedModels(options, shown, tenant)
    watches.append(watch)
    chosen = set(watched) or shown.all_models
    for model in apps.get_models():
        if any(share_rows(model, each) for each in chosen):
            signals.post_save.connect(watch.saved, sender=model, weak=False)
            signals.post_delete.connect(watch.deleted, sender=model, weak=False)
    for through in _relating_models(chosen):
        signals.m2m_changed.connect(watch.related, sender=through, weak=False)


def _relating_models(chosen: set[Model]) -> Iterator[Model]:
    """Yield the models of tables between two models, of which one is among these."""
    for model in apps.get_models(include_auto_created=True):
        for relation in meta_of(model).local_many_to_many:
            ends = (model, relation.related_model, relation.remote_field.through)
            if any(share_rows(end, each) for end in ends for each in chosen):
                yield relation.remote_field.through
