"""A deploy that changes what an answer depends on begins anew with that answer, and keeps every other."""

import functools
import itertools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NewType, TypeAlias

import pytest
import strawberry
from graphql import GraphQLScalarType
from strawberry import relay
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

from strawberry_response_cache import CacheScope, ResponseCache, cache_control
from tests.graphql.both_ways import FORMS, BothWays, statuses

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)


Money = NewType("Money", float)

Release: TypeAlias = tuple[type, dict[str, Any]]
"""A query type, and how its schema is made."""


def started(released: type | Release, cache: ResponseCache) -> BothWays:
    query, options = released if isinstance(released, tuple) else (released, {})
    return BothWays(query, cache, **options)


def release(resolve: Callable[..., Any], **hint: Any) -> type:
    """Return a query type whose field `total`, like that of its reports, is resolved and hinted so.

    Two releases have the same names everywhere, but for what the test changes.
    """
    told = cache_control(**({"ttl": 60} | hint))

    @strawberry.type
    class Report:
        id: strawberry.ID
        total = told(strawberry.field(resolver=resolve))

    @strawberry.type
    class Query:
        total = told(strawberry.field(resolver=resolve))

        @strawberry.field
        def fresh(self) -> int:
            return 0

        @strawberry.field
        def reports(self) -> list[Report]:
            return [Report(id=strawberry.ID("1"))]

        @cache_control(ttl=60)
        @strawberry.field
        def other(self) -> str:
            return "other"

    return Query


class Code:
    """Stands for what is written in a resolver: no key holds it.

    A number that a resolver takes from the function around it is part of the key.
    """

    def __init__(self, number: int) -> None:
        self.number = number


def hinted(**hints: Any) -> Callable[[int], type]:
    """Return what makes releases whose hint is the first, or the second."""

    def make(number: int) -> type:
        stands_for = Code(number)

        def total() -> int:
            return stands_for.number

        return release(total, **{name: values[number] for name, values in hints.items()})

    return make


def with_a_type(number: int) -> type:
    stands_for = Code(number)

    def total() -> Any:
        return ["1"] if stands_for.number else "0"

    total.__annotations__["return"] = list[str] if number else str
    return release(total)


def with_a_default(number: int) -> type:
    def total(top: int = number) -> int:
        return top

    return release(total)


def with_a_default_of_an_enum(number: int) -> type:
    @strawberry.enum
    class Colour(Enum):
        RED = 0
        BLUE = 1

    def total(colour: Colour = Colour(number)) -> int:  # noqa: B008 - what a default is
        return int(colour.value)

    return release(total)


def with_a_default_of_an_input(number: int) -> type:
    @strawberry.input
    class Filter:
        top: int = number

    def total(within: Filter) -> int:
        return within.top

    return release(total)


def with_its_arguments_exchanged(number: int) -> type:
    def low_first(
        low: Annotated[int, strawberry.argument(name="x")],
        high: Annotated[int, strawberry.argument(name="y")],
    ) -> int:
        return high - low

    def high_first(
        high: Annotated[int, strawberry.argument(name="x")],
        low: Annotated[int, strawberry.argument(name="y")],
    ) -> int:
        return high - low

    total = (low_first, high_first)[number]
    total.__name__ = total.__qualname__ = "total"
    return release(total)


def with_the_names_of_its_arguments_exchanged(number: int) -> type:
    """The parameters stay in their order."""

    def total(
        low: Annotated[int, strawberry.argument(name="xy"[number])],
        high: Annotated[int, strawberry.argument(name="yx"[number])],
    ) -> int:
        return high - low

    return release(total)


def with_a_type_of_an_argument(number: int) -> type:
    def total(top: Any) -> str:
        return repr(top)

    total.__annotations__["top"] = float if number else int
    return release(total)


def with_a_list_of_an_argument(number: int) -> type:
    def total(top: Any) -> str:
        return repr(top)

    total.__annotations__["top"] = list[int] if number else int
    return release(total)


def with_a_placeholder(number: int) -> type:
    def total(of: int, other: int = 1) -> int:
        return of

    return release(total, tags=["total:{args.other}" if number else "total:{args.of}"])


def with_a_member_that_is_never_stored(number: int) -> type:
    @strawberry.type
    class Deposit:
        amount: int = 0

    made: Any = strawberry.type(type("Fee", (), {"__annotations__": {"amount": int}, "amount": 1}))
    fee: Any = cache_control(ttl=0)(made) if number else made

    def total() -> Any:
        return Deposit()

    members: Any = Deposit | fee
    total.__annotations__["return"] = Annotated[members, strawberry.union("Entry")]
    return release(total)


def with_the_fields_of_an_input_exchanged(number: int) -> type:
    if number:

        @strawberry.input
        class Filter:
            high: int = strawberry.field(name="x")
            low: int = strawberry.field(name="y")

    else:

        @strawberry.input(name="Filter")
        class Filter:  # type: ignore[no-redef] # of the other release
            low: int = strawberry.field(name="x")
            high: int = strawberry.field(name="y")

    def total(within: Filter) -> int:
        return within.high - within.low

    return release(total)


def with_a_default_of_an_enum_in_an_input(number: int) -> type:
    @strawberry.enum
    class Colour(Enum):
        RED = 0
        BLUE = 1

    @strawberry.input
    class Filter:
        colour: Colour = Colour(number)

    def total(within: Filter) -> int:
        return int(within.colour.value)

    return release(total)


def with_a_default_two_inputs_below(number: int) -> type:
    @strawberry.input
    class Limit:
        top: int = number

    @strawberry.input
    class Page:
        limits: list[Limit]

    @strawberry.input
    class Filter:
        page: Page

    def total(within: Filter) -> int:
        return within.page.limits[0].top

    return release(total)


def with_a_member_of_an_enum(number: int) -> type:
    members = {"RED": 0, "BLUE": 1} | ({"NONE": 2} if number else {})
    made: Any = Enum("Colour", members)  # type: ignore[misc] # they change
    colours: Any = strawberry.enum(made)

    def total(colour: Any) -> int:
        return len(type(colour).__members__)

    total.__annotations__["colour"] = colours
    return release(total)


