"""What a caller does next, drawn from its seed: questions with their generators, and invalidates."""

import random
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from tests.fuzz.options import Options
from tests.fuzz.world import Key, all_keys, tag_datum, tenant_datum

_PACES: Final = (0.002, 5)
"""Seconds between two invalidations of the key that is invalidated most often, and of the one that is least."""


@dataclass(frozen=True, slots=True)
class Question:
    """One call of `remember`, and everything that its generator will do."""

    key: Key
    ttl: float
    stale: float
    storable: bool
    fails: bool
    before: float
    """How long the generator waits before it reads the truth."""
    after: float
    """How long it dawdles before it returns what it read."""
    hangs: bool
    """Whether it hangs after that."""
    padding: int
    patience: float | None
    """When the caller is cancelled, if it is."""
    tags_from_value: bool
    in_background: bool
    """Whether a refresh may run beside the caller."""
    parts: tuple["Question", ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """One call of `remember_many`, for keys of one tenant; ttl, stale and patience are the first's."""

    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Invalidate:
    """One write to the truth, and the invalidation that follows it."""

    kind: Literal["tags", "key", "clear"]
    key: Key
    tags: tuple[int, ...]
    """Some of the tags of the key."""
    delay: float
    patience: float | None

    @property
    def data(self) -> tuple[int, ...]:
        """What is written."""
        match self.kind:
            case "tags":
                return tuple(tag_datum(self.key.tenant, tag) for tag in self.tags)
            case "key":
                return (self.key.datum,)
            case "clear":
                return (tenant_datum(self.key.tenant),)


class Behaviour(Protocol):
    """Draws what one caller does."""

    def next(self) -> Question | Batch | Invalidate:
        """Draw what to do next."""
        ...

    def idle(self) -> float:
        """Draw how long to do nothing before."""
        ...


class Asking:
    """The behaviour of a caller who mostly asks, for some keys more often than for others.

    Args:
        options: The run.
        caller: Who it is; each draws from a seed of its own.
    """

    def __init__(self, options: Options, caller: str) -> None:
        self._options = options
        self._draw = _Draw(options, caller)
        self._keys = _shuffled(options, "asked")

    def next(self) -> Question | Batch | Invalidate:
        """Draw what to do next."""
        key = self._key()
        if self._draw.chance(self._options.invalidation_share):
            return self._draw.invalidate(key)
        if self._draw.chance(self._options.batch_share):
            drawn = {each.number: each for each in (key, self._key(), self._key())}
            alike = [each for each in drawn.values() if each.tenant == key.tenant]
            # Two batches with wholes in them could wait for parts of each other.
            if not any(each.parts for each in alike):
                return Batch(tuple(self._draw.question(each, is_one=False) for each in alike))
        return self._draw.question(key)

    def _key(self) -> Key:
        return self._keys[int(len(self._keys) * self._draw.share() ** 2)]

    def idle(self) -> float:
        """Draw how long to do nothing before."""
        return self._draw.up_to(0.01)


class Invalidating:
    """The behaviour of a caller who invalidates one key, at a pace of its own, and asks for it at once.

    Some keys are invalidated all the time and some hardly ever. So at whatever speed a machine runs,
    there are keys whose invalidates just now and then fall into a commit.

    Args:
        options: The run.
        caller: Who it is; each draws from a seed of its own.
        number: Which of the keys it invalidates.
    """

    def __init__(self, options: Options, caller: str, number: int) -> None:
        self._draw = _Draw(options, caller)
        keys = _shuffled(options, "invalidated")
        self._key = keys[number]
        shortest, longest = _PACES
        self._pace = shortest * (longest / shortest) ** (number / (len(keys) - 1))
        self._invalidated = False

    def next(self) -> Question | Invalidate:
        """Draw what to do next."""
        self._invalidated = not self._invalidated
        return (
            self._draw.invalidate(self._key)
            if self._invalidated
            else self._draw.question(self._key)
        )

    def idle(self) -> float:
        """Draw how long to do nothing before."""
        return 0 if self._invalidated else self._draw.about(self._pace)


class _Draw:
    """The decisions of one caller."""

    def __init__(self, options: Options, caller: str) -> None:
        self._random = random.Random(f"{options.seed} {caller}")  # noqa: S311 - it has to be reproducible
        self._options = options

    def share(self) -> float:
        return self._random.random()

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def up_to(self, seconds: float) -> float:
        return self._random.uniform(0, seconds)

    def hangs(self) -> bool:
        # Without, the draws of a seed are those of a run in which nothing hangs.
        return self._options.hang_share > 0 and self.chance(self._options.hang_share)

    def about(self, seconds: float) -> float:
        return self._random.expovariate(1 / seconds)

    def question(self, key: Key, *, is_part: bool = False, is_one: bool = True) -> Question:
        options = self._options
        without_ttl = self.chance(0.02) and (options.parts_without_ttl or not is_part)
        return Question(
            key=key,
            ttl=0.0 if without_ttl else self._random.choice(options.ttls),
            stale=self._random.choice(options.stales),
            storable=not self.chance(0.005),
            fails=self.chance(0.03),
            before=self._pause(),
            after=self._pause(),
            hangs=is_one and not is_part and self.hangs(),
            padding=self._random.randrange(20_000) if self.chance(0.05) else 0,
            patience=None if is_part else self._patience(0.1),
            tags_from_value=self.chance(0.3),
            in_background=self.chance(0.2),
            parts=tuple(self.question(part, is_part=True) for part in key.parts),
        )

    def invalidate(self, key: Key) -> Invalidate:
        tags = sorted(key.all_tags)
        return Invalidate(
            kind=self._random.choice(self._options.invalidation_kinds),
            key=key,
            tags=tuple(self._random.sample(tags, min(len(tags), self._random.choice((1, 1, 2))))),
            delay=self._random.choice((0, 0, self.up_to(0.005))),
            patience=self._patience(0.05),
        )

    def _pause(self) -> float:
        chosen = self._random.random()
        if chosen < 0.4:
            return 0
        if chosen < 0.75:
            return self.up_to(0.003)
        if chosen < 0.98:
            return self._random.uniform(0.003, 0.03)
        return self._random.uniform(0.03, 0.6 * self._options.lease)

    def _patience(self, share: float) -> float | None:
        return self.up_to(0.04) if self.chance(share) else None


def _shuffled(options: Options, purpose: str) -> list[Key]:
    """Return all keys in an order that the callers of a run agree on."""
    keys = list(all_keys(nesting=options.nesting))
    random.Random(f"{options.seed} {purpose}").shuffle(keys)  # noqa: S311 - it has to be reproducible
    return keys
