"""Fields with entries of their own."""
