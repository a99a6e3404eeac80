"""Tags with placeholders: ``Account:{args.account_id}`` names the account that an argument names."""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._keys import checked_strings, plain_identity, unwrapped
from strawberry_response_cache.core._user_code import Raised, called

TAGS_EXAMPLE: Final = 'tags=["ledger"]'
_LONGEST: Final = 1_000
_MOST_TAGS: Final = 1_000
_PLACEHOLDER: Final = re.compile(r"\{([a-z]+)((?:\.[A-Za-z_][A-Za-z0-9_]*)+)\}")


def checked_tags(tags: Iterable[str], example: str = TAGS_EXAMPLE) -> tuple[str, ...]:
    """Check the tags that somebody wrote, or made of what a request brought.

    Args:
        tags: The tags. No message quotes one; it names the position.
        example: What the message tells the caller to write.

    Raises:
        TypeError: If it is a bare string, or one of them is none.
        CacheConfigurationError: If one is empty, too long, or has control characters, or a lazy
            object raises when it is evaluated.
    """
    checked = checked_strings(tags, "tags", example)
    for position, tag in enumerate(checked):
        wrong = (
            "is empty"
            if not tag.strip()
            else f"is longer than {_LONGEST} characters"
            if len(tag) > _LONGEST
            else "holds a control character"
            if any(unicodedata.category(character) == "Cc" for character in tag)
            else None
        )
        if wrong is not None:
            msg = f"tags[{position}] {wrong}; write a short name, such as {example}."
            raise CacheConfigurationError(msg)
    return checked


class UnfilledError(Exception):
    """There is no value for a placeholder; the message names the placeholder and types, and no value.

    Args:
        placeholder: The placeholder, such as ``("result", "id")``.
        wrong: What is wrong with it.
        error: The name of the error that was raised, if one was.
    """

    def __init__(self, placeholder: Iterable[str], wrong: str, error: str = "") -> None:
        self.facts = {"error.type": error} if error else {}
        super().__init__(f"{{{'.'.join(placeholder)}}} {wrong}")


@dataclass(frozen=True, slots=True)
class Template:
    """A tag, cut at its placeholders.

    Attributes:
        text: As it was written.
        literals: The texts around the placeholders: one more than there are placeholders.
        placeholders: What stands in them, such as ``("args", "account_id")``.
        place: What messages call it, such as ``tags[1]``: they quote no tag.
    """

    text: str
    literals: tuple[str, ...]
    placeholders: tuple[tuple[str, ...], ...]
    # No part of what it is: keys are made of the rest.
    place: str = field(default="tags", compare=False, repr=False)

    @classmethod
    def all(cls, tags: Sequence[str], roots: tuple[str, ...]) -> tuple["Template", ...]:
        """Cut tags at their placeholders; see `parse`."""
        return tuple(cls.parse(tag, roots, f"tags[{at}]") for at, tag in enumerate(tags))

    @classmethod
    def parse(cls, text: str, roots: tuple[str, ...], place: str = "tags") -> "Template":
        """Cut a tag at its placeholders.

        Args:
            text: The tag.
            roots: What placeholders may begin with, such as ``args``.
            place: What messages call it.

        Raises:
            CacheConfigurationError: If a brace is not part of a placeholder, or a placeholder does not begin
                with one of the roots.
        """
        literals, placeholders, end = [], [], 0
        for found in _PLACEHOLDER.finditer(text):
            literals.append(text[end : found.start()])
            placeholders.append((found[1], *found[2][1:].split(".")))
            end = found.end()
        literals.append(text[end:])
        wrong = [placeholder[0] for placeholder in placeholders if placeholder[0] not in roots]
        if wrong or any("{" in literal or "}" in literal for literal in literals):
            known = " and ".join(f"{{{root}.name}}" for root in roots)
            msg = f"{place} has a placeholder that is none of {known}."
            raise CacheConfigurationError(msg)
        return cls(text, tuple(literals), tuple(placeholders), place)

    def fill(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield the tags that come of it: one for each element of a list, none for None.

        Args:
            values: What each root stands for: a mapping, or an object with attributes.

        Raises:
            UnfilledError: If there is no such argument or attribute, it is no string, int or UUID, or
                more tags than can be named come of it.
        """
        choices = [self._choices(placeholder, values) for placeholder in self.placeholders]
        if math.prod(map(len, choices)) > _MOST_TAGS:
            raise UnfilledError(self.placeholders[0], f"comes to more than {_MOST_TAGS} tags")
        for chosen in product(*choices):
            pieces = [self.literals[0]]
            for value, literal in zip(chosen, self.literals[1:], strict=True):
                pieces += [value, literal]
            yield "".join(pieces)

    def _choices(self, placeholder: tuple[str, ...], values: Mapping[str, Any]) -> list[str]:
        found = called(_found, placeholder, values)
        if type(found) is Raised:
            # A lazy object's own error is behind the one that tells of it.
            error = found.error
            told = isinstance(error, CacheConfigurationError) and error.__context__
            raised = type(told or error).__qualname__
            raise UnfilledError(placeholder, f"raised {raised}", raised)
        named = []
        for each in found:
            text = plain_identity(each)
            if text is None:
                raise UnfilledError(placeholder, f"is a {type(each).__qualname__}")
            named.append(text)
        return named


def unknown_arguments(templates: Iterable[Template], known: AbstractSet[str]) -> Iterator[str]:
    """Yield what is wrong with templates that name arguments which there are not."""
    listed = ", ".join(sorted(known)) or "none"
    for template in templates:
        for root, name, *_ in template.placeholders:
            if root == "args" and name not in known:
                yield (
                    f"{template.place} names the argument {name!r}, which there is not "
                    f"(there are: {listed})."
                )


def _found(placeholder: tuple[str, ...], values: Mapping[str, Any]) -> list[Any]:
    """Return what a placeholder names; attributes, lists and lazy objects are the user's own code."""
    found: list[Any] = [values[placeholder[0]]]
    for name in placeholder[1:]:
        found = [_step(each, name) for each in _flat(found)]
    return [*_flat(found)]


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in map(unwrapped, values):
        if isinstance(value, list | tuple | set | frozenset):
            yield from _flat(value)
        elif value is not None:
            yield value


def _step(value: Any, name: str) -> Any:  # noqa: ANN401 - whatever the user's objects hold
    return value[name] if isinstance(value, Mapping) else getattr(value, name)
