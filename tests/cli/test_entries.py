"""`key` says what is stored for an operation, or why nothing is; `forget` removes it."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

BOOK = "query ($id: ID!) { book(id: $id) { id title } }"
OF_ACME = ("--tenant", "acme")
SEVEN = ("--variables", '{"id": "7"}')


def key(*more: str, query: str = "-") -> tuple[str, ...]:
    return ("key", "shop:schema", query, *OF_ACME, *more)


def test_an_entry_is_found_with_its_ttl_size_and_tags(
    run: Callable[..., Any], as_json: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    assert run(*key(*SEVEN), stdin=BOOK) == (
        1,
        "Absent: it was never stored, its ttl ended, or the server evicted it.\n",
    )
    ask(BOOK, variables={"id": "7"})
    code, said = run(*key(*SEVEN), stdin=BOOK)
    assert code == 0
    assert said.startswith("Present, and fresh.\nttl    ")
    assert "scope  PUBLIC\ntags   Book, Book:7\n" in said
    found = as_json(*key(*SEVEN), stdin=BOOK)
    assert found["present"]
    assert 0 < found["ttl"] <= 60
    assert found["size"] == len('{"data":{"book":{"id":"7","title":"Emma"}}}')
    assert (found["tags"], found["other_tags"]) == (["Book", "Book:7"], 0)
    # Another operation, other variables and another tenant have entries of their own.
    assert run(*key("--variables", '{"id": "8"}'), stdin=BOOK)[0] == 1
    assert run("key", "shop", "-", "--tenant", "globex", *SEVEN, stdin=BOOK)[0] == 1


def test_looking_for_an_entry_changes_nothing(
    run: Callable[..., Any], ask: Callable[..., Any], raw_valkey: Any
) -> None:
    run(*key(*SEVEN), stdin=BOOK)
    assert raw_valkey.keys("*") == []
    ask(BOOK, variables={"id": "7"})
    before = {each: raw_valkey.dump(each) for each in raw_valkey.keys("*")}
    run(*key(*SEVEN), stdin=BOOK)
    assert {each: raw_valkey.dump(each) for each in raw_valkey.keys("*")} == before


def test_key_says_why_an_entry_is_not_served_any_more(
    run: Callable[..., Any],
    as_json: Callable[..., Any],
    ask: Callable[..., Any],
    shop: Any,
    raw_valkey: Any,
) -> None:
    acme = shop.cache.for_tenant("acme")

    def why(change: Callable[[], object]) -> tuple[str, list[str]]:
        ask(BOOK, variables={"id": "7"})
        assert as_json(*key(*SEVEN), stdin=BOOK)["state"] == "fresh"
        change()
        found = as_json(*key(*SEVEN), stdin=BOOK)
        assert not found["present"]
        return found["state"], found["ended_by"]

    def damage() -> None:
        (entry,) = raw_valkey.keys("*:e:*")
        raw_valkey.set(entry, "damaged")

    assert why(lambda: acme.invalidate_sync("Book:7")) == ("invalidated", ["Book:7"])
    assert "Ended by an invalidation. Tags: Book:7." in run(*key(*SEVEN), stdin=BOOK)[1]
    (table,) = raw_valkey.keys("*:t")
    assert why(acme.clear_sync) == ("cleared", [])
    assert why(lambda: raw_valkey.hset(table, "r", "another run")) == ("restarted", [])
    assert why(lambda: raw_valkey.hset(table, "f", "1000000")) == ("below_floor", [])
    raw_valkey.delete(table)
    assert why(damage) == ("unreadable", [])


@pytest.mark.parametrize("session", ["alice", 42, uuid.UUID(int=5)])
def test_private_data_is_found_for_its_session(
    run: Callable[..., Any], as_json: Callable[..., Any], ask: Callable[..., Any], session: object
) -> None:
    ask("{ me }", session=session)
    code, said = run(*key(), stdin="{ me }")
    assert (code, "name one with --session" in said) == (2, True)
    assert as_json(*key("--session", str(session)), stdin="{ me }")["scope"] == "PRIVATE"
    assert run(*key("--session", "bob"), stdin="{ me }")[0] == 1


def test_a_response_that_turned_private_while_it_ran_is_found_for_its_session(
    as_json: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    ask("{ turned }", session="alice")
    found = as_json(*key("--session", "alice"), stdin="{ turned }")
    assert (found["scope"], found["size"]) == ("PRIVATE", len('{"data":{"turned":"alice"}}'))
    # Without a session, the marker that leads to these.
    assert as_json(*key(), stdin="{ turned }")["scope"] == "PRIVATE"


def test_key_asks_for_a_vary_value_or_a_tenant_that_is_missing(
    run: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    ask("{ greeting }")
    code, said = run(*key(), stdin="{ greeting }")
    assert (code, "name it with --vary locale=..." in said) == (2, True)
    assert run(*key("--vary", "locale=en"), stdin="{ greeting }")[0] == 0
    assert run(*key("--vary", "locale=de"), stdin="{ greeting }")[0] == 1
    assert run(*key("--vary", "locale"), stdin="{ greeting }")[0] == 2
    code, said = run("key", "shop", "-", stdin="{ greeting }")
    assert (code, "name one with --tenant" in said) == (2, True)


def test_an_operation_that_is_not_cached_has_no_entry(
    run: Callable[..., Any], as_json: Callable[..., Any], shop: Any
) -> None:
    code, said = run(*key(), stdin="{ bare }")
    assert code == 1
    assert said == (
        "Not cached: root_without_hint by Query.bare. Put @cache_control(ttl=...) above Query.bare.\n"
    )
    assert as_json(*key(), stdin="{ bare }") == {
        "present": False,
        "reason": "root_without_hint",
        "fields": [],
    }
    code, said = run(*key(), stdin="{ bare motto }")
    assert (code, "entries of their own: Query.motto." in said) == (1, True)
    assert as_json(*key(), stdin="{ bare motto }")["fields"] == ["Query.motto"]
    code, said = run(
        "key", "shop:plain", "-", "--url", "redis://h", "--prefix", "p", stdin="{ me }"
    )
    assert (code, "has no ResponseCacheExtension" in said) == (2, True)


def test_forget_removes_an_entry(run: Callable[..., Any], ask: Callable[..., Any]) -> None:
    ask("{ turned }", session="alice")
    arguments = ("shop", "-", *OF_ACME, "--session", "alice")
    assert run("key", *arguments, stdin="{ turned }")[0] == 0
    assert run("forget", *arguments, stdin="{ turned }") == (0, "Forgotten.\n")
    assert run("key", *arguments, stdin="{ turned }")[0] == 1


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("query", "code", "said", "stays"),
    [
        ("{ motto }", 0, "Forgotten.\n", []),
        ('{ motto book(id: "1") { id } }', 0, "Forgotten.\n", ["Query.motto"]),
        ("{ bare }", 1, "Not cached: root_without_hint by Query.bare.", []),
        ("{ bare motto }", 1, "Not cached: root_without_hint by Query.bare.", ["Query.motto"]),
    ],
)
def test_forget_says_which_entries_of_fields_stay(
    run: Callable[..., Any],
    as_json: Callable[..., Any],
    query: str,
    code: int,
    said: str,
    stays: list[str],
) -> None:
    """Fields with entries of their own are not part of the operation's entry."""
    found, text = run("forget", "shop", "-", *OF_ACME, stdin=query)
    assert (found, text.startswith(said)) == (code, True)
    assert ("their own: Query.motto." in text.replace("\n", " ")) is bool(stays)
    told = as_json("forget", "shop", "-", *OF_ACME, stdin=query)
    assert (told["forgotten"], told["fields"]) == (code == 0, stays)


def test_entries_of_remember_are_named_by_their_key_parts(
    run: Callable[..., Any], as_json: Callable[..., Any], shop: Any
) -> None:
    shop.cache.for_tenant("acme").remember_sync(["a", "b"], 60, lambda: 1, tags=["Book:1"])
    parts = ("--part", "a", "--part", "b", *OF_ACME)
    found = as_json("key", *parts)
    # Its server keeps digests of tags, of which nothing tells a name here: that of the book, and that of all books.
    assert (found["present"], found["tags"], found["other_tags"]) == (True, [], 2)
    assert run("key", "--part", "a", *OF_ACME)[0] == 1
    assert run("forget", *parts)[0] == 0
    assert run("key", *parts)[0] == 1
    for wrong in (("key",), ("forget", "shop", "-", "--part", "a"), ("key", "shop")):
        assert run(*wrong)[0] == 2
