"""Under which key something is stored."""
