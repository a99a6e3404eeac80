"""Documents: each text parsed and validated once, for all requests that send it.

Other extensions may exchange the text, the options, the document and the rules. Strawberry validates when
all of them had their turn. What was saved spares it the rules of graphql-core by which this very document
was found valid before; any other rule may read the request, so it runs every time.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
)
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

Rules: TypeAlias = tuple[type[ASTValidationRule], ...]

_MOST_DOCUMENTS: Final = 512
_MOST_CHARACTERS: Final = 400_000
"""Of all texts together: a parsed document takes about 200 bytes for each of its characters."""
_LONGEST: Final = 50_000
_PURE_RULES: Final = frozenset({*specified_rules, NoSchemaIntrospectionCustomRule})
"""They read nothing but the schema and the document."""


@dataclass(slots=True)
class Document:
    """A parsed document, and by which of graphql-core's rules it was last found valid."""

    node: DocumentNode
    text: str = field(repr=False)
    valid_by: Rules | None = None


class Documents:
    """The documents of one schema: bounded in number and in size, the least recently used goes first.

    Args:
        may_parse: Whether what is parsed before other extensions do so is what will be executed.
        may_skip: Whether no other extension sees that rules are left out.
    """

    def __init__(self, *, may_parse: bool = True, may_skip: bool = True) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], Document] = OrderedDict()
        self._characters = 0
        self.may_parse = may_parse
        self.may_skip = may_skip

    def __len__(self) -> int:
        """Return their number."""
        return len(self._known)

    def parsed(self, text: str, options: dict[str, Any]) -> Document:
        """Return a document, parsed now if need be.

        Raises:
            GraphQLError: If it is no document.
        """
        key = (text, *sorted(options.items()))
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        document = Document(parse(text, **options), text)
        if len(text) <= _LONGEST:
            with self._lock:
                if key not in self._known:
                    self._known[key] = document
                    self._characters += len(text)
                while len(self._known) > _MOST_DOCUMENTS or self._characters > _MOST_CHARACTERS:
                    self._characters -= len(self._known.popitem(last=False)[1].text)
        return document


class Preparation:
    """The document of one request, on its way from the text to the execution.

    Args:
        documents: Those of the schema.
        context: Strawberry's execution context.
    """

    __slots__ = ("_context", "_document", "_documents", "_options", "_skipped", "_validated")

    def __init__(self, documents: Documents, context: ExecutionContext) -> None:
        self._documents = documents
        self._context = context
        self._document: Document | None = None
        self._options: dict[str, Any] = {}
        self._skipped: Rules = ()
        self._validated: DocumentNode | None = None

    def parse(self) -> None:
        """Give the context its document, unless it has one or the text is none."""
        context = self._context
        if (
            context.graphql_document is not None
            or type(context.query) is not str
            or not self._documents.may_parse
        ):
            return
        self._options = dict(context.parse_options)
        try:
            document = self._documents.parsed(context.query, self._options)
        except (GraphQLError, TypeError, RecursionError):
            return  # Strawberry parses it again, and says what is wrong
        self._document = document
        context.graphql_document = document.node

    def parse_rewritten(self) -> GraphQLError | None:
        """Parse again, if another extension has changed the text or the options; from then on Strawberry does.

        Returns:
            What is wrong with the text.
        """
        context, document = self._context, self._document
        if document is None or context.graphql_document is not document.node:
            return None
        is_rewritten = context.query != document.text
        if not is_rewritten and self._options == context.parse_options:
            return None
        if is_rewritten:
            self._documents.may_parse = False
        self._document = None
        try:
            context.graphql_document = parse(str(context.query), **context.parse_options)
        except GraphQLError as error:
            return error
        return None

    def skip_known_rules(self) -> None:
        """Leave out the rules by which the document was found valid before; Strawberry runs the others."""
        context, document = self._context, self._document
        rules = tuple(context.validation_rules)
        pure = _pure(rules)
        if (
            document is not None
            and self._documents.may_skip
            and pure
            and document.valid_by == pure
            and context.graphql_document is document.node
            and context.pre_execution_errors is None
        ):
            self._skipped = pure
            context.validation_rules = tuple(rule for rule in rules if rule not in _PURE_RULES)

    def note_verdict(self) -> None:
        """Put back the rules that were left out, or remember the verdict of those that ran."""
        context, document = self._context, self._document
        if document is None:
            return
        ran = tuple(context.validation_rules)
        self._validated = context.graphql_document
        if self._skipped:
            context.validation_rules = (*self._skipped, *ran)
            if context.pre_execution_errors is None:
                context.pre_execution_errors = []
        elif context.pre_execution_errors == [] and self._validated is document.node:
            document.valid_by = _pure(ran)

    def errors_now(self) -> list[GraphQLError]:
        """Return what is wrong with a document that was exchanged before it was validated."""
        document, exchanged = self._document, self._validated
        if document is None or exchanged is None or exchanged is document.node or not self._skipped:
            return []
        schema = self._context.schema._schema  # noqa: SLF001 - Strawberry's name for it
        return list(validate_document(schema, exchanged, self._skipped))


def _pure(rules: Rules) -> Rules:
    return tuple(rule for rule in rules if rule in _PURE_RULES)
