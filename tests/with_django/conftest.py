"""Django, configured once in a process: before any model is imported."""

import tempfile
from pathlib import Path

import django
import pytest
from django.apps import AppConfig
from django.conf import settings

collect_ignore = ["bookshop.py", "models.py"]
"""They have no doctests, and Django allows each model once."""


class Bookshop(AppConfig):
    """The application of the models."""

    name = "tests.with_django"
    label = "bookshop"


_FILE = Path(tempfile.mkdtemp(prefix="bookshop-"), "db.sqlite3")

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(_FILE)}},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "strawberry_response_cache.django",
            f"{__name__}.Bookshop",
        ],
        SECRET_KEY="of the tests",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        RESPONSE_CACHE={"URL": "memory://", "PREFIX": "bookshop"},
    )
    django.setup()


@pytest.fixture
def url() -> str:
    return "memory://"


@pytest.fixture(autouse=True)
def _tables() -> None:
    from tests.with_django import models

    models.prepare()
