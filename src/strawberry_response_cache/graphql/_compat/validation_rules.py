"""Which validation rules treat every request alike: graphql-core's, and Strawberry's without functions of the user."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from types import FunctionType
from typing import Any, Final

from graphql import ASTValidationRule, NoSchemaIntrospectionCustomRule, specified_rules

PURE_RULES: Final = frozenset({*specified_rules, NoSchemaIntrospectionCustomRule})
"""Rules that read only the schema and the document, apart from the literals of custom scalars."""
_LIMITS: Final = frozenset(
    {
        ("strawberry.extensions.max_aliases", "MaxAliasesValidator"),
        ("strawberry.extensions.query_depth_limiter", "DepthLimitValidator"),
    }
)
"""The rules that Strawberry's extensions make, each for one limit."""


def may_admit_some_only(
    rules: Iterable[type[ASTValidationRule]], trusted: AbstractSet[object]
) -> bool:
    """Whether a rule may refuse a document for some requests, and accept it for others."""
    if rules == specified_rules:
        return False
    return any(
        rule not in PURE_RULES and rule not in trusted and not _is_limit(rule) for rule in rules
    )


def _is_limit(rule: object) -> bool:
    """Whether a rule is a limit of Strawberry's, with nothing of the user's but numbers."""
    if not isinstance(rule, type):  # graphql-core takes any callable for a rule
        return False
    if (rule.__module__, rule.__name__) not in _LIMITS:
        return False
    init: Any = vars(rule).get("__init__")
    if not isinstance(init, FunctionType) or init.__module__ != rule.__module__:
        return False
    captured = (cell.cell_contents for cell in init.__closure__ or ())
    return all(each is rule or not callable(each) for each in captured)
