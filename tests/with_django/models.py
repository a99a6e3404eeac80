"""A bookshop in Django: its models. `conftest.py` configures Django before."""

from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models
from strawberry_django.descriptors import model_property

from strawberry_response_cache.django import InvalidatingQuerySet


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


class Genre(models.Model):
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
    genres = models.ManyToManyField(Genre, related_name="books")

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


class Atlas(Book):
    """A book with a table of its own for what other books lack."""

    scale = models.IntegerField(default=1)

    class Meta:
        app_label = "bookshop"


class Volume(Book):
    """A book under another name, whose row may be that of an atlas."""

    class Meta:
        app_label = "bookshop"
        proxy = True


class Writer(Author):
    """An author under another name."""

    class Meta:
        app_label = "bookshop"
        proxy = True


class Profile(models.Model):
    author = models.OneToOneField(Author, models.CASCADE, related_name="profile")
    bio = models.TextField(default="")

    class Meta:
        app_label = "bookshop"

    def __str__(self) -> str:
        return self.bio


class Club(models.Model):
    name = models.TextField(unique=True)
    members = models.ManyToManyField(Author, through="Membership", related_name="clubs")

    class Meta:
        app_label = "bookshop"

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    club = models.ForeignKey(Club, models.CASCADE, to_field="name")
    author = models.ForeignKey(Author, models.CASCADE)

    class Meta:
        app_label = "bookshop"

    def __str__(self) -> str:
        return f"{self.author} in {self.club}"


class Reader(models.Model):
    slug = models.SlugField(unique=True)
    favourite = models.ForeignKey(Book, models.SET_NULL, null=True, related_name="readers")

    class Meta:
        app_label = "bookshop"

    def __str__(self) -> str:
        return self.slug


class Town(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "bookshop"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Shop(models.Model):
    name = models.TextField()
    town = models.ForeignKey(Town, models.SET_NULL, null=True, related_name="+")

    class Meta:
        app_label = "bookshop"
        ordering = ("town", "name")

    def __str__(self) -> str:
        return self.name


class Copy(models.Model):
    """One copy of a book, for sale; what changes many of them invalidates."""

    shop = models.ForeignKey(Shop, models.CASCADE, null=True, related_name="copies")

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        app_label = "bookshop"
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"{self.pk}"


OWN = (Author, Genre, Book, Atlas, Profile, Club, Membership, Reader, Town, Shop, Copy)


def prepare() -> None:
    """Create the tables, once in a process, with two authors and three books."""
    if connection.introspection.table_names():
        return
    with connection.schema_editor() as editor:
        from django.contrib.auth.models import Group, Permission
        from django.contrib.contenttypes.models import ContentType

        for model in (ContentType, Permission, Group, User, *OWN):
            editor.create_model(model)
    User.objects.create(username="alice", is_staff=True, is_superuser=True)
    User.objects.create(username="bob")
    ursula = Author.objects.create(name="Ursula")
    Author.objects.create(name="Italo")
    for title, owner in (("Rocannon", "alice"), ("Exile", "alice"), ("Tombs", "bob")):
        Book.objects.create(title=title, owner=owner, author=ursula)
