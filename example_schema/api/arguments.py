"""Reading the arguments that GraphQL itself does not check."""

import strawberry

from example_schema.books.errors import InvalidArgumentError

_LONGEST_ID = 18
"""In digits: whatever is longer does not fit into a column of 64 bits."""


def parse_account_id(value: strawberry.ID) -> int:
    """Return the number behind the id of an account.

    Raises:
        InvalidArgumentError: The text cannot be an account's id.
    """
    return _parse_id(value, "The id of an account is a number, as in the field id of accounts.")


def parse_entry_id(value: strawberry.ID) -> int:
    """Return the number behind the id of an entry.

    Raises:
        InvalidArgumentError: The text cannot be an entry's id.
    """
    return _parse_id(value, "The id of an entry is a number, as in the field id of entries.")


def _parse_id(value: strawberry.ID, message: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_ID):
        raise InvalidArgumentError(message)
    return int(value)
