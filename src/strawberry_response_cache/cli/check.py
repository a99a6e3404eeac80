"""`check`: is a schema annotated without mistakes?"""

from enum import StrEnum
from typing import Annotated

import typer

from strawberry_response_cache.cli.arguments import Json, Schema
from strawberry_response_cache.cli.inputs import BadArgumentError, schema_of
from strawberry_response_cache.cli.terminal import finish, speaking
from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.graphql import ResponseCacheExtension


class Finding(StrEnum):
    """What `check` may fail on besides mistakes."""

    NOTES = "notes"


def check(
    context: typer.Context,
    schema: Schema,
    *,
    fail_on: Annotated[
        Finding | None, typer.Option(help="Exit with 1 also for this.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the annotations of a schema: 1 if there are mistakes."""
    with speaking(context) as terminal:
        found = schema_of(schema)
        extensions = [each for each in found.extensions if isinstance(each, ResponseCacheExtension)]
        if not extensions:
            msg = f"{schema} has no ResponseCacheExtension."
            raise BadArgumentError(msg)
        mistakes, notes = "", []
        try:
            notes = [note for each in extensions for note in each.check(found)]
        except CacheConfigurationError as error:
            mistakes = str(error)
        if as_json:
            terminal.json({"mistakes": mistakes.splitlines(), "notes": notes})
        else:
            for note in notes:
                terminal.say(f"Note: {note}", "yellow")
            terminal.say(mistakes or "No mistakes.", "red" if mistakes else "green")
        finish(not mistakes and not (notes and fail_on is Finding.NOTES))
