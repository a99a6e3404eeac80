"""The operations that are executed: few, so that many requests collide on one entry."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

_TYPES: Final = {
    "account": "Account",
    "accounts": "Account",
    "deposit": "Account",
    "open": "Account",
    "history": "Line",
    "me": "User",
    "rename": "User",
    "rate": "Rate",
    "reprice": "Rate",
}
_VARIABLES: Final = {"id": "ID!", "topic": "String!", "token": "String!"}


@dataclass(frozen=True)
class Field:
    """A selected field.

    Attributes:
        name: Its name.
        parent: The type that it belongs to.
        below: What is selected of it.
        arguments: Its arguments, each from the variable of that name.
        alias: What it is called in the response, if not by its name.
    """

    name: str
    parent: str
    below: tuple["Field", ...] = ()
    arguments: tuple[str, ...] = ()
    alias: str = ""

    @property
    def key(self) -> str:
        """What it is called in the response."""
        return self.alias or self.name

    @property
    def coordinate(self) -> str:
        """Its schema coordinate."""
        return f"{self.parent}.{self.name}"

    def __str__(self) -> str:
        alias = f"{self.alias}: " if self.alias else ""
        arguments = ", ".join(f"{name}: ${name}" for name in self.arguments)
        called = f"({arguments})" if arguments else ""
        below = f" {{ {' '.join(map(str, self.below))} }}" if self.below else ""
        return f"{alias}{self.name}{called}{below}"


@dataclass(frozen=True)
class Operation:
    """A query or a mutation."""

    kind: Literal["query", "mutation"]
    fields: tuple[Field, ...]

    @cached_property
    def text(self) -> str:
        """What is sent."""
        declared = ", ".join(f"${name}: {_VARIABLES[name]}" for name in self.variables)
        return (
            f"{self.kind} Named{f'({declared})' if declared else ''} "
            f"{{ {' '.join(map(str, self.fields))} }}"
        )

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The names of its variables."""
        return tuple(dict.fromkeys(name for field in self.fields for name in field.arguments))


# -- Queries -----------------------------------------------------------------------------------------

_ARGUMENTS: Final = {"account": ("id",), "notice": ("topic",)}
_PLAIN: Final = ("rate", "notice", "memo", "greeting", "drafts", "limited", "skipped", "me")
_BY_THEMSELVES: Final = ("now", "vault", "safe", "desk")
"""Fields beside which nothing is cached as a whole."""
_OF_ACCOUNT: Final = ("id", "name", "balance", "remark", "secret", "history")

SHOWN_BY: Final[Mapping[str, str]] = {
    "account": "account",
    "accounts": "accounts",
    "rate": "rate",
    "topic": "notice",
    "memo": "memo",
    "drafts": "drafts",
    "user": "me",
}
"""By the first word of a datum's name, the field that shows it."""


def field(draw: random.Random, name: str, alias: str = "") -> Field:
    """Draw what is selected of a field of the query type."""
    below: Sequence[str] = ()
    match name:
        case "account":
            below = draw.sample(_OF_ACCOUNT, draw.randint(1, 3))
        case "accounts":
            below = ["listed", *draw.sample(_OF_ACCOUNT, draw.randint(0, 2))]
        case "me":
            below = draw.choice((["name"], ["inbox"], ["name", "inbox"]))
        case "rate":
            below = ["percent"]
    selected = tuple(_below(_TYPES[name], each) for each in below)
    return Field(name, "Query", selected, _ARGUMENTS.get(name, ()), alias)


def _below(parent: str, name: str) -> Field:
    below = (Field("text", "Line"),) if name == "history" else ()
    return Field(name, parent, below)


def queries(draw: random.Random) -> Sequence[Operation]:
    """Draw the queries of a run: each kind of field alone, beside others, and beside what is uncacheable."""
    several = ("account", "account", "accounts")
    drawn = [Operation("query", (field(draw, name),)) for name in (*several, *_PLAIN)]
    for _ in range(8):
        names = draw.sample((*several, *_PLAIN), draw.randint(2, 3))
        drawn.append(Operation("query", _aliased(draw, names)))
    for name in (*_BY_THEMSELVES, *_BY_THEMSELVES):
        names = [name, *draw.sample((*several, *_PLAIN, *_BY_THEMSELVES), draw.randint(1, 2))]
        drawn.append(Operation("query", _aliased(draw, names)))
    draw.shuffle(drawn)
    return drawn


def showing(draw: random.Random, name: str) -> Operation:
    """Draw a query that shows a datum, as a whole or beside what is uncacheable."""
    shown = SHOWN_BY[name.split(" ", maxsplit=1)[0]]
    names = [shown, "now"] if draw.random() < 0.4 else [shown]
    return Operation("query", _aliased(draw, names))


def _aliased(draw: random.Random, names: Sequence[str]) -> tuple[Field, ...]:
    return tuple(
        field(draw, name, f"f{place}" if names.count(name) > 1 or draw.random() < 0.2 else "")
        for place, name in enumerate(names)
    )


# -- Mutations ---------------------------------------------------------------------------------------

_WRITING: Final[Mapping[str, Sequence[str]]] = {
    "account": ("deposit", "deposit", "withdraw"),
    "accounts": ("open",),
    "rate": ("reprice",),
    "topic": ("announce",),
    "memo": ("note",),
    "drafts": ("publish",),
    "user": ("rename",),
}
"""By the first word of a datum's name, the mutations that write it."""
_SELECTED: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "deposit": (["id"], ["name", "balance"], ["remark", "secret"], ["history", "name"]),
    "open": (["id"], ["listed"]),
    "reprice": (["percent"],),
    "rename": (["id"], ["name", "inbox"]),
}
_OF_MUTATION: Final = {"deposit": ("id",), "withdraw": ("id",), "announce": ("topic",)}


def writing(draw: random.Random, name: str) -> Operation:
    """Draw a mutation that writes a datum, and sometimes another one beside it."""
    names = [draw.choice(_WRITING[name.split(" ", maxsplit=1)[0]])]
    if draw.random() < 0.15:
        names.append(draw.choice(("reprice", "note", "open")))
    return Operation(
        "mutation",
        tuple(_mutating(draw, name, f"m{place}") for place, name in enumerate(names)),
    )


def _mutating(draw: random.Random, name: str, alias: str) -> Field:
    selected = draw.choice(_SELECTED.get(name, ((),)))
    below = tuple(_below(_TYPES[name], each) for each in selected)
    return Field(name, "Mutation", below, (*_OF_MUTATION.get(name, ()), "token"), alias)


TAGS: Final[Mapping[str, str]] = {
    "account": "Account:{}",
    "accounts": "[Account]",
    "rate": "Rate",
    "topic": "topic:{}",
    "memo": "memo",
    "drafts": "drafts",
    "user": "User:{}",
}
"""By the first word of a datum's name, the tag by which a job invalidates it."""


def tag(name: str) -> str:
    """Return the tag by which a job invalidates what shows a datum."""
    kind, _, identity = name.partition(" ")
    return TAGS[kind].format(identity)
