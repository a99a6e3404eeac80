"""A ledger of pure functions, each honest about what it depends on; and requests that look alike."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import strawberry
from graphql import Lexer, Source, TokenKind
from hypothesis import strategies as st
from strawberry.scalars import JSON

from strawberry_response_cache import CacheScope, cache_control


def told(*values: object) -> str:
    """Tell values apart as Python does, whatever the order of a mapping's keys."""
    return repr([_in_order(value) for value in values])


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {"": [(key, _in_order(value[key])) for key in sorted(value)]}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


@strawberry.input
class Range:
    low: int = 0
    high: int | None = 9
    tags: list[str] | None = strawberry.UNSET


@strawberry.interface
class Entry:
    amount: int


@strawberry.type
class Deposit(Entry):
    note: str = "deposit"


@strawberry.type
class Fee(Entry):
    note: str = "fee"


@strawberry.type
class Account:
    id: strawberry.ID
    name: str

    @cache_control(ttl=600)
    @strawberry.field
    def balance(self, currency: str = "EUR", year: int | None = strawberry.UNSET) -> str:
        return told(self.id, currency, year)

    @cache_control(inherit=True, vary=["locale"])
    @strawberry.field
    def label(self, info: strawberry.Info) -> str:
        return told(self.name, info.context["locale"])

    @cache_control(ttl=20, scope=CacheScope.PRIVATE)
    @strawberry.field
    def share(self, info: strawberry.Info) -> str:
        return told(self.name, info.context["user"])


