"""Merges lookups of one key: those requested before the first is sent are sent once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.protocol import Lookup, LookupAnswer, for_another
from strawberry_response_cache.core.redis.async_link import Ask

Then: TypeAlias = Callable[[LookupAnswer], None]


@dataclass(eq=False, slots=True)
class _Shared:
    """A running lookup.

    Attributes:
        ask: Tells whether it was sent.
        others: The other callers to notify.
    """

    ask: Ask | None = None
    others: list[Then] = field(default_factory=list)


class SharedLookups:
    """The lookups of one event loop.

    A hundred callers of a hot key in one tick of the loop cost one lookup. A lookup that was sent is not
    shared: the server may have answered it before an invalidation that a later caller knows of.

    Args:
        submit: Sends a lookup, and passes on its result.
    """

    def __init__(self, submit: Callable[[Lookup, Then, Subject | None], Ask | None]) -> None:
        self._submit = submit
        self._under_way: dict[str, _Shared] = {}

    def ask(self, lookup: Lookup, then: Then, subject: Subject | None) -> None:
        """Look up, or share a lookup that is not sent yet.

        Args:
            lookup: The lookup.
            then: Called with the answer for this caller.
            subject: The cache and field, for the observer; None if the lookup is measured with others.
        """
        if lookup.rejected:  # it has to delete the entry that it rejects
            self._submit(lookup, then, subject)
            return
        key = lookup.keys.entry
        known = self._under_way.get(key)
        if known is not None and known.ask is not None and not known.ask.is_sent:
            known.others.append(then)
            return
        shared = self._under_way[key] = _Shared()

        def arrived(answer: LookupAnswer) -> None:
            if self._under_way.get(key) is shared:
                del self._under_way[key]
            shared.ask = None  # it holds this function, and the two the bytes of the entry
            then(answer)
            if shared.others:
                theirs = for_another(answer)
                for other in shared.others:
                    other(theirs)

        ask = self._submit(lookup, arrived, subject)
        if self._under_way.get(key) is shared:  # else it was answered at once
            shared.ask = ask
