"""The project is imported by its servers alone."""

collect_ignore = ["django"]