def with_a_value_of_a_member(number: int) -> type:
    made: Any = Enum("Colour", {"RED": number})  # type: ignore[misc] # it changes
    colours: Any = strawberry.enum(made)

    def total(colour: Any) -> int:
        return int(colour.value)

    total.__annotations__["colour"] = colours
    return release(total)


def with_another_function(number: int) -> type:
    def total() -> int:
        return 0

    def total_1() -> int:
        return 1

    return release(total_1 if number else total)


def with_a_default_of_a_decimal(number: int) -> type:
    def total(top: Decimal = Decimal(number)) -> int:
        return int(top)

    return release(total)


def with_a_default_of_a_date(number: int) -> type:
    def total(on: date = date(2026, 1, 1 + number)) -> int:
        return on.day

    return release(total)


def with_the_name_of_a_member_that_it_returns(number: int) -> type:
    @strawberry.enum
    class Colour(Enum):
        RED = strawberry.enum_value("red", name="CRIMSON" if number else "RED")

    def total() -> Colour:
        return Colour.RED

    return release(total)


def with_the_form_of_a_scalar(number: int) -> Release:
    def in_cents(value: float) -> int:
        return round(value * 100)

    money = strawberry.scalar(name="Money", serialize=in_cents if number else str)

    def total() -> Any:
        return 1.5

    total.__annotations__["return"] = Money

    return release(total), {"config": StrawberryConfig(scalar_map={Money: money})}


def with_an_attribute(number: int) -> type:
    attribute = "net" if number else "gross"
    body = {
        "__annotations__": {attribute: int},
        attribute: strawberry.field(name="amount", default=number),
    }
    shown: Any = strawberry.type(type("Total", (), body))

    def total() -> Any:
        return shown()

    total.__annotations__["return"] = shown
    return release(total)


def with_the_names_of_attributes_exchanged(number: int) -> type:
    names = ("other", "amount") if number else ("amount", "other")
    body = {
        "__annotations__": {"gross": int, "net": int},
        "gross": strawberry.field(name=names[0]),
        "net": strawberry.field(name=names[1]),
    }
    shown: Any = strawberry.type(type("Total", (), body))

    def total() -> Any:
        return shown(gross=0, net=1)

    total.__annotations__["return"] = shown
    return release(total)


def with_a_default_of_an_attribute(number: int) -> type:
    shown: Any = strawberry.type(
        type("Total", (), {"__annotations__": {"amount": int}, "amount": number})
    )

    def total() -> Any:
        return shown()

    total.__annotations__["return"] = shown
    return release(total)


def with_a_private_default(number: int) -> type:
    """A resolver reads an attribute that the schema does not show."""

    def amount(self: Any) -> int:
        return int(self.rate)

    names = {"rate": strawberry.Private[int], "amount": int}
    body = {"__annotations__": names, "rate": number, "amount": strawberry.field(resolver=amount)}
    body["amount"] = cache_control(inherit=True)(body["amount"])
    shown: Any = strawberry.type(type("Total", (), body))

    def total() -> Any:
        return shown()

    total.__annotations__["return"] = shown
    return release(total)


def with_private_defaults_exchanged(number: int) -> type:
    def amount(self: Any) -> int:
        return int(self.rate)

    names = ("bonus", "rate") if number else ("rate", "bonus")
    annotations = dict.fromkeys(names, strawberry.Private[int]) | {"amount": int}
    shown = cache_control(inherit=True)(strawberry.field(resolver=amount))
    body = {"__annotations__": annotations, names[0]: 0, names[1]: 1, "amount": shown}
    made: Any = strawberry.type(type("Total", (), body))

    def total() -> Any:
        return made()

    total.__annotations__["return"] = made
    return release(total)


def with_a_private_default_of_an_input(number: int) -> type:
    names = {"top": int, "rate": strawberry.Private[int]}
    options: Any = strawberry.input(
        type("Options", (), {"__annotations__": names, "top": 1, "rate": number})
    )
    around: Any = strawberry.input(
        type("Around", (), {"__annotations__": {"options": options | None}, "options": None})
    )

    def total(given: Any) -> int:
        return int(given.options.rate)

    total.__annotations__["given"] = around
    return release(total)


def with_a_private_factory_of_an_input(number: int) -> type:
    def made(rate: int) -> Callable[[], int]:
        return lambda: rate

    names = {"top": int, "rate": strawberry.Private[int]}
    body = {"__annotations__": names, "top": 1, "rate": field(default_factory=made(number))}
    options: Any = strawberry.input(type("Options", (), body))

    def total(given: Any) -> int:
        return int(given.rate)

    total.__annotations__["given"] = options
    return release(total)


def with_a_resolver_of_a_factory(number: int) -> type:
    def made(top: int) -> Callable[[], int]:
        def total() -> int:
            return top

        return total

    return release(made(number))


def with_a_partial(number: int) -> type:
    def made(function: Callable[[], int]) -> Callable[[], int]:
        def total() -> int:
            return function()

        return total

    return release(made(functools.partial(int, str(number), base=10)))


def with_a_partial_of_other_keywords(number: int) -> type:
    def made(function: Callable[[], int]) -> Callable[[], int]:
        def total() -> int:
            return function()

        return total

    return release(made(functools.partial(int, "10", base=10 + number)))


def with_a_class_that_a_resolver_takes(number: int) -> type:
    def made(kind: type) -> Callable[[], int]:
        def total() -> int:
            return int(kind is Code)

        return total

    return release(made(Code if number else BothWays))


def with_a_parse_function(number: int) -> Release:
    def from_cents(value: Any) -> float:
        return float(value) / 100

    parse: Any = from_cents if number else float
    money = strawberry.scalar(name="Money", serialize=float, parse_value=parse)

    def total(top: Money) -> float:
        return top

    return release(total), {"config": StrawberryConfig(scalar_map={Money: money})}


def with_a_parse_function_of_literals(number: int) -> Release:
    def one(node: Any, variables: Any = None) -> float:
        return 1.0

    def other(node: Any, variables: Any = None) -> float:
        return 2.0

    parse: Any = other if number else one
    money = strawberry.scalar(name="Money", serialize=float, parse_value=float, parse_literal=parse)

    @strawberry.input
    class Filter:
        top: Money

    def total(within: Filter) -> float:
        return within.top

    return release(total), {"config": StrawberryConfig(scalar_map={Money: money})}


