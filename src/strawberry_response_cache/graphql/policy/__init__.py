"""Whether something may be cached, for how long and for whom."""
