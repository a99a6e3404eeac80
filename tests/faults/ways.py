"""The ways in which a server can be away, by their names."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.faults.proxy import Proxy
from tests.faults.wire import SILENCE, Cut, Delay, Truncate

Way = Callable[[Proxy], None]

REQUESTS_LOST: Final[Mapping[str, Way]] = {
    "refused": Proxy.refuse,
    "ignored": Proxy.ignore,
    "hung up on": Proxy.hang_up,
    "black hole": Proxy.black_hole,
}
"""What is asked never reaches the server."""

ANSWERS_LOST: Final[Mapping[str, Way]] = {
    "silent": lambda proxy: proxy.replies(SILENCE),
    "slow": lambda proxy: proxy.replies(Delay(30)),
    "half a reply, then silence": lambda proxy: proxy.replies(Truncate(2)),
    "half a reply, then the end": lambda proxy: proxy.replies(Cut(2)),
    "cut off": lambda proxy: proxy.replies(Cut()),
}
"""What is asked reaches the server, and the client does not learn what became of it."""

AWAY: Final[Mapping[str, Way]] = {**REQUESTS_LOST, **ANSWERS_LOST}
