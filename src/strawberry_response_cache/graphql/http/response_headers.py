"""The headers of one response, which the operations that it answers decide together."""

import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from strawberry_response_cache.graphql.http import messages
from strawberry_response_cache.graphql.http.cdn_tags import invalidated_groups, tag_headers
from strawberry_response_cache.graphql.http.freshness import Freshness, strictest
from strawberry_response_cache.graphql.http.rules import (
    NO_STORE,
    HeaderOptions,
    cache_control,
    vary_with,
)
from strawberry_response_cache.graphql.http.session_cookies import sends_session_cookie

_PENDING: Final = "No-Store"
"""Directives are read in any case. What a resolver sets is told from this, and is then left as it is."""
_MOST_KEPT: Final = 256


class ResponseHeaders:
    """What the operations answered by one response say about it.

    Until all have ended nobody may store it.

    Args:
        options: What the extension was told.

    Attributes:
        status: The status that the response gets; None for its own.
        is_sent: Whether the response is sent; what has the same object in its context later belongs to another.
        invalidated: The names of what mutations invalidated, for ``Cache-Group-Invalidation``.
        written: The values that were written to the framework's response, by lower-case names.
    """

    def __init__(self, options: HeaderOptions) -> None:
        self._options = options
        self._begun = 0
        self._ended = 0
        self._strictest: Freshness | None = None
        self._cache_status: str | None = None
        self.written: dict[str, str] = {}
        self.status: int | None = None
        self.is_sent = False
        self.invalidated: list[str] = []
        self._everything: dict[str, None] = {}

    def begin(self, count: int = 1) -> None:
        """Note that an operation begins, or several."""
        self._begun += count

    def end(
        self, freshness: Freshness | None, status: str | None = None, *, count: int = 1
    ) -> None:
        """Note that an operation has ended.

        Args:
            freshness: What is known of its answer; None if nobody may store it.
            status: What the cache did, as `cache_status` says it; None if that is not told.
            count: How many have ended.
        """
        is_first = self._ended == 0
        self._ended += count
        self._strictest = freshness if is_first else strictest([self._strictest, freshness])
        self._cache_status = self._cache_status or status

    def tell(self, later: "ResponseHeaders") -> None:
        """Tell others of the same response what is known so far; what has not ended never is.

        Args:
            later: Who goes on.
        """
        later.begin(self._begun)
        if self._ended:
            later.end(self._strictest, self._cache_status, count=self._ended)
        later.written.update(self.written)
        later.invalidate(self.invalidated, self._everything)

    def invalidate(self, names: Iterable[str], everything: Iterable[str]) -> None:
        """Note what a mutation invalidated.

        Args:
            names: The names of that.
            everything: The names of all responses of its tenant.
        """
        self.invalidated += names
        self._everything.update(dict.fromkeys(everything))

    @property
    def freshness(self) -> Freshness | None:
        """What holds for the whole response; None if nobody may store it."""
        return None if self._ended < self._begun else self._strictest

    def write(self, response: object, request: object, *, is_sent: bool = False) -> None:
        """Write the headers to a framework's response.

        A ``Cache-Control`` of the application is left as it is. ``Vary`` is appended to.

        Args:
            response: The response.
            request: The request; None if it is not known.
            is_sent: Whether it is sent now, also if an operation has not ended.
        """
        self.is_sent = is_sent
        present = messages.written_in(response)
        changes: dict[str, str | None] = {}
        options = self._options
        others = present.get("vary")
        changes["vary"] = options.vary_alone if others is None else vary_with(others, options.names)
        self._change_cache_status(present, changes)
        if present.get("cache-control") in {None, self.written.get("cache-control")}:
            self._change_cache_control(present, changes, request, is_sent=is_sent)
        if self.status is not None and self._begun == 1:
            messages.set_status(response, self.status)
        messages.set_headers(response, changes)
        for name, value in changes.items():
            if value is None:
                self.written.pop(name, None)
            else:
                self.written[name] = value

    def validator(self, response: object) -> str:
        """Return the validator with which the response to a GET is sent; empty if there is none.

        Args:
            response: The response, whose headers were written.
        """
        freshness = self.freshness
        if freshness is None or self.written.get("cache-control") == NO_STORE:
            return ""
        return "" if "etag" in messages.written_in(response) else freshness.validator

    def _change_cache_control(
        self,
        present: Mapping[str, str],
        changes: dict[str, str | None],
        request: object,
        *,
        is_sent: bool,
    ) -> None:
        freshness = self.freshness
        is_public = (
            freshness is not None and freshness.is_shared and not messages.has_credentials(request)
        )
        sets_cookie = "set-cookie" in present or (is_public and sends_session_cookie(request))
        is_public = is_public and not sets_cookie
        value = cache_control(
            freshness, self._options, is_public=is_public, sets_cookie=sets_cookie
        )
        is_pending = self._ended < self._begun and not is_sent
        changes["cache-control"] = _PENDING if is_pending else value
        if freshness is not None and value != NO_STORE:
            changes["age"] = str(int(freshness.age))
        elif "age" in self.written:
            changes["age"] = None
        told = freshness.tags if freshness is not None and is_public and value != NO_STORE else ()
        if told:
            changes.update(tag_headers(told, self._options.tag_headers))
        else:
            changes.update({name.lower(): None for name in self._options.tag_headers})
        if self.invalidated:
            changes["cache-group-invalidation"] = invalidated_groups(
                self.invalidated, self._everything
            )

    def _change_cache_status(
        self, present: Mapping[str, str], changes: dict[str, str | None]
    ) -> None:
        written = self.written.get("cache-status")
        if self._begun > 1:  # a batch would have several
            if written is not None:
                changes["cache-status"] = None
        elif self._cache_status and present.get("cache-status") in {None, written}:
            changes["cache-status"] = self._cache_status

    def has_written(self, name: str | bytes, value: object) -> bool:
        """Whether a header of the framework's response has the value that was written here.

        Args:
            name: The name of the header.
            value: Its value.
        """
        text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
        said = value.decode("latin-1") if isinstance(value, bytes) else value
        return self.written.get(text.lower()) == said


