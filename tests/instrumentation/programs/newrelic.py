"""New Relic: the agent patches Strawberry's schema and parts of graphql-core."""

import contextlib
import os
from contextlib import AbstractContextManager
from typing import Any

os.environ |= {
    "NEW_RELIC_DEVELOPER_MODE": "true",
    "NEW_RELIC_LOG": "stderr",
    "NEW_RELIC_LOG_LEVEL": "error",
}

import newrelic.agent
from newrelic.core.agent import agent_instance

from tests.instrumentation.requests import Package, run

_applications: list[Any] = []
_recorded: list[Any] = []


def start() -> None:
    """Start the agent in developer mode, in which it sends nothing, and take what it records."""
    newrelic.agent.initialize()
    _applications.append(newrelic.agent.register_application(name="test", timeout=20))
    core = agent_instance().application("test")
    record = core.record_transaction

    def take(data: Any) -> None:
        errors = sorted(["error", error.type, error.message] for error in data.errors)
        _recorded.extend([["transaction", data.path], *_nodes(data.root), *errors])
        record(data)

    core.record_transaction = take


def _nodes(node: Any) -> list[Any]:
    """Return the names of the nodes below a node, and what they say of GraphQL."""
    nodes = []
    for each in node.children:
        said = {k: v for k, v in each.agent_attributes.items() if k.startswith("graphql.")}
        nodes += [["node", each.name, said], *_nodes(each)]
    return nodes


def around() -> AbstractContextManager[Any]:
    """Return a transaction, as the agent starts one for each request to a server."""
    if not _applications:
        return contextlib.nullcontext()
    return newrelic.agent.WebTransaction(_applications[0], name="POST")


def told() -> list[Any]:
    """Return the transactions that were recorded."""
    told = _recorded[:]
    _recorded.clear()
    return told


if __name__ == "__main__":
    run(Package(start=start, told=told, around=around))
