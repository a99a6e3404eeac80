"""The app: `INSTALLED_APPS = [..., "strawberry_response_cache.django"]`."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.signals import setting_changed

from strawberry_response_cache.django._configuration import NAME, mistakes_of
from strawberry_response_cache.django._shared_cache import drop_cache


class ResponseCacheConfig(AppConfig):
    """The configuration of the app."""

    name = "strawberry_response_cache.django"
    label = "strawberry_response_cache"
    verbose_name = "Response cache"

    def ready(self) -> None:
        """Register the system check, and follow settings that tests override."""
        register(check_settings)
        setting_changed.connect(_follow, dispatch_uid=_follow.__qualname__)


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with ``RESPONSE_CACHE``, without any of its values."""
    return [
        Error(mistake.message, hint=mistake.hint, id=f"strawberry_response_cache.{mistake.number}")
        for mistake in mistakes_of(settings)
    ]


def _follow(*, setting: str, **_: Any) -> None:
    if setting in {NAME, "CACHES"}:
        drop_cache()
