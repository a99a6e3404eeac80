"""Requests per second over HTTP: this package's views, Strawberry's, and the JavaScript servers with their caches."""
