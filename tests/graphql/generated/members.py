"""Places where one of several types can stand: each of these types says for how long, or says nothing."""

from hypothesis import strategies as st

from tests.graphql.generated.schemas import ROOT, UNCACHED, Blueprint, Hint, Member, Type, weighted

LIVES = [
    Hint(ttl, stale=stale)
    for ttl, stale in ((6000, 3000), (2000, 1000), (2000, 4000), (500, 3000), (500, None))
]
INHERITS = Hint(inherit=True, stale=2000)
OF_MEMBERS = weighted((4, LIVES), (1, [None]), (1, [INHERITS]))
OF_ALL = weighted((4, [None]), (2, LIVES), (1, [INHERITS, Hint(stale=2000)]))
PLACES = weighted(
    (2, [Member(""), Member("", resolver=True, hint=Hint(inherit=True))]),
    (1, [Member("", resolver=True, hint=Hint()), Member("", resolver=True, hint=Hint(8000))]),
)
ROOTS = weighted((3, [Hint(8000, stale=5000)]), (1, [Hint(stale=5000), Hint()]))


@st.composite
def shared_places(draw: st.DrawFn) -> Blueprint:
    """Some types, an interface or a union of them, and fields that return it at the root and below."""
    text = Member("f0")
    names = [f"O{number}" for number in range(draw(st.integers(2, 4)))]
    is_union = draw(st.booleans())
    of_all: Hint | None = draw(OF_ALL)
    members = tuple(
        Type(name, bases=() if is_union else ("Any",), declares=(text,), hint=draw(OF_MEMBERS))
        for name in names
    )
    if is_union:
        types = (*members, Type("Any", abstract=True, union=tuple(names), hint=of_all))
    else:
        types = (Type("Any", abstract=True, declares=(text,), hint=of_all), *members)
    place: Member = draw(PLACES)
    holding = Member("f1", "Any", draw(st.booleans()), place.resolver, place.hint)
    root = (
        Member(UNCACHED, resolver=True),
        Member("q0", "Holder", resolver=True, hint=draw(ROOTS)),
        Member("q1", "Any", draw(st.booleans()), resolver=True, hint=draw(ROOTS)),
    )
    holder = Type("Holder", declares=(holding,), hint=draw(OF_MEMBERS))
    return Blueprint((*types, holder, Type(ROOT, declares=root)))