@strawberry.type
class HonestQuery:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def echo(
        self,
        info: strawberry.Info,
        text: str | None = strawberry.UNSET,
        number: float | None = strawberry.UNSET,
        id: strawberry.ID | None = strawberry.UNSET,  # noqa: A002 - as schemas have it
        within: Range | None = strawberry.UNSET,
        anything: JSON | None = strawberry.UNSET,
    ) -> str:
        seen = vars(within) if isinstance(within, Range) else within
        return told(info.context["tenant"], text, number, id, seen, anything)

    @cache_control(ttl=60)
    @strawberry.field
    def account(self, info: strawberry.Info, id: strawberry.ID = strawberry.ID("1")) -> Account:  # noqa: A002, B008 - as schemas have it
        return Account(id=id, name=f"{info.context['tenant']} {id}")

    @cache_control(ttl=60)
    @strawberry.field
    def entries(self, first: int = 2) -> list[Entry]:
        return [Fee(amount=n) if n % 2 else Deposit(amount=n) for n in range(min(first, 3))]

    @cache_control(ttl=30, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str | None:
        return told(info.context["tenant"], info.context["user"])

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def greeting(self, info: strawberry.Info, name: str = "you") -> str:
        return told(info.context["locale"], name)


TYPES = [Deposit, Fee]


# -- Requests ----------------------------------------------------------------------------------------

DECLARED = {
    "t": "String",
    "n": "Float",
    "i": "ID",
    "r": "Range",
    "j": "JSON",
    "l": "Int",
    "c": "Boolean",
}
DEFAULTS: dict[str, tuple[str, Any]] = {
    "t": ('"a"', "a"),
    "n": ("1", 1),
    "i": ('"1"', "1"),
    "r": ("{low: 1}", {"low": 1}),
    "j": ("1", 1),
    "l": ("2", 2),
    "c": ("true", True),
}
VALUES: dict[str, list[Any]] = {
    "t": ["a", "a b", "a  b", "", "null", "1", None],
    "n": [1, 1.0, 1.5, 0, 0.0, -0.0, 1e16, None],
    "i": [1, "1", "01", None],
    "r": [
        {"low": 1},
        {"low": 1, "high": 9},
        {"high": 9, "low": 1},
        {"high": None},
        {"tags": ["a", "b"]},
        {"tags": ["b", "a"]},
        {"tags": "a"},
        {"tags": None},
        {},
        None,
    ],
    "j": [
        1,
        1.0,
        -0.0,
        0,
        "1",
        True,
        "true",
        "null",
        [1, [2]],
        [[1], 2],
        {"a": 1, "b": {"c": 1, "d": 2}},
        {"b": {"d": 2, "c": 1}, "a": 1},
        {"a": 1.0, "b": {"c": 1, "d": 2}},
        {"a": "1|b"},
        None,
    ],
    "l": [1, 2, None],
    "c": [True, False],
}
ARGUMENTS: dict[str, dict[str, list[str]]] = {
    "echo": {
        "text": [
            "$t",
            '"a"',
            '"\\u0061"',
            '"a b"',
            '"a  b"',
            '"a,b"',
            '"a#b"',
            '"null"',
            "null",
            '"""a\n  b"""',
            '"""a\n   b\n c"""',
            '"""\n  a b\n"""',
        ],
        "number": ["$n", "1", "1.0", "10e-1", "0", "-0.0", "null"],
        "id": ["$i", "1", '"1"', '"01"', "null"],
        "within": [
            "$r",
            "{}",
            "{low: 1}",
            "{low: 1, high: 9}",
            "{high: 9, low: 1}",
            "{high: $l}",
            '{tags: "a"}',
            '{tags: ["a", "b"]}',
            '{tags: ["b", "a"]}',
            "null",
        ],
        "anything": [
            "$j",
            "{a: $j}",
            "[$j, $l]",
            "1",
            "1.0",
            '"1"',
            "true",
            '"null"',
            "null",
            "{a: 1, b: 2}",
            "{b: 2, a: 1}",
        ],
    },
    "account": {"id": ["1", '"1"', '"2"']},
    "entries": {"first": ["0", "1", "2", "3"]},
    "me": {},
    "greeting": {"name": ['"you"', '"a"']},
}
BELOW = {
    "account": [
        "name",
        "other: name",
        "id",
        "balance",
        'balance(currency: "USD")',
        'balance(year: $l, currency: "USD")',
        "balance(year: null)",
        "label",
        "share",
        "... on Account { id }",
    ],
    "entries": [
        "amount",
        "... on Deposit { note }",
        "... on Fee { note }",
        "... on Entry { __typename }",
        "... on Fee @skip(if: $c) { amount }",
    ],
}
WRAPPED = ["{}", "... {{ {} }}", "... on HonestQuery @include(if: $c) {{ {} }}", "@"]


@dataclass(frozen=True)
class Part:
    """One field of an operation."""

    alias: str
    field: str
    arguments: tuple[tuple[str, str], ...]
    below: str
    wrapped: str

    def text(self, fragment: str) -> tuple[str, str]:
        """The part as an operation has it, and the fragment that it needs."""
        listed = ", ".join(f"{name}: {value}" for name, value in self.arguments)
        below = f" {{ {self.below} }}" if self.below else ""
        whole = f"{self.alias}: {self.field}{f'({listed})' if listed else ''}{below}"
        if self.wrapped == "@":
            return f"...{fragment}", f"fragment {fragment} on HonestQuery {{ {whole} }}"
        return self.wrapped.format(whole), ""


@dataclass(frozen=True, repr=False)
class Draft:
    """A request, in the pieces of which one may be exchanged for another."""

    operations: tuple[tuple[Part, ...], ...]
    selected: int
    defaulted: frozenset[str]
    given: dict[str, Any]
    context: dict[str, Any] = field(default_factory=dict)
    spoiled: bool = False
    """Whether a field stands beside the others that is never cached."""

    def __repr__(self) -> str:
        return f"\n{self.text()}\n{self.name} {self.given} {self.context}\n"

    @property
    def name(self) -> str:
        return f"Op{self.selected}"

    @property
    def variables(self) -> dict[str, Any]:
        """What is sent: only what the operation declares."""
        return {name: self.given[name] for name in self.declared(self.selected) & {*self.given}}

    def declared(self, operation: int) -> set[str]:
        text = [" ".join(part.text("F")) for part in self.operations[operation]]
        return set(re.findall(r"\$(\w)", " ".join(text)))

    def text(self) -> str:
        text = []
        for number, parts in enumerate(self.operations):
            written = [part.text(f"F{number}{place}") for place, part in enumerate(parts)]
            declared = " ".join(
                f"${name}: {DECLARED[name]}{self._default(name)}"
                for name in sorted(self.declared(number))
            )
            head = f"query Op{number}{f'({declared})' if declared else ''}"
            fields = " ".join(["fresh"] * self.spoiled + [here for here, _ in written])
            text.append(f"{head} {{ {fields} }}")
            text += [fragment for _, fragment in written if fragment]
        return "\n".join(text)

    def _default(self, name: str) -> str:
        # A condition needs a value.
        wanted = name in self.defaulted or name == "c"
        return f" = {DEFAULTS[name][0]}" if wanted else ""


@st.composite
def parts(draw: st.DrawFn, number: int) -> Part:
    name = draw(st.sampled_from(["echo", "echo", *ARGUMENTS]))
    known = ARGUMENTS[name]
    chosen = draw(st.lists(st.sampled_from(sorted(known)), unique=True)) if known else []
    arguments = tuple((each, draw(st.sampled_from(known[each]))) for each in chosen)
    below = ""
    if name in BELOW:
        fields = st.lists(st.sampled_from(BELOW[name]), min_size=1, max_size=3)
        unlike = fields.filter(lambda names: sum(n.startswith("balance") for n in names) < 2)
        below = " ".join(draw(unlike))
    wrapped = draw(st.sampled_from([*WRAPPED[:1] * 4, *WRAPPED]))
    return Part(draw(st.sampled_from("abc"[number:])), name, arguments, below, wrapped)


@st.composite
def operations(draw: st.DrawFn) -> tuple[Part, ...]:
    made = [draw(parts(number)) for number in range(draw(st.integers(1, 2)))]
    return tuple({part.alias: part for part in made}.values())


CONTEXTS = st.fixed_dictionaries(
    {
        "tenant": st.sampled_from(["acme", "globex"]),
        "user": st.sampled_from(["alice", "bob", None]),
        "locale": st.sampled_from(["en", "de"]),
    }
)
GIVEN = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)
DEFAULTED = st.frozensets(st.sampled_from(sorted(DEFAULTS)))


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    made = tuple(draw(st.lists(operations(), min_size=1, max_size=2)))
    selected = draw(st.integers(0, len(made) - 1))
    return Draft(made, selected, draw(DEFAULTED), draw(GIVEN), draw(CONTEXTS))


