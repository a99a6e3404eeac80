"""The user of a Django request as the session: lazy in sync views, `auser` in async ones."""

from typing import Any

import pytest
import strawberry
import strawberry_django
from asgiref.sync import sync_to_async
from django.contrib.auth import login
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import RequestFactory
from strawberry.django.context import StrawberryDjangoContext

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.graphql.ledger import outcome, reason


@strawberry.type
class Query:
    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry_django.field
    def me(self, info: strawberry.Info) -> str:
        return str(info.context.request.user.username)


def user_of(context: Any) -> int | None:
    return context.request.user.pk


async def async_user_of(context: Any) -> int | None:
    return (await context.request.auser()).pk


def schema_with(cache: ResponseCache, session: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, session=session, debug=True)
    return strawberry.Schema(Query, extensions=[extension])


def context_of(name: str | None) -> Any:
    """Return the context of a new request, whose user nobody has looked at yet."""
    request: Any = RequestFactory().get("/")
    request.session = SessionStore()
    if name is not None:
        user = User.objects.get(username=name)
        login(request, user, "django.contrib.auth.backends.ModelBackend")
    AuthenticationMiddleware(lambda _: None).process_request(request)
    return StrawberryDjangoContext(request=request, response=None)


def test_the_lazy_user_of_a_sync_view_is_a_session(cache: ResponseCache) -> None:
    schema = schema_with(cache, user_of)
    said = []
    for name in ("alice", "bob", "alice", "bob"):
        result = schema.execute_sync("{ me }", context_value=context_of(name))
        assert result.data == {"me": name}
        said.append(outcome(result)["status"])
    assert said == ["miss", "miss", "hit", "hit"]
    nobody = schema.execute_sync("{ me }", context_value=context_of(None))
    assert reason(nobody) == "private_without_session"


async def test_auser_is_a_session_in_an_async_view(cache: ResponseCache) -> None:
    schema = schema_with(cache, async_user_of)
    said = []
    for name in ("alice", "bob", "alice", "bob"):
        context = await sync_to_async(context_of)(name)
        result = await schema.execute("{ me }", context_value=context)
        assert result.data == {"me": name}
        said.append(outcome(result)["status"])
    assert said == ["miss", "miss", "hit", "hit"]


async def test_a_lazy_user_in_an_async_view_runs_uncached_and_fails_nothing(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    schema = schema_with(cache, user_of)
    for _ in range(2):
        context = await sync_to_async(context_of)("alice")
        result = await schema.execute("{ me }", context_value=context)
        assert result.data == {"me": "alice"}
        assert reason(result) == "context_failed"
    assert "SynchronousOnlyOperation" in caplog.text


@strawberry_django.type(User)
class Member:
    username: strawberry.auto


def test_the_current_user_is_private_whatever_its_hint_says(cache: ResponseCache) -> None:
    def schema_of(hint: Any) -> strawberry.Schema:
        @strawberry.type
        class Query:
            me: Member = hint(strawberry_django.auth.current_user())  # type: ignore[no-untyped-call] # the library's

        extension = ResponseCacheExtension(cache, tenant=None, session=user_of, debug=True)
        schema = strawberry.Schema(Query, extensions=[extension])
        extension.check(schema)
        return schema

    schema = schema_of(cache_control(ttl=60))
    said = []
    for name in ("alice", "bob", "alice"):
        result = schema.execute_sync("{ me { username } }", context_value=context_of(name))
        assert result.data == {"me": {"username": name}}
        said.append((outcome(result)["status"], outcome(result)["scope"]))
    assert said == [("miss", "PRIVATE"), ("miss", "PRIVATE"), ("hit", "PRIVATE")]
    with pytest.raises(CacheConfigurationError, match=r"Query\.me: .* current_user"):
        schema_of(cache_control(ttl=60, scope=CacheScope.PUBLIC))
