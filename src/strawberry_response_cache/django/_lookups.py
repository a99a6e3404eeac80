"""Which models a lookup or an annotation of Django reads."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from django.apps import apps
from django.db import models

Model: TypeAlias = type[models.Model]


def meta_of(model: Any) -> Any:  # noqa: ANN401 - of Django, which ships no types
    """Return what Django knows of a model: its public ``_meta``."""
    return model._meta  # noqa: SLF001 - as above


def are_one_table(model: Model, other: Model) -> bool:
    """Whether two models are one, or proxies of one."""
    return bool(meta_of(model).concrete_model is meta_of(other).concrete_model)


def models_along(model: Model, lookup: str) -> Iterator[Model]:
    """Yield the models that a lookup goes through, with those of tables between two models.

    Args:
        model: The model at which the lookup starts.
        lookup: Such as ``author__name``, or the name of a column.
    """
    for name in lookup.split("__"):
        relation = _relation_of(model, name)
        if relation is None:
            return
        if (between := _relating_model(relation)) is not None:
            yield between
        model = relation.related_model
        yield model


def rows_between(model: Model, lookup: str) -> Iterator[Model]:
    """Yield the models that a lookup goes through before its last one, whose objects are shown themselves.

    An automatic table between two models is left out: for its rows Django sends ``m2m_changed``.

    Args:
        model: The model at which the lookup starts.
        lookup: The lookup.
    """
    *passed, _ = [*models_along(model, lookup), None]
    yield from (each for each in passed[:-1] if not meta_of(each).auto_created)


def models_of_ordering(model: Model) -> Iterator[Model]:
    """Yield the models by whose columns rows are sorted unless a query says otherwise.

    A relation in an ordering sorts by the ordering of the related model:
    https://docs.djangoproject.com/en/stable/ref/models/querysets/#order-by

    Args:
        model: The model whose rows are sorted.
    """
    pending, seen = [model], {model}
    while pending:
        here = pending.pop()
        for each in meta_of(here).ordering:
            found = (
                models_along(here, each.lstrip("-"))
                if isinstance(each, str)
                else models_in(here, each)
            )
            for other in found:
                if other not in seen:
                    seen.add(other)
                    pending.append(other)
                    yield other


def models_in(model: Model, expression: Any) -> Iterator[Model]:  # noqa: ANN401 - of Django
    """Yield the models that an annotation reads.

    Args:
        model: The model that is annotated.
        expression: The annotation.
    """
    if isinstance(expression, models.F):
        yield from models_along(model, expression.name)
    elif isinstance(expression, models.Q):
        for child in expression.children:
            lookup, value = child if isinstance(child, tuple) else ("", child)
            yield from models_along(model, lookup)
            yield from models_in(model, value)
    elif isinstance(expression, models.Subquery | models.QuerySet):
        query: Any = expression.query
        tables = {each.table_name for each in query.alias_map.values()}
        yield query.model
        yield from (
            each
            for each in apps.get_models(include_auto_created=True)
            if meta_of(each).db_table in tables
        )
    elif hasattr(expression, "get_source_expressions"):
        for within in expression.get_source_expressions():
            yield from models_in(model, within)


def _relation_of(model: Model, name: str) -> Any:  # noqa: ANN401 - a field of Django
    """Return the relation with this name, as in lookups or as an attribute; None if there is none."""
    for each in meta_of(model).get_fields():
        accessor = getattr(each, "get_accessor_name", lambda: None)
        if each.is_relation and each.related_model and name in {each.name, accessor()}:
            return each
    return None


def _relating_model(relation: Any) -> Model | None:  # noqa: ANN401 - as above
    """Return the model of the table between two related models; None if there is no such table."""
    forward = getattr(relation, "remote_field", None)
    for each in (relation, forward):
        if isinstance(through := getattr(each, "through", None), type):
            return through
    return None
