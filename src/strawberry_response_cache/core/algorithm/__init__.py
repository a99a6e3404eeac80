"""The algorithm of `remember`, without I/O: generators that yield the effects they need.

The drivers perform these effects with asyncio or with threads. The client's `Serializer` turns a generated
value into bytes and bytes into a value.

The steps, in order:

1. Read local memory.
2. Join a flight of this process.
3. Look the key up in Redis. A script there checks whether the entry still counts.
4. With the lease: generate in the caller's own task, seal the flight, and commit.

If the store fails, the generator runs and the caller gets its value.

`remembering` takes these steps; `existing` is about entries that there are, `generating` and `storing` about new
ones, and `call` holds what is known of one caller.
"""

from strawberry_response_cache.core.algorithm.call import Call, Limits
from strawberry_response_cache.core.algorithm.generating import generate_alone
from strawberry_response_cache.core.algorithm.remembering import remember

__all__ = ["Call", "Limits", "generate_alone", "remember"]
