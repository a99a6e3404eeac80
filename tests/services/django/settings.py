"""The settings of the project; the environment says where its servers are."""

import json
import os

IS_ASYNC = os.environ["SERVICE_VIEW"] == "async"
"""Whether the view is the async one, in which Django refuses ``ATOMIC_REQUESTS``."""

SECRET_KEY = "of the tests"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.services.django.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": json.loads(os.environ["SERVICE_DATABASE"]) | {"ATOMIC_REQUESTS": not IS_ASYNC}
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "strawberry_django",
    "strawberry_response_cache.django",
    "tests.services.django.apps.Shop",
]
MIDDLEWARE = [
    "tests.services.django.statements.counting",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
RESPONSE_CACHE = {
    "URL": os.environ["SERVICE_REDIS"],
    "PREFIX": "shop",
    # A busy machine does not miss them.
    "READ_DEADLINE": 20,
    "CONNECT_DEADLINE": 20,
    "INVALIDATE_DEADLINE": 20,
}

# Refused requests and mutations that fail are part of the load.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {
        "django.request": {"handlers": ["console"], "level": "ERROR"},
        "strawberry.execution": {"level": "CRITICAL"},
        "strawberry_response_cache": {"level": "ERROR"},
    },
}
