"""What ``RESPONSE_CACHE`` in the settings says, and what is wrong with it. No message quotes a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strawberry_response_cache.core import CacheConfigurationError, CacheSettings, RedisHandle
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core._settings import fill

NAME: Final = "RESPONSE_CACHE"
_NO_SETTINGS: Final = frozenset({"URL", "CACHE", "PREFIX"})
_REDIS_BACKENDS: Final = frozenset(
    {"django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"}
)
"""Backends whose LOCATION is a URL of Redis."""
_EXAMPLE: Final = (
    'RESPONSE_CACHE = {"URL": "redis://localhost:6379/0", "PREFIX": "bookshop"} in settings.py'
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in the settings.

    Attributes:
        number: The number of its system check, such as ``E001``.
        message: What is wrong.
        hint: What to write.
    """

    number: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """The arguments with which the cache of a project is made.

    Attributes:
        handle: The server.
        prefix: The name of the cache.
        settings: The settings of the core.
    """

    handle: RedisHandle
    prefix: str
    settings: CacheSettings


class _MistakeError(Exception):
    """A mistake in one part of the settings."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__()
        self.mistake = mistake


def _mistake(number: int, message: str, hint: str) -> _MistakeError:
    return _MistakeError(Mistake(f"E{number:03}", message, hint))


def mistakes_of(settings: object) -> list[Mistake]:
    """Return the mistakes in the settings of a project.

    Args:
        settings: ``django.conf.settings``.
    """
    return _read_settings(settings)[1]


def configuration_of(settings: object) -> Configuration:
    """Return what the settings of a project say.

    Args:
        settings: ``django.conf.settings``.

    Raises:
        CacheConfigurationError: If there are mistakes; the message lists all.
    """
    found, mistakes = _read_settings(settings)
    if found is None:
        raise CacheConfigurationError(
            "\n".join(f"{each.number}: {each.message} {each.hint}" for each in mistakes)
        )
    return found


def _read_settings(settings: object) -> tuple[Configuration | None, list[Mistake]]:
    given = getattr(settings, NAME, None)
    if not isinstance(given, Mapping):
        what = "is not set" if given is None else "is no dict"
        return None, [Mistake("E001", f"{NAME} {what}.", f"Write {_EXAMPLE}.")]
    found: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for name, read in (
        ("handle", lambda: _handle_of(given, settings)),
        ("prefix", lambda: _prefix_of(given)),
        ("settings", lambda: _settings_of(given)),
    ):
        try:
            found[name] = read()
        except _MistakeError as error:
            mistakes.append(error.mistake)
    return None if mistakes else Configuration(**found), mistakes


def _handle_of(given: Mapping[Any, Any], settings: object) -> RedisHandle:
    if ("URL" in given) == ("CACHE" in given):
        what = "both URL and CACHE" if "URL" in given else "neither URL nor CACHE"
        hint = "Write one: the URL of the server, or the name of an entry of CACHES on Redis."
        raise _mistake(2, f"{NAME} has {what}.", hint)
    if "URL" in given:
        return _handle_at(given["URL"], f'{NAME}["URL"]', 3)
    return _handle_at(
        _location(given["CACHE"], settings), f'The LOCATION that {NAME}["CACHE"] names', 4
    )


def _handle_at(url: object, where: str, number: int) -> RedisHandle:
    if not isinstance(url, str):
        raise _mistake(number, f"{where} is no string.", "Write redis://host:6379/0.")
    try:
        return RedisHandle.from_url(url)
    except CacheConfigurationError as error:
        raise _mistake(number, f"{where} cannot be used.", str(error)) from None


def _location(alias: object, settings: object) -> object:
    """Return the URL of an entry of CACHES: the first of several, to which Django writes."""
    caches = getattr(settings, "CACHES", {})
    entry = caches.get(alias) if isinstance(alias, str) else None
    where = f'The entry of CACHES that {NAME}["CACHE"] names'
    if entry is None:
        raise _mistake(
            4,
            f'{NAME}["CACHE"] is no name of an entry of CACHES.',
            "Write one, such as default.",
        )
    if entry.get("BACKEND") not in _REDIS_BACKENDS:
        hint = (
            f'Its BACKEND is one of {", ".join(sorted(_REDIS_BACKENDS))}; else write {NAME}["URL"].'
        )
        raise _mistake(4, f"{where} is not on Redis.", hint)
    if entry.get("OPTIONS"):
        hint = f'Write the URL with them as {NAME}["URL"].'
        raise _mistake(4, f"{where} has OPTIONS, which this cache does not read.", hint)
    location = entry.get("LOCATION")
    places = re.split("[;,]", location) if isinstance(location, str) else location
    return places[0] if isinstance(places, list | tuple) and places else None


def _prefix_of(given: Mapping[Any, Any]) -> str:
    prefix = given.get("PREFIX")
    hint = "Write the name of this cache, such as bookshop-production: what has one name shares its entries."
    if prefix is None:
        raise _mistake(5, f'{NAME}["PREFIX"] is missing.', hint)
    try:
        Keyspace(prefix)
    except CacheConfigurationError as error:
        raise _mistake(5, f'{NAME}["PREFIX"] cannot be used.', str(error)) from None
    return str(prefix)


def _settings_of(given: Mapping[Any, Any]) -> CacheSettings:
    values = {name: value for name, value in given.items() if name not in _NO_SETTINGS}
    known = {name.upper() for name in CacheSettings.model_fields}
    if unknown := [name for name in values if name not in known]:
        shown = ", ".join(map(_name_for_message, unknown))
        hint = f"Known are URL, CACHE, PREFIX and the settings of CacheSettings in capital letters: {', '.join(sorted(known))}."
        raise _mistake(6, f"{NAME} has names that are not known: {shown}.", hint)
    settings = CacheSettings.__new__(CacheSettings)
    try:
        named = {name.lower(): value for name, value in values.items()}
        fill(settings, named, NAME, lambda name: str(name).upper())
    except CacheConfigurationError as error:
        hint = "All durations are in seconds."
        raise _mistake(7, f"{error}.", hint) from None
    return settings


def _name_for_message(name: object) -> str:
    """Return a name for a message; what is no name may be anything, such as a URL with its password."""
    return name if isinstance(name, str) and name.isidentifier() else "what is no name"
