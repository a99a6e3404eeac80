"""The headers of one response, which the operations that it answers decide together."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from http import HTTPMethod
from types import MappingProxyType
from typing import Any, Final

from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql.http import messages
from strawberry_response_cache.graphql.http.cdn_tags import invalidated_groups, tag_headers
from strawberry_response_cache.graphql.http.freshness import Freshness, strictest
from strawberry_response_cache.graphql.http.rules import (
    NO_STORE,
    HeaderOptions,
    cache_control_header,
    vary_with,
)
from strawberry_response_cache.graphql.http.session_cookies import changes_session

_PENDING: Final = "No-Store"
"""The spelling, which caches ignore, tells it from the ``no-store`` of a resolver, which is left as it is."""
_MOST_OTHERS: Final = 256
_MOST_KEPT: Final = 1024
"""How many combinations of headers are remembered."""
_INVALIDATION: Final = "cache-group-invalidation"
_OF_STREAMS: Final = frozenset({"cache-control", "vary"})


class ResponseHeaders:
    """The headers of one response, as all the operations that it answers allow them.

    Until all operations have ended, the response must not be stored.

    Attributes:
        status: The status to set on the response; None to leave it as it is.
        is_sent: Whether the response is sent. An operation that has the same object in its context afterwards belongs
            to another response.
        invalidated: The names of what mutations invalidated, for ``Cache-Group-Invalidation``.
        written: The values that were written to the framework's response, by lower-case names; None for a header that
            was removed.
        theirs: What the application has set in headers to which this package appends, by lower-case names.
        owner: The ``id()`` of the framework's response, which a copy of the response does not have.
    """

    # Attributes that most responses do not change are the class's, because each hit makes an object.
    _begun = 0
    _ended = 0
    _strictest: Freshness | None = None
    _cache_status: str | None = None
    written: Mapping[str, str | None] = MappingProxyType({})
    status: int | None = None
    is_sent = False
    invalidated: tuple[str, ...] = ()
    _everything: Mapping[str, None] = MappingProxyType({})
    theirs: Mapping[str, str | None] = MappingProxyType({})
    owner = 0

    def __init__(self, options: HeaderOptions) -> None:
        self._options = options

    def __reduce__(self) -> tuple[type[str], tuple[()]]:
        """Leave the headers out where the framework's response is pickled, as Django's cache does, or deeply copied."""
        return str, ()

    def begin(self, count: int = 1) -> None:
        """Note that an operation begins, or several."""
        self._begun += count

    def end(
        self, freshness: Freshness | None, status: str | None = None, *, count: int = 1
    ) -> None:
        """Note that an operation has ended.

        Args:
            freshness: What is known of its answer; None if nobody may store it.
            status: What the cache did, as `cache_status` returns it; None if the header is not sent.
            count: How many have ended.
        """
        is_first = self._ended == 0
        self._ended += count
        self._strictest = freshness if is_first else strictest([self._strictest, freshness])
        self._cache_status = self._cache_status or status

    def tell(self, later: "ResponseHeaders") -> None:
        """Copy what is known so far to another object for the same response, which replaces this one.

        Args:
            later: The other object. An operation that has not ended by now never ends there, so the response is
                not stored.
        """
        later.begin(self._begun)
        if self._ended:
            later.end(self._strictest, self._cache_status, count=self._ended)
        later.written = {**later.written, **self.written}
        later.theirs = {**later.theirs, **self.theirs}
        later.invalidate(self.invalidated, self._everything)

    def invalidate(self, names: Iterable[str], everything: Iterable[str]) -> None:
        """Note what a mutation invalidated.

        Args:
            names: The names under which a CDN purges it.
            everything: The names of all responses of its tenant.
        """
        self.invalidated += tuple(names)
        self._everything = {**self._everything, **dict.fromkeys(everything)}

    @property
    def freshness(self) -> Freshness | None:
        """What holds for the whole response; None if nobody may store it."""
        return None if self._ended < self._begun else self._strictest

    def write(self, response: object, request: object, *, is_sent: bool = False) -> None:
        """Write the headers to a framework's response.

        A ``Cache-Control`` of the application is left as it is. The values of ``Vary`` and of the headers
        with tags are appended to those of the application.

        Args:
            response: The response.
            request: The request; None if it is not known.
            is_sent: Whether it is sent now: with an operation that has not ended, it then stays `no-store`.
        """
        self.is_sent = is_sent
        present, written, options = messages.written_in(response), self.written, self._options
        lines, tags = self._lines(present, request)
        if written or self._cache_status or options.tag_headers or self.invalidated:
            more = self._cache_status_line(present) | self._tag_lines(present, tags)
            if "age" not in lines.values and written.get("age") is not None:
                more["age"] = None
            if self.invalidated and _is_unsafe(request):
                groups = invalidated_groups(self.invalidated, self._everything)
                more[_INVALIDATION] = self._with_theirs(_INVALIDATION, groups, present)
            lines = messages.Lines({**lines.values, **more})
            written = {**written, **lines.values}
        if self.status is not None and self._begun == 1:
            messages.set_status(response, self.status)
        messages.set_headers(response, lines, replaces=bool(present or written))
        self.written = written or lines.values

    def validator(self, response: object) -> str:
        """Return the validator with which the response to a GET is sent; empty if there is none.

        Args:
            response: The response, whose headers were written.
        """
        freshness = self.freshness
        if freshness is None or self.written.get("cache-control") == NO_STORE:
            return ""
        present = messages.written_in(response)
        return "" if "etag" in present or messages.STATUS in present else freshness.validator

    def _lines(
        self, present: Mapping[str, str], request: object
    ) -> tuple[messages.Lines, tuple[str, ...]]:
        """Return the headers that most responses have, and the tags of one that shared caches may store."""
        options, freshness, vary = self._options, self._strictest, ""
        if present:
            vary = present.get("vary", "")
            if self._is_of_application("cache-control", present):
                return _lines_without_freshness(options, vary, None), ()
        is_pending = self._ended < self._begun
        if is_pending or freshness is None or (present and self._is_limited(present)):
            control = _PENDING if is_pending and not self.is_sent else NO_STORE
            return _lines_without_freshness(options, vary, control), ()
        asker = called(_asker, request) if freshness.is_shared else "known"
        if asker == "gets a cookie":
            return _lines_without_freshness(options, vary, NO_STORE), ()
        is_public = asker == "anybody"
        lasts = int(freshness.lifetime), int(freshness.stale), int(freshness.age)
        lines = _lines_of(options, vary, lasts, freshness.is_shortened, is_public)
        return lines, freshness.tags if is_public else ()

    def _is_limited(self, present: Mapping[str, str]) -> bool:
        """Whether the response must not be stored, although its data may be.

        It sets a cookie, its status is not 200, or the application says in other headers how long it may be reused,
        which a ``Cache-Control`` would override.
        """
        return any(name in present for name in messages.LIMITS) or any(
            self._is_of_application(name, present) for name in messages.OF_FRESHNESS
        )

    def _is_of_application(self, name: str, present: Mapping[str, str]) -> bool:
        """Whether the application has set a header."""
        return name in present and present[name] != self.written.get(name)

    def _tag_lines(
        self, present: Mapping[str, str], tags: tuple[str, ...]
    ) -> dict[str, str | None]:
        """Return the headers that list the tags of a response; None removes what was written before."""
        names = self._options.tag_headers
        ours: Mapping[str, str] = tag_headers(tags, names) if tags else {}
        lower = [name.lower() for name in names]
        return {name: self._with_theirs(name, ours.get(name), present) for name in lower}

    def _with_theirs(self, name: str, ours: str | None, present: Mapping[str, str]) -> str | None:
        """Return the value of a header that holds a list: what the application set there, and then ours."""
        if present.get(name) != self.written.get(name):  # set, or removed
            self.theirs = {**self.theirs, name: present.get(name)}
        both = filter(None, (self.theirs.get(name), ours))
        return messages.BETWEEN.get(name, ", ").join(both) or None

    def of_stream(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a stream, which must not be stored.

        Args:
            headers: The headers that it has so far.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        vary = vary_with(lower.get("vary", ""), self._options.names)
        others = {name: headers[name] for name in headers if name.lower() not in _OF_STREAMS}
        return {**others, "Cache-Control": NO_STORE, "Vary": vary}

    def _cache_status_line(self, present: Mapping[str, str]) -> dict[str, str | None]:
        written = self.written.get("cache-status")
        if self._begun > 1:  # a batch would have several
            return {} if written is None else {"cache-status": None}
        if self._cache_status is None or self._is_of_application("cache-status", present):
            return {}
        return {"cache-status": self._cache_status}

    def has_written(self, name: str | bytes, value: object) -> bool:
        """Whether a header of the framework's response has the value that was written here."""
        text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
        said = value.decode("latin-1") if isinstance(value, bytes) else value
        return self.written.get(text.lower()) == said


