"""Which GraphQL types show rows of which models, and by which tags their responses are found."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import models
from graphql import GraphQLObjectType, GraphQLSchema, get_named_type, is_input_object_type

from strawberry_response_cache.core._user_values import plain_identity
from strawberry_response_cache.django._lookups import (
    Model,
    are_one_table,
    meta_of,
    models_along,
    models_in,
    models_of_ordering,
    rows_between,
)
from strawberry_response_cache.graphql._compat.django_fields import (
    Reads,
    model_of,
    reads_of,
    reads_of_type,
    share_rows,
)
from strawberry_response_cache.graphql.invalidation.entities import whole_types
from strawberry_response_cache.graphql.keys.object_identity import identity_field

_TELL_BY_SIGNALS: Final = frozenset({models.CASCADE, models.PROTECT, models.RESTRICT})
"""The ``on_delete`` of rows that point to a deleted one, where Django deletes them with signals, or refuses."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A GraphQL type of a model.

    Attributes:
        name: Its name.
        model: The model.
        is_named_by_pk: Whether the primary key identifies its objects.
        reads: Models whose rows it shows without objects of their own, such as ``author__name`` or a count.
        sorted_by: Models by which lists of it are filtered or sorted, also by the ``ordering`` of its model.
    """

    name: str
    model: Model
    is_named_by_pk: bool
    reads: set[Model] = field(default_factory=set)
    sorted_by: set[Model] = field(default_factory=set)

    def tags(self, value: object) -> set[str]:
        """Return the tags of the object with this primary key, or of all objects if another value identifies them."""
        identity = None
        if self.is_named_by_pk and value is not None:
            identity = plain_identity(meta_of(self.model).pk.to_python(value))
        return {f"{self.name}:{identity}"} if identity else whole_types([self.name])


class ShownModels:
    """The models that a schema shows.

    Args:
        schema: The schema.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self._types: list[_Shown] = []
        kinds = [each for each in schema.type_map.values() if isinstance(each, GraphQLObjectType)]
        sorted_by: defaultdict[str, set[Model]] = defaultdict(set)
        for kind in kinds:
            for each in kind.fields.values():
                named = get_named_type(each.type)
                for argument in each.args.values():
                    sorted_by[named.name] |= set(_models_of_input(argument.type, set()))
        for kind in kinds:
            if (model := model_of(kind)) is not None:
                names = {"pk", meta_of(model).pk.name, meta_of(model).pk.attname}
                shown = _Shown(kind.name, model, identity_field(kind).name in names)
                shown.reads.update(_read_by(kind, model))
                shown.sorted_by.update(models_of_ordering(model))
                self._types.append(shown)
        for shown in self._types:
            for kind in kinds:
                if kind.name == shown.name or _lists(kind, shown.name):
                    shown.sorted_by.update(sorted_by[kind.name])

    @property
    def all_models(self) -> set[Model]:
        """The models of its types, and the models that its types read, filter by or sort by."""
        return {each.model for each in self._types}.union(
            *(each.reads | each.sorted_by for each in self._types)
        )

    def knows(self, model: Model) -> bool:
        """Whether the schema shows rows of a model, or of one that shares its rows."""
        return any(share_rows(model, each) for each in self.all_models)

    def of_all(self, model: Model) -> set[str]:
        """Return the tags of everything that shows rows of a model."""
        names = [each.name for each in self._types if share_rows(model, each.model)]
        return whole_types(names) | {f"[{name}]" for name in names} | self._beside(model)

    def of_change(self, instance: models.Model, *, is_new: bool = False) -> set[str]:
        """Return the tags of what shows a row that was created, changed or deleted.

        Args:
            instance: The row.
            is_new: Whether it was created: then it cannot have had another identity before.
        """
        model = type(instance)
        tags = self._beside(model) | self._pointed_to(instance)
        for each in self._types:
            if not share_rows(model, each.model):
                continue
            tags.add(f"[{each.name}]")
            if issubclass(model, each.model) or are_one_table(each.model, model):
                tags |= each.tags(getattr(instance, meta_of(each.model).pk.attname))
            elif not is_new:  # a subclass with a table of its own: its row is not known
                tags |= whole_types([each.name])
        return tags

    def of_deletion(self, instance: models.Model) -> set[str]:
        """Return the tags of what shows a deleted row, and rows that pointed to it and still exist."""
        tags = self.of_change(instance)
        # Those that are hidden from the instance, by ``related_name="+"``, are set to NULL as well.
        for relation in meta_of(instance).get_fields(include_hidden=True):
            is_from_elsewhere = relation.auto_created and not relation.concrete
            kept = getattr(relation, "on_delete", models.CASCADE) not in _TELL_BY_SIGNALS
            if is_from_elsewhere and kept:
                tags |= self.of_all(relation.related_model)
        return tags

    def of_update(self, model: Model, names: Iterable[str]) -> set[str]:
        """Return the tags of what shows rows that an update has changed.

        Args:
            model: Their model.
            names: The columns that it set. Rows may have pointed to any objects before, which may count them.
        """
        tags = self.of_all(model)
        for name in names:
            for target in models_along(model, name.removesuffix("_id")):
                tags |= whole_types(
                    [each.name for each in self._types if share_rows(target, each.model)]
                )
        return tags

    def of_keys(self, model: Model, keys: set[Any] | None) -> set[str]:
        """Return the tags of what shows rows with these primary keys, or any row of the model for None."""
        if keys is None:
            return self.of_all(model)
        tags = self._beside(model)
        for each in self._types:
            if share_rows(model, each.model):
                tags.add(f"[{each.name}]")
                for key in keys:
                    tags |= each.tags(key)
        return tags

    def _beside(self, model: Model) -> set[str]:
        """Return the tags of types that read rows of a model without showing objects of it, or sort by them."""
        tags = set()
        for each in self._types:
            if any(share_rows(model, read) for read in each.reads):
                tags |= whole_types([each.name]) | {f"[{each.name}]"}
            if any(share_rows(model, read) for read in each.sorted_by):
                tags.add(f"[{each.name}]")
        return tags

    def _pointed_to(self, instance: models.Model) -> set[str]:
        """Return the tags of the rows to which the foreign keys of a row point: they may show it, or count it."""
        tags = set()
        for column in meta_of(instance).concrete_fields:
            if not column.is_relation or (value := getattr(instance, column.attname)) is None:
                continue
            for each in self._types:
                if share_rows(column.related_model, each.model):
                    is_key = column.target_field.primary_key
                    tags |= each.tags(value if is_key else None)
        return tags


