"""The views."""

from typing import Any, Final

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from strawberry.django.views import AsyncGraphQLView, GraphQLView

from strawberry_response_cache.django import AsyncGraphQLView as AsyncBytesView
from strawberry_response_cache.django import GraphQLView as BytesView
from tests.services.django.models import Audit, Book, Note, locked
from tests.services.django.schema import IS_ASYNC, plain, schema


class Audited:
    """Writes a row when the schema is done, in the same transaction: the commit is some time after that."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        # A file can be read once, by the view.
        changes = request.content_type == "multipart/form-data" or b'"mutation (' in request.body
        response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc] # of the view
        if changes:
            Audit.objects.create()
        return response


class AuditedView(Audited, GraphQLView[Any, Any]):
    """Strawberry's."""


class AuditedBytesView(Audited, BytesView[Any, Any]):
    """This package's."""


_View: Final[Any] = AsyncGraphQLView if IS_ASYNC else AuditedView
_BytesView: Final[Any] = AsyncBytesView if IS_ASYNC else AuditedBytesView


def log_in(request: HttpRequest, name: str) -> JsonResponse:
    """Log a user in, as if with a password."""
    user = User.objects.get(username=name)
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    return JsonResponse({"pk": user.pk})


def truth(_: HttpRequest) -> JsonResponse:
    """Return the rows as they are in the database."""
    books = Book.objects.values("pk", "version", "cover", "stock")
    notes = Note.objects.values("pk", "version", "owner")
    return JsonResponse({"books": list(books), "notes": list(notes)})


def save(_: HttpRequest, pk: int) -> JsonResponse:
    """Change a book outside of GraphQL."""
    with transaction.atomic():
        book = locked(pk)
        book.save()
    return JsonResponse({"version": book.version})


def update(_: HttpRequest, pk: int) -> JsonResponse:
    """Change a book outside of GraphQL, without signals."""
    with transaction.atomic():
        version = locked(pk).version
        Book.objects.filter(pk=pk).update(version=F("version") + 1)
    return JsonResponse({"version": version})


urlpatterns = [
    path("graphql/", csrf_exempt(_View.as_view(schema=schema, multipart_uploads_enabled=True))),
    path("bytes/", csrf_exempt(_BytesView.as_view(schema=schema, multipart_uploads_enabled=True))),
    path("plain/", csrf_exempt(_View.as_view(schema=plain))),
    path("login/<str:name>/", log_in),
    path("truth/", truth),
    path("save/<int:pk>/", save),
    path("update/<int:pk>/", update),
]
