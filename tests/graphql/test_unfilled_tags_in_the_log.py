"""A tag of `@invalidates` that cannot be filled: the log names the field, the placeholder and the error's type."""

from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, invalidates
from tests.core.logs import facts_of, ours
from tests.graphql.bank import Bank

SECRET = "s3cret"


class Raises:
    @property
    def id(self) -> str:
        raise LookupError(SECRET)


@strawberry.type
class Done:
    ok: bool = True
    account: strawberry.Private[Any] = None


@pytest.mark.parametrize(
    ("account", "said", "error"),
    [
        (Raises(), "{result.account.id} raised LookupError", "LookupError"),
        (object(), "{result.account.id} raised AttributeError", "AttributeError"),
        ({"id": 1.5}, "{result.account.id} is a float", None),
        ([{"id": n} for n in range(1001)], "gives more than 1000 tags", None),
    ],
    ids=["raises", "lacks it", "of another type", "too many"],
)
async def test_the_log_names_the_field_the_placeholder_and_the_type_of_the_error(
    memory_cache: ResponseCache,
    caplog: pytest.LogCaptureFixture,
    account: object,
    said: str,
    error: str | None,
) -> None:
    bank = Bank(memory_cache)

    @strawberry.type
    class Mutation:
        @invalidates(f"{SECRET}:{{result.account.id}}")
        @strawberry.mutation(name="alter")  # type: ignore[untyped-decorator] # Strawberry's
        def change(self) -> Done:
            return Done(account=account)

    schema = strawberry.Schema(bank.schema.query, Mutation, extensions=[bank.extension])
    result = await schema.execute("mutation { a: alter { ok } }", context_value=bank.context())

    assert result.errors is None
    (record,) = ours(caplog.records)
    facts = facts_of(record)
    assert facts["response_cache.field"] == "Mutation.alter"
    assert facts.get("error.type") == error
    text = record.getMessage()
    assert said in text
    assert "invalidated" in text
    assert SECRET not in f"{text}{vars(record)}"
