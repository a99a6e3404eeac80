"""One user's connection to the service."""

import json
import random
from collections.abc import Mapping
from typing import Any, Final

import httpx

from tests.services.django.requests import Answer

OWN: Final = "X-Statements"
OF_LOGIN: Final = "X-Login-Statements"


_VIEWS: Final = ("/graphql/", "/bytes/")
"""Strawberry's view, and this package's; both give the same answers."""


def _any_view() -> str:
    return random.choice(_VIEWS)  # noqa: S311 - not a secret


class Client:
    """One user's connection, or a visitor's.

    Args:
        url: Of the service.
        name: Of the user; None for a visitor.
    """

    def __init__(self, url: str, name: str | None) -> None:
        self.name = name
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=120)
        self.pk: int | None = None
        if name is not None:
            self.pk = self.get(f"/login/{name}/")["pk"]

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str) -> Any:
        """Return the JSON of a page."""
        return self._http.get(path).raise_for_status().json()

    def ask(
        self,
        query: str,
        variables: Mapping[str, object],
        *,
        path: str | None = None,
        by_get: bool = False,
    ) -> Answer:
        """Send one operation, to any of the views if no path is given."""
        path = path or _any_view()
        body = {"query": query, "variables": variables}
        if by_get:
            query_string = {"query": query, "variables": json.dumps(variables)}
            return _answer(self._http.get(path, params=query_string))
        return _answer(self._http.post(path, json=body))

    def batch(self, *operations: tuple[str, Mapping[str, object]]) -> Answer:
        """Send several operations in one request."""
        bodies = [{"query": query, "variables": variables} for query, variables in operations]
        return _answer(self._http.post(_any_view(), json=bodies))

    def upload(self, query: str, content: bytes, **variables: Any) -> Answer:
        """Send an operation with a file, its variable ``file``.

        Source: https://github.com/jaydenseric/graphql-multipart-request-spec
        """
        body = {"query": query, "variables": variables | {"file": None}}
        form = {"operations": json.dumps(body), "map": json.dumps({"0": ["variables.file"]})}
        files = {"0": ("cover.txt", content)}
        return _answer(self._http.post(_any_view(), data=form, files=files))


def _answer(response: httpx.Response) -> Answer:
    told = response.raise_for_status().json()
    return Answer(
        results=told if isinstance(told, list) else [told],
        statements=int(response.headers[OWN]),
        login=int(response.headers[OF_LOGIN]),
    )