# A batch shares its response among operations. Those of Litestar cannot be referred to weakly.
_weakly: Final[dict[int, tuple[weakref.ref[Any], ResponseHeaders]]] = {}
_strongly: Final[OrderedDict[int, tuple[object, ResponseHeaders]]] = OrderedDict()


def headers_of(response: object, options: HeaderOptions) -> ResponseHeaders:
    """Return the headers of a framework's response, the same for all its operations.

    Args:
        response: The response.
        options: What the extension was told.
    """
    known = known_headers_of(response)
    if known is not None:
        return known
    made = ResponseHeaders(options)
    _keep(response, made)
    return made


def share_headers(response: object, headers: ResponseHeaders) -> None:
    """Let all operations that find a framework's response in their contexts share headers.

    A view makes the response that is sent from it: what was written to it may not weaken the headers.

    Args:
        response: The response in the context of an operation.
        headers: Those of the view, which take over what other operations wrote before.
    """
    known = known_headers_of(response)
    if known is headers:
        return
    if known is not None and not known.is_sent:
        known.tell(headers)
    _keep(response, headers)


def _keep(response: object, headers: ResponseHeaders) -> None:
    number = id(response)
    try:
        # The reference itself is the default of `pop`.
        _weakly[number] = weakref.ref(response, partial(_weakly.pop, number)), headers
    except TypeError:
        _strongly[number] = response, headers
        while len(_strongly) > _MOST_KEPT:
            _strongly.popitem(last=False)


def known_headers_of(response: object) -> ResponseHeaders | None:
    """Return the headers of a framework's response; None if none were written to it."""
    weakly = _weakly.get(id(response))
    if weakly is not None and weakly[0]() is response:
        return weakly[1]
    strongly = _strongly.get(id(response))
    return strongly[1] if strongly is not None and strongly[0] is response else None