def with_a_decorator(number: int) -> type:
    def plus(top: int) -> Callable[[Callable[[], int]], Callable[[], int]]:
        def decorate(function: Callable[[], int]) -> Callable[[], int]:
            @functools.wraps(function)
            def total() -> int:
                return function() + top

            return total

        return decorate

    @plus(number)
    def total() -> int:
        return 0

    return release(total)


def with_a_default_of_a_time(number: int) -> type:
    def total(at: time = time(9 + number)) -> int:
        return at.hour

    return release(total)


def with_an_input_in_a_circle(number: int) -> type:
    @strawberry.input
    class Filter:
        top: int = number
        others: list[Annotated["Filter", strawberry.lazy("tests.graphql.test_deploys")]] = (
            strawberry.field(default_factory=list)
        )

    globals()["Filter"] = Filter

    def total(within: Filter) -> int:
        return within.top

    return release(total)


def with_the_interfaces_of_its_type(number: int) -> Release:
    @strawberry.interface
    class Named:
        name: str = ""

    made: Any = strawberry.type(
        type("Total", (Named,) if number else (), {"__annotations__": {"name": str}, "name": ""})
    )

    def total() -> Any:
        return made()

    total.__annotations__["return"] = made
    return release(total), {"types": [Named]}


def with_permission_classes(number: int) -> type:
    class One(BasePermission):
        def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
            return True

    class Other(One):
        pass

    def amount() -> int:
        return 0

    guards: list[type[BasePermission]] = [Other if number else One]
    guarded: Any = cache_control(inherit=True)(
        strawberry.field(resolver=amount, permission_classes=guards)
    )
    shown: Any = strawberry.type(type("Total", (), {"__annotations__": {}, "amount": guarded}))

    def total() -> Any:
        return shown()

    total.__annotations__["return"] = shown
    return release(total)


def with_a_setting_of_a_permission(number: int) -> type:
    class Has(BasePermission):
        def __init__(self, scope: str) -> None:
            self.scope = scope

        def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
            return True

    def amount() -> int:
        return 0

    guard = PermissionExtension(permissions=[Has(f"scope {number}")])
    guarded: Any = cache_control(inherit=True)(
        strawberry.field(resolver=amount, extensions=[guard])
    )
    shown: Any = strawberry.type(type("Total", (), {"__annotations__": {}, "amount": guarded}))

    def total() -> Any:
        return shown()

    total.__annotations__["return"] = shown
    return release(total)


def with_a_resolver_of_a_factory_of_functions(number: int) -> type:
    def one() -> int:
        return 0

    def other() -> int:
        return 1

    def made(inner: Callable[[], int]) -> Callable[[], int]:
        def total() -> int:
            return inner()

        return total

    return release(made(other if number else one))


def with_a_hint_on_its_type(**hints: Any) -> Callable[[int], type]:
    """Return what makes releases the type of whose field has the first hint, or the second."""

    def make(number: int) -> type:
        told = {name: values[number] for name, values in hints.items()}
        stands_for = Code(number)

        @cache_control(**told)
        @strawberry.type
        class Total:
            amount: int = 0

        def total() -> Total:
            return Total(amount=stands_for.number)

        # Also where the field's own hint has a ttl, and where the type's is the one that counts.
        return release(total, **({"ttl": None} if "ttl" in hints else {}))

    return make


@strawberry.type
class Book(relay.Node):
    id: relay.NodeID[int]


def all_books() -> list[Book]:
    return [Book(id=number) for number in range(5)]


def released_with(total: Any) -> type:
    """Return a query type with this field `total`, like that of its reports."""
    made: Any = release(all_books)
    report: Any = strawberry.type(
        type("Report", (), {"__annotations__": {"id": strawberry.ID}, "total": total()})
    )

    def reports() -> Any:
        return [report(id="1")]

    reports.__annotations__["return"] = list[report]
    fields = {"total": total(), "reports": strawberry.field(resolver=reports)}
    return strawberry.type(type("Query", (made,), fields))


def with_a_limit_of_a_connection(number: int) -> type:
    def total() -> Any:
        hint = [cache_control(ttl=60)]
        return relay.connection(
            relay.ListConnection[Book], resolver=all_books, max_results=2 + number, directives=hint
        )

    return released_with(total)


def with_a_limit_of_all_connections(number: int) -> Release:
    def total() -> Any:
        hint = [cache_control(ttl=60)]
        return relay.connection(relay.ListConnection[Book], resolver=all_books, directives=hint)

    return released_with(total), {"config": StrawberryConfig(relay_max_results=2 + number)}


def with_a_limit_that_a_resolver_leaves_to_its_schema(number: int) -> Release:
    def books(info: strawberry.Info) -> relay.ListConnection[Book]:
        return relay.ListConnection[Book].resolve_connection(all_books(), info=info)  # type: ignore[return-value]

    return release(books), {"config": StrawberryConfig(relay_max_results=2 + number)}


