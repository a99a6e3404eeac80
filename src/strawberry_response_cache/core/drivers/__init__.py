"""The drivers, which perform the requests of the algorithm with asyncio and with threads.

``driving`` holds the parts that both share. For asyncio and for threads, there is a driver, which runs flows; a
subscription, which wakes waiting callers; the invalidations, which run outside of flows; and the housekeeping in
the background.
"""
