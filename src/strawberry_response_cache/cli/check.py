"""`check`: is a schema annotated without mistakes?"""

from enum import StrEnum
from typing import Annotated

import typer

from strawberry_response_cache.cli.arguments import Json, Schema
from strawberry_response_cache.cli.inputs import BadArgumentError, schema_of
from strawberry_response_cache.cli.terminal import end_command, speaking
from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.graphql import ResponseCacheExtension
from strawberry_response_cache.graphql._adoption import setting_of
from strawberry_response_cache.graphql._options import options_of
from strawberry_response_cache.graphql.policy.notes import never_cached


class CheckFinding(StrEnum):
    """What `check` may fail on besides mistakes."""

    NOTES = "notes"


def check(
    context: typer.Context,
    schema: Schema,
    *,
    fail_on: Annotated[
        CheckFinding | None, typer.Option(help="Exit with 1 also for this.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the annotations of a schema; exit with 1 if there are mistakes. List root fields that are never cached."""
    with speaking(context) as terminal:
        found = schema_of(schema)
        extensions = [each for each in found.extensions if isinstance(each, ResponseCacheExtension)]
        if not extensions:
            msg = f"{schema} has no ResponseCacheExtension."
            raise BadArgumentError(msg)
        mistakes, notes = "", []
        never: dict[str, list[str]] = {}
        try:
            notes = [note for each in extensions for note in each.check(found)]
            setting = setting_of(found, options_of(found))
            never = never_cached(setting.schema, setting.rules, setting.defaults)
        except CacheConfigurationError as error:
            mistakes = str(error)
        if as_json:
            terminal.json(
                {
                    "mistakes": mistakes.splitlines(),
                    "notes": notes,
                    "never_cached": never,
                }
            )
        else:
            for reason, fields in never.items():
                terminal.say(f"Never cached: {', '.join(fields)} ({reason})")
            for note in notes:
                terminal.say(f"Note: {note}", "yellow")
            terminal.say(mistakes or "No mistakes.", "red" if mistakes else "green")
        end_command(not mistakes and not (notes and fail_on is CheckFinding.NOTES))
