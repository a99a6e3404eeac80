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
ones, and `call` holds what is known of one caller. `flights` is about callers that share a generation, `waiting` about
how long they wait, `leading` and `parts` about what a generator reads from the cache. `requests` is what the
algorithm asks of its driver, for one value or, with `many`, for several at once.
"""
