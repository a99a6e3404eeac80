"""The example under load, and mistakes that are to be found."""

from pathlib import Path
from typing import Any

import pytest
import redis

from example_schema.schema import schema, with_mistakes
from strawberry_response_cache import explain
from tests.conftest import Eventually
from tests.example_schema.conftest import started


@pytest.mark.exhaustive
async def test_under_load_several_tenants_have_entries_and_invalidations(
    tmp_path: Path, eventually: Eventually
) -> None:
    with started(tmp_path / "ledger.sqlite3", "--load", "--mistakes") as service:
        host, port = service.valkey
        with redis.Redis(host=host, port=port) as raw:
            client: Any = raw
            # Entries of several tenants, and something that a mutation invalidated.
            await eventually(
                lambda: len({each.split(b"}")[0] for each in client.keys("*:e:*")}) > 1
            )
            await eventually(lambda: any(client.hlen(each) > 3 for each in client.keys("*}:t")))


def test_the_mistakes_of_the_example_are_found_by_explain() -> None:
    statement = explain(with_mistakes, "{ statement { title turnover } }")
    assert statement.limited_by == "Statement.turnover"
    greeting = explain(with_mistakes, "{ greeting }")
    assert (greeting.cacheable, greeting.scope and greeting.scope.value) == (True, "PUBLIC")
    assert "greeting" not in schema.as_str()
    sheet = "{ balanceSheet { totals { kind balance } } }"
    assert str(explain(schema, sheet)) == str(explain(with_mistakes, sheet))
