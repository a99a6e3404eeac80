"""What a mutation invalidates."""
