"""What the ledger refuses, in sentences that the caller of the API reads."""


class LedgerError(Exception):
    """A request that the ledger understood and declined."""


class InvalidArgumentError(LedgerError):
    """An argument is out of its range or not in its format."""


class AccountNotFoundError(LedgerError):
    """The tenant has no such account.

    An account of another tenant is reported in the same words, so that the answer does not tell
    whether it exists.
    """

    def __init__(self, account_id: int) -> None:
        """Name the account that was asked for."""
        super().__init__(f"There is no account {account_id}.")


class AccountCodeTakenError(LedgerError):
    """Account codes are unique within a tenant."""

    def __init__(self, code: str) -> None:
        """Name the code that is in use."""
        super().__init__(f"The code {code} belongs to another account; choose a free one.")
