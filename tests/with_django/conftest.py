"""Django, configured once in a process: before any model is imported."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.apps import AppConfig
from django.conf import settings

collect_ignore = ["bookshop.py", "library.py", "models.py"]
"""They have no doctests, and Django allows each model once."""


class Bookshop(AppConfig):
    """The application of the models."""

    name = "tests.with_django"
    label = "bookshop"


_FILE = Path(tempfile.mkdtemp(prefix="bookshop-"), "db.sqlite3")

if not settings.configured:
    settings.configure(
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(_FILE)},
            "archive": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        },
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


@pytest.fixture
def signals_of_its_own() -> Iterator[None]:
    """What a test connects to signals ends with it."""
    from django.db.models import signals

    from strawberry_response_cache.django import _on_save

    kinds = (signals.post_save, signals.post_delete, signals.m2m_changed)
    before = [(kind, list(kind.receivers)) for kind in kinds]
    yield
    for kind, receivers in before:
        kind.receivers = receivers
        kind.sender_receivers_cache.clear()
    _on_save.watches.clear()
