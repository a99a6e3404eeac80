"""Real services under load, each answer checked."""
