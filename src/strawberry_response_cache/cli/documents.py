"""The operations in a file, in a directory of files, or in a manifest of persisted queries."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
)

from strawberry_response_cache.cli.inputs import BadArgumentError, document_of
from strawberry_response_cache.graphql.keys.document import UsedParts

_SUFFIXES: Final = frozenset({".graphql", ".gql"})


class FoundOperation(NamedTuple):
    """An operation that was found in a file, a directory or a manifest.

    Attributes:
        where: Its file, or its id in a manifest.
        document: The operation and the fragments that it uses, parsed.
    """

    where: str
    document: DocumentNode


def operations_in(path: str) -> tuple[list[FoundOperation], str | None]:
    """Return all operations in a file, in a directory, or in a manifest.

    Args:
        path: A document; a directory, whose files share their fragments; a manifest of persisted queries, in the
            format of Apollo or of Relay; ``-`` for stdin.

    Returns:
        The operations; and the text, if it is one document.

    Raises:
        BadArgumentError: If it cannot be read, or holds no operation.
    """
    root = Path(path)
    if path != "-" and root.is_dir():
        files = sorted(each for each in root.rglob("*") if each.suffix in _SUFFIXES)
        texts = {str(each.relative_to(root)): document_of(str(each)) for each in files}
        return _refuse_empty(path, _split(texts)), None
    text = document_of(path)
    manifest = _manifest_of(text)
    if manifest is None:
        return _refuse_empty(path, _split({path: text})), text
    # A document in a manifest has all fragments that it uses; those of others may have the same names.
    found = [each for name, one in manifest.items() for each in _split({name: one})]
    return _refuse_empty(path, found), None


def _refuse_empty(path: str, found: list[FoundOperation]) -> list[FoundOperation]:
    if not found:
        msg = f"{path} holds no operation."
        raise BadArgumentError(msg)
    return found


def _parsed(name: str, text: str) -> DocumentNode:
    try:
        return parse(text)
    except GraphQLError as error:
        msg = f"{name} is no document: {error.message}"
        raise BadArgumentError(msg) from None


def _split(texts: Mapping[str, str]) -> list[FoundOperation]:
    """Return each operation with the fragments that it uses; a fragment of its own file precedes one of another."""
    documents = {name: _parsed(name, text) for name, text in texts.items()}
    shared = dict(_fragments(*documents.values()))
    found = []
    for where, document in documents.items():
        fragments = shared | dict(_fragments(document))
        for each in document.definitions:
            if isinstance(each, OperationDefinitionNode):
                used = UsedParts(each, fragments).fragments
                found.append(
                    FoundOperation(where, DocumentNode(definitions=(each, *used.values())))
                )
    return found


def _fragments(*documents: DocumentNode) -> Iterator[tuple[str, FragmentDefinitionNode]]:
    for document in documents:
        for each in document.definitions:
            if isinstance(each, FragmentDefinitionNode):
                yield each.name.value, each


def _manifest_of(text: str) -> dict[str, str] | None:
    """Return the documents in a manifest, by their ids; None if it is none.

    Source: https://www.apollographql.com/docs/kotlin/advanced/persisted-queries and
    https://relay.dev/docs/guides/persisted-queries/

    Raises:
        BadArgumentError: If it is JSON of another form.
    """
    try:
        manifest: Any = json.loads(text)
    except ValueError:
        return None
    found: dict[Any, Any] = {}
    if isinstance(manifest, dict) and isinstance(manifest.get("operations"), list):
        operations = [each for each in manifest["operations"] if isinstance(each, dict)]
        found = {each.get("id"): each.get("body") for each in operations}
    elif isinstance(manifest, dict):
        found = manifest
    if not found or not all(isinstance(each, str) for pair in found.items() for each in pair):
        msg = (
            "A manifest of persisted queries is that of Apollo, an object with the list operations, or that of "
            "Relay, an object from ids to documents."
        )
        raise BadArgumentError(msg)
    return found
