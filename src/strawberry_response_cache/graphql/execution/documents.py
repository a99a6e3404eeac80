"""Documents: each text parsed and validated once, for all requests that send it.

Between these steps and the execution, other extensions may exchange the text, the document, the options
or the rules. What was saved therefore counts only if the execution meets what was judged; otherwise it
is judged again, then. A verdict is kept only for rules of graphql-core's own: any other rule may read
the request, so it runs every time.
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
    validate,
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
    """

    def __init__(self, *, may_parse: bool = True) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], Document] = OrderedDict()
        self._characters = 0
        self.may_parse = may_parse
        self.foresees = True
        """Whether the rules that this extension sees are those that are executed by."""

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

    __slots__ = ("_context", "_document", "_documents", "_options", "_rules")

    def __init__(self, documents: Documents, context: ExecutionContext) -> None:
        self._documents = documents
        self._context = context
        self._document: Document | None = None
        self._options: dict[str, Any] = {}
        self._rules: Rules | None = None

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
        """Parse the text again, if another extension has rewritten it; from then on Strawberry parses.

        Returns:
            What is wrong with the text.
        """
        context, document = self._context, self._document
        if (
            document is None
            or context.graphql_document is not document.node
            or context.query == document.text
        ):
            return None
        self._documents.may_parse = False
        self._document = None
        try:
            context.graphql_document = parse(str(context.query), **context.parse_options)
        except GraphQLError as error:
            return error
        return None

    def validate(self) -> None:
        """Give the context the document's verdict, if this request does not have it yet."""
        context = self._context
        document = self._document
        rules = tuple(context.validation_rules)
        if (
            document is None
            or context.graphql_document is not document.node
            or context.pre_execution_errors is not None
            or not rules
            or not self._documents.foresees
        ):
            return
        errors = self._verdict(document, rules)
        self._rules = rules
        context.pre_execution_errors = errors

    def _verdict(self, document: Document, rules: Rules) -> list[GraphQLError]:
        """Judge a document: by graphql-core's own rules once for all requests, by others every time."""
        pure = tuple(rule for rule in rules if rule in _PURE_RULES)
        if document.valid_by != pure:
            errors = self._judged(document.node, rules)
            if not errors:
                document.valid_by = pure
            return errors
        others = [rule for rule in rules if rule not in _PURE_RULES]
        schema = self._context.schema._schema  # noqa: SLF001 - Strawberry's name for it
        return list(validate(schema, document.node, others)) if others else []

    def _judged(self, document: DocumentNode, rules: Rules) -> list[GraphQLError]:
        schema = self._context.schema._schema  # noqa: SLF001 - Strawberry's name for it
        return list(validate_document(schema, document, rules))

    # -- At execution ----------------------------------------------------------------------------------

    def errors_now(self) -> list[GraphQLError]:
        """Return what is wrong with what is executed, where it is not what was judged."""
        context, document = self._context, self._document
        if document is None:
            return []
        is_same = context.graphql_document is document.node
        if is_same and self._options != context.parse_options:
            try:
                parse(str(context.query), **context.parse_options)
            except GraphQLError as error:
                return [error]
        rules = tuple(context.validation_rules)
        if self._rules is not None and rules and not (is_same and rules == self._rules):
            # Another extension adds its rules later: from now on Strawberry validates.
            self._documents.foresees = False
            return self._judged_now(rules)
        return []

    def _judged_now(self, rules: Rules) -> list[GraphQLError]:
        document = self._context.graphql_document
        return [] if document is None else self._judged(document, rules)
