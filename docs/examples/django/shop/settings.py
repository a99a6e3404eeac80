import os
from pathlib import Path

SECRET_KEY = os.environ.get("SECRET_KEY", "only for development")
DEBUG = True
ROOT_URLCONF = "shop.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).parents[1] / "db.sqlite3",
        "ATOMIC_REQUESTS": True,
    }
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "strawberry_django",
    "strawberry_response_cache.django",
    "shop.apps.ShopConfig",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
RESPONSE_CACHE = {
    "URL": os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
    "PREFIX": "shop",
}
