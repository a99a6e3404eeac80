"""Where the algorithm meets the world: its requests performed with asyncio, and with threads.

``driving`` is what both have in common. Of each there is a driver, which runs flows, the news that
it is woken by, the invalidations that it tries outside of any flow, and the housekeeping that nobody waits for.
"""