@lru_cache(_MOST_KEPT)
def _lines_without_freshness(
    options: HeaderOptions, theirs: str, control: str | None
) -> messages.Lines:
    """Return ``Vary``, and a ``Cache-Control`` if it is not left to the application."""
    values = {"vary": vary_with(theirs, options.names)}
    return messages.Lines(values if control is None else {**values, "cache-control": control})


@lru_cache(_MOST_KEPT)
def _lines_of(
    options: HeaderOptions,
    theirs: str,
    lasts: tuple[int, int, int],
    is_shortened: bool,  # noqa: FBT001 - a cache takes positions faster
    is_public: bool,  # noqa: FBT001 - as above
) -> messages.Lines:
    """Return the headers of a response that may be stored; they depend on nothing but these arguments."""
    lifetime, stale, age = lasts
    freshness = Freshness(
        lifetime=lifetime, stale=stale, age=age, is_shared=is_public, is_shortened=is_shortened
    )
    control = cache_control_header(freshness, options, is_public=is_public)
    vary = vary_with(theirs, options.names)
    return messages.Lines({"vary": vary, "cache-control": control, "age": str(age)})


def _is_unsafe(request: object) -> bool:
    """Whether a request is a POST, or its method is not known: it may have changed data (RFC 9875, section 3)."""
    method = called(getattr, request, "method", None)
    return not isinstance(method, str) or method == HTTPMethod.POST


