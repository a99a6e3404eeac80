"""Where Redis is entered: connections, batches and routes. redis-py connects; the rest is here."""
