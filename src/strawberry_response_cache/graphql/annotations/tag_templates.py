"""Tags with placeholders, such as ``Account:{args.account_id}``."""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from strawberry import UNSET, Some

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.core._user_values import checked_strings, unwrapped
from strawberry_response_cache.graphql.annotations.tag_texts import tag_text

TAGS_EXAMPLE: Final = 'tags=["ledger"]'
_LONGEST: Final = 1_000
_MOST_TAGS: Final = 1_000
_PLACEHOLDER: Final = re.compile(r"\{([a-z]+)((?:\.[A-Za-z_][A-Za-z0-9_]*)*)\}")


def checked_tags(tags: Iterable[str], example: str = TAGS_EXAMPLE) -> tuple[str, ...]:
    """Check and return tags that users wrote or built from a request.

    Args:
        tags: The tags. Messages name the position of a tag and do not quote it.
        example: An example for the message.

    Raises:
        TypeError: If ``tags`` is a bare string, or a tag is not a string.
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
    """A placeholder cannot be filled; the message names the placeholder and types, never a value.

    Args:
        placeholder: The placeholder, such as ``("result", "id")``.
        wrong: What is wrong with it.
        error: The type of the error that reading it raised; empty if none was raised.
        is_too_many: Whether it has values, but they give more tags than can be named.
    """

    def __init__(
        self, placeholder: Iterable[str], wrong: str, error: str = "", *, is_too_many: bool = False
    ) -> None:
        self.facts = {"error.type": error} if error else {}
        self.is_too_many = is_too_many
        super().__init__(f"{{{'.'.join(placeholder)}}} {wrong}")


Texts: TypeAlias = Mapping[tuple[str, ...], "list[str] | UnfilledError"]
"""For each placeholder its texts, or the error that says why it has none."""
_NOTHING_SENT: Final[Texts] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Template:
    """A tag, split at its placeholders.

    Attributes:
        text: The tag as written.
        literals: The texts around the placeholders; there is one more than placeholders.
        placeholders: The names in the placeholders, such as ``("args", "account_id")``.
        place: The tag's name in messages, such as ``tags[1]``.
    """

    text: str
    literals: tuple[str, ...]
    placeholders: tuple[tuple[str, ...], ...]
    # Not compared: keys are built from the other attributes.
    place: str = field(default="tags", compare=False, repr=False)

    @property
    def family(self) -> str | None:
        """The text before the colon, which all filled tags share; None if no colon is before the first placeholder."""
        kind, colon, _ = self.literals[0].partition(":")
        return kind if colon else None

    @classmethod
    def all(cls, tags: Sequence[str], roots: tuple[str, ...]) -> tuple["Template", ...]:
        """Split tags at their placeholders; see `parse`."""
        return tuple(cls.parse(tag, roots, f"tags[{at}]") for at, tag in enumerate(tags))

    @classmethod
    def parse(cls, text: str, roots: tuple[str, ...], place: str = "tags") -> "Template":
        """Split a tag at its placeholders.

        Args:
            text: The tag.
            roots: The allowed first names of placeholders, such as ``args``.
            place: The tag's name in messages.

        Raises:
            CacheConfigurationError: If a brace is not part of a placeholder, or a placeholder does not begin
                with one of the roots. Only ``{result}`` may have no name after it, for a scalar.
        """
        literals, placeholders, end = [], [], 0
        for found in _PLACEHOLDER.finditer(text):
            literals.append(text[end : found.start()])
            placeholders.append((found[1], *found[2].split(".")[1:]))
            end = found.end()
        literals.append(text[end:])
        known = [f"{{{root}.name}}" for root in roots] + ["{result}"] * ("result" in roots)
        wrong = any(
            root not in roots or not (names or root == "result") for root, *names in placeholders
        )
        if wrong or any("{" in literal or "}" in literal for literal in literals):
            msg = f"{place} has a placeholder that is none of {', '.join(known[:-1])} and {known[-1]}."
            raise CacheConfigurationError(msg)
        return cls(text, tuple(literals), tuple(placeholders), place)

    def fill(self, values: Mapping[str, Any], sent: Texts = _NOTHING_SENT) -> Iterator[str]:
        """Yield the filled tags: one for each element of a list, none for None.

        Args:
            values: The value of each root: a mapping, or an object with attributes.
            sent: The texts of placeholders that were read before; the others are read now.

        Raises:
            UnfilledError: If there is no such argument or attribute, it has no text (see `tag_text`), or
                it gives more tags than can be named.
        """
        choices = [
            self._choices(each, values)
            if (known := sent.get(each)) is None
            else _filled_or_raise(known)
            for each in self.placeholders
        ]
        if math.prod(map(len, choices)) > _MOST_TAGS:
            raise UnfilledError(
                self.placeholders[0], f"gives more than {_MOST_TAGS} tags", is_too_many=True
            )
        for chosen in product(*choices):
            pieces = [self.literals[0]]
            for value, literal in zip(chosen, self.literals[1:], strict=True):
                pieces += [value, literal]
            yield "".join(pieces)

    def texts(
        self, root: str, value: object
    ) -> "Iterator[tuple[tuple[str, ...], list[str] | UnfilledError]]":
        """Yield the placeholders of one root, each with its texts or the error that says why it has none.

        Args:
            root: The first name of the placeholders, such as ``args``.
            value: The value of the root.
        """
        for placeholder in self.placeholders:
            if placeholder[0] == root:
                try:
                    yield placeholder, self._choices(placeholder, {root: value})
                except UnfilledError as error:
                    yield placeholder, error

    def _choices(self, placeholder: tuple[str, ...], values: Mapping[str, Any]) -> list[str]:
        found = called(_values_of_placeholder, placeholder, values)
        if type(found) is Raised:
            # The lazy object's own error is the cause of the reported one.
            error = found.error
            told = isinstance(error, CacheConfigurationError) and error.__context__
            raised = type(told or error).__qualname__
            raise UnfilledError(placeholder, f"raised {raised}", raised)
        named = []
        for each in found:
            text = called(tag_text, each)
            if type(text) is Raised:
                raise UnfilledError(placeholder, f"raised {text.kind}", text.kind)
            if text is None:
                raise UnfilledError(placeholder, f"is a {type(each).__qualname__}")
            named.append(text)
        return [*dict.fromkeys(named)]  # one id, sent a thousand times, is one tag


def _filled_or_raise(texts: list[str] | UnfilledError) -> list[str]:
    if isinstance(texts, UnfilledError):
        raise texts
    return texts


def unknown_arguments(templates: Iterable[Template], known: AbstractSet[str]) -> Iterator[str]:
    """Yield a message for each placeholder that names an unknown argument."""
    listed = ", ".join(sorted(known)) or "none"
    for template in templates:
        for root, *names in template.placeholders:
            if root == "args" and names[0] not in known:
                yield (
                    f"{template.place} names the argument {names[0]!r}, which does not exist "
                    f"(there are: {listed})."
                )


def _values_of_placeholder(placeholder: tuple[str, ...], values: Mapping[str, Any]) -> list[Any]:
    """Return the values of a placeholder; attributes, lists and lazy objects run the user's code."""
    found: list[Any] = [values[placeholder[0]]]
    for name in placeholder[1:]:
        found = [_step(each, name) for each in _flat(found)]
    return [*_flat(found)]


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in map(unwrapped, values):
        if isinstance(value, list | tuple | set | frozenset):
            yield from _flat(value)
        elif isinstance(value, Some):
            yield from _flat([value.value])
        elif value is not None and value is not UNSET:
            yield value


def _step(value: Any, name: str) -> Any:  # noqa: ANN401 - whatever the user's objects hold
    if isinstance(value, Mapping):
        return value[name]
    try:
        return getattr(value, name)
    except AttributeError:
        # A row of a database is often read by its keys without being a `Mapping`.
        if hasattr(type(value), "keys") and hasattr(type(value), "__getitem__"):
            return value[name]
        raise
