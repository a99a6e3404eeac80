"""The types of the names for Django projects, which two type checkers check."""

import ast
from pathlib import Path
from typing import Any, assert_type

import strawberry
from strawberry.schema import BaseSchema

from strawberry_response_cache import ResponseCache, django
from strawberry_response_cache.django import (
    AsyncGraphQLView,
    GraphQLView,
    InvalidatingQuerySet,
    get_cache,
    invalidate_models,
    invalidate_on_save,
)


def test_every_name_is_here() -> None:
    tree = ast.parse(Path(__file__).read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(django.__all__) - used == set()


def of_an_application(schema: strawberry.Schema, model: Any, rows: InvalidatingQuerySet) -> None:
    """Read by the type checkers alone: these calls take a project and its models."""
    assert_type(get_cache(), ResponseCache)
    assert_type(invalidate_on_save(schema), None)
    assert_type(invalidate_on_save(schema, model, tenant=lambda row: row.shop_id), None)
    assert_type(invalidate_models(model, tenant=7, using="default"), None)
    assert_type(rows.update(title="x"), int)
    assert_type(rows.bulk_create([model()], 100), list[Any])
    for view in (GraphQLView(schema=schema), AsyncGraphQLView(schema=schema)):
        assert_type(view.schema, BaseSchema)
