"""What can be under test: the core by itself, or a GraphQL schema on top of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from strawberry_response_cache.core import ResponseCache
from tests.fuzz import caller as core
from tests.fuzz import world as core_world
from tests.fuzz.checker import Checker, Judge, Violation
from tests.fuzz.faces import Callers
from tests.fuzz.graphql import caller as graphql
from tests.fuzz.graphql import world as graphql_world
from tests.fuzz.graphql.checker import ResponseChecker
from tests.fuzz.options import FaceName, Options
from tests.fuzz.truth import Truth

_NOTHING: Final = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing under test.

    Attributes:
        data: How many data its truth has.
        keys: How many keys have their runs noted.
        checker: Makes the checker of one process.
        callers: Returns the callers of one process.
        harmless: Matches what the interpreter complains about without the cache too.
    """

    data: int
    keys: int
    checker: Callable[[Options, Truth, int, Callable[[Violation], None]], Judge]
    callers: Callable[[Options, int, ResponseCache, Truth, Any], Callers]
    harmless: re.Pattern[str] = _NOTHING


# Of a request that is cancelled, or has a field that fails, graphql-core leaves coroutines behind.
_LEFT_BY_GRAPHQL_CORE: Final = re.compile(
    r"coroutine (object )?'?(Executor|GraphQLCoreConverter)\."
)

SUBJECTS: Final[dict[FaceName, Subject]] = {
    "core": Subject(core_world.DATA, core_world.KEYS, Checker, core.callers),
    "graphql": Subject(
        graphql_world.DATA, 0, ResponseChecker, graphql.callers, _LEFT_BY_GRAPHQL_CORE
    ),
}
