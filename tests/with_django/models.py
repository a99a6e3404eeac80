"""A bookshop in Django: its models. `conftest.py` configures Django before."""

from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models
from strawberry_django.descriptors import model_property


def _is_of_reader(info: Any) -> Any:
    return models.Case(
        models.When(owner=info.context["user"], then=models.Value(True)),
        default=models.Value(False),
        output_field=models.BooleanField(),
    )


class Author(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "bookshop"

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    title = models.TextField()
    isbn = models.TextField(default="")
    owner = models.TextField(default="")
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")

    class Meta:
        app_label = "bookshop"

    def __str__(self) -> str:
        return self.title

    @model_property(annotate={"_of_reader": _is_of_reader})
    def of_reader(self) -> bool:
        return bool(getattr(self, "_of_reader"))  # noqa: B009 - of the optimizer

    @property
    def label(self) -> str:
        return f"{self.title} by {self.author.name}"


def prepare() -> None:
    """Create the tables, once in a process, with two authors and three books."""
    if connection.introspection.table_names():
        return
    with connection.schema_editor() as editor:
        from django.contrib.auth.models import Group, Permission
        from django.contrib.contenttypes.models import ContentType

        for model in (ContentType, Permission, Group, User, Author, Book):
            editor.create_model(model)
    ursula = Author.objects.create(name="Ursula")
    Author.objects.create(name="Italo")
    for title, owner in (("Rocannon", "alice"), ("Exile", "alice"), ("Tombs", "bob")):
        Book.objects.create(title=title, owner=owner, author=ursula)
