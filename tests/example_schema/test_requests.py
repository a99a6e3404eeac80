"""Who may ask, how entries are paged, and which arguments are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.example_schema.conftest import RunningService

ACCOUNTS = "{ accounts { id } }"
PAGE = """
query ($accountId: ID!, $first: Int!, $after: String) {
  entries(accountId: $accountId, first: $first, after: $after) {
    edges { cursor node { id postedOn } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
POST_ENTRY = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { id } }"
CREATE_ACCOUNT = "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { id } }"


@pytest.mark.parametrize(
    ("headers", "code", "sentence"),
    [
        ({}, 400, "The header X-Tenant is missing."),
        ({"X-User": "alice"}, 400, "The header X-Tenant is missing."),
        ({"X-Tenant": "acme"}, 400, "The header X-User is missing."),
        ({"X-Tenant": "umbrella", "X-User": "alice"}, 401, "X-Tenant names no tenant"),
        ({"X-Tenant": "globex", "X-User": "alice"}, 403, "no user of the tenant globex."),
        ({"X-Tenant": "acme", "X-User": "mallory"}, 403, "no user of the tenant acme."),
    ],
)
def test_tenant_and_user_are_checked_before_anything_runs(
    service: RunningService, headers: dict[str, str], code: int, sentence: str
) -> None:
    answer = service.post(ACCOUNTS, headers)

    assert answer.status_code == code
    assert sentence in answer.json()["errors"][0]["message"]
    assert "data" not in answer.json()


def test_graphiql_opens_without_headers(service: RunningService) -> None:
    answer = service.client.get(service.api, headers={"Accept": "text/html"})

    assert answer.status_code == 200
    assert "GraphiQL" in answer.text


def test_every_answer_tells_how_long_it_took(service: RunningService) -> None:
    answer = service.post(ACCOUNTS, {"X-Tenant": "acme", "X-User": "alice"})

    name, _, milliseconds = answer.headers["Server-Timing"].partition(";dur=")
    assert name == "total"
    assert float(milliseconds) > 0


def test_pages_hold_every_entry_once_and_the_newest_first(service: RunningService) -> None:
    account_id = service.ask(ACCOUNTS)["data"]["accounts"][0]["id"]

    entries, after = [], None
    while True:
        answer = service.ask(PAGE, accountId=account_id, first=7, after=after)
        page = answer["data"]["entries"]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        entries += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        assert len(page["edges"]) == 7
        after = page["pageInfo"]["endCursor"]

    everything = service.ask(PAGE, accountId=account_id, first=100, after=None)
    assert [edge["node"] for edge in everything["data"]["entries"]["edges"]] == entries
    assert len({entry["id"] for entry in entries}) == len(entries) > 14
    order = [(entry["postedOn"], int(entry["id"])) for entry in entries]
    assert order == sorted(order, reverse=True)


def test_a_page_after_the_last_entry_is_empty(service: RunningService) -> None:
    account_id = service.ask(ACCOUNTS)["data"]["accounts"][1]["id"]
    everything = service.ask(PAGE, accountId=account_id, first=100)["data"]["entries"]

    beyond = service.ask(
        PAGE, accountId=account_id, first=1, after=everything["pageInfo"]["endCursor"]
    )

    assert beyond["data"]["entries"] == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "endCursor": None},
    }


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"first": 0}, "first must be between 1 and 100, not 0."),
        ({"first": 101}, "first must be between 1 and 100, not 101."),
        ({"after": "yesterday"}, "after must be an endCursor"),
        ({"after": "MjAyNS0xMi0zMS_DpA=="}, "after must be an endCursor"),
        ({"accountId": "cash"}, "The id of an account is a number"),
        ({"accountId": "9" * 40}, "The id of an account is a number"),
        ({"accountId": "999999"}, "There is no account 999999."),
        # The first account of globex.
        ({"accountId": "41"}, "There is no account 41."),
    ],
)
def test_the_field_entries_refuses_wrong_arguments(
    service: RunningService, changed: dict[str, object], sentence: str
) -> None:
    variables: dict[str, Any] = {"accountId": "1", "first": 5, **changed}

    answer = service.ask(PAGE, **variables)

    assert answer["data"] is None
    assert sentence in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"amount": "0.00"}, "amount must not be zero."),
        ({"amount": "1.005"}, "amount must not have fractions of a cent."),
        ({"amount": "NaN"}, "amount must be a number between"),
        ({"amount": "1e400"}, "amount must be a number between"),
        ({"memo": "  "}, "memo must have between 1 and 200 characters."),
        ({"memo": "x" * 201}, "memo must have between 1 and 200 characters."),
        ({"accountId": "41"}, "There is no account 41."),
    ],
)
def test_the_mutation_post_entry_refuses_wrong_input(
    service: RunningService, changed: dict[str, str], sentence: str
) -> None:
    entry = {"accountId": "1", "amount": "1.00", "postedOn": "2026-01-31", "memo": "Invoice"}

    answer = service.ask(POST_ENTRY, input={**entry, **changed})

    assert answer["data"] is None
    assert sentence in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"code": "1000"}, "The code 1000 belongs to another account"),
        ({"code": "19"}, "code must be 4 digits."),
        ({"name": ""}, "name must have between 1 and 200 characters."),
    ],
)
def test_the_mutation_create_account_refuses_wrong_input(
    service: RunningService, changed: dict[str, str], sentence: str
) -> None:
    account = {"code": "1990", "name": "Petty cash", "kind": "ASSET"}

    answer = service.ask(CREATE_ACCOUNT, input={**account, **changed})

    assert answer["data"] is None
    assert sentence in answer["errors"][0]["message"]


def test_refusals_do_not_fill_the_log(service: RunningService) -> None:
    before = service.stderr.read_text()

    service.ask(PAGE, accountId="999999", first=1)

    assert service.stderr.read_text() == before