class Rounding(FieldExtension):
    """A field extension that treats every request alike, and has a setting."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self._calls = object()

    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return round(next_(source, info, **arguments), self.digits)


def with_a_setting_of_an_extension(number: int) -> Release:
    def amount() -> float:
        return 1.25

    def total() -> Any:
        hint = cache_control(ttl=60)
        return hint(strawberry.field(resolver=amount, extensions=[Rounding(number)]))

    return released_with(total), {"trusted_extensions": [Rounding]}


def with_the_members_of_a_union_that_only_a_condition_names(number: int) -> Release:
    @strawberry.interface
    class Named:
        name: str = ""

    @strawberry.type
    class Deposit(Named):
        pass

    @strawberry.type
    class Fee(Named):
        pass

    def other() -> Any:
        return Deposit()

    members: Any = Deposit | Fee if number else Annotated[Deposit, "alone"]
    other.__annotations__["return"] = Annotated[members, strawberry.union("Entry")]

    def total() -> Named:
        return Fee()

    made: Any = release(total)
    fields = {"entry": strawberry.field(resolver=other)}
    return strawberry.type(type("Query", (made,), fields)), {"types": [Deposit, Fee]}


def with_a_factory_that_hands_out_much(number: int) -> type:
    """What is too large counts by its type; what is captured beside it counts."""
    shared: list[Any] = [1]
    for _ in range(60):
        shared = [shared, shared]

    def made(rows: Any, around: Any, factor: int) -> Callable[[], int]:
        def total() -> int:
            return factor if rows and around else 0

        return total

    return release(made([{"id": at} for at in range(100_000)], shared, number))


class Anything:
    """An object whose type is picked by code."""

    id = 1


def with_the_code_that_tells_a_type(number: int) -> type:
    picked = ["Deposit", "Fee"][number]

    @strawberry.type
    class Deposit:
        id: int

        @classmethod
        def is_type_of(cls, _: object, __: object) -> bool:
            return picked == "Deposit"

    @strawberry.type
    class Fee:
        id: int

        @classmethod
        def is_type_of(cls, _: object, __: object) -> bool:
            return picked == "Fee"

    def total() -> Any:
        return Anything()

    total.__annotations__["return"] = Annotated[Deposit | Fee, strawberry.union("Entry")]
    return release(total)


def with_the_code_of_its_types_exchanged(number: int) -> type:
    def yes(cls: Any, *_: object) -> bool:
        return True

    def no(cls: Any, *_: object) -> bool:
        return False

    names = ["Fee", "Deposit"] if number else ["Deposit", "Fee"]
    bodies: Any = [
        {"__annotations__": {"id": int}, "is_type_of": classmethod(f)} for f in (yes, no)
    ]
    one, other = (
        strawberry.type(type(name, (), body)) for name, body in zip(names, bodies, strict=True)
    )

    def total() -> Any:
        return Anything()

    members: Any = one | other
    total.__annotations__["return"] = Annotated[members, strawberry.union("Entry")]
    return release(total)


def with_the_code_that_picks_a_type(number: int) -> Release:
    picked = ["Deposit", "Fee"][number]

    @strawberry.interface
    class Entry:
        id: int

        @classmethod
        def resolve_type(cls, *_: object) -> str:
            return picked

    def of_itself(cls: Any, *_: object) -> str:
        return str(cls.__name__)

    @strawberry.type
    class Deposit(Entry):
        resolve_type = classmethod(of_itself)

        @classmethod
        def is_type_of(cls, *_: object) -> bool:
            return True

    @strawberry.type
    class Fee(Entry):
        resolve_type = classmethod(of_itself)

        @classmethod
        def is_type_of(cls, *_: object) -> bool:
            return True

    def total() -> Entry:
        return Anything()  # type: ignore[return-value] # its type is picked

    return release(total), {"types": [Deposit, Fee]}


PRIVATE, PUBLIC = CacheScope.PRIVATE, CacheScope.PUBLIC

CHANGES: list[tuple[Callable[[int], type | Release], str]] = [
    (hinted(ttl=(60, 61)), "total"),
    (hinted(scope=(PUBLIC, PRIVATE)), "total"),
    (hinted(tags=(["a"], ["b"])), "total"),
    (hinted(tags=(["a"], [])), "total"),
    (hinted(stale=(5, 0)), "total"),
    (hinted(vary=([], ["locale"])), "total"),
    (with_a_type, "total"),
    (with_a_default, "total"),
    (with_a_default_of_an_enum, "total"),
    (with_a_default_of_an_input, "total(within: {})"),
    (with_a_default_of_an_enum_in_an_input, "total(within: {})"),
    (with_its_arguments_exchanged, "total(x: 1, y: 3)"),
    (with_the_names_of_its_arguments_exchanged, "total(x: 1, y: 3)"),
    (with_a_type_of_an_argument, "total(top: 1)"),
    (with_a_list_of_an_argument, "total(top: 1)"),
    (with_a_placeholder, "total(of: 1)"),
    (with_a_member_that_is_never_stored, "total { ... on Deposit { amount } }"),
    (with_the_fields_of_an_input_exchanged, "total(within: {x: 1, y: 3})"),
    (with_a_default_two_inputs_below, "total(within: {page: {limits: [{}]}})"),
    (with_a_member_of_an_enum, "total(colour: RED)"),
    (with_a_value_of_a_member, "total(colour: RED)"),
    (with_another_function, "total"),
    (with_a_default_of_a_decimal, "total"),
    (with_a_default_of_a_date, "total"),
    (with_the_name_of_a_member_that_it_returns, "total"),
    (with_the_form_of_a_scalar, "total"),
    (with_an_attribute, "total { amount }"),
    (with_the_names_of_attributes_exchanged, "total { amount }"),
    (with_a_resolver_of_a_factory, "total"),
    (with_a_partial, "total"),
    (with_a_decorator, "total"),
    (with_a_default_of_a_time, "total"),
    (with_an_input_in_a_circle, "total(within: {})"),
    (with_the_interfaces_of_its_type, "total { __typename }"),
    (with_permission_classes, "total { amount }"),
    (with_a_setting_of_a_permission, "total { amount }"),
    (with_a_partial_of_other_keywords, "total"),
    (with_a_class_that_a_resolver_takes, "total"),
    (with_a_default_of_an_attribute, "total { amount }"),
    (with_a_private_default, "total { amount }"),
    (with_private_defaults_exchanged, "total { amount }"),
    (with_a_private_default_of_an_input, "total(given: {options: {}})"),
    (with_a_private_factory_of_an_input, "total(given: {})"),
    (with_a_parse_function, "total(top: 100)"),
    (with_a_parse_function_of_literals, "total(within: {top: 1})"),
    (with_a_resolver_of_a_factory_of_functions, "total"),
    (with_a_limit_of_a_connection, "total { edges { node { id } } }"),
    (with_a_limit_of_all_connections, "total { edges { node { id } } }"),
    (with_a_limit_that_a_resolver_leaves_to_its_schema, "total { edges { node { id } } }"),
    (with_a_setting_of_an_extension, "total"),
    (
        with_the_members_of_a_union_that_only_a_condition_names,
        "total { ... on Entry { __typename } }",
    ),
    (with_a_factory_that_hands_out_much, "total"),
    (with_the_code_that_tells_a_type, "total { __typename }"),
    (with_the_code_of_its_types_exchanged, "total { __typename }"),
    (with_the_code_that_picks_a_type, "total { __typename }"),
    (with_a_hint_on_its_type(ttl=(60, 61)), "total { amount }"),
    (with_a_hint_on_its_type(tags=([], ["a"])), "total { amount }"),
    (with_a_hint_on_its_type(tags=([], ["a"])), "total { __typename }"),
    (with_a_hint_on_its_type(scope=(PUBLIC, PRIVATE)), "total { amount }"),
    (with_a_hint_on_its_type(stale=(0, 5), ttl=(60, 60)), "total { amount }"),
    (with_a_hint_on_its_type(vary=([], ["locale"])), "total { amount }"),
]
QUERIES = ["{ TOTAL }", "{ reports { id TOTAL } }", "{ other TOTAL }"]


@pytest.mark.combined
@pytest.mark.parametrize(("releases", "field"), CHANGES)
async def test_a_release_that_changes_an_answer_misses_the_entry_of_the_release_before(
    cache: ResponseCache, releases: Callable[[int], type | Release], field: str
) -> None:
    for number in (0, 1):
        schema = started(releases(number), cache)
        result = await schema.ask(f"{{ {field} }}", user="alice", locale="en")
        assert statuses(result, "operation") == {"miss"}


@pytest.mark.combined
@pytest.mark.parametrize("above", ["field", "type", "attribute"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ttl", (100, 101)),
        ("stale", (20, 30)),
        ("inherit", (False, True)),
        ("scope", (None, PRIVATE)),
        ("tags", (["a"], ["b"])),
        ("vary", ([], ["locale"])),
    ],
)
async def test_each_part_of_a_hint_is_part_of_the_key_where_another_field_limits_the_answer(
    cache: ResponseCache, above: str, name: str, values: tuple[Any, Any]
) -> None:
    def made(value: Any) -> BothWays:
        # What is not under test lives longer than the answer; a field without a ttl takes that of its type.
        hints: dict[str, dict[str, Any]] = {"field": {"ttl": 100}, "type": {"ttl": 100}}
        told = {
            each: cache_control(**hint) for each, hint in (hints | {above: {name: value}}).items()
        }
        on_attribute = [told["attribute"]] if above == "attribute" else []
        amount = strawberry.field(default=1, directives=on_attribute)
        body = {"__annotations__": {"amount": int}, "amount": amount}
        shown: Any = told["type"](strawberry.type(type("Total", (), body)))

        def total() -> Any:
            return shown()

        total.__annotations__["return"] = shown

        @strawberry.type
        class Holder:
            found = told["field"](strawberry.field(resolver=total))

        @strawberry.type
        class Query:
            @cache_control(ttl=50, stale=5, scope=PRIVATE, vary=["locale"], tags=["a", "b"])
            @strawberry.field
            def limits(self) -> Holder:
                return Holder()

        return BothWays(Query, cache)

    one, other = (made(value) for value in values)
    for schema, expected in ((one, "miss"), (other, "miss"), (one, "hit"), (other, "hit")):
        result = await schema.ask("{ limits { found { amount } } }", user="alice", locale="en")
        assert statuses(result, "operation") == {expected}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("releases", "field"), CHANGES)
async def test_releases_with_different_answers_share_no_entry_while_both_run(
    cache: ResponseCache,
    releases: Callable[[int], type | Release],
    field: str,
    form: str,
    query: str,
) -> None:
    """Both releases run at once, as in a rolling deploy or before a rollback."""
    before, after = (started(releases(number), cache) for number in (0, 1))
    text = query.replace("TOTAL", field)
    here = "field" if "reports" in text else form
    await before.ask("{ other }", form=form, user="alice", locale="en")
    for schema, expected in ((before, "miss"), (after, "miss"), (before, "hit"), (after, "hit")):
        result = await schema.ask(text, form=here, user="alice", locale="en")
        plain = await schema.ask_plain(text, form=here, user="alice", locale="en")
        assert result.data == plain.data
        assert expected in statuses(result, here)
    kept = await after.ask("{ other }", form=form, user="alice", locale="en")
    assert statuses(kept, form) == {"hit"}, "what it does not touch is warm"


CALLED = [
    "get_paginated_queryset",
    "get_queryset",
    "get_total_count",
    "is_type_of",
    "resolve_connection",
    "resolve_edge",
    "resolve_id",
    "resolve_id_attr",
    "resolve_node",
    "resolve_nodes",
    "resolve_paginated",
    "resolve_reference",
    "resolve_type",
    "resolve_typename",
]
"""What Strawberry and strawberry-django call of a type."""


@pytest.mark.combined
@pytest.mark.parametrize("name", CALLED)
async def test_each_method_that_strawberry_calls_of_a_type_is_part_of_the_key(
    cache: ResponseCache, name: str
) -> None:
    def made(number: int) -> BothWays:
        def method(_: Any, *__: Any, **___: Any) -> bool:
            return number > 0

        body = {"__annotations__": {"amount": int}, "amount": 1, name: classmethod(method)}
        shown: Any = strawberry.type(type("Total", (), body))

        def total() -> Any:
            return shown()

        total.__annotations__["return"] = shown
        return BothWays(release(total), cache)

    one, other = made(1), made(2)
    for schema, expected in ((one, "miss"), (other, "miss"), (one, "hit"), (other, "hit")):
        result = await schema.ask("{ total { amount } }", user="alice")
        assert statuses(result, "operation") == {expected}


# -- Objects that a gateway asks for -----------------------------------------------------------------------


def product(body: dict[str, Any], hint: Any = None, keys: str = "id") -> type:
    """Return a query type of a schema with products; a gateway asks for their field `shown`."""
    told = hint or cache_control(ttl=60)
    made: Any = told(strawberry.federation.type(keys=[keys])(type("Product", (), body)))

    def one() -> Any:
        return None

    one.__annotations__["return"] = made | None
    fields = {"__annotations__": {}, "one": strawberry.field(resolver=one)}
    return strawberry.type(type("Query", (), fields))


def showing(function: Callable[[Any], str], **annotations: Any) -> dict[str, Any]:
    """Return the attributes of a product whose field `shown` is what a function makes of it."""

    def shown(self: Any) -> str:
        return function(self)

    field = cache_control(inherit=True)(strawberry.field(resolver=shown))
    return {"__annotations__": annotations, "shown": field}


def of_difference(item: Any) -> str:
    return str(item.high - item.low)


def of_rate(item: Any) -> str:
    return str(item.rate)


def of_shade(item: Any) -> str:
    return repr(item.shade)


def with_a_reference_that_is_found_otherwise(number: int) -> type:
    def resolve_reference(cls: Any, id: strawberry.ID) -> Any:  # noqa: A002 - GraphQL's name
        return cls(id=id, rate=number)

    body = showing(of_rate, id=strawberry.ID, rate=int)
    return product(body | {"resolve_reference": classmethod(resolve_reference)})


def with_tags_of_its_type(number: int) -> type:
    hint = cache_control(ttl=60, tags=["ab"[number]])
    return product(showing(of_rate, id=strawberry.ID, rate=int) | {"rate": 1}, hint)


def with_a_default_that_is_not_selected(number: int) -> type:
    def resolve_typename(cls: Any) -> str:
        return "Product"

    body = showing(of_rate, id=strawberry.ID, rate=int) | {"rate": number}
    return product(body | {"resolve_typename": classmethod(resolve_typename)})


def with_names_of_its_fields_exchanged(number: int) -> type:
    names = {
        "low": strawberry.field(name="xy"[number]),
        "high": strawberry.field(name="yx"[number]),
    }
    return product(showing(of_difference, low=int, high=int) | names, keys="x y")


def with_a_type_of_a_field(number: int) -> type:
    shade: Any = strawberry.enum(Shade) if number else str
    return product(showing(of_shade, shade=shade), keys="shade")


def with_another_attribute_as_its_id(number: int) -> type:
    def resolve_reference(cls: Any, id: strawberry.ID) -> Any:  # noqa: A002 - GraphQL's name
        return cls(one="1", other="2")

    names = [("id", "code"), ("code", "id")][number]
    fields = {
        each: strawberry.field(name=name)
        for each, name in zip(("one", "other"), names, strict=True)
    }
    body = showing(lambda item: f"{item.one}", one=strawberry.ID, other=strawberry.ID) | fields
    return product(body | {"resolve_reference": classmethod(resolve_reference)})


def with_a_default_of_what_is_found(number: int) -> type:
    """Its method makes the objects, so a default that it does not use decides nothing."""

    def resolve_reference(cls: Any, id: strawberry.ID) -> Any:  # noqa: A002 - GraphQL's name
        return cls(id=id, rate=0, unused=0)

    def resolve_typename(cls: Any) -> str:
        return "Product"

    body = showing(of_rate, id=strawberry.ID, rate=int, unused=int) | {"rate": 0, "unused": number}
    methods: dict[str, Any] = {
        "resolve_reference": resolve_reference,
        "resolve_typename": resolve_typename,
    }
    return product(body | {name: classmethod(each) for name, each in methods.items()})


ENTITIES: list[tuple[Callable[[int], type], dict[str, Any], str]] = [
    (with_a_reference_that_is_found_otherwise, {"id": "1"}, "miss"),
    (with_tags_of_its_type, {"id": "1"}, "miss"),
    (with_a_default_that_is_not_selected, {"id": "1"}, "miss"),
    (with_names_of_its_fields_exchanged, {"x": 1, "y": 3}, "miss"),
    (with_a_type_of_a_field, {"shade": "LIGHT"}, "miss"),
    (with_another_attribute_as_its_id, {"id": "1"}, "miss"),
    (with_a_default_of_what_is_found, {"id": "1"}, "hit"),
]


@pytest.mark.combined
@pytest.mark.parametrize("selected", ["shown", "__typename"])
@pytest.mark.parametrize(("releases", "sent", "expected"), ENTITIES)
async def test_an_entity_is_a_hit_only_in_releases_that_do_not_change_it(
    cache: ResponseCache,
    releases: Callable[[int], type],
    sent: dict[str, Any],
    expected: str,
    selected: str,
) -> None:
    one, other = (BothWays(releases(number), cache, federation=True) for number in (0, 1))
    asked = f"_entities(representations: $of) {{ ... on Product {{ {selected} }} }}"
    query = f"query ($of: [_Any!]!) {{ {asked} }}"
    for schema, status_ in ((one, "miss"), (other, expected), (one, "hit"), (other, "hit")):
        variables = {"of": [{"__typename": "Product"} | sent]}
        plain = await schema.ask_plain(
            query, {"of": [*map(dict, variables["of"])]}, form="operation"
        )
        result = await schema.ask(query, variables)
        assert result.data == plain.data
        assert statuses(result, "operation") == {status_}


class Shade(Enum):
    LIGHT = 0
    DARK = 1


def up(value: float) -> int:
    return math.ceil(value)


def down(value: float) -> int:
    return math.floor(value)


@pytest.mark.combined
@pytest.mark.parametrize(
    "settings",
    [
        ("a", "b"),
        (b"a", b"b"),
        (1, 2),
        (1.5, 2.5),
        (Decimal(1), Decimal(2)),
        (Shade.LIGHT, Shade.DARK),
        (up, down),
        (None, object()),
    ],
    ids=lambda settings: type(settings[0]).__name__,
)
@pytest.mark.parametrize("kind", ["extension", "permission"])
async def test_an_exact_setting_of_an_extension_or_a_permission_is_part_of_the_key(
    cache: ResponseCache, kind: str, settings: tuple[Any, Any]
) -> None:
    class Trusted(FieldExtension):
        def __init__(self, setting: Any) -> None:
            self.setting = setting

        def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
            return next_(source, info, **arguments)

    class Guard(BasePermission):
        def __init__(self, setting: Any) -> None:
            self.setting = setting

        def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
            return True

    def total() -> int:
        return 1

    def made(setting: Any) -> BothWays:
        extension: Any = Trusted(setting)
        if kind == "permission":
            extension = PermissionExtension(permissions=[Guard(setting)])
        amount: Any = strawberry.field(resolver=total, extensions=[extension])
        body = {"__annotations__": {}, "amount": cache_control(inherit=True)(amount)}
        shown: Any = strawberry.type(type("Total", (), body))

        def found() -> Any:
            return shown()

        found.__annotations__["return"] = shown
        return BothWays(release(found), cache, trusted_extensions=[Trusted])

    one, other = map(made, settings)
    for schema, expected in ((one, "miss"), (other, "miss"), (one, "hit"), (other, "hit")):
        result = await schema.ask("{ total { amount } }", user="alice")
        assert statuses(result, "operation") == {expected}


@pytest.mark.combined
@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("parse_value", "total(top: $top)"),
        ("parse_literal", "total(top: 1)"),
        ("serialize", "other"),
    ],
)
@pytest.mark.parametrize("is_graphql_cores", [False, True])
async def test_each_function_of_a_scalar_is_part_of_the_key(
    cache: ResponseCache, function: str, field: str, *, is_graphql_cores: bool
) -> None:
    """The parsed value is not JSON, so keys hold what was sent."""

    def one(*_: Any) -> Any:
        return Code(1) if "parse" in function else 1

    def other(*_: Any) -> Any:
        return Code(2) if "parse" in function else 2

    def made(chosen: Callable[..., Any]) -> BothWays:
        functions: dict[str, Any] = {"serialize": float, "parse_value": Code, function: chosen}
        if is_graphql_cores:
            scalar: Any = ScalarDefinition(
                name="Odd",
                implementation=GraphQLScalarType("Odd", **functions),
                description=None,
                specified_by_url=None,
                serialize=None,
                parse_value=None,
                parse_literal=None,
            )
        else:
            scalar = strawberry.scalar(name="Odd", **functions)

        @strawberry.type
        class Query:
            @cache_control(ttl=60)
            @strawberry.field
            def total(self, top: Odd) -> int:
                return top.number

            @cache_control(ttl=60)
            @strawberry.field
            def other(self) -> Odd:
                return Odd(0)

        return BothWays(Query, cache, config=StrawberryConfig(scalar_map={Odd: scalar}))

    class Odd(Code):
        pass

    declared = "query ($top: Odd = 1)" if "$" in field else ""
    schemas = made(one), made(other)
    for schema, expected in zip(schemas * 2, ("miss", "miss", "hit", "hit"), strict=True):
        result = await schema.ask(f"{declared} {{ {field} }}", {"top": 1} if declared else None)
        assert statuses(result, "operation") == {expected}


class Around(FieldExtension):
    """A trusted field extension with settings, and with a number that differs from process to process."""

    def __init__(self, low: int = 0, high: int = 0) -> None:
        self.low, self.high, self._number = low, high, next(NUMBERS)

    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return next_(source, info, **arguments)


class OtherAround(Around):
    pass


class Guard(BasePermission):
    def __init__(self, low: int = 0, high: int = 0) -> None:
        self.low, self.high, self._number = low, high, next(NUMBERS)

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return True


class OtherGuard(Guard):
    pass


NUMBERS = itertools.count()


@pytest.mark.combined
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: Around(1, 2), lambda: Around(2, 1)),
        (Around, OtherAround),
        (lambda: guarded_by(Guard(1, 2)), lambda: guarded_by(Guard(2, 1))),
        (lambda: guarded_by(Guard()), lambda: guarded_by(OtherGuard())),
        (lambda: guarded_by(Guard()), lambda: guarded_by(Guard(), Guard())),
    ],
)
async def test_the_classes_and_settings_around_a_resolver_are_part_of_the_key(
    cache: ResponseCache, one: Callable[[], Any], other: Callable[[], Any]
) -> None:
    """What differs between two processes of one release is no part of the key."""

    def process(extension: Any) -> BothWays:
        amount = strawberry.field(resolver=lambda: 1, extensions=[extension], graphql_type=int)
        body = {"__annotations__": {}, "amount": cache_control(inherit=True)(amount)}
        shown: Any = strawberry.type(type("Total", (), body))

        def total() -> Any:
            return shown()

        total.__annotations__["return"] = shown
        return BothWays(release(total), cache, trusted_extensions=[Around, OtherAround])

    for made, expected in ((one, "miss"), (other, "miss"), (one, "hit"), (other, "hit")):
        result = await process(made()).ask("{ total { amount } }", user="alice")
        assert statuses(result, "operation") == {expected}


def guarded_by(*permissions: BasePermission) -> PermissionExtension:
    return PermissionExtension(permissions=[*permissions])


async def test_the_default_resolver_of_a_schema_is_part_of_the_key(
    cache: ResponseCache,
) -> None:
    def net(_: object, __: str) -> int:
        return 0

    def gross(_: object, __: str) -> int:
        return 1

    def made(read: Callable[..., Any]) -> BothWays:
        @strawberry.type
        class Total:
            amount: int = strawberry.field(directives=[cache_control(inherit=True)])

        def total() -> Total:
            return Total(amount=5)

        return BothWays(release(total), cache, config=StrawberryConfig(default_resolver=read))

    schemas = made(net), made(gross)
    for schema, expected in zip(schemas * 2, ("miss", "miss", "hit", "hit"), strict=True):
        result = await schema.ask("{ total { amount } }", user="alice")
        assert statuses(result, "operation") == {expected}


async def test_a_private_default_that_a_resolver_reads_of_its_object_is_part_of_the_key(
    cache: ResponseCache,
) -> None:
    """The object has a default that the schema does not show."""

    def total(self: Any) -> int:
        return int(self.rate)

    def made(rate: int) -> BothWays:
        names = {"id": strawberry.ID, "rate": strawberry.Private[int]}
        shown = cache_control(ttl=60)(strawberry.field(resolver=total))
        body = {"__annotations__": names, "id": "1", "rate": rate, "total": shown}
        report: Any = strawberry.type(type("Report", (), body))

        def reports() -> Any:
            return [report()]

        reports.__annotations__["return"] = list[report]

        @strawberry.type
        class Query:
            listed = strawberry.field(resolver=reports)

        return BothWays(Query, cache)

    one, other = made(1), made(2)
    for schema, expected in ((one, "miss"), (other, "miss"), (one, "hit"), (other, "hit")):
        assert statuses(await schema.ask("{ listed { total } }"), "field") == {expected}


async def test_the_tags_of_the_type_of_an_object_are_part_of_the_key_of_its_fields(
    cache: ResponseCache,
) -> None:
    """An entry of the release before does not have the new tags of the parent's type."""

    def made(tag: str) -> BothWays:
        @cache_control(tags=[tag])
        @strawberry.type
        class Report:
            id: strawberry.ID

            @cache_control(ttl=60)
            @strawberry.field
            def total(self) -> int:
                return 1

        @strawberry.type
        class Query:
            @strawberry.field
            def report(self) -> Report:
                return Report(id=strawberry.ID("1"))

        return BothWays(Query, cache)

    one, other = made("a"), made("b")
    for schema, expected in ((one, "miss"), (other, "miss"), (one, "hit"), (other, "hit")):
        assert statuses(await schema.ask("{ report { total } }"), "field") == {expected}


