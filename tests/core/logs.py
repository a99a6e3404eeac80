"""What every log line of the package has to keep to."""

import logging
from collections.abc import Iterable
from typing import Any

LOGGER = "strawberry_response_cache"


def ours(records: Iterable[logging.LogRecord]) -> list[logging.LogRecord]:
    """Return the records of this package."""
    return [record for record in records if record.name == LOGGER]


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says in ``extra``, after checking that its text says the same."""
    facts = {name: value for name, value in vars(record).items() if "." in name}
    text = record.getMessage()
    if "error.type" in facts:
        assert facts["error.type"].rpartition(".")[2] in text
    if "server.address" in facts:
        assert facts["server.address"].rpartition("://")[2] in text
    if "response_cache.field" in facts:
        assert facts["response_cache.field"] in text
    return facts
