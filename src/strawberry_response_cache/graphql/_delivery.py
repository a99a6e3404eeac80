"""What a view of this package announces to the extension: how the answer of the next operation is delivered.

Everybody else, such as `schema.execute`, streams and Strawberry's own views, announces nothing.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from strawberry.schema import BaseSchema

from strawberry_response_cache.graphql.http.response_headers import ResponseHeaders


@dataclass(slots=True, kw_only=True)
class Delivery:
    """How one HTTP response is delivered.

    Attributes:
        schema: The schema that executes its operations.
        takes_bytes: Whether its view sends stored bytes without parsing them.
        headers: Collects its headers from its operations; None if no headers are wanted.
        has_more: Whether more than ``data`` is sent, such as ``extensions`` of other extensions.
    """

    schema: BaseSchema
    takes_bytes: bool
    headers: ResponseHeaders | None
    has_more: bool = False


_announced: Final[ContextVar[Delivery | None]] = ContextVar("announced_delivery", default=None)


def announce(delivery: Delivery | None) -> None:
    """Announce how the answer of the next operation of this task or thread is delivered.

    Args:
        delivery: How; None withdraws the announcement.
    """
    _announced.set(delivery)


def take_announcement(schema: BaseSchema) -> Delivery | None:
    """Remove the announcement for the operation that begins now; return it, or None if it is not for this schema."""
    delivery = _announced.get()
    if delivery is None:
        return None
    _announced.set(None)
    return delivery if delivery.schema is schema else None