@st.composite
def alike(draw: st.DrawFn, draft: Draft) -> Draft:
    """A request that differs in one piece."""
    piece = draw(st.sampled_from(["part", "given", "defaulted", "context", "order", "selected"]))
    if piece == "context":
        return replace(draft, context=draw(CONTEXTS))
    if piece == "given":
        return replace(draft, given=draw(GIVEN))
    if piece == "defaulted":
        return replace(draft, defaulted=draw(DEFAULTED))
    if piece == "selected":
        return replace(draft, selected=draw(st.integers(0, len(draft.operations) - 1)))
    mine = list(draft.operations[draft.selected])
    if piece == "order":
        mine.reverse()
    else:
        at = draw(st.integers(0, len(mine) - 1))
        mine[at] = _another(draw, mine[at])
    changed = list(draft.operations)
    changed[draft.selected] = tuple(mine)
    return replace(draft, operations=tuple(changed))


def _another(draw: st.DrawFn, part: Part) -> Part:
    """The same field with another argument, fragment or order of its arguments."""
    way = draw(st.sampled_from(["argument", "argument", "order", "wrapped"]))
    if way == "wrapped":
        return replace(part, wrapped=draw(st.sampled_from(WRAPPED)))
    if way == "order" or not part.arguments:
        return replace(part, arguments=part.arguments[::-1])
    at = draw(st.integers(0, len(part.arguments) - 1))
    name, _ = part.arguments[at]
    value = draw(st.sampled_from(ARGUMENTS[part.field][name]))
    return replace(part, arguments=(*part.arguments[:at], (name, value), *part.arguments[at + 1 :]))


# -- Changes that mean nothing -----------------------------------------------------------------------

SPACES = st.sampled_from([" ", "\n", "\t", ",", " , ", "\r\n", "\ufeff ", ' # a } " comment\n'])


def respaced(draw: Callable[[st.SearchStrategy[str]], str], text: str) -> str:
    """The same tokens with other whitespace, commas and comments between them."""
    lexer, tokens = Lexer(Source(text)), []
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        tokens.append(text[token.start : token.end])
    spaces = [draw(SPACES) for _ in range(min(4, len(tokens)))]
    return "".join(spaces[n % len(spaces)] + token for n, token in enumerate(tokens)) + spaces[0]


def reordered(value: Any) -> Any:
    """The same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(each) for each in value] if isinstance(value, list) else value


def filled(draft: Draft) -> dict[str, Any]:
    """The variables with the defaults sent that were left out."""
    declared = draft.declared(draft.selected) & (draft.defaulted | {"c"})
    return {name: DEFAULTS[name][1] for name in sorted(declared)} | draft.variables


def in_bytes(data: Any) -> str:
    """A response as it is sent: the order of its keys counts."""
    return json.dumps(data)
