"""What the service prints when it is ready."""

import json
import shlex
from urllib.parse import quote, urlencode

from example_schema.server.identity import TENANT_HEADER, USER_HEADER

_HEADERS = {TENANT_HEADER: "acme", USER_HEADER: "alice"}
_QUERY = "{ balanceSheet { totals { kind balance } } }"


def curl_command(api: str) -> str:
    """Return a complete command that asks for the balance sheet of acme as alice."""
    headers = {"Content-Type": "application/json", **_HEADERS}
    return shlex.join(
        [
            "curl",
            "--silent",
            "--show-error",
            "--include",
            api,
            *(word for name, value in headers.items() for word in ("-H", f"{name}: {value}")),
            "--data",
            json.dumps({"query": _QUERY}),
        ]
    )


def welcome(api: str, redis_name: str, metrics: str | None = None) -> str:
    """Return the lines that tell where everything is and what to try first.

    Args:
        api: The address of the GraphQL endpoint.
        redis_name: Which Redis the cache uses.
        metrics: The address for Prometheus, if there is one.
    """
    # GraphiQL's page reads its parameters with decodeURIComponent, which leaves plus signs alone.
    parameters = urlencode({"headers": json.dumps(_HEADERS), "q": _QUERY}, quote_via=quote)
    shown = f"\nMetrics      {metrics}" if metrics else ""
    return f"""\
GraphQL API  {api}
GraphiQL     {api}?{parameters}
Cache        {redis_name}{shown}

Ask for the balance sheet of acme as alice; it is computed from every entry that acme has:

  {curl_command(api)}

At the end of the answer, extensions.responseCache.status says "miss". Run it again within a
minute: now it says "hit", and the header Server-Timing shows how many milliseconds that saved.
Press Ctrl-C to stop."""
