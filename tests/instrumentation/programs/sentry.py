"""Sentry: its integration adds an extension to every schema that is made afterwards."""

import sys
from contextlib import AbstractContextManager
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.strawberry import (
    SentryAsyncExtension,
    SentrySyncExtension,
    StrawberryIntegration,
)
from sentry_sdk.transport import Transport

from tests.instrumentation.requests import Listed, Package, run

_variant = sys.argv[1]
_sent: list[Any] = []


class Collecting(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            event: Any = item.payload.json
            _sent.append([item.type, event.get("transaction")])
            for span in event.get("spans", ()):
                said = {k: v for k, v in span["data"].items() if k.startswith("graphql.")}
                _sent.append(["span", span["op"], span["description"], said])
            errors = event.get("exception", {}).get("values", ())
            _sent.extend(["error", each["type"], each["value"]] for each in errors)
            crumbs = event.get("breadcrumbs", {}).get("values", ())
            _sent.extend(["breadcrumb", each.get("data") or each.get("message")] for each in crumbs)


def start() -> None:
    """Start Sentry with its own integrations, or without that of Strawberry."""
    integrations = {
        "async_execution=True": [StrawberryIntegration(async_execution=True)],
        "async_execution=False": [StrawberryIntegration(async_execution=False)],
    }
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Collecting,
        traces_sample_rate=1.0,
        integrations=integrations.get(_variant, []),
        disabled_integrations=[StrawberryIntegration()] if _variant == "by hand" else [],
    )


def listed() -> dict[str, Listed]:
    """Return the extensions, which a user may register by hand."""
    return {
        "SentryAsyncExtension": Listed(extension=SentryAsyncExtension, faces=("async",)),
        "SentrySyncExtension": Listed(extension=SentrySyncExtension),
    }


def around() -> AbstractContextManager[Any]:
    """Return a transaction, as Sentry's integration of a server starts one."""
    return sentry_sdk.start_transaction(name="POST /graphql", op="http.server")


def told() -> list[Any]:
    """Return the events and transactions that would have been sent."""
    sentry_sdk.flush()
    told = _sent[:]
    _sent.clear()
    return told


if __name__ == "__main__":
    run(
        Package(
            start=start,
            told=told,
            listed=listed if _variant == "by hand" else None,
            faces=("async",) if _variant == "async_execution=True" else ("async", "sync"),
            around=around,
        )
    )
