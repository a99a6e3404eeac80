"""What every framework has to do, over real HTTP; each check has a tenant of its own."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.frameworks.serving import Framework

BOOKS: Final = "{ books { edges { node { title } } } }"


class Client:
    """A client of one tenant; each request has a connection of its own, so that any worker may answer.

    Args:
        url: The view's URL.
        framework: Which one serves it.
        tenant: Sent with each request.
    """

    def __init__(self, url: str, framework: Framework, tenant: str) -> None:
        self.url = url
        self.framework = framework
        self.tenant = tenant

    def headers(self, user: str | None = None, *, debug: bool = True) -> dict[str, str]:
        who = {} if user is None else {"x-user": user}
        return {"x-tenant": self.tenant, **who, **({"x-debug": "1"} if debug else {})}

    def send(
        self, method: str = "POST", user: str | None = None, *, debug: bool = True, **named: Any
    ) -> httpx.Response:
        headers = {**self.headers(user, debug=debug), **named.pop("headers", {})}
        return httpx.request(
            method, self.url, headers=headers, timeout=60, trust_env=False, **named
        )

    def ask(self, query: str, user: str | None = None) -> tuple[str, Any]:
        """Return the status of the cache, and the data."""
        response = self.send(user=user, json={"query": query})
        assert response.status_code == 200, response.text
        body = response.json()
        assert "errors" not in body, body
        return body["extensions"]["responseCache"]["status"], body["data"]

    def titles(self) -> tuple[str, list[str]]:
        """Return the status of the cache, and the titles of all books."""
        status, data = self.ask(BOOKS)
        return status, [each["node"]["title"] for each in data["books"]["edges"]]

    def add(self, title: str) -> None:
        self.ask(f'mutation {{ addBook(title: "{title}") {{ title }} }}')


def a_miss_is_followed_by_hits_that_send_the_stored_bytes(client: Client) -> None:
    client.add("Élan")
    assert client.titles() == ("miss", ["Élan"])
    assert [client.titles() for _ in range(5)] == [("hit", ["Élan"])] * 5
    response = client.send(debug=False, json={"query": BOOKS})
    assert response.headers["content-type"].startswith("application/json")
    # Strawberry's view would write \\u00c9.
    assert response.content == '{"data":{"books":{"edges":[{"node":{"title":"Élan"}}]}}}'.encode()


def private_data_is_cached_for_each_user(client: Client) -> None:
    def greeting(user: str | None) -> tuple[str, str]:
        status, data = client.ask("{ greeting }", user)
        return status, data["greeting"]

    for user in ("alice", "bob"):
        expected = f"Hello {user} in {client.tenant}"
        assert [greeting(user), greeting(user)] == [("miss", expected), ("hit", expected)]
    assert greeting(None) == ("bypass", f"Hello None in {client.tenant}")


def tenants_and_mutations_are_kept_apart(client: Client) -> None:
    other = Client(client.url, client.framework, f"{client.tenant} other")
    other.add("Momo")
    for tenant, titles in ((client, []), (other, ["Momo"])):
        assert [tenant.titles(), tenant.titles()] == [("miss", titles), ("hit", titles)]
    client.add("Emma")
    assert client.titles() == ("miss", ["Emma"])
    assert [client.titles() for _ in range(4)] == [("hit", ["Emma"])] * 4
    assert other.titles() == ("hit", ["Momo"])


def a_permission_is_checked_on_a_hit(client: Client) -> None:
    assert client.ask("{ profit }", "alice")[1] == client.ask("{ profit }", "alice")[1]
    response = client.send(json={"query": "{ profit }"})
    assert response.json()["errors"][0]["message"] == "Sign in first."


def errors_are_not_cached(client: Client) -> None:
    for _ in range(2):
        body = client.send(json={"query": "{ fails }"}).json()
        assert body["data"] == {"fails": None}
        assert body["errors"]
    assert "errors" in client.send(json={"query": "{ unknown }"}).json()
    assert client.send(json={}).status_code == 400
    broken = client.send(content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 400


def get_requests_and_batches_are_hits(client: Client) -> None:
    client.titles()
    response = client.send("GET", params={"query": BOOKS})
    assert response.json()["extensions"]["responseCache"]["status"] == "hit"
    batch = client.send(json=[{"query": BOOKS}, {"query": "{ fails }"}]).json()
    assert batch[0]["extensions"]["responseCache"]["status"] == "hit"
    assert batch[1]["data"] == {"fails": None}


def a_document_that_is_sent_with_its_digest_is_a_hit(client: Client) -> None:
    """As by clients with persisted documents, by POST and in a URL."""
    client.titles()
    told = {"persistedQuery": {"version": 1, "sha256Hash": sha256(BOOKS.encode()).hexdigest()}}
    posted = client.send(json={"query": BOOKS, "extensions": told})
    got = client.send("GET", params={"query": BOOKS, "extensions": json.dumps(told)})
    for response in (posted, got):
        assert response.json()["extensions"]["responseCache"]["status"] == "hit"


def files_are_uploaded(client: Client) -> None:
    query = "mutation ($file: Upload!) { upload(file: $file) }"
    operations = json.dumps({"query": query, "variables": {"file": None}})
    response = client.send(
        data={"operations": operations, "map": '{"one": ["variables.file"]}'},
        files={"one": ("a.txt", b"12345")},
    )
    assert response.json()["data"] == {"upload": 5}


def dataloaders_load_what_is_not_cached(client: Client) -> None:
    if client.framework.is_async:
        query = '{ a: length(title: "Emma") b: length(title: "Momo!") }'
        expected = {"a": 4, "b": 5}
        assert [client.ask(query), client.ask(query)] == [("miss", expected), ("hit", expected)]


def websockets_read_the_same_tenant(client: Client) -> None:
    if client.framework.has_websockets:
        client.titles()
        greetings = _over_a_websocket(client, "subscription { greetings }", "alice")
        words = [f"{each} alice in {client.tenant}" for each in ("Hello", "Goodbye")]
        assert [each["data"]["greetings"] for each in greetings] == words
        [result] = _over_a_websocket(client, BOOKS, "alice")
        assert result["data"] == client.ask(BOOKS)[1]
        assert result["extensions"]["responseCache"]["status"] == "hit"


def _over_a_websocket(client: Client, query: str, user: str) -> list[Any]:
    url = client.url.replace("http://", "ws://")
    results = []
    with connect(
        url, subprotocols=["graphql-transport-ws"], additional_headers=client.headers(user)
    ) as socket:
        socket.send('{"type": "connection_init"}')
        assert _message(socket)["type"] == "connection_ack"
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
        while (message := _message(socket))["type"] == "next":
            results.append(message["payload"])
        assert message["type"] == "complete", message
    return results


def _message(socket: ClientConnection) -> Any:
    frame = socket.recv(60)
    assert isinstance(frame, str), "clients expect frames of text"
    return json.loads(frame)


def streams_are_sent_as_ever(client: Client) -> None:
    if client.framework.streams:
        accept = {"accept": "text/event-stream"}
        events = client.send(json={"query": "subscription { greetings }"}, headers=accept).text
        assert events.index("Hello None") < events.index("Goodbye None"), events
        query = "{ ... @defer { greeting } __typename }"
        for _ in range(2):
            response = client.send(
                json={"query": query}, user="alice", headers={"accept": "multipart/mixed"}
            )
            assert response.headers["content-type"].startswith("multipart/mixed")
            assert f"Hello alice in {client.tenant}" in response.text


CHECKS: Final[tuple[Callable[[Client], None], ...]] = (
    a_miss_is_followed_by_hits_that_send_the_stored_bytes,
    private_data_is_cached_for_each_user,
    tenants_and_mutations_are_kept_apart,
    a_permission_is_checked_on_a_hit,
    errors_are_not_cached,
    get_requests_and_batches_are_hits,
    a_document_that_is_sent_with_its_digest_is_a_hit,
    files_are_uploaded,
    dataloaders_load_what_is_not_cached,
    websockets_read_the_same_tenant,
    streams_are_sent_as_ever,
)
