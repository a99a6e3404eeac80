"""The models. Each change of a row makes its version greater."""

from typing import Final

from django.contrib.auth.models import Permission, User
from django.db import models, transaction

from strawberry_response_cache.django import InvalidatingQuerySet

USERS: Final = ("alice", "bob", "carol", "staff")
BOOKS: Final = 12
STOCK: Final = 100


class Author(models.Model):
    name = models.TextField()

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    title = models.TextField()
    version = models.IntegerField(default=0)
    stock = models.IntegerField(default=STOCK)
    cover = models.TextField(default="")
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")

    objects = InvalidatingQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title


class Review(models.Model):
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")
    stars = models.IntegerField(default=5)

    def __str__(self) -> str:
        return f"{self.stars}"


class Note(models.Model):
    """Of one user, for nobody else."""

    owner = models.ForeignKey(User, models.CASCADE, related_name="notes")
    book = models.ForeignKey(Book, models.CASCADE, related_name="notes")
    version = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.pk}"


class Audit(models.Model):
    """A row for each request that changes something, written when it is answered."""

    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.at}"


def locked(pk: int) -> Book:
    """Return a book that no other transaction changes meanwhile."""
    book: Book = Book.objects.select_for_update().get(pk=pk)
    book.version += 1
    return book


def populate() -> None:
    """Create users, books and notes."""
    with transaction.atomic():
        users = [User.objects.create(username=name, is_staff=name == "staff") for name in USERS]
        users[0].user_permissions.add(Permission.objects.get(codename="view_book"))
        authors = [Author.objects.create(name=name) for name in ("Ursula", "Italo")]
        for number in range(BOOKS):
            book = Book.objects.create(title=f"book {number}", author=authors[number % 2])
            for user in users:
                Note.objects.create(owner=user, book=book)
