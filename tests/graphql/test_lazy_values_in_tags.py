"""Placeholders of tags that lazy objects fill: they name the value behind them, and never fail a mutation."""

from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from django.utils.functional import SimpleLazyObject
from werkzeug.local import LocalProxy

from strawberry_response_cache import ResponseCache, invalidates
from strawberry_response_cache.graphql.annotations.tag_templates import Template, UnfilledError
from tests.graphql.bank import Bank
from tests.graphql.ledger import status

ONE = '{ account(id: "1") { name balance } }'
OTHER = '{ account(id: "2") { balance } }'
SECRET = "s3cret"


def fails() -> object:
    raise LookupError(SECRET)


class FailsToIterate(list[int]):
    def __iter__(self) -> Any:
        raise LookupError(SECRET)


@pytest.fixture(params=[SimpleLazyObject, LocalProxy], ids=lambda kind: kind.__name__)
def lazy(request: pytest.FixtureRequest) -> Callable[[Callable[[], object]], Any]:
    kind: Callable[[Callable[[], object]], Any] = request.param
    return kind


def filled(value: object) -> list[str]:
    template = Template.parse("Account:{result.account}", ("result",))
    return list(template.fill({"result": {"account": value}}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", ["a"]), (7, ["7"]), (True, ["true"]), (None, []), ([1, None, "b"], ["1", "b"])],
    ids=repr,
)
def test_a_placeholder_is_filled_with_the_value_of_a_lazy_object(
    lazy: Any, value: object, expected: list[str]
) -> None:
    assert filled(lazy(lambda: value)) == [f"Account:{each}" for each in expected]


@pytest.mark.parametrize(
    "value", [1.5, object(), FailsToIterate([1]), 10**5000], ids=lambda v: type(v).__name__
)
def test_a_placeholder_cannot_be_filled_with_a_value_that_identifies_nothing(
    lazy: Any, value: object
) -> None:
    for each in (value, lazy(lambda: value), lazy(fails)):
        with pytest.raises(UnfilledError, match=r"^\{result\.account\} (raised LookupError|is a )"):
            filled(each)


@strawberry.type
class Done:
    ok: bool
    account: strawberry.Private[Any] = None


@pytest.mark.parametrize("face", ["async", "sync"])
async def test_a_mutation_succeeds_whatever_a_lazy_object_does(
    memory_cache: ResponseCache, lazy: Any, face: str
) -> None:
    bank = Bank(memory_cache)
    returned: list[Any] = [lazy(lambda: 1)]

    @strawberry.type
    class Mutation:
        @invalidates("Account:{result.account}")
        @strawberry.mutation
        def change(self) -> Done:
            return Done(ok=True, account=returned[0])

    bank.schema = strawberry.Schema(bank.schema.query, Mutation, extensions=[bank.extension])

    async def ask(query: str) -> Any:
        return bank.ask_sync(query) if face == "sync" else await bank.ask(query)

    async def missed() -> set[str]:
        result = await ask("mutation { change { ok } }")
        assert result.errors is None
        assert result.data == {"change": {"ok": True}}
        return {query for query in (ONE, OTHER) if status(await ask(query)) == "miss"}

    await ask(ONE)
    await ask(OTHER)
    assert await missed() == {ONE}
    returned[0] = lazy(fails)
    assert await missed() == {ONE, OTHER}  # nobody knows which it was
