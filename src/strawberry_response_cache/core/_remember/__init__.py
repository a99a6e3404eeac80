"""The algorithm of `remember`, once, without I/O: a generator that yields what it needs done.

The drivers run it with asyncio or with threads. It is written for any client of the port: what is
generated, how it becomes bytes, and how bytes become a value again, is the client's `Serializer`.

The steps: local memory; join a flight of this process; else look up, judged by the server; else,
holding the lease, generate in the caller's own task, seal the flight, commit. Whatever fails in the
store costs a generator run, never the request.

Read `remember` first, which has the steps; each of the others is a layer below it: `sharing` has the
value from others, `generating` makes it, `finding` takes what there is, and `asking` is what a caller
brings.
"""

from strawberry_response_cache.core._remember.asking import Limits
from strawberry_response_cache.core._remember.remember import Remember

__all__ = ["Limits", "Remember"]
