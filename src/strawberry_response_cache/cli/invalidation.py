"""`invalidate` and `clear`: end what is stored."""

from typing import Annotated

import typer
from rich.progress import TextColumn

from strawberry_response_cache.cli.arguments import (
    CacheLocation,
    Json,
    OfSchema,
    OfTenant,
    Prefix,
    Url,
    asked,
    of_tenant,
)
from strawberry_response_cache.cli.inputs import BadArgumentError, schema_of
from strawberry_response_cache.core._all_tenants import AllTenants
from strawberry_response_cache.graphql._options import options_of


def invalidate(
    context: typer.Context,
    tags: Annotated[list[str], typer.Argument(help="Tags, such as Account:1 or [Account].")],
    *,
    tenant: OfTenant = None,
    url: Url = None,
    prefix: Prefix = None,
    schema: OfSchema = None,
    as_json: Json = False,
) -> None:
    """Invalidate every entry that has one of these tags, of one tenant."""
    with asked(context, CacheLocation(url=url, prefix=prefix, schema=schema)) as (terminal, cache):
        if tenant is None:
            _refuse_to_reach_nothing(schema)
        of_tenant(cache, tenant).invalidate_sync(*tags)
        if as_json:
            terminal.json({"invalidated": tags})
        else:
            terminal.say(f"Invalidated {_numbered(len(tags), 'tag')} {_whose(tenant)}.")


def clear(
    context: typer.Context,
    *,
    tenant: OfTenant = None,
    all_tenants: Annotated[
        bool,
        typer.Option(
            "--all-tenants",
            help="Clear every tenant of the prefix, one after the other. It looks through all keys of the server in "
            "small steps, and is not atomic.",
        ),
    ] = False,
    url: Url = None,
    prefix: Prefix = None,
    schema: OfSchema = None,
    as_json: Json = False,
) -> None:
    """Invalidate everything of one tenant, or of no tenant, at once."""
    with asked(context, CacheLocation(url=url, prefix=prefix, schema=schema)) as (terminal, cache):
        if not all_tenants:
            if tenant is None:
                _refuse_to_reach_nothing(schema)
            of_tenant(cache, tenant).clear_sync()
            if as_json:
                terminal.json({"tenants": 1, "atomic": True})
            else:
                terminal.say(f"Cleared everything {_whose(tenant)}.")
            return
        if tenant is not None:
            msg = "--tenant names one tenant, and --all-tenants all: write one of them."
            raise BadArgumentError(msg)
        cleared = 0
        with terminal.progress("Clearing", TextColumn("{task.description}")) as update:
            for cleared in AllTenants(cache).clear_stepwise():
                update(description=f"Cleared {_numbered(cleared, 'tenant')}")
        if as_json:
            terminal.json({"tenants": cleared, "atomic": False})
        else:
            terminal.say(
                f"Cleared {_numbered(cleared, 'tenant')} one after the other. That is not atomic: what a request stored for a "
                "tenant after its turn stays."
            )


def _refuse_to_reach_nothing(schema: str | None) -> None:
    """Check that a schema stores entries without a tenant.

    Raises:
        BadArgumentError: If its extension has a function for the tenant.
    """
    options = None if schema is None else options_of(schema_of(schema))
    if options is not None and options.tenant is not None:
        msg = "Everything that this schema stores belongs to a tenant: name one with --tenant."
        raise BadArgumentError(msg)


def _numbered(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _whose(tenant: str | None) -> str:
    # It is said, because without a schema the command cannot know that a user forgot --tenant.
    return "without a tenant" if tenant is None else "of the tenant"
