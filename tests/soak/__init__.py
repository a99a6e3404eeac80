"""A service under load for minutes, while its Redis fails or strangers send hostile requests."""
