"""Documents: each text parsed and validated once, for all requests that send it.

Other extensions may exchange the text, the options, the document and the rules, and say that a document
was validated which was not. So nothing is concluded from what they leave behind: this package validates
each document by graphql-core's own rules itself, once, and spares Strawberry these. Any other rule may read
the request, so it runs every time; so does the rule that runs the parse functions of custom scalars.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    ValuesOfCorrectTypeRule,
    parse,
    specified_rules,
)
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

from strawberry_response_cache.graphql._bounded import Bounded
from strawberry_response_cache.graphql._compat.literals import Literals

Rules: TypeAlias = tuple[type[ASTValidationRule], ...]

_SIZE: Final = 2_000
_SIZE_OF_TOKEN: Final = 500
"""About what a parsed document takes in bytes for each of its tokens; 250 to 560 were measured."""
_PURE_RULES: Final = frozenset({*specified_rules, NoSchemaIntrospectionCustomRule})
"""They read nothing but the schema and the document, apart from `_READS_LITERALS`."""
_READS_LITERALS: Final = frozenset({ValuesOfCorrectTypeRule})
"""The rule that runs the parse functions of custom scalars."""


@dataclass(slots=True)
class Document:
    """A parsed document.

    Attributes:
        node: The document.
        text: Its text.
        runs_custom_code: Whether validating its literals runs code of the user's own; None if nobody asked yet.
        valid_by: The rules of graphql-core by which this package found it valid.
        invalid_by: Those by which it last found it invalid.
        sparing: What was spared the last request for which it was known to be valid.
    """

    node: DocumentNode
    text: str = field(repr=False)
    runs_custom_code: bool | None = None
    valid_by: frozenset[type[ASTValidationRule]] = frozenset()
    invalid_by: Rules = ()
    sparing: "Sparing | None" = None


class Sparing(NamedTuple):
    """Which rules one request is spared, or many with the same rules.

    Attributes:
        rules: All.
        skipped: Those that are left out.
        left: Those that Strawberry runs.
    """

    rules: Rules
    skipped: Rules
    left: Rules


_NOTHING_SPARED: Final = Sparing((), (), ())


class Documents:
    """The documents of one schema: a bounded memory, the least recently used goes first.

    Args:
        schema: The executable schema.
        max_bytes: About what they may take.
    """

    def __init__(self, schema: GraphQLSchema, *, max_bytes: int) -> None:
        self._schema = schema
        self._literals = Literals(schema)
        self._known: Bounded[tuple[Any, ...], Document] = Bounded(max_bytes)

    def __len__(self) -> int:
        """Return their number."""
        return len(self._known)

    @property
    def size(self) -> int:
        """About what they take, in bytes."""
        return self._known.size

    def parsed(self, text: str, options: dict[str, Any]) -> Document:
        """Return a document, parsed now if need be.

        Raises:
            GraphQLError: If it is no document.
        """
        key = (text, *sorted(options.items()))
        document = self._known.get(key)
        if document is None:
            document = Document(parse(text, **options), text)
            self._known.put(key, document, size=_size_of(document))
        return document

    def judged_for_all(self, document: Document, rules: Rules) -> Rules:
        """Return those of the rules whose verdict on a document is the same for every request."""
        if document.runs_custom_code is None:
            document.runs_custom_code = self._literals.run_custom_code(document.node)
        same = _PURE_RULES - _READS_LITERALS if document.runs_custom_code else _PURE_RULES
        return tuple(rule for rule in rules if rule in same)

    def errors(self, document: Document, rules: Rules) -> list[GraphQLError]:
        """Validate a document."""
        return validate_document(self._schema, document.node, rules)


def _size_of(document: Document) -> int:
    """Return about what a document takes, in bytes."""
    text, location = document.text, document.node.loc
    tokens = len(text) // 2  # where its parser was told to leave them out: there are hardly more
    if location is not None:
        tokens, token = 0, location.start_token.next
        while token is not None:
            tokens, token = tokens + 1, token.next
    return _SIZE + _SIZE_OF_TOKEN * tokens + 4 * len(text)


class Preparation:
    """The document of one request, on its way from the text to the execution.

    Args:
        documents: Those of the schema.
        context: Strawberry's execution context.
    """

    __slots__ = ("_context", "_document", "_documents", "_spared", "_validated")

    def __init__(self, documents: Documents, context: ExecutionContext) -> None:
        self._documents = documents
        self._context = context
        self._document: Document | None = None
        self._spared = _NOTHING_SPARED
        self._validated: DocumentNode | None = None

    def parse(self) -> None:
        """Give the context its document, unless it has one or the text is none."""
        context = self._context
        if context.graphql_document is not None or type(context.query) is not str:
            return
        try:
            document = self._documents.parsed(context.query, dict(context.parse_options))
        except (GraphQLError, TypeError, RecursionError):
            return  # Strawberry parses it again, and says what is wrong
        self._document = document
        context.graphql_document = document.node

    def validate(self) -> None:
        """Leave out the rules by which the document is known to be valid; Strawberry runs the others."""
        context, document = self._context, self._document
        if (
            document is None
            or context.graphql_document is not document.node
            or context.pre_execution_errors is not None
        ):
            return
        rules = tuple(context.validation_rules)
        sparing = document.sparing
        if sparing is not None and sparing.rules == rules:  # as in most requests
            self._spare(sparing)
            return
        try:
            known = self._documents.judged_for_all(document, rules)
        except RecursionError:
            return  # Strawberry meets it again, and says what is wrong
        if unknown := tuple(rule for rule in known if rule not in document.valid_by):
            if document.invalid_by == unknown != rules:
                return
            try:
                errors = self._documents.errors(document, unknown)
            except Exception:  # noqa: BLE001 - of a rule: Strawberry meets it again, and says what is wrong
                return
            if errors:
                document.invalid_by = unknown
                if unknown == rules:
                    context.pre_execution_errors = errors  # what Strawberry would find next
                return
            document.valid_by |= frozenset(unknown)
        if known:
            left = tuple(rule for rule in rules if rule not in known)
            document.sparing = Sparing(rules, known, left)
            self._spare(document.sparing)

    def _spare(self, sparing: Sparing) -> None:
        self._spared = sparing
        self._context.validation_rules = sparing.left

    def restore_rules(self) -> None:
        """Put back the rules that were left out, and the verdict where no other rules were left."""
        rules, skipped, left = self._spared
        if not skipped:
            return
        context = self._context
        self._validated = context.graphql_document
        ran = tuple(context.validation_rules)
        context.validation_rules = rules if ran == left else (*skipped, *ran)
        if context.pre_execution_errors is None:
            context.pre_execution_errors = []

    def errors_now(self) -> list[GraphQLError]:
        """Return what is wrong with a document that was exchanged before it was validated."""
        document, exchanged = self._document, self._validated
        if document is None or exchanged is None or exchanged is document.node:
            return []
        schema = self._context.schema._schema  # noqa: SLF001 - Strawberry's name for it
        return list(validate_document(schema, exchanged, self._spared.skipped))
