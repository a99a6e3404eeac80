"""The SQL of a request, counted in headers of its response."""

from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.db import connections
from django.db.backends.signals import connection_created
from django.utils.decorators import sync_and_async_middleware

OWN: Final = "X-Statements"
OF_LOGIN: Final = "X-Login-Statements"
"""What Django asks to know the user: the session, and the row of the user."""

_CONTROL: Final = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "PRAGMA", "SET ", "SHOW ")
_LOGIN: Final = ('FROM "django_session"', 'FROM "auth_user" WHERE "auth_user"."id" = ')

# A request's own, in its threads as well: asgiref copies the context into them.
_counted: ContextVar[Counter[str] | None] = ContextVar("counted", default=None)


def _count(execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any) -> Any:
    counted = _counted.get()
    if counted is not None and not str(sql).startswith(_CONTROL):
        counted[OF_LOGIN if any(each in str(sql) for each in _LOGIN) else OWN] += 1
    return execute(sql, params, many, context)


def _watch(connection: Any, **_: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


connection_created.connect(_watch)
for _each in connections.all(initialized_only=True):
    _watch(_each)


def _note(response: Any, counted: Counter[str]) -> Any:
    for name in (OWN, OF_LOGIN):
        response[name] = str(counted[name])
    return response


@sync_and_async_middleware
def counting(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Count the statements of each request."""
    if iscoroutinefunction(get_response):

        async def count_async(request: Any) -> Any:
            counted: Counter[str] = Counter()
            _counted.set(counted)
            return _note(await get_response(request), counted)

        return count_async

    def count(request: Any) -> Any:
        counted: Counter[str] = Counter()
        _counted.set(counted)
        return _note(get_response(request), counted)

    return count
