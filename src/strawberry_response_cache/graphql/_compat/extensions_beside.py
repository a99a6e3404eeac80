"""Which extensions a request really has: a factory may return another one for each request."""

from abc import ABC
from collections.abc import Sequence
from typing import Final

from strawberry.extensions import SchemaExtension
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema import BaseSchema, Schema
from strawberry.types import ExecutionContext

_WATCHED: Final = "_response_cache_beside"


class Beside(ABC):  # noqa: B024 - it only names an attribute
    """An extension that is told which ones stand beside it.

    Attributes:
        beside: All extensions of its request, in the order of their hooks; None where that is not known.
    """

    beside: Sequence[SchemaExtension] | None = None


def watch_extensions(schema: BaseSchema) -> None:
    """Tell each extension of a request that is a `Beside` which ones stand beside it."""
    if not isinstance(schema, Schema) or _WATCHED in vars(schema):
        return
    create = schema.create_extensions_runner

    def create_told(
        execution_context: ExecutionContext, extensions: list[SchemaExtension]
    ) -> SchemaExtensionsRunner:
        runner = create(execution_context, extensions)
        if type(runner) is SchemaExtensionsRunner:  # another one may have hooks of its own
            for each in runner.extensions:
                if isinstance(each, Beside):
                    each.beside = runner.extensions
        return runner

    vars(schema)["create_extensions_runner"] = create_told
    vars(schema)[_WATCHED] = True
