"""Apollo's two ways of tracing, which Strawberry ships: both answer in `extensions`."""

from base64 import b64decode
from types import SimpleNamespace
from typing import Any

from tests.instrumentation.requests import Listed, Package, run


def listed() -> dict[str, Listed]:
    """Return the extensions that Strawberry ships."""
    from strawberry.extensions import tracing

    return {
        "ApolloTracingExtension": Listed(
            extension=tracing.ApolloTracingExtension, faces=("async",)
        ),
        "ApolloTracingExtensionSync": Listed(extension=tracing.ApolloTracingExtensionSync),
        "ApolloFederationTracingExtension": Listed(
            extension=tracing.ApolloFederationTracingExtension, faces=("async",)
        ),
        "ApolloFederationTracingExtensionSync": Listed(
            extension=tracing.ApolloFederationTracingExtensionSync
        ),
    }


def answered(extensions: dict[str, Any]) -> list[Any]:
    """Return what a response holds of its trace, without the times."""
    if (tracing := extensions.get("tracing")) is not None:
        resolvers = tracing["execution"]["resolvers"]
        return [
            ["tracing", sorted(tracing), tracing["duration"] > 0],
            *(["field", each["path"], each["parentType"]] for each in resolvers),
        ]
    trace = b64decode(extensions.get("ftv1", ""))
    names = (b"accounts", b"balance", b"fresh", b"secret", b"failing", b"post", b"no luck")
    held = [["field", name.decode()] for name in names for _ in range(trace.count(name))]
    return [["tracing", len(trace) > 0], *held]


if __name__ == "__main__":
    gateway = SimpleNamespace(headers={"apollo-federation-include-trace": "ftv1"})
    run(
        Package(
            start=lambda: None,
            told=list,
            listed=listed,
            context={"request": gateway},
            answered=answered,
        )
    )
