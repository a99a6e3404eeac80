"""What a request brings shows in no repr of ours: reprs end in logs, and in reports of errors."""

from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache
from tests.conftest import living
from tests.graphql.library import Library

SECRETS = ("plugh1", "plugh2", "plugh3", "plugh4", "plugh5")
QUERY = """query ($mark: ID, $shelf: String!) {
  fresh
  shelf(mark: $mark) { id said note copies(shelfMark: $shelf) }
  listed { said note pages(unit: "plugh5") }
}"""


@pytest.mark.parametrize("verify", [0.0, 1.0])
@pytest.mark.parametrize("face", ["execute", "execute_sync"])
async def test_no_repr_tells_a_secret(
    memory_cache: ResponseCache, face: str, verify: float, older: list[object]
) -> None:
    library = Library(memory_cache, verify=verify)
    shown: list[str] = []

    def look(_: strawberry.Info) -> None:
        shown.extend(map(repr, (*older, *living())))

    request: dict[str, Any] = {
        "variables": {"mark": "plugh1", "shelf": "plugh2"},
        "user": "plugh3",
        "tenant": "plugh4",
        "say": look,
    }
    for _ in range(2):
        ask = library.ask(QUERY, **request) if face == "execute" else None
        result = library.ask_sync(QUERY, **request) if ask is None else await ask
        assert result.errors is None
    look(None)  # type: ignore[arg-type] # it reads nothing of it
    kinds = {text.partition("(")[0] for text in shown}
    assert {"CacheIdentity", "EntryKeys", "Flight"} <= kinds, kinds
    for name in ("CacheRequest", *(["VerifiedRun"] if verify else ())):
        assert any(name in kind for kind in kinds), name
    told = [text for text in shown if any(secret in text for secret in SECRETS)]
    assert not told, told[:3]
