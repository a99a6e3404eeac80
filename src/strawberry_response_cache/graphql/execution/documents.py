"""Documents: each text is parsed and validated once, for all requests that send it.

Other extensions may change the text, the options, the document and the rules, and may mark a document as valid
that was not validated. So this package relies on none of that. It validates each document once with
graphql-core's own rules, and lets Strawberry skip these for later requests. Any other rule may read the
request, so it runs every time. So does the rule that checks literals, if it runs parse functions of custom scalars.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    ValuesOfCorrectTypeRule,
    parse,
)
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.graphql._compat.literals import Literals
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql._compat.validation_rules import PURE_RULES

Rules: TypeAlias = tuple[type[ASTValidationRule], ...]

_SIZE: Final = 2_000
_SIZE_OF_TOKEN: Final = 500
"""The memory of a parsed document per token, about; 250 to 560 bytes were measured."""
_READS_LITERALS: Final = frozenset({ValuesOfCorrectTypeRule})
"""The rule that runs the parse functions of custom scalars."""


@dataclass(slots=True)
class Document:
    """A parsed document.

    Attributes:
        node: The document.
        runs_custom_code: Whether validating its literals runs the user's code; None if not checked yet.
        valid_by: The rules of graphql-core by which this package found it valid.
        invalid_by: The rules by which this package last found it invalid.
        sparing: Which rules the latest request with it could skip.
    """

    node: DocumentNode
    runs_custom_code: bool | None = None
    valid_by: frozenset[type[ASTValidationRule]] = frozenset()
    invalid_by: Rules = ()
    sparing: "Sparing | None" = None


class Sparing(NamedTuple):
    """Which of its validation rules a request can skip.

    Attributes:
        rules: All rules of the request.
        skipped: The rules by which the document is known to be valid.
        left: The other rules, which Strawberry runs.
    """

    rules: Rules
    skipped: Rules
    left: Rules


_NOTHING_SPARED: Final = Sparing((), (), ())


class Documents:
    """The documents of one schema, in a bounded cache that drops what was not used lately."""

    def __init__(self, schema: GraphQLSchema, literals: Literals, *, max_bytes: int) -> None:
        self._schema = schema
        self._literals = literals
        self._known: Bounded[tuple[Any, ...], Document] = Bounded(max_bytes)

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._known)

    @property
    def size(self) -> int:
        """The approximate size of the documents in memory, in bytes."""
        return self._known.size

    def parsed(self, text: str, options: dict[str, Any]) -> Document:
        """Return the document of a text, which is parsed unless it is in the cache.

        Raises:
            GraphQLError: If the text cannot be parsed.
        """
        key = (text, *options.items())
        document = self._known.get(key)
        if document is None:
            document = Document(parse(text, **options))
            self._known.put(key, document, size=_size_of(text, document.node))
        return document

    def shared_rules(self, document: Document, rules: Rules) -> Rules:
        """Return the rules whose result for a document is the same for every request."""
        if document.runs_custom_code is None:
            document.runs_custom_code = self._literals.run_custom_code(document.node)
        same = PURE_RULES - _READS_LITERALS if document.runs_custom_code else PURE_RULES
        return tuple(rule for rule in rules if rule in same)

    def errors(self, document: Document, rules: Rules) -> list[GraphQLError]:
        """Return the errors of a document by some rules."""
        return validate_document(self._schema, document.node, rules)


def _size_of(text: str, node: DocumentNode) -> int:
    """Return the approximate size of a text and its document in memory, in bytes."""
    location = node.loc
    # Without locations, there are hardly more tokens than that.
    tokens = len(text) // 2
    if location is not None:
        tokens, token = 0, location.start_token.next
        while token is not None:
            tokens, token = tokens + 1, token.next
    return _SIZE + _SIZE_OF_TOKEN * tokens + 4 * len(text)


class Preparation:
    """Parses and validates the document of one request, as far as no earlier request did."""

    __slots__ = ("_context", "_document", "_documents", "_spared", "_validated")

    def __init__(self, documents: Documents, context: ExecutionContext) -> None:
        self._documents = documents
        self._context = context
        self._document: Document | None = None
        self._spared = _NOTHING_SPARED
        self._validated: DocumentNode | None = None

    def parse(self) -> None:
        """Set the document of the context, unless it has one or has no text; Strawberry reports errors of the text."""
        context = self._context
        if context.graphql_document is not None or type(context.query) is not str:
            return
        try:
            document = self._documents.parsed(context.query, dict(context.parse_options))
        except (GraphQLError, TypeError, RecursionError):
            return  # Strawberry parses it again and reports the error
        self._document = document
        context.graphql_document = document.node

    def validate(self) -> bool:
        """Validate the document by rules of graphql-core, once for all requests; Strawberry runs the other rules.

        Returns:
            Whether `restore_rules` has to be called afterwards.
        """
        context, document = self._context, self._document
        if (
            document is None
            or context.graphql_document is not document.node
            or context.pre_execution_errors is not None
        ):
            return False
        rules = tuple(context.validation_rules)
        sparing = document.sparing
        if sparing is not None and sparing.rules == rules:  # as in most requests
            return self._spare(sparing)
        known = self._documents.shared_rules(document, rules)
        if unknown := tuple(rule for rule in known if rule not in document.valid_by):
            if document.invalid_by == unknown != rules:
                return False
            try:
                errors = self._documents.errors(document, unknown)
            except Exception:  # noqa: BLE001 - from a rule: Strawberry gets the same error and reports it
                return False
            if errors:
                document.invalid_by = unknown
                if unknown == rules:
                    context.pre_execution_errors = errors  # what Strawberry would find
                return False
            document.valid_by |= frozenset(unknown)
        if not known:
            return False
        left = tuple(rule for rule in rules if rule not in known)
        document.sparing = Sparing(rules, known, left)
        return self._spare(document.sparing)

    def _spare(self, sparing: Sparing) -> bool:
        self._spared = sparing
        if sparing.left:
            self._context.validation_rules = sparing.left
            return True
        self._context.pre_execution_errors = []  # Strawberry runs no rule then
        return False

    def restore_rules(self) -> None:
        """Put the skipped rules back into the context, after Strawberry has validated."""
        rules, skipped, left = self._spared
        if not left:
            return
        context = self._context
        self._validated = context.graphql_document
        ran = tuple(context.validation_rules)
        context.validation_rules = rules if ran == left else (*skipped, *ran)

    def errors_now(self) -> list[GraphQLError]:
        """Return the errors, by the skipped rules, of a document that replaced the one that this package validated."""
        document, exchanged = self._document, self._validated
        if document is None or exchanged is None or exchanged is document.node:
            return []
        schema = executable_of(self._context.schema)
        return list(validate_document(schema, exchanged, self._spared.skipped))
