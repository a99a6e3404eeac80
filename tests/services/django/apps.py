"""The application."""

from django.apps import AppConfig


class Shop(AppConfig):
    """Invalidates what is saved outside of GraphQL."""

    name = "tests.services.django"
    label = "shop"

    def ready(self) -> None:
        """Watch books."""
        from strawberry_response_cache.django import invalidate_on_save
        from tests.services.django.models import Book
        from tests.services.django.schema import schema

        # Notes and reviews are changed by mutations alone, which invalidate without it.
        invalidate_on_save(schema, Book)