async def test_fields_with_one_resolver_have_entries_of_their_own(cache: ResponseCache) -> None:
    def shown(info: strawberry.Info) -> str:
        return info.field_name

    @strawberry.type
    class Query:
        one = cache_control(ttl=60)(strawberry.field(resolver=shown))
        other = cache_control(ttl=60)(strawberry.field(resolver=shown))

        @strawberry.field
        def fresh(self) -> int:
            return 0

    schema = BothWays(Query, cache)
    for expected in ("miss", "hit"):
        for name in ("one", "other"):
            result = await schema.ask(f"{{ {name} }}", form="field")
            assert result.data == {"fresh": 0, name: name}
            assert statuses(result, "field") == {expected}


async def test_a_release_that_makes_a_type_a_relay_edge_hits_no_entry_of_the_release_before(
    cache: ResponseCache,
) -> None:
    """An entry of the release before has no tag for lists of the edge's nodes."""

    @strawberry.type
    class Deposit:
        id: strawberry.ID = strawberry.ID("1")

    def made(names: dict[str, Any]) -> BothWays:
        body = {"__annotations__": {"node": Deposit} | names, "cursor": ""}
        edge: Any = strawberry.type(type("Edge", (), body))

        def total() -> Any:
            return edge(node=Deposit())

        total.__annotations__["return"] = edge
        return BothWays(release(total), cache)

    before, after = made({}), made({"cursor": str})
    query = "{ total { node { id } } }"
    for schema, expected in ((before, "miss"), (after, "miss"), (before, "hit"), (after, "hit")):
        assert statuses(await schema.ask(query), "operation") == {expected}


