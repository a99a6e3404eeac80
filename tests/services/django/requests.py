"""What the callers ask, and who may."""

from dataclasses import dataclass, field
from typing import Any, Final

BOOK: Final = "{ __typename pk title version stock cover author { name } reviewCount }"
_NOTE: Final = "{ __typename pk version ownerId }"


@dataclass(frozen=True, kw_only=True)
class Read:
    """A query.

    Attributes:
        query: Its document. With a variable ``pk``, the caller chooses a book.
        users: Who may ask it; all, and visitors, if empty.
        is_hit: Whether the operation is a hit when it is asked again: for visitors only if it is PUBLIC.
        is_private: Whether each user has a response of their own.
    """

    query: str
    users: tuple[str, ...] = ()
    is_hit: bool = True
    is_private: bool = False


_LOGGED_IN: Final = ("alice", "bob", "carol", "staff")

READS: Final = (
    Read(query=f"{{ books {BOOK} }}"),
    Read(query=f"query ($pk: ID!) {{ book(pk: $pk) {BOOK} }}"),
    Read(
        query="{ shelf(first: 5) { totalCount pageInfo { hasNextPage } edges { node "
        "{ __typename id pk version } } } }"
    ),
    Read(
        query='{ shelf(filters: { title: { endsWith: "1" } }) { totalCount edges { node '
        "{ __typename pk version } } } }"
    ),
    Read(query=f"{{ notes {_NOTE} }}", is_private=True),
    Read(query=f"{{ journal {{ totalCount edges {{ node {_NOTE} }} }} }}", is_private=True),
    Read(query=f"{{ books {{ __typename pk version notes {_NOTE} }} }}", is_private=True),
    Read(query="{ me { __typename pk username } }", users=_LOGGED_IN, is_private=True),
    # Their checks run each time, so their fields are cached and not the operation.
    Read(query=f"{{ members {BOOK} }}", users=_LOGGED_IN, is_hit=False),
    Read(query=f"{{ readers {BOOK} }}", users=("alice",), is_hit=False),
    Read(query=f"{{ stocktaking {BOOK} }}", users=("staff",), is_hit=False),
    Read(query=f"{{ unhinted books {BOOK} }}", is_hit=False),
)

BUMP: Final = f"mutation ($pk: Int!) {{ bump(pk: $pk) {BOOK} }}"
MOVE: Final = f"mutation ($pk: Int!, $to: Int!) {{ move(pk: $pk, to: $to) {BOOK} }}"
FAIL: Final = "mutation ($pk: Int!) { fail(pk: $pk) { pk } }"
COVER: Final = f"mutation ($pk: Int!, $file: Upload!) {{ cover(pk: $pk, file: $file) {BOOK} }}"
REVIEW: Final = "mutation ($pk: Int!) { review(pk: $pk) { __typename pk } }"
CHANGE_NOTE: Final = f"mutation ($id: ID!, $version: Int!) {{ changeNote(data: {{id: $id, version: $version}}) {_NOTE} }}"
CREATE_NOTE: Final = f"mutation ($pk: ID!, $owner: ID!) {{ createNote(data: {{book: {{set: $pk}}, owner: {{set: $owner}}}}) {_NOTE} }}"
DELETE_NOTE: Final = f"mutation ($id: ID!) {{ deleteNote(data: {{id: $id}}) {_NOTE} }}"
READ_BOOK: Final = READS[1].query


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server answered to one request.

    Attributes:
        results: One for each operation.
        statements: The SQL of the project.
        login: The SQL by which Django knows the user.
    """

    results: list[dict[str, Any]] = field(repr=False)
    statements: int
    login: int

    @property
    def data(self) -> Any:
        """The data of the first operation."""
        return self.results[0].get("data")

    @property
    def is_refused(self) -> bool:
        """Whether Redis refused to store it, or the same lately."""
        told = [each.get("extensions", {}).get("responseCache", {}) for each in self.results]
        return any(each.get("reason") == "refused" for each in told)

    @property
    def statuses(self) -> list[str]:
        """What the cache says of each operation."""
        told = [each.get("extensions", {}).get("responseCache", {}) for each in self.results]
        return [str(each.get("status")) for each in told]
