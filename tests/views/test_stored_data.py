"""Stored data is decoded by whatever looks at it first."""

import copy
import json
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from strawberry_response_cache.graphql._stored_data import StoredData

PLAIN = {"books": [{"title": "é"}], "count": 2}
STORED = json.dumps({"data": PLAIN}, separators=(",", ":")).encode()


def test_stored_data_returns_the_stored_response_until_it_is_decoded() -> None:
    data = StoredData(STORED)
    assert data.response is STORED
    assert data["count"] == 2
    assert data.response is None


LOOKS: dict[str, Callable[[Any], object]] = {
    "bool": bool,
    "compared": lambda data: data == PLAIN,
    "compared from the right": lambda data: data == PLAIN,
    "contains": lambda data: "books" in data,
    "copied": copy.copy,
    "copied by itself": lambda data: data.copy(),
    "copied deeply": copy.deepcopy,
    "dict": dict,
    "get": lambda data: data.get("count"),
    "item": lambda data: data["books"],
    "items": lambda data: list(data.items()),
    "keys": lambda data: list(data.keys()),
    "len": len,
    "list": list,
    "merged": lambda data: data | {"more": 1},
    "merged into": lambda data: {"more": 1} | data,
    "pickled": lambda data: pickle.loads(pickle.dumps(data)),  # noqa: S301 - its own
    "popped": lambda data: data.pop("count"),
    "printed": repr,
    "printed by str": str,
    "reversed": lambda data: list(reversed(data)),
    "unpacked": lambda data: {**data},
    "updates another": lambda data: _updated({}, data),
    "values": lambda data: list(data.values()),
}


def _updated(one: dict[str, Any], other: Any) -> dict[str, Any]:
    one.update(other)
    return one


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_operation_on_stored_data_returns_what_a_plain_dict_does(
    look: Callable[[Any], object],
) -> None:
    assert look(StoredData(STORED)) == look(dict(PLAIN))


def test_changing_stored_data_discards_the_stored_response() -> None:
    changes: Iterable[Callable[[Any], object]] = (
        lambda data: data.update(count=3),
        lambda data: data.setdefault("more", 1),
        lambda data: data.__setitem__("count", 3),
        lambda data: data.__delitem__("count"),
        lambda data: data.popitem(),
        lambda data: data.__ior__({"more": 1}),
        lambda data: data.clear(),
    )
    for change in changes:
        data, plain = StoredData(STORED), dict(PLAIN)
        change(data)
        change(plain)
        assert data.response is None
        assert json.loads(json.dumps(data)) == plain


def test_stored_data_that_was_decoded_is_encoded_like_a_dict() -> None:
    data = StoredData(STORED)
    assert len(data) == 2
    assert json.dumps(data) == json.dumps(PLAIN)
