"""Strawberry types as `as_type`: the data of a value is stored, and its resolvers are not."""

import dataclasses
import datetime
import decimal
import enum
from typing import Any

import pydantic
import pytest
import strawberry

from strawberry_response_cache.core import CacheSerializationError, CacheStatus, ResponseCache
from strawberry_response_cache.core.serialization.codec import codec_for

MOST = 10_000
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


@strawberry.enum
class Kind(enum.Enum):
    OPEN = "open"
    CLOSED = "closed"


@strawberry.interface
class Named:
    name: str

    @strawberry.field
    def shouted(self) -> str:
        return self.name.upper()


@strawberry.type
class Owner(Named):
    @strawberry.field
    async def accounts(self, info: strawberry.Info) -> list["Account"]:
        raise NotImplementedError


@strawberry.type
class Account:
    id: strawberry.ID
    balance: decimal.Decimal = strawberry.field(description="What is on it.")
    opened: datetime.datetime
    kind: Kind = strawberry.field(default=Kind.OPEN)
    labels: list[str] = strawberry.field(default_factory=list)
    owner: Owner | None = strawberry.field(default=None)
    children: list["Account"] = strawberry.field(default_factory=list)
    note: str | None = strawberry.UNSET
    limits: list[int] | None = strawberry.field(default=strawberry.UNSET)
    secret: strawberry.Private[int] = 0

    @strawberry.field
    def label(self) -> str:
        return self.labels[0]


@strawberry.type
class Empty:
    @strawberry.field
    def text(self) -> str:
        return "text"


@dataclasses.dataclass
class Page:
    """A dataclass that is none of Strawberry's, and holds some that are."""

    accounts: dict[str, list[Account]]
    first: Owner | Account | None
    number: int = pydantic.Field(default=1)
    cached: list[str] = dataclasses.field(default_factory=list, init=False, compare=False)


@strawberry.input
class Filter:
    text: str | None = strawberry.UNSET
    kinds: list[Kind] = strawberry.field(default_factory=lambda: [Kind.OPEN])


def account(number: int = 1, **more: Any) -> Account:
    values: dict[str, Any] = {
        "id": strawberry.ID(str(number)),
        "balance": decimal.Decimal("1.50"),
        "opened": NOW,
    }
    return Account(**(values | more))


FULL = account(
    2,
    kind=Kind.CLOSED,
    labels=["a"],
    owner=Owner(name="Ada"),
    children=[account(3, note=None)],
    note="n",
    limits=[1, 2],
    secret=7,
)

VALUES: dict[str, tuple[Any, Any]] = {
    "defaults": (Account, account()),
    "everything given": (Account, FULL),
    "null is not unset": (Account, account(note=None, limits=None)),
    "a list": (list[Account], [account(), FULL]),
    "an optional one": (Account | None, None),
    "a union": (Owner | Account, FULL),
    "another of the union": (Owner | Account, Owner(name="Ada")),
    "a tuple in a dict": (dict[str, tuple[Owner, ...]], {"a": (Owner(name="Ada"),)}),
    "a dataclass around it": (Page, Page({"a": [account()]}, Owner(name="Ada"), 2)),
    "an input": (Filter, Filter()),
    "an input with all": (Filter, Filter(text="t", kinds=[])),
}


@pytest.mark.parametrize(("as_type", "value"), VALUES.values(), ids=VALUES.keys())
async def test_a_hit_gives_back_what_was_generated(
    memory_cache: ResponseCache, face: Any, as_type: Any, value: Any
) -> None:
    for status in (CacheStatus.MISS, CacheStatus.HIT):
        response = await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=as_type)
        assert response.status is status
        assert response.value == value
        assert type(response.value) is type(value)


def test_unset_fields_stay_unset_and_resolvers_are_not_stored() -> None:
    codec = codec_for(Account)
    payload = codec.encode(account(labels=["a"]), MOST)
    assert payload is not None
    restored: Any = codec.decode(payload)

    assert restored.note is restored.limits is strawberry.UNSET
    assert restored.label() == "a"
    for absent in (b'label"', b"note", b"limits", b"shouted"):
        assert absent not in payload


def test_a_type_with_only_resolvers_can_be_stored() -> None:
    codec = codec_for(Empty)
    assert isinstance(codec.decode(codec.encode(Empty(), MOST) or b""), Empty)


def test_values_of_wrong_types_are_refused() -> None:
    for value in (
        Owner(name="Ada"),
        account(balance="no number"),
        account(labels=[strawberry.UNSET]),
    ):
        with pytest.raises(CacheSerializationError):
            codec_for(Account).encode(value, MOST)


def test_encoding_does_not_change_the_classes_of_values() -> None:
    before = dict(vars(Account))
    codec_for(list[Account | None]).encode([FULL], MOST)
    assert dict(vars(Account)) == before
