"""What the cache does for the service, and what it must never do to it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.example_schema.conftest import RunningService

POST_ENTRY = """
mutation ($input: PostEntryInput!) {
  postEntry(input: $input) { id amount memo postedBy account { id balance } }
}
"""


def status(answer: dict[str, Any]) -> str:
    found: str = answer["extensions"]["responseCache"]["status"]
    return found


def posting(account_id: str, memo: str) -> dict[str, str]:
    return {"accountId": account_id, "amount": "12.50", "postedOn": "2026-01-31", "memo": memo}


def first_account(service: RunningService, tenant: str, user: str) -> str:
    answer = service.ask("query FirstAccount { accounts { id } }", tenant, user)
    found: str = answer["data"]["accounts"][0]["id"]
    return found


def test_the_second_request_is_answered_from_the_cache(service: RunningService) -> None:
    query = "query Second { balanceSheet { totals { kind balance } accounts { balance } } }"

    first, second = service.ask(query), service.ask(query)

    assert status(first) == "miss"
    assert status(second) == "hit"
    assert first["data"] == second["data"]


def test_an_operation_with_nested_resolvers_is_cached(service: RunningService) -> None:
    query = """query Nested {
      accounts { name balance }
      me { pinnedAccounts { balance } recentPostings(first: 3) { memo account { balance } } }
    }"""

    first, second = service.ask(query), service.ask(query)

    assert (status(first), status(second)) == ("miss", "hit")
    assert first["data"] == second["data"]


def test_different_arguments_have_different_answers(service: RunningService) -> None:
    query = "query AsOf($day: Date) { balanceSheet(asOf: $day) { totals { balance } } }"

    early = service.ask(query, day="2022-06-30")
    late = service.ask(query, day="2025-06-30")

    assert (status(early), status(late)) == ("miss", "miss")
    assert early["data"] != late["data"]


def test_a_user_never_sees_what_is_private_to_another(service: RunningService) -> None:
    query = "query Private { me { id name pinnedAccounts { id } recentPostings { id postedBy } } }"

    alice = service.ask(query, user="alice")
    alice_again = service.ask(query, user="alice")
    bob = service.ask(query, user="bob")

    assert alice_again["extensions"]["responseCache"]["scope"] == "PRIVATE"
    assert status(alice_again) == "hit", "only a stored answer could reach the wrong user"
    assert status(bob) == "miss"
    assert alice["data"]["me"]["id"] == "alice"
    assert bob["data"]["me"]["id"] == "bob"
    for person in (alice, alice_again, bob):
        me = person["data"]["me"]
        assert {entry["postedBy"] for entry in me["recentPostings"]} == {me["id"]}
    assert alice["data"]["me"]["pinnedAccounts"] != bob["data"]["me"]["pinnedAccounts"]


def test_users_of_a_tenant_share_what_is_public(service: RunningService) -> None:
    query = "query Shared { accounts(kind: ASSET) { id name } }"

    assert status(service.ask(query, user="alice")) == "miss"
    assert status(service.ask(query, user="bob")) == "hit"


def test_a_tenant_never_sees_the_books_of_another(service: RunningService) -> None:
    query = "query Tenants { accounts { id balance } balanceSheet { totals { balance } } }"
    people = [("acme", "alice"), ("globex", "carol"), ("initech", "dave")]

    first = [service.ask(query, *person) for person in people]
    second = [service.ask(query, *person) for person in people]

    assert [status(answer) for answer in first] == ["miss"] * 3
    assert [status(answer) for answer in second] == ["hit"] * 3
    assert [answer["data"] for answer in first] == [answer["data"] for answer in second]
    ids = [{account["id"] for account in answer["data"]["accounts"]} for answer in first]
    assert not ids[0] & ids[1]
    assert not ids[1] & ids[2]
    assert not ids[0] & ids[2]


def test_a_mutation_sent_twice_is_executed_twice(service: RunningService) -> None:
    account_id = first_account(service, "initech", "dave")
    entry = posting(account_id, "Twice")

    answers = [service.ask(POST_ENTRY, "initech", "dave", input=entry) for _ in range(2)]

    first, second = (answer["data"]["postEntry"] for answer in answers)
    assert first["id"] != second["id"]
    assert first["postedBy"] == "dave"
    assert Decimal(second["account"]["balance"]) - Decimal(first["account"]["balance"]) == Decimal(
        "12.50"
    )


def test_a_posting_is_seen_by_the_next_query_of_its_tenant(service: RunningService) -> None:
    query = "query Fresh { accounts { id balance } }"
    account_id = first_account(service, "acme", "alice")
    before = {
        tenant: service.ask(query, tenant, user)
        for tenant, user in (("acme", "alice"), ("globex", "carol"))
    }

    service.ask(POST_ENTRY, input=posting(account_id, "Fresh"))

    after = service.ask(query)
    balances = [
        {account["id"]: Decimal(account["balance"]) for account in answer["data"]["accounts"]}
        for answer in (before["acme"], after)
    ]
    assert status(after) == "miss"
    assert balances[1][account_id] - balances[0][account_id] == Decimal("12.50")
    assert status(service.ask(query, "globex", "carol")) == "hit", "others keep their answers"


def test_a_created_account_is_in_the_next_list(service: RunningService) -> None:
    query = "query Codes { accounts(kind: EXPENSE) { code } }"
    service.ask(query, "globex", "carol")

    created = service.ask(
        'mutation { createAccount(input: {code: "5990", name: "Coffee", kind: EXPENSE})'
        " { code name kind balance } }",
        "globex",
        "carol",
    )

    assert created["data"]["createAccount"] == {
        "code": "5990",
        "name": "Coffee",
        "kind": "EXPENSE",
        "balance": "0.00",
    }
    codes = service.ask(query, "globex", "carol")["data"]["accounts"]
    assert {"code": "5990"} in codes


def test_a_field_that_is_never_cached_does_not_stop_other_fields_from_being_cached(
    service: RunningService,
) -> None:
    query = "query Beside { serverTime balanceSheet { totals { kind balance } } }"

    first, second = service.ask(query), service.ask(query)

    said = [answer["extensions"]["responseCache"] for answer in (first, second)]
    assert [each["status"] for each in said] == ["bypass"] * 2
    assert [(f["field"], f["status"]) for each in said for f in each["fields"]] == [
        ("Query.balanceSheet", "miss"),
        ("Query.balanceSheet", "hit"),
    ]
    assert first["data"]["balanceSheet"] == second["data"]["balanceSheet"]
    assert first["data"]["serverTime"] != second["data"]["serverTime"]


def test_a_posted_or_deleted_entry_shows_in_the_next_sheet_list_and_page(
    service: RunningService,
) -> None:
    """Also if the client selects no changed field of the mutation's result."""
    account_id = first_account(service, "globex", "carol")
    queries = (
        "query Sheet { serverTime balanceSheet { accounts { account { id } balance } } }",
        "query Balances { accounts { id balance } }",
        f'query Page {{ entries(accountId: "{account_id}", first: 5) {{ edges {{ node {{ memo }} }} }} }}',
    )

    def read() -> list[Any]:
        answers = [service.ask(query, "globex", "carol")["data"] for query in queries]
        for data in answers:
            data.pop("serverTime", None)
        return answers

    before = read()
    entry = posting(account_id, "Deleted soon") | {"postedOn": "2031-01-31"}
    post = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { id } }"
    posted = service.ask(post, "globex", "carol", input=entry)["data"]["postEntry"]["id"]
    between = read()
    assert all(one != other for one, other in zip(before, between, strict=True))

    delete = f'mutation {{ deleteEntry(id: "{posted}") }}'
    assert service.ask(delete, "acme", "alice")["data"] == {"deleteEntry": False}
    assert read() == between
    assert service.ask(delete, "globex", "carol")["data"] == {"deleteEntry": True}
    assert read() == before