@pytest.mark.parametrize("form", FORMS)
async def test_schemas_of_different_names_share_nothing(cache: ResponseCache, form: str) -> None:
    one, other = (BothWays(with_a_default(0), cache, schema_name=name) for name in ("a", "b"))
    for query in ("{ total }", "{ reports { total } }"):
        here = "field" if "reports" in query else form
        for schema, expected in ((one, "miss"), (other, "miss"), (one, "hit")):
            assert statuses(await schema.ask(query, form=here, user="alice"), here) == {expected}


async def test_a_release_that_lowers_default_ttl_hits_no_entry_of_the_release_before(
    cache: ResponseCache,
) -> None:
    def total() -> int:
        return 0

    query = release(total, ttl=None)
    before, after = (BothWays(query, cache, default_ttl=ttl) for ttl in (86_400, 60))
    for schema, expected in ((before, "miss"), (after, "miss"), (before, "hit"), (after, "hit")):
        result = await schema.ask("{ total }")
        assert statuses(result, "operation") == {expected}


async def test_a_release_that_adds_a_union_member_hits_no_entry_of_the_release_before(
    cache: ResponseCache,
) -> None:
    """An entry of the release before has no tag of the new type, so no mutation would invalidate it."""

    @strawberry.type
    class Deposit:
        id: strawberry.ID

    @strawberry.type
    class Fee:
        id: strawberry.ID

    def made(members: Any) -> BothWays:
        def total() -> Any:
            return []

        total.__annotations__["return"] = list[Annotated[members, strawberry.union("Entry")]]
        return BothWays(release(total), cache, types=[Deposit, Fee])

    one = Annotated[Deposit, "alone"]
    before, after = made(one), made(Deposit | Fee)
    query = "{ total { __typename } }"
    for schema, expected in ((before, "miss"), (after, "miss"), (before, "hit"), (after, "hit")):
        assert statuses(await schema.ask(query), "operation") == {expected}


