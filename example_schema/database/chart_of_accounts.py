"""The accounts that every tenant starts with."""

from typing import Final

from example_schema.books.tables import AccountKind

ACCOUNT_NAMES: Final = {
    AccountKind.ASSET: (
        "Cash",
        "Checking account",
        "Savings account",
        "Accounts receivable",
        "Inventory",
        "Prepaid expenses",
        "Office equipment",
        "Vehicles",
    ),
    AccountKind.LIABILITY: (
        "Accounts payable",
        "Credit card",
        "Wages payable",
        "Sales tax payable",
        "Deferred revenue",
        "Short-term loan",
        "Mortgage",
        "Lease obligations",
    ),
    AccountKind.EQUITY: (
        "Common stock",
        "Preferred stock",
        "Paid-in capital",
        "Retained earnings",
        "Treasury stock",
        "Owner contributions",
        "Owner withdrawals",
        "Revaluation reserve",
    ),
    AccountKind.INCOME: (
        "Product sales",
        "Service revenue",
        "Subscriptions",
        "Consulting",
        "Interest income",
        "Rental income",
        "Royalties",
        "Gain on disposals",
    ),
    AccountKind.EXPENSE: (
        "Wages",
        "Rent",
        "Utilities",
        "Insurance",
        "Advertising",
        "Travel",
        "Software licences",
        "Bank fees",
    ),
}


def account_code(kind: AccountKind, position: int) -> str:
    """Return the four digits by which bookkeepers know an account.

    The first digit tells its kind: 1000 is the first asset, 2000 the first liability.
    """
    return str((list(AccountKind).index(kind) + 1) * 1000 + position * 10)
