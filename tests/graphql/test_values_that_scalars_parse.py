"""A scalar may parse to any object: an answer is stored unless a resolver changed what it received, or may have."""

import asyncio
import collections
import dataclasses
import datetime
import enum
import math
import random
import re
import threading
from array import array
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import strawberry
from graphql.pyutils import Undefined
from pydantic_core import Url
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from tests.graphql.ledger import outcome


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Box:
    content: Any


class Base:
    __slots__ = ("content", "never_set")


class Slots(Base):
    __slots__ = ()

    def __init__(self, content: Any) -> None:
        self.content = content


class Mixin:
    other = 1


class Both(Slots, Mixin):
    """Of a class with slots, and of one without."""


class Pair(NamedTuple):
    content: Any
    other: int = 0


class Rows(list[Any]):
    """A list with an attribute."""

    name = ""


class Names(set[Any]):
    """A set of the user's own."""


class Frozen(frozenset[Any]):
    """A set that does not change, with an attribute that may."""

    name = ""


class Mapping(dict[str, Any]):
    """A mapping of the user's own."""


class Buffer(bytearray):
    """Bytes that change, of the user's own."""


class Text(str):
    """A text of the user's own."""

    __slots__ = ()


class Row(tuple[Any, ...]):  # noqa: SLOT001 - it is to have one
    """A tuple with an attribute."""

    name = ""


class Chosen(filter):  # type: ignore[type-arg] # it takes none when it runs
    """What is left of this is not to be seen."""


class Watched:
    """Of which others know weakly."""

    __slots__ = ("__weakref__", "content")

    def __init__(self, content: Any) -> None:
        self.content = content


class Open:
    """Slots, and any other attribute."""

    __slots__ = ("__dict__",)


class Known(Open):
    """The same, and others may know of it weakly."""


class Link(Url):
    """What this holds is not to be seen either: its base is written in Rust."""


class Queue(collections.deque[Any]):
    """What this holds is not to be seen: its base is written in C."""


def circle() -> list[Any]:
    found: list[Any] = [Box(1)]
    found.append(found)
    return found


def box_in_itself() -> Box:
    found = Box(1)
    found.content = found
    return found


def nested(depth: int) -> Any:
    found: Any = Box(1)
    for _ in range(depth):
        found = [found]
    return found


FIXED: dict[str, Callable[[], Any]] = {
    "none": lambda: Box(None),
    "unset": lambda: Box(strawberry.UNSET),
    "undefined": lambda: Box(Undefined),
    "bool": lambda: Box(content=True),
    "int": lambda: Box(1),
    "float": lambda: Box(1.5),
    "nan": lambda: Box(math.nan),
    "complex": lambda: Box(1j),
    "str": lambda: Box("text"),
    "bytes": lambda: Box(b"text"),
    "decimal": lambda: Box(Decimal("1.50")),
    "uuid": lambda: Box(UUID(int=1)),
    "date": lambda: Box(datetime.date(2026, 1, 1)),
    "datetime": lambda: Box(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)),
    "time": lambda: Box(datetime.time(9)),
    "timedelta": lambda: Box(datetime.timedelta(days=1)),
    "timezone": lambda: Box(datetime.UTC),
    "zone": lambda: Box(ZoneInfo("UTC")),
    "range": lambda: Box(range(3)),
    "member": lambda: Box(Colour.RED),
    "class": lambda: Box(Box),
    "function": lambda: Box(nested),
    "builtin": lambda: Box(len),
    "module": lambda: Box(math),
    "object": lambda: Box(object()),
    "frozenset": lambda: Box(frozenset({1, 2})),
    "tuple": lambda: Box((1, Box(2))),
    "text_of_the_users_own": lambda: Text("text"),
    "watched": lambda: Watched(1),
    "open": Open,
    "known": Known,
    "tuple_of_the_users_own": lambda: Row([1]),
    "both": lambda: Both(1),
}
"""Values that nobody changes."""


def set_content(value: Any) -> None:
    value.content = "changed"


