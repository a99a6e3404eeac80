"""What can happen to the bytes and the types of keys, done by a client that knows nothing of caches."""

from collections.abc import Callable
from typing import Any, Final


def stored_bytes(raw: Any, key: str) -> bytes:
    value: bytes = raw.get(key)
    return value


def truncated(raw: Any, key: str) -> None:
    raw.set(key, stored_bytes(raw, key)[:-1], keepttl=True)


def headless(raw: Any, key: str) -> None:
    raw.set(key, stored_bytes(raw, key)[20:], keepttl=True)


def flipped(raw: Any, key: str) -> None:
    value = bytearray(stored_bytes(raw, key))
    value[-3] ^= 1
    raw.set(key, bytes(value), keepttl=True)


def flipped_header(raw: Any, key: str) -> None:
    head, _, payload = stored_bytes(raw, key).partition(b" j - ")
    raw.set(key, head[:-1] + bytes([head[-1] ^ 1]) + b" j - " + payload, keepttl=True)


def long_header(raw: Any, key: str) -> None:
    value = bytearray(stored_bytes(raw, key))
    value[13:21] = b"ffffffff"
    raw.set(key, bytes(value), keepttl=True)


def other_codec(raw: Any, key: str) -> None:
    raw.set(key, stored_bytes(raw, key).replace(b" j - ", b" z - "), keepttl=True)


def foreign(raw: Any, key: str) -> None:
    raw.set(key, '{"value": "foreign"}', px=60_000)


def eternal(raw: Any, key: str) -> None:
    raw.persist(key)


def empty(raw: Any, key: str) -> None:
    raw.set(key, b"")


def into_list(raw: Any, key: str) -> None:
    raw.delete(key)
    raw.rpush(key, "foreign")


def into_hash(raw: Any, key: str) -> None:
    raw.delete(key)
    raw.hset(key, "foreign", "foreign")


def into_set(raw: Any, key: str) -> None:
    raw.delete(key)
    raw.sadd(key, "foreign")


def gone(raw: Any, key: str) -> None:
    raw.delete(key)


Damage = Callable[[Any, str], None]

ENTRY_DAMAGES: Final[list[Damage]] = [
    truncated,
    headless,
    flipped,
    flipped_header,
    long_header,
    other_codec,
    foreign,
    eternal,
    empty,
    into_list,
    into_hash,
    into_set,
    gone,
]


def name_of(damage: Damage) -> str:
    """Name a damage as the ids of tests do."""
    return damage.__name__
