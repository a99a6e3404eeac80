"""The policy: what may be cached, for how long and for whom."""
