"""The SQLite file and its first contents."""