def _lists(kind: GraphQLObjectType, name: str) -> bool:
    """Whether a type is a page of objects of another: a connection, or an offset pagination."""
    within = [kind.fields.get("results"), kind.fields.get("edges")]
    for each in filter(None, within):
        named = get_named_type(each.type)
        node = named.fields.get("node") if isinstance(named, GraphQLObjectType) else None
        if name in {named.name, None if node is None else get_named_type(node.type).name}:
            return True
    return False


def _models_of_input(kind: Any, seen: set[str]) -> Iterator[Model]:  # noqa: ANN401 - types of graphql-core
    """Yield the models of a filter or an order, and of those that are nested in it."""
    named = get_named_type(kind)
    if not is_input_object_type(named) or named.name in seen:
        return
    seen.add(named.name)
    if (model := model_of(named)) is not None:
        yield model
        for name in named.fields:
            yield from models_along(model, name)
    for each in named.fields.values():
        yield from _models_of_input(each.type, seen)


def _read_by(kind: GraphQLObjectType, model: Model) -> Iterator[Model]:
    """Yield the models whose rows the fields of a type show without objects of their own."""
    yield from _models_of(reads_of_type(kind), model)
    for each in kind.fields.values():
        reads = reads_of(each, model)
        if reads.lookup is not None:
            has_objects = model_of(get_named_type(each.type)) is not None
            along = rows_between if has_objects else models_along
            yield from along(model, reads.lookup)
        yield from _models_of(reads, model)


def _models_of(reads: Reads, model: Model) -> Iterator[Model]:
    """Yield the models that the hints for the optimizer read."""
    for lookup in reads.hints:
        yield from models_along(model, lookup)
    for expression in reads.expressions:
        yield from models_in(model, expression)
