"""Documents: each text parsed and validated once, for all requests that send it.

Between these steps and the execution, other extensions may exchange the document, the options or the
rules. What was saved therefore counts only if the execution meets what was judged; otherwise it is
judged again, then.
"""

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphql import ASTValidationRule, DocumentNode, GraphQLError, parse
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

Rules: TypeAlias = tuple[type[ASTValidationRule], ...]

_MOST_DOCUMENTS: Final = 512
_MOST_CHARACTERS: Final = 400_000
"""Of all texts together: a parsed document takes about 200 bytes for each of its characters."""
_LONGEST: Final = 50_000


@dataclass(slots=True)
class Document:
    """A parsed document, and by which rules it was last found valid.

    Rules are held weakly: a class that was made for one request dies with it.
    """

    node: DocumentNode
    size: int
    _valid_by: "tuple[weakref.ref[type[ASTValidationRule]], ...] | None" = None

    def is_valid_by(self, rules: Rules) -> bool:
        """Whether it was found valid by these very rules."""
        judged = self._valid_by
        return (
            judged is not None
            and len(judged) == len(rules)
            and all(ref() is rule for ref, rule in zip(judged, rules, strict=True))
        )

    def found_valid(self, rules: Rules) -> None:
        """Remember that it is valid."""
        try:
            self._valid_by = tuple(weakref.ref(rule) for rule in rules)
        except TypeError:
            self._valid_by = None  # a rule of a kind that cannot be held weakly is asked every time


class Documents:
    """The documents of one schema: bounded in number and in size, the least recently used goes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], Document] = OrderedDict()
        self._characters = 0
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
        document = Document(parse(text, **options), len(text))
        if document.size <= _LONGEST:
            with self._lock:
                if key not in self._known:
                    self._known[key] = document
                    self._characters += document.size
                while len(self._known) > _MOST_DOCUMENTS or self._characters > _MOST_CHARACTERS:
                    self._characters -= self._known.popitem(last=False)[1].size
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
        if context.graphql_document is not None or not isinstance(context.query, str):
            return
        self._options = dict(context.parse_options)
        try:
            document = self._documents.parsed(context.query, self._options)
        except (GraphQLError, TypeError, RecursionError):
            return  # Strawberry parses it again, and says what is wrong
        self._document = document
        context.graphql_document = document.node

    def validate(self) -> None:
        """Give the context the document's verdict, if this request does not have it yet."""
        context, document = self._context, self._document
        rules = tuple(context.validation_rules)
        if (
            document is None
            or context.graphql_document is not document.node
            or context.pre_execution_errors is not None
            or not rules
            or not self._documents.foresees
        ):
            return
        errors: list[GraphQLError] = []
        if not document.is_valid_by(rules):
            errors = self._judge(rules)
            if not errors:
                document.found_valid(rules)
        self._rules = rules
        context.pre_execution_errors = errors

    def _judge(self, rules: Rules) -> list[GraphQLError]:
        context = self._context
        executable = context.schema._schema  # noqa: SLF001 - Strawberry's name for it
        document = context.graphql_document
        return [] if document is None else list(validate_document(executable, document, rules))

    def errors_now(self) -> list[GraphQLError]:
        """Return what is wrong with what is executed, where it is not what was judged."""
        context, document = self._context, self._document
        if document is None:
            return []
        errors: list[GraphQLError] = []
        if context.graphql_document is document.node and self._options != context.parse_options:
            try:
                parse(str(context.query), **context.parse_options)
            except GraphQLError as error:
                return [error]
        rules = tuple(context.validation_rules)
        if self._rules is not None:
            is_same = context.graphql_document is document.node and rules == self._rules
            if not is_same and rules:
                # Another extension adds its rules later: from now on Strawberry validates.
                self._documents.foresees = False
                errors = self._judge(rules)
        return errors
