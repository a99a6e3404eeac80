"""Lookups of one key that are asked for before the first of them is sent are sent once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.protocol import Judgement, Lookup, for_another
from strawberry_response_cache.core.redis.async_link import Ask

Then: TypeAlias = Callable[[Judgement], None]


@dataclass(eq=False, slots=True)
class _Shared:
    """A lookup that is not over.

    Attributes:
        ask: By which it is known whether it was sent.
        others: Who else is told.
    """

    ask: Ask | None = None
    others: list[Then] = field(default_factory=list)


class SharedLookups:
    """The lookups of one event loop.

    A hundred callers of a hot key in one tick of the loop cost one reading of it. What was sent is not
    shared any more: the server may have answered it before an invalidation that a later caller knows of.

    Args:
        submit: Sends a lookup, and tells what became of it.
    """

    def __init__(self, submit: Callable[[Lookup, Then, Subject], Ask | None]) -> None:
        self._submit = submit
        self._under_way: dict[str, _Shared] = {}

    def ask(self, lookup: Lookup, then: Then, subject: Subject) -> None:
        """Look up, or take a share in a lookup that is to be sent.

        Args:
            lookup: What to look up.
            then: Told the judgement, for this caller.
            subject: On whose behalf.
        """
        if lookup.rejected:  # it is to delete what it names
            self._submit(lookup, then, subject)
            return
        key = lookup.keys.entry
        known = self._under_way.get(key)
        if known is not None and known.ask is not None and not known.ask.is_sent:
            known.others.append(then)
            return
        shared = self._under_way[key] = _Shared()

        def arrived(judgement: Judgement) -> None:
            if self._under_way.get(key) is shared:
                del self._under_way[key]
            shared.ask = None  # it holds this function, and the two the bytes of the entry
            then(judgement)
            if shared.others:
                theirs = for_another(judgement)
                for other in shared.others:
                    other(theirs)

        ask = self._submit(lookup, arrived, subject)
        if self._under_way.get(key) is shared:  # else it was answered at once
            shared.ask = ask
