"""Who asks: the tenant and the user that a request names in its headers.

A real service would verify a token here. What matters to the cache is the same: the identity is
settled before GraphQL runs, and the cache's keys are made from it.
"""

from collections.abc import Mapping
from http import HTTPStatus

from example_schema.books.directory import Directory, Identity

TENANT_HEADER = "X-Tenant"
USER_HEADER = "X-User"


class IdentityError(Exception):
    """A request that is not answered, with the HTTP status to refuse it with."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        """Keep the status beside the message."""
        super().__init__(message)
        self.status = status


def identify(headers: Mapping[str, str], directory: Directory) -> Identity:
    """Return who sent a request.

    Args:
        headers: The request's headers, a mapping that ignores case.
        directory: The known tenants and users.

    Raises:
        IdentityError: A header is missing, the tenant is unknown, or the user is not one of its
            users.
    """
    tenant_id = _require(headers, TENANT_HEADER)
    user_id = _require(headers, USER_HEADER)
    tenant = directory.tenants.get(tenant_id)
    if tenant is None:
        known = ", ".join(directory.tenants)
        message = f"{TENANT_HEADER} names no tenant of this service. The tenants are: {known}."
        raise IdentityError(HTTPStatus.UNAUTHORIZED, message)
    user = directory.users.get(user_id)
    if user is None or user.tenant_id != tenant.id:
        message = f"{USER_HEADER} names no user of the tenant {tenant.id}."
        raise IdentityError(HTTPStatus.FORBIDDEN, message)
    return Identity(tenant, user)


def _require(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        message = (
            f"The header {name} is missing. Say who you are, for example with "
            f"{TENANT_HEADER}: acme and {USER_HEADER}: alice; in GraphiQL, write "
            f'{{"{TENANT_HEADER}": "acme", "{USER_HEADER}": "alice"}} into the tab "Headers".'
        )
        raise IdentityError(HTTPStatus.BAD_REQUEST, message)
    return value
