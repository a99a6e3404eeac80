"""Load, with `--load`: users who ask the service all the time, some things more often than others."""

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from example_schema.server.identity import TENANT_HEADER, USER_HEADER

USERS = (("acme", "alice"), ("acme", "bob"), ("globex", "carol"), ("initech", "dave"))

_SHEET = "query Sheet($asOf: Date) { balanceSheet(asOf: $asOf) { totals { kind balance } } }"
_ACCOUNTS = "query Accounts { accounts { id name balance } }"
_ENTRIES = """query Entries($id: ID!, $after: Int!) {
  entries(accountId: $id, first: $after) { edges { node { id amount memo } } }
}"""
_ME = "query Me { me { id name recentPostings { id amount } } }"
_CLOCK = "query Clock { serverTime }"
_POST = """mutation Post($id: ID!, $on: Date!) {
  postEntry(input: {accountId: $id, postedOn: $on, amount: "1.00", memo: "load"}) { id }
}"""
_WITH_MISTAKES = (
    ("query Statement { statement { title turnover } }", 4),
    ("query Greeting { greeting }", 6),
)

_PAUSE = 0.02
"""Seconds between two requests of one user, about."""


@asynccontextmanager
async def under_load(api: str, *, mistakes: bool) -> AsyncIterator[None]:
    """Let users ask the service for as long as the block runs.

    Args:
        api: The address of the service.
        mistakes: Whether its schema has the fields of `mistakes.py`.
    """
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        users = [
            asyncio.create_task(_ask(client, api, *user, mistakes=mistakes, seed=seed))
            for seed, user in enumerate(USERS)
        ]
        try:
            yield
        finally:
            for user in users:
                user.cancel()
            await asyncio.gather(*users, return_exceptions=True)


async def _ask(
    client: httpx.AsyncClient, api: str, tenant: str, user: str, *, mistakes: bool, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same users each time
    headers = {TENANT_HEADER: tenant, USER_HEADER: user}
    usual = [(_SHEET, 20), (_ACCOUNTS, 20), (_ENTRIES, 30), (_ME, 10), (_CLOCK, 5), (_POST, 1)]
    asked = [*usual, *(_WITH_MISTAKES if mistakes else ())]
    texts, weights = zip(*asked, strict=True)
    accounts: list[str] = []
    while True:
        (text,) = dice.choices(texts, weights) if accounts else (_ACCOUNTS,)
        today = dt.datetime.now(dt.UTC).date()
        variables = {
            "asOf": str(today - dt.timedelta(days=dice.choice([0, 0, 0, 30, 60]))),
            "id": dice.choice(accounts or ["1"]),
            "after": dice.choice([10, 20]),
            "on": str(today),
        }
        # The service may not answer yet, or not any more.
        with suppress(httpx.HTTPError, ValueError):
            answer = await client.post(
                api, json={"query": text, "variables": variables}, headers=headers
            )
            data = answer.json().get("data") or {}
            accounts = [each["id"] for each in data.get("accounts", ())] or accounts
        await asyncio.sleep(dice.uniform(0, 2 * _PAUSE))
