"""`manage.py response_cache check|explain|invalidate|clear|ping`."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from graphql import GraphQLError

from strawberry_response_cache._command_line import (
    BadArgumentError,
    document_of,
    schema_of,
    variables_of,
)
from strawberry_response_cache.core import CacheError, ResponseCache
from strawberry_response_cache.django._configuration import configuration_of
from strawberry_response_cache.django._shared_cache import get_cache
from strawberry_response_cache.graphql import ResponseCacheExtension, explain


class Command(BaseCommand):
    """The command."""

    help = "Look at the response cache of this project, and invalidate what it holds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add a command for each thing to do."""
        commands = parser.add_subparsers(dest="command", required=True)
        check = commands.add_parser("check", help="Check the annotations of a schema.")
        explained = commands.add_parser("explain", help="Say why an operation is cached or not.")
        for each in (check, explained):
            each.add_argument("schema", help="Such as bookshop.schema:schema.")
        explained.add_argument("query", help="A file that holds the document; - reads stdin.")
        explained.add_argument("--variables", default="{}", help="A JSON object.")
        explained.add_argument("--operation", help="Which operation, if there are several.")
        explained.add_argument("--default-ttl", type=float, help="In seconds.")
        invalidate = commands.add_parser("invalidate", help="Invalidate all that has a tag.")
        invalidate.add_argument("tags", nargs="+", help="Such as BookType:1 or [BookType].")
        clear = commands.add_parser("clear", help="Invalidate everything; of one tenant at a time.")
        for each in (invalidate, clear):
            each.add_argument("--tenant", help="Whose; entries without a tenant by default.")
        commands.add_parser("ping", help="Ask the server whether it answers.")

    def handle(self, *_: Any, command: str, **given: Any) -> None:
        """Do it.

        Raises:
            CommandError: If an argument or the settings have a mistake, or Redis does not answer.
        """
        try:
            said = getattr(self, f"_{command}")(**given)
        except (BadArgumentError, CacheError, GraphQLError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(said)

    def _check(self, *, schema: str, **_: Any) -> str:
        found = schema_of(schema)
        extensions = [each for each in found.extensions if isinstance(each, ResponseCacheExtension)]
        if not extensions:
            msg = f"{schema} has no ResponseCacheExtension."
            raise BadArgumentError(msg)
        notes = [f"Note: {note}" for each in extensions for note in each.check(found)]
        return "\n".join([*notes, "No mistakes."])

    def _explain(
        self,
        *,
        schema: str,
        query: str,
        variables: str,
        operation: str | None,
        default_ttl: float | None,
        **_: Any,
    ) -> str:
        document, values = document_of(query), variables_of(variables)
        return str(explain(schema_of(schema), document, values, operation, default_ttl))

    def _invalidate(self, *, tags: list[str], tenant: str | None, **_: Any) -> str:
        _cache_of(tenant).invalidate_sync(*tags)
        return f"Invalidated {len(tags)} tags."

    def _clear(self, *, tenant: str | None, **_: Any) -> str:
        _cache_of(tenant).clear_sync()
        return "Cleared."

    def _ping(self, **_: Any) -> str:
        get_cache().ping_sync()
        return f"{configuration_of(settings).handle.address} answers."


def _cache_of(tenant: str | None) -> ResponseCache:
    if configuration_of(settings).handle.address == "memory://":
        msg = "memory:// is a server inside each process: this one cannot reach the others."
        raise BadArgumentError(msg)
    return get_cache() if tenant is None else get_cache().for_tenant(tenant)
