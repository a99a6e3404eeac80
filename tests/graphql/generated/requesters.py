"""Who asks."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Requester:
    """Whom a request is of.

    Attributes:
        badges: The permissions; a session has the same ones in every request.
        now: Whether the permission `now` lets it through, which is of one request.
    """

    tenant: str = "acme"
    session: Any = "alice"
    locale: str = "en"
    zone: Any = 1
    badges: frozenset[str] = frozenset()
    now: bool = True

    @property
    def varied(self) -> dict[str, Any]:
        return {"locale": self.locale, "zone": self.zone}


ALL = frozenset({"badge", "pass"})
BADGES: dict[Any, frozenset[str]] = {
    "alice": ALL,
    "bob": frozenset(),
    1: frozenset({"badge"}),
    "1": frozenset({"pass"}),
}
"""What a session may do. Without a session nothing is shared, so that may differ."""
SESSIONS = ("alice", "bob", 1, "1")
REQUESTERS = [
    Requester(tenant, session, locale, zone, BADGES[session], now)
    for tenant in ("acme", "globex")
    for session in SESSIONS
    for locale in ("en", "de")
    for zone in (1, "1")
    for now in (True, True, False)
]
ONE = st.sampled_from(REQUESTERS)


@st.composite
def several_requesters(draw: st.DrawFn) -> tuple[Requester, ...]:
    """Some who differ in one thing each, so that nothing else keeps their entries apart."""
    first = draw(ONE)
    sessions = [
        replace(first, session=each, badges=BADGES[each])
        for each in SESSIONS
        if repr(each) != repr(first.session)
    ]
    nobody = [replace(first, session=None, badges=badges) for badges in (ALL, frozenset[str]())]
    others = [
        replace(first, locale="de" if first.locale == "en" else "en"),
        replace(first, zone="1" if first.zone == 1 else 1),
        replace(first, tenant="globex" if first.tenant == "acme" else "acme"),
        replace(first, now=not first.now),
    ]
    another = draw(st.sampled_from([*sessions, *sessions, *nobody]))
    return (first, another, draw(st.sampled_from(others)))
