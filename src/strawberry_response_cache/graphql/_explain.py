"""`explain`: why an operation is cached or not, field by field, without running anything."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    visit,
)
from graphql.execution import Executor
from strawberry.schema import Schema
from strawberry.schema.schema import validate_document

from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.graphql._adoption import (
    notes_of_schema,
    problem_around,
    raise_mistakes,
    setting_of,
)
from strawberry_response_cache.graphql._explained_fields import ExplainedTree, scope_of
from strawberry_response_cache.graphql._explanation import ExplainedField, Explanation
from strawberry_response_cache.graphql._options import Options, options_of
from strawberry_response_cache.graphql.keys.setting import Setting
from strawberry_response_cache.graphql.policy.cheaper_fields import advice_on_field
from strawberry_response_cache.graphql.policy.entities import (
    entities_asked,
    entity_policies,
    policy_of_all,
)
from strawberry_response_cache.graphql.policy.policy import (
    Policy,
    work_out_policy,
)
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.selection import Selected


def explain(
    schema: Schema,
    query: str,
    variables: Mapping[str, Any] | None = None,
    operation_name: str | None = None,
    default_ttl: float | None = None,
) -> Explanation:
    """Explain whether, how long and for whom an operation would be cached, and why.

    It runs neither resolvers nor functions of the extension. So it does not know what only happens while
    resolvers run: ``restrict_cache``, errors, a request without a session. By what this process has measured, the notes
    name fields whose lookup costs more than generating them. The page ``docs/why-not-cached.md`` has a section for
    each reason, with its cause and its fix.

    Args:
        schema: A Strawberry schema, with or without a `ResponseCacheExtension`.
        query: The text of the document.
        variables: The variables of the request, which decide ``@skip`` and ``@include``; None, the default,
            for no variables.
        operation_name: The name of the operation; None, the default, if the document has only one.
        default_ttl: A ``default_ttl`` in seconds; None, the default, takes the extension's.

    Returns:
        The explanation; print it, or read its attributes.

    Raises:
        GraphQLError: If the document, the operation's name or the variables are not valid.
        CacheConfigurationError: If the annotations of the schema have mistakes.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import cache_control, explain
        >>> @strawberry.type
        ... class Account:
        ...     name: str
        ...     @strawberry.field
        ...     def balance(self) -> int:
        ...         return 12
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def account(self) -> Account:
        ...         return Account(name="Cash")
        >>> print(explain(strawberry.Schema(Query), "{ account { name balance } }"))
        Not cached: resolver_without_hint by Account.balance. Put @cache_control(inherit=True) or a ttl above Account.balance.
          account: Query.account, 60 s
            name: Account.name, as its parent
            balance: Account.balance, resolver_without_hint
    """
    options = options_of(schema)
    setting = setting_of(schema, options, default_ttl=default_ttl)
    raise_mistakes(setting.mistakes)
    document = parse(query)
    for error in validate_document(setting.schema, document, tuple(specified_rules)):
        raise error
    executor = Executor.build(
        setting.schema,
        document,
        raw_variable_values=dict(variables or {}),
        operation_name=operation_name,
    )
    if isinstance(executor, list):
        raise executor[0]
    operation = _Operation(
        executor.operation, executor.fragment_definitions, executor.variable_values.coerced
    )
    return _explained(schema, setting, options, operation)


def explain_each(
    schema: Schema, documents: Iterable[DocumentNode], default_ttl: float | None = None
) -> Iterator[tuple[str, OperationType, Explanation | GraphQLError]]:
    """Explain every operation of documents, for any variables.

    An operation is explained as if each ``@include`` and ``@skip`` with a variable left the field in it.

    Args:
        schema: A Strawberry schema, with or without a `ResponseCacheExtension`.
        documents: Documents, each with one operation and the fragments that it uses.
        default_ttl: As in `explain`.

    Yields:
        The name of each operation, empty if it has none; its type, such as query; and its explanation, or the first
        error if it is not valid for this schema.

    Raises:
        CacheConfigurationError: If the annotations of the schema have mistakes.
    """
    options = options_of(schema)
    setting = setting_of(schema, options, default_ttl=default_ttl)
    raise_mistakes(setting.mistakes)
    for document in documents:
        (operation,) = (
            each for each in document.definitions if isinstance(each, OperationDefinitionNode)
        )
        name = "" if operation.name is None else operation.name.value
        errors = validate_document(setting.schema, document, tuple(specified_rules))
        if errors:
            yield name, operation.operation, errors[0]
            continue
        fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        whole = _Operation(operation, fragments, _letting_all_in(document))
        yield name, operation.operation, _explained(schema, setting, options, whole)


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation to explain.

    Attributes:
        node: The operation.
        fragments: The fragments of its document.
        variables: The variables that decide ``@skip`` and ``@include``.
    """

    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]


