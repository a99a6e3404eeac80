"""The protocol with Redis: effects, scripts, the entry format and answers. It does no I/O.

An effect is a request to the store. `calls` turns it into commands for one slot, and `interpret` turns the
replies into an answer. Both drivers use the same protocol.
"""

from strawberry_response_cache.core.protocol.answers import (
    Committed,
    Fresh,
    Granted,
    Held,
    Lease,
    LookupAnswer,
    Moment,
    Moved,
    NoLease,
    NotAskedError,
    NotSentError,
    NotYet,
    Refused,
    Stale,
    Stored,
    Unavailable,
    Unreadable,
    failure,
    for_another,
)
from strawberry_response_cache.core.protocol.effects import (
    READ,
    RUN_ID,
    Effect,
    Ping,
    StoreCall,
    Together,
)
from strawberry_response_cache.core.protocol.invalidations import Clear, Forget, Invalidate
from strawberry_response_cache.core.protocol.leases import Commit, Release, Renew, Throttle
from strawberry_response_cache.core.protocol.lookups import (
    AnyLookup,
    Lookup,
    Lookups,
    ReadClock,
    bundled,
)
from strawberry_response_cache.core.protocol.tokens import new_token
from strawberry_response_cache.core.protocol.troubles import Trouble

__all__ = [
    "READ",
    "RUN_ID",
    "AnyLookup",
    "Clear",
    "Commit",
    "Committed",
    "Effect",
    "Forget",
    "Fresh",
    "Granted",
    "Held",
    "Invalidate",
    "Lease",
    "Lookup",
    "LookupAnswer",
    "Lookups",
    "Moment",
    "Moved",
    "NoLease",
    "NotAskedError",
    "NotSentError",
    "NotYet",
    "Ping",
    "ReadClock",
    "Refused",
    "Release",
    "Renew",
    "Stale",
    "StoreCall",
    "Stored",
    "Throttle",
    "Together",
    "Trouble",
    "Unavailable",
    "Unreadable",
    "bundled",
    "failure",
    "for_another",
    "new_token",
]
