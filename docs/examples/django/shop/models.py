from django.contrib.auth.models import User
from django.db import models

from strawberry_response_cache.django import InvalidatingQuerySet


class Author(models.Model):
    name = models.TextField()


class Book(models.Model):
    title = models.TextField()
    price = models.IntegerField(default=10)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")

    objects = InvalidatingQuerySet.as_manager()  # its update() invalidates


class Review(models.Model):
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")
    text = models.TextField()


class Order(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    book = models.ForeignKey(Book, models.CASCADE)