CHANGED: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "attribute": (lambda: Box(1), set_content),
    "new_attribute": (lambda: Box(1), lambda box: setattr(box, "other", 1)),
    "other_type": (lambda: Box(1), lambda box: setattr(box, "content", True)),
    "negative_zero": (lambda: Box(0.0), lambda box: setattr(box, "content", -0.0)),
    "slot": (lambda: Slots(1), set_content),
    "unset_slot": (lambda: Slots(1), lambda slots: setattr(slots, "never_set", 1)),
    "list": (lambda: [Box(1)], lambda rows: rows.pop()),
    "list_in_a_box": (lambda: Box([1]), lambda box: box.content.append(2)),
    "tuple": (lambda: (Box(1),), lambda rows: set_content(rows[0])),
    "dict": (lambda: {"a": Box(1)}, lambda named: named.clear()),
    "value_of_a_dict": (lambda: {"a": Box(1)}, lambda named: set_content(named["a"])),
    "key_of_a_dict": (lambda: {1: Box(1)}, lambda named: named.update({True: named.pop(1)})),
    "set": (lambda: Box({1}), lambda box: box.content.add(2)),
    "bytearray": (lambda: Box(bytearray(b"a")), lambda box: box.content.extend(b"b")),
    "ordered": (
        lambda: Box(collections.OrderedDict(a=1, b=2)),
        lambda box: box.content.move_to_end("a"),
    ),
    "defaults": (lambda: Box(collections.defaultdict(list)), lambda box: box.content["a"]),
    "named_tuple": (lambda: Pair([1]), lambda pair: pair.content.append(2)),
    "list_of_the_users_own": (lambda: Rows([1]), lambda rows: rows.append(2)),
    "attribute_of_a_list": (lambda: Rows([1]), lambda rows: setattr(rows, "name", "a")),
    "set_of_the_users_own": (lambda: Names({1}), lambda names: names.add(2)),
    "attribute_of_a_tuple": (lambda: Row([1]), lambda row: setattr(row, "name", "a")),
    "watched": (lambda: Watched(1), set_content),
    "attribute_of_a_frozenset": (lambda: Frozen({1}), lambda names: setattr(names, "name", "a")),
    "mapping_of_the_users_own": (lambda: Mapping(a=1), lambda named: named.update(a=2)),
    "buffer_of_the_users_own": (lambda: Buffer(b"a"), lambda buffer: buffer.extend(b"b")),
    "object_for_an_equal_one": (
        lambda: Box(Box(1)),
        lambda box: setattr(box, "content", Box(box.content.content)),
    ),
    "value_for_a_function": (lambda: Box(len), set_content),
    "function_for_another": (lambda: Box(len), lambda box: setattr(box, "content", max)),
    "deep": (lambda: nested(40), lambda rows: rows.clear()),
}
"""Values, each with a way to change it in place."""

UNSEEN: dict[str, Callable[[], Any]] = {
    "deque": lambda: Box(collections.deque([1])),
    "deque_of_the_users_own": lambda: Queue([1]),
    "filter_of_the_users_own": lambda: Chosen(None, [1]),
    "array": lambda: Box(array("i", [1])),
    "iterator": lambda: Box(iter([1])),
    "generator": lambda: Box(each for each in [1]),
    "pattern": lambda: Box(re.compile("a")),
    "url": lambda: Link("https://example.org"),
    "random": lambda: Box(random.Random(1)),  # noqa: S311 - no secret
    "lock": lambda: Box(threading.Lock()),
    "event": lambda: Box(asyncio.Event()),
    "circle": circle,
    "box_in_itself": box_in_itself,
    "too_deep": lambda: nested(150),
    "too_large": lambda: Box([[0] * 100_001, [1]]),
}
"""Values that hold what is not to be seen, or too much to be looked at."""

MADE = (
    {f"fixed_{name}": make for name, make in FIXED.items()}
    | {f"changed_{name}": make for name, (make, _) in CHANGED.items()}
    | {f"unseen_{name}": make for name, make in UNSEEN.items()}
)
ODD = strawberry.scalar(
    name="Odd", serialize=str, parse_value=lambda name: MADE[name](), parse_literal=None
)


class Odd:
    """What the scalar is for."""


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def take(self, info: strawberry.Info, given: Odd) -> int:
        if info.context is not None:
            CHANGED[info.context][1](given)
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def take_default(self, given: Odd = Box(collections.deque([1]))) -> int:  # type: ignore[assignment] # noqa: B008 - as users write it
        return 1


@pytest.fixture(scope="module")
def schema() -> Iterator[strawberry.Schema]:
    """A schema for all values: each is asked for by its name, so each has an entry of its own."""
    with ResponseCache.from_url("memory://", prefix="test", telemetry=False) as cache:
        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        config = StrawberryConfig(scalar_map={Odd: ODD})
        yield strawberry.Schema(Query, config=config, extensions=[extension])


def asked(schema: strawberry.Schema, name: str, change: str | None = None) -> dict[str, Any]:
    """Ask for the field with a value, and have it changed; return what the cache did."""
    query = "query ($given: Odd!) { take(given: $given) }"
    result = schema.execute_sync(query, {"given": name}, context_value=change)
    assert result.data == {"take": 1}
    return outcome(result)


@pytest.mark.combined
@pytest.mark.parametrize("name", FIXED)
def test_an_answer_is_stored_whatever_its_resolver_received(
    schema: strawberry.Schema, name: str
) -> None:
    for expected in ("miss", "hit"):
        assert asked(schema, f"fixed_{name}")["status"] == expected


@pytest.mark.combined
@pytest.mark.parametrize("name", CHANGED)
def test_an_answer_is_not_stored_if_its_resolver_changed_what_it_received(
    schema: strawberry.Schema, name: str
) -> None:
    for _ in range(2):
        told = asked(schema, f"changed_{name}", name)
        assert (told["status"], told["reason"]) == ("bypass", "variables")
    for expected in ("miss", "hit"):
        assert asked(schema, f"changed_{name}")["status"] == expected


@pytest.mark.combined
@pytest.mark.parametrize("name", UNSEEN)
def test_an_answer_is_not_stored_if_a_change_could_not_be_seen(
    schema: strawberry.Schema, name: str
) -> None:
    for _ in range(2):
        assert asked(schema, f"unseen_{name}")["status"] == "bypass"


def test_an_answer_is_not_stored_if_a_change_of_a_default_could_not_be_seen(
    schema: strawberry.Schema,
) -> None:
    for _ in range(2):
        told = outcome(schema.execute_sync("{ takeDefault }"))
        assert (told["status"], told["reason"]) == ("bypass", "variables")
