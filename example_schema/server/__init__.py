"""The process: HTTP, Redis, telemetry, and what is printed at the start."""
