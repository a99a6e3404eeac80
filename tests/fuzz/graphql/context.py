"""The context of a request: who asks, what resolvers are to do, and what they did."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import strawberry

from tests.fuzz.graphql.faces import Face
from tests.fuzz.graphql.world import EVERYONE, FAILED, GUEST, Stamp, datum
from tests.fuzz.truth import Truth


class ResolverFailedError(Exception):
    """The error of a resolver that was drawn to fail."""

    def __init__(self) -> None:
        super().__init__(FAILED)


@dataclass(eq=False, slots=True, kw_only=True)
class Context:
    """One request, which may be a batch.

    Attributes:
        tenant: Whose data it is about.
        session: The user; None for a guest.
        locale: What the extension's ``vary`` reads.
        name: Tells the request apart from all others.
        debug: Whether its responses say what the cache did.
        refused: Fields whose permission classes refuse this request.
        fails: Fields whose resolvers fail.
        longest: The longest pause of a resolver, in seconds.
        hang_share: How many of its resolvers hang.
        hang: For how long, in seconds.
        draw: What pauses are drawn from.
        face: Whether it runs in a task or a thread.
        truth: What answers are made of.
        resolved: How often the field at each path was resolved.
        ran: How often each field of each mutation ran.
        written: What each field of each mutation wrote.
        committed: What the end of the operation made of it.
        hung: For how long its resolvers hung.
    """

    tenant: str
    session: str | None
    locale: str
    name: str
    debug: bool
    refused: frozenset[str]
    fails: frozenset[str]
    longest: float
    hang_share: float
    hang: float
    draw: random.Random = field(repr=False)
    face: Face
    truth: Truth
    resolved: Counter[tuple[str | int, ...]] = field(default_factory=Counter)
    ran: Counter[tuple[str, str]] = field(default_factory=Counter)
    written: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    committed: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    hung: float = 0.0

    @property
    def user(self) -> str:
        """The session as it stands in answers."""
        return self.session or GUEST

    async def pause(self) -> None:
        """Wait for as long as a resolver may take; mostly not at all, and seldom very long."""
        chosen = self.draw.random()
        if chosen < 0.75:
            await self.face.pause(0)
        elif chosen < 0.94:
            await self.face.pause(self.draw.uniform(0, 0.003))
        elif chosen < 0.997:
            await self.face.pause(self.draw.uniform(0.003, 0.03))
        else:
            await self.face.pause(self.draw.uniform(0.03, self.longest))

    async def read(
        self,
        info: strawberry.Info,
        coordinate: str,
        *wanted: tuple[str, str],
        whose: str = EVERYONE,
    ) -> Sequence[str]:
        """Resolve a field of the truth.

        Args:
            info: The resolver's.
            coordinate: The field.
            *wanted: For each stamp, what it stands for, and the name of its datum.
            whose: For whom it is.

        Raises:
            ResolverFailedError: If the field was drawn to fail.
        """
        self.resolved[tuple(info.path.as_list())] += 1
        await self.pause()
        numbers = [datum(self.tenant, name) for _, name in wanted]
        versions = self.truth.versions(numbers)
        if self.hang_share and self.draw.random() < self.hang_share:
            self.hung += self.hang
            await self.face.pause(self.hang)
        await self.pause()
        if coordinate in self.fails:
            raise ResolverFailedError
        return [
            str(Stamp(self.tenant, whose, what, number, versions[number]))
            for (what, _), number in zip(wanted, numbers, strict=True)
        ]

    async def write(self, info: strawberry.Info, token: str, name: str) -> None:
        """Write to the truth, as the field of a mutation.

        Args:
            info: The resolver's.
            token: The mutation.
            name: The name of the datum.
        """
        place = token, str(info.path.key)
        self.ran[place] += 1
        await self.pause()
        self.written[place] = self.truth.write([datum(self.tenant, name)])
        await self.pause()

    async def commit(self) -> None:
        """Write everything once more, as a unit of work does in the end: whoever read before it read old data."""
        try:
            if self.written.keys() - self.committed.keys():
                await self.pause()
        finally:
            for place in self.written.keys() - self.committed.keys():
                self.committed[place] = self.truth.write(self.written[place])

    @property
    def changes(self) -> list[dict[int, int]]:
        """What each field of each mutation has changed at last."""
        return [*(self.written | self.committed).values()]


def context_of(info: strawberry.Info) -> Context:
    """Return the context of a resolver."""
    context: Context = info.context
    return context