def _asker(request: Any) -> str:  # noqa: ANN401 - of any framework
    """Return ``known`` for a request with credentials, ``gets a cookie`` if its session changes, else ``anybody``."""
    if (
        type(request).__name__ == "LocalProxy"
    ):  # Flask's and Quart's; each look through it takes long
        request = request._get_current_object()  # noqa: SLF001 - werkzeug documents it
    if messages.has_credentials(request):
        return "known"
    return "gets a cookie" if changes_session(request) else "anybody"


_ATTRIBUTE: Final = "_strawberry_response_cache"
"""Where a response keeps its headers. A batch shares its response among operations."""
_of_others: Final[OrderedDict[int, tuple[object, ResponseHeaders]]] = OrderedDict()
"""The headers of responses that take no attribute, such as Litestar's and Sanic's; the most recent ones."""


def headers_of(response: object, options: HeaderOptions) -> ResponseHeaders:
    """Return the headers of a framework's response, the same for all its operations."""
    known = known_headers_of(response)
    if known is not None:
        return known
    made = ResponseHeaders(options)
    _keep(response, made)
    return made


def share_headers(response: object, headers: ResponseHeaders) -> None:
    """Let all operations that find a framework's response in their contexts share headers.

    A view makes the response to send from this one, with the headers that were written to this one.

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
    headers.owner = id(response)
    if type(called(setattr, response, _ATTRIBUTE, headers)) is Raised:
        _of_others[id(response)] = response, headers
        while len(_of_others) > _MOST_OTHERS:
            _of_others.popitem(last=False)


def known_headers_of(response: object) -> ResponseHeaders | None:
    """Return the headers that are kept for a framework's response; None if there are none."""
    known = called(getattr, response, _ATTRIBUTE, None)
    if type(known) is ResponseHeaders and known.owner == id(response):
        return known
    other = _of_others.get(id(response))
    return other[1] if other is not None and other[0] is response else None