@pytest.mark.parametrize("what", ["id", "key"])
async def test_the_attribute_that_identifies_an_object_is_part_of_the_key(
    cache: ResponseCache, what: str
) -> None:
    """A release that identifies objects by another attribute shares none of their entries."""

    @dataclass
    class Row:
        one: str
        other: str

    def made(attribute: str) -> BothWays:
        getter = operator.attrgetter(attribute)

        @strawberry.type
        class Base:
            row: strawberry.Private[Row]

            @cache_control(ttl=60, key=None if what == "id" else lambda item: getter(item.row))
            @strawberry.field
            def shown(self) -> str:
                return f"{self.row.one}/{self.row.other}"

        name = f"{attribute}_id"
        shown = {
            "__annotations__": {name: strawberry.ID},
            name: strawberry.field(name="id" if what == "id" else "code"),
        }
        item: Any = strawberry.type(type("Item", (Base,), shown))

        def rows() -> Any:
            found = [Row("1", "2"), Row("2", "1")]
            return [item(row=each, **{name: getter(each)}) for each in found]

        rows.__annotations__["return"] = list[item]

        @strawberry.type
        class Query:
            @strawberry.field
            def fresh(self) -> int:
                return 0

            items = strawberry.field(resolver=rows)

        return BothWays(Query, cache)

    query = "{ fresh items { shown } }"
    for schema, expected in ((one := made("one"), "miss"), (made("other"), "miss"), (one, "hit")):
        result = await schema.ask(query)
        assert result.data == {"fresh": 0, "items": [{"shown": "1/2"}, {"shown": "2/1"}]}
        assert statuses(result, "field") == {expected}
