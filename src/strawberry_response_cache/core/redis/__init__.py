"""All I/O with Redis: connections, batches, deadlines and routes. redis-py opens the connections."""
