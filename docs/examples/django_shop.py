"""A Django project in one file: a model, its GraphQL type, a view, and the cache."""

import tempfile
from pathlib import Path

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="example",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(tempfile.mkdtemp(), "shop.sqlite3"),
            "ATOMIC_REQUESTS": True,
        }
    },
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "strawberry_response_cache.django",
    ],
    RESPONSE_CACHE={"URL": "memory://", "PREFIX": "shop"},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

import strawberry
import strawberry_django
from django.db import connection, models
from django.test import Client
from django.urls import path
from strawberry.django.views import GraphQLView

from strawberry_response_cache import ResponseCacheExtension, cache_control
from strawberry_response_cache.django import get_cache


class Book(models.Model):
    title = models.TextField()

    class Meta:
        app_label = "shop"


@strawberry_django.type(Book)
class BookType:
    id: strawberry.auto
    title: strawberry.auto


@strawberry.type
class Query:
    books: list[BookType] = cache_control(ttl=60)(strawberry_django.field())


@strawberry.type
class Mutation:
    @strawberry_django.mutation
    def add_book(self, title: str) -> BookType:
        return Book.objects.create(title=title)


extension = ResponseCacheExtension(get_cache(), tenant=None, debug=True)
schema = strawberry.Schema(Query, Mutation, extensions=[extension])
extension.check(schema)

urlpatterns = [path("graphql/", GraphQLView.as_view(schema=schema))]


def ask(query: str) -> None:
    """Send a request to the view, as a browser does, and print the answer."""
    response = Client().post("/graphql/", {"query": query}, content_type="application/json")
    answer = response.json()
    print(answer["data"], answer["extensions"]["responseCache"]["status"])


if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Book)
    ask("{ books { id title } }")
    ask("{ books { id title } }")
    ask('mutation { addBook(title: "Exile") { id } }')
    ask("{ books { id title } }")
