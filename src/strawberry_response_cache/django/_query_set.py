"""What signals cannot see: changes of many rows at once, and SQL."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, models, transaction

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._user_values import plain_identity
from strawberry_response_cache.django._lookups import Model, meta_of
from strawberry_response_cache.django._on_save import WatchedModels, watches
from strawberry_response_cache.graphql._guard import Guard

_atomic: Any = transaction.atomic


def invalidate_models(
    *changed: Model, tenant: str | int | UUID | None = None, using: str = DEFAULT_DB_ALIAS
) -> None:
    """Invalidate all that shows rows of models, after the commit, or at once without a transaction.

    Call it after changes for which Django sends no signal, such as SQL of your own. It never raises because of Redis.

    Args:
        *changed: The models, for which `invalidate_on_save` was called.
        tenant: The tenant whose rows have changed. It is required if `invalidate_on_save` has a ``tenant``. None, the
            default, if it has none.
        using: The alias of the database; that of Django's default database by default.

    Raises:
        CacheConfigurationError: If `invalidate_on_save` was not called for a model, or if only one of that call
            and this one has a ``tenant``.

    Example:
        >>> from django.contrib.auth.models import Group
        >>> from django.db import connection
        >>> from strawberry_response_cache.django import invalidate_models
        >>> def rename(group: int, name: str) -> None:
        ...     with connection.cursor() as cursor:
        ...         cursor.execute("UPDATE auth_group SET name = %s WHERE id = %s", [name, group])
        ...     invalidate_models(Group)
    """
    named = None if tenant is None else plain_identity(tenant)
    if tenant is not None and not named:
        msg = "tenant is a string, an int or a UUID, and not empty."
        raise CacheConfigurationError(msg)
    for model in changed:
        concerned = _watches_of(model)
        if not concerned:
            msg = f"invalidate_on_save was not called for {meta_of(model).label}."
            raise CacheConfigurationError(msg)
        if any((watch.tenant is None) != (named is None) for watch in concerned):
            msg = "Pass tenant= if invalidate_on_save has one, and leave it out otherwise."
            raise CacheConfigurationError(msg)
        for watch in concerned:
            watch.note_in(named, watch.shown.of_all(model), using)


class InvalidatingQuerySet(models.QuerySet):
    """A query set whose ``update``, ``bulk_update`` and ``bulk_create`` invalidate, as saves do.

    Write ``objects = InvalidatingQuerySet.as_manager()`` in a model. An update invalidates all that shows rows of the model,
    and, if it sets a foreign key, all that shows rows of the model to which that points. With ``base_manager_name =
    "objects"`` in ``Meta`` that holds for ``add`` of a foreign key's manager, too.

    If `invalidate_on_save` has a ``tenant``, an update reads its rows before and after, which takes two more queries.

    Example:
        >>> from django.contrib.auth.models import Group
        >>> from strawberry_response_cache.django import InvalidatingQuerySet
        >>> InvalidatingQuerySet(Group).filter(name="editors").update(name="authors")
        0
    """

    model: Any

    def update(self, **values: Any) -> int:
        """Update all rows, as Django does, and invalidate what shows them after the commit."""
        self._for_write = True
        concerned = _watches_of(self.model)
        with _atomic(using=self.db, savepoint=False):
            rows: list[models.Model] = []
            if any(watch.tenant is not None for watch in concerned):
                rows = self._rows(self.values("pk"))
            changed: int = super().update(**values)
            if rows:  # an update may move them to another tenant
                rows += self._rows([row.pk for row in rows])
            for watch in concerned:
                Guard().step(self._note_update, watch, rows, values)
        return changed

    update.alters_data = True  # type: ignore[attr-defined] # Django reads it: templates may not call this

    def bulk_create(self, objs: Iterable[Any], *arguments: Any, **named: Any) -> list[Any]:
        """Create rows, as Django does, and invalidate what shows them after the commit."""
        self._for_write = True
        concerned = _watches_of(self.model)
        with _atomic(using=self.db, savepoint=False):
            created: list[Any] = super().bulk_create(objs, *arguments, **named)
            # With update_conflicts, rows that were there before are changed, under their own primary keys.
            is_new = len(arguments) < 2 and not named.get("update_conflicts")  # noqa: PLR2004 - after batch_size
            for watch in concerned:
                Guard().step(self._note_created, watch, created, is_new)
        return created

    def _rows(self, keys: object) -> list[models.Model]:
        return list(self.model._base_manager.using(self.db).filter(pk__in=keys))  # noqa: SLF001 - Django's public name

    def _note_update(
        self, watch: WatchedModels, rows: list[models.Model], names: Iterable[str]
    ) -> None:
        tags = watch.shown.of_update(self.model, names)
        if watch.tenant is None:
            watch.note_in(None, tags, self.db)
        for row in rows if watch.tenant is not None else ():
            watch.note(row, tags, self.db)

    def _note_created(
        self,
        watch: WatchedModels,
        created: list[models.Model],
        is_new: bool,  # noqa: FBT001 - a step
    ) -> None:
        others = set() if is_new else watch.shown.of_all(self.model)
        for row in created:
            watch.note(row, watch.shown.of_change(row, is_new=is_new) | others, self.db)


def _watches_of(model: Model) -> list[WatchedModels]:
    return [watch for watch in watches if watch.shown.knows(model)]
