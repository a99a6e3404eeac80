"""The cache identity of a request, and what functions such as ``session`` may return."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn
from uuid import UUID

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._user_code import Raised
from strawberry_response_cache.core._user_values import plain_identity, unwrapped
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError, field_stem
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason


@dataclass(slots=True, kw_only=True)  # not frozen, because each request makes one
class CacheIdentity:
    """The cache identity of a request.

    Attributes:
        cache: The tenant's cache.
        session: The session; None if the response is PUBLIC.
        varied: The values by which the response varies.
        extensions: The request's extensions that are part of keys.
    """

    cache: ResponseCache
    session: str | None = field(repr=False)
    varied: Mapping[str, str] = field(repr=False)
    extensions: Mapping[str, str] = field(repr=False)

    def field_stem(self, stem: str, inherited: str, session: str | None) -> str:
        """Return the stem of a field's keys for this identity and a session; see `operation_key.field_stem`."""
        return field_stem(
            stem,
            inherited=inherited,
            session=session,
            varied=self.varied,
            extensions=self.extensions,
        )

    @property
    def visibility(self) -> Literal["public", "private"]:
        """``public`` for all sessions of the tenant, or ``private`` for one session."""
        return "public" if self.session is None else "private"


class UnclearError(Exception):
    """A function that the extension was given, such as ``session``, returned nothing usable."""

    def __init__(self, kind: type) -> None:
        super().__init__(kind.__qualname__)
        self.kind = kind.__qualname__


def is_awaitable(value: object) -> bool:
    """Whether a value has to be awaited."""
    # A lazy object claims another class and may have any method, `__await__` included.
    return value.__class__ is type(value) and inspect.isawaitable(value)


def kind_of_refused(value: object, answer: Raised) -> str:
    """Return the name of an error's type, or of the type of a value that was not usable."""
    if isinstance(answer.error, UnclearError):
        return answer.error.kind
    if answer is value or not isinstance(answer.error, CacheConfigurationError | UnkeyableError):
        return answer.kind
    return "empty str" if type(value) is str and not value else type(value).__qualname__


def refuse_to_wait(value: object) -> NoReturn:
    """Refuse an awaitable in a sync execution.

    Raises:
        UnclearError: In any case.
    """
    if inspect.iscoroutine(value):
        value.close()
    raise UnclearError(type(value))


def printed_session(session: object) -> str | None:
    """Return the session's text for keys; None for None, 0, empty and false values, which are no session.

    Raises:
        UnclearError: If it is not a string, an int or a UUID.
    """
    session = unwrapped(session)
    if session is None or session is False:
        return None
    text = plain_identity(session)
    if text is None:
        raise UnclearError(type(session))
    if text in {"", "0"}:
        return None
    kind = next(kind for kind in (str, int, UUID) if isinstance(session, kind))
    return f"{kind.__name__}:{text}"


_PRINTABLE: Final = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)


def unknown_extensions(names: set[Any]) -> Problem:
    """Return the problem of a request with unknown ``extensions``; its advice names one whose name is printable."""
    printable = [name for name in names if isinstance(name, str) and _PRINTABLE.fullmatch(name)]
    if not printable:
        return Problem(Reason.REQUEST_EXTENSIONS)
    name = min(printable)
    return Problem(
        Reason.REQUEST_EXTENSIONS,
        None,
        f"The client sends the extension {name}. If no resolver reads it, write "
        f'ignore_request_extensions=("{name}",) on ResponseCacheExtension; otherwise '
        f'vary_request_extensions=("{name}",).',
    )