def _letting_all_in(document: DocumentNode) -> dict[str, bool]:
    """Return values for variables, so that each ``@include`` and ``@skip`` leaves its field in the operation."""
    found = _Conditions()
    visit(document, found)
    return found.variables


class _Conditions(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.variables: dict[str, bool] = {}

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        """Note the value of a condition's variable: True for ``@include``, False if only ``@skip`` uses it."""
        is_include = node.name.value == "include"
        if is_include or node.name.value == "skip":
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    name = argument.value.name.value
                    self.variables[name] = is_include or self.variables.get(name, False)


def _explained(
    schema: Schema, setting: Setting, options: Options | None, asked: _Operation
) -> Explanation:
    operation, variables = asked.node, asked.variables
    if operation.operation is not OperationType.QUERY:
        is_mutation = operation.operation is OperationType.MUTATION
        return _not_cached(Problem(Reason.MUTATION if is_mutation else Reason.SUBSCRIPTION), ())
    policy = work_out_policy(
        setting.schema,
        setting.rules,
        operation,
        asked.fragments,
        variables=variables,
        defaults=setting.defaults,
    )
    off = problem_around(schema, options)
    selected = Selected(setting.schema, asked.fragments, variables)
    entities: list[Policy] = []
    if entities_asked(setting.schema, setting.rules, operation, policy, setting.defaults):
        entities = entity_policies(
            setting.rules, operation, selected=selected, defaults=setting.defaults
        )
        policy = policy_of_all(entities)
    problem = off or policy.problem
    is_private = policy.private_by is not None
    if problem is None and is_private and options is not None and options.session is None:
        problem = Problem(
            Reason.PRIVATE_WITHOUT_SESSION,
            policy.private_by,
            f"{policy.private_by} is PRIVATE, and the extension has no session=; give it a function "
            "that identifies the user.",
        )
    root = setting.schema.query_type
    around = None if problem is not None else policy.life
    tree = ExplainedTree(
        setting,
        selected,
        around,
        frozenset(policy.vary),
        has_entries=off is None,
        entities=entities,
    )
    fields = () if root is None else tree.below(operation, root)
    if problem is not None:
        explanation = _not_cached(problem, fields)
    else:
        explanation = Explanation(
            cacheable=True,
            ttl=policy.ttl,
            scope=scope_of(is_private=is_private),
            reason=None,
            limited_by=policy.limited_by,
            advice="",
            fields=fields,
        )
    # A note on the field that is the reason would repeat the verdict.
    said = {explanation.limited_by} if explanation.reason else set()
    selected_fields = {each.coordinate for each in _all(fields)} - said
    notes = [
        note.text
        for note in notes_of_schema(setting, options)
        if not note.coordinates or note.coordinates & selected_fields
    ]
    if options is not None:
        counters = tenant_of(options.cache).counters
        own = dict.fromkeys(each.coordinate for each in _all(fields) if each.own_ttl is not None)
        told = (advice_on_field(coordinate, setting.schema, counters) for coordinate in own)
        notes += [advice for advice in told if advice is not None]
    return replace(explanation, notes=tuple(notes))


def _all(fields: tuple[ExplainedField, ...]) -> Iterator[ExplainedField]:
    for each in fields:
        yield each
        yield from _all(each.fields)


def _not_cached(problem: Problem, fields: tuple[ExplainedField, ...]) -> Explanation:
    return Explanation(
        cacheable=False,
        ttl=None,
        scope=None,
        reason=problem.reason,
        limited_by=problem.coordinate,
        advice=problem.advice,
        fields=fields,
    )
