"""The arguments of commands: a schema, a document and its variables. A mistake in one is reported in one line."""

import json
import os
import sys
import traceback
from pathlib import Path
from types import FunctionType
from typing import Any

from strawberry.schema import Schema
from strawberry.utils.importer import import_module_symbol

from strawberry_response_cache.core._user_code import Raised, called


class BadArgumentError(Exception):
    """An argument of the command line is not what it should be."""


def schema_of(selector: str) -> Schema:
    """Import a schema.

    Args:
        selector: Such as ``ledger.api:schema``.

    Raises:
        BadArgumentError: If it cannot be imported, or is no schema.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: a schema lies where one works
    _set_up_django()
    found: object = called(import_module_symbol, selector, "schema")
    if type(found) is Raised:
        error = found.error
        if isinstance(error, ImportError | AttributeError | ValueError):
            msg = f"{selector}: {error}. Write it as module:schema, such as ledger.api:schema."
        else:
            msg = (
                f"{selector} cannot be imported: {found.kind} in {_place_of_error(error)}: {error}"
            )
        raise BadArgumentError(msg) from None
    if not isinstance(found, Schema):
        msg = f"{selector} is a {type(found).__name__} and no strawberry.Schema."
        if isinstance(found, FunctionType):
            msg += " Write a module that calls it, with a variable that holds the schema."
        raise BadArgumentError(msg)
    return found


def _set_up_django() -> None:
    """Set Django up, if the environment names the settings of a project."""
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return

    def set_up() -> None:
        import django  # noqa: PLC0415 - only a project of Django has it

        django.setup()

    done: object = called(set_up)
    if type(done) is Raised:
        msg = f"DJANGO_SETTINGS_MODULE: Django cannot be set up: {done.kind}: {done.error}"
        raise BadArgumentError(msg)


def _place_of_error(error: BaseException) -> str:
    """Return where an error was raised, or the line that is no Python."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}, line {frames[-1].lineno}"


def document_of(path: str) -> str:
    """Read a document.

    Args:
        path: A file; ``-`` for stdin.

    Raises:
        BadArgumentError: If it cannot be read.
    """
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}."
        raise BadArgumentError(msg) from None


def variables_of(text: str) -> dict[str, Any]:
    """Read the variables of a request.

    Args:
        text: A JSON object.

    Raises:
        BadArgumentError: If it is none.
    """
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        msg = """--variables is a JSON object, such as --variables '{"first": 10}'."""
        raise BadArgumentError(msg)
    return values
