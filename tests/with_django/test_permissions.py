"""The permission extensions of strawberry-django: checks of the user run on a hit, checks of values make a field PRIVATE."""

from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
import strawberry_django
from django.contrib.auth.models import AnonymousUser, User
from strawberry_django.permissions import (
    HasPerm,
    HasRetvalPerm,
    HasSourcePerm,
    IsAuthenticated,
    IsStaff,
    IsSuperuser,
)

from strawberry_response_cache import (
    CacheConfigurationError,
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.graphql.ledger import outcome
from tests.with_django.bookshop import BookType
from tests.with_django.models import Book

SHARED = cache_control(ttl=60, scope=CacheScope.PUBLIC)
HINT = cache_control(ttl=60)


class Renamed(IsAuthenticated):
    """A subclass, which may do anything."""


@strawberry_django.type(Book)
class Guarded:
    id: strawberry.auto
    title: str = strawberry_django.field(extensions=[IsStaff()])

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry_django.field(extensions=[HasSourcePerm(".view_book", fail_silently=False)])
    def secret(self) -> str:
        return self.title


@strawberry.type
class Query:
    members: list[BookType] = SHARED(strawberry_django.field(extensions=[IsAuthenticated()]))
    staff: list[BookType] = SHARED(
        strawberry_django.field(extensions=[IsStaff(fail_silently=False)])
    )
    superusers: list[BookType] = SHARED(strawberry_django.field(extensions=[IsSuperuser()]))
    viewers: list[BookType] = SHARED(
        strawberry_django.field(extensions=[HasPerm("bookshop.view_book")])
    )
    seen: list[BookType] = HINT(
        strawberry_django.field(extensions=[HasRetvalPerm("bookshop.view_book")])
    )
    guarded: list[Guarded] = HINT(strawberry_django.field())
    plain: list[Guarded] = strawberry_django.field()
    renamed: list[BookType] = HINT(strawberry_django.field(extensions=[Renamed()]))


@pytest.fixture
def schema(cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        cache, tenant=None, session=lambda context: context.request.user.pk, debug=True
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    extension.check(schema)
    return schema


@pytest.fixture
def users() -> dict[str, Any]:
    """Alice may do everything, Bob is somebody."""
    known = {name: User.objects.get(username=name) for name in ("alice", "bob")}
    return {**known, "nobody": AnonymousUser()}


def context(user: Any) -> Any:
    """Return a context as strawberry-django makes it, with a user whose permissions are not known yet."""
    known = user if user.pk is None else User.objects.get(pk=user.pk)
    return SimpleNamespace(request=SimpleNamespace(user=known))


PLAIN = strawberry.Schema(Query)


@pytest.mark.combined
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("field", ["members", "staff", "superusers", "viewers"])
async def test_checks_of_the_user_run_on_each_hit(
    schema: strawberry.Schema, users: dict[str, Any], field: str, is_async: bool
) -> None:
    from asgiref.sync import sync_to_async

    query = f"{{ {field} {{ title }} }}"

    async def ask(schema: strawberry.Schema, name: str) -> Any:
        asking = await sync_to_async(context)(users[name])
        if is_async:
            return await schema.execute(query, context_value=asking)
        return await sync_to_async(schema.execute_sync)(query, context_value=asking)

    expected = {name: await ask(PLAIN, name) for name in users}
    said = []
    for name in ("alice", "bob", "nobody", "alice", "bob", "nobody"):
        result = await ask(schema, name)
        assert result.data == expected[name].data, name
        assert [str(each) for each in result.errors or ()] == [
            str(each) for each in expected[name].errors or ()
        ]
        said.append(outcome(result)["fields"][0]["status"])
    assert said[0] == "miss"
    assert said[3] == "hit"
    refused = [expected[name].data != expected["alice"].data for name in ("bob", "nobody")]
    assert [each == "bypass" for each in said[4:]] == refused


def test_a_check_of_values_makes_a_field_private(
    schema: strawberry.Schema, users: dict[str, Any]
) -> None:
    query = "{ seen { title } }"
    assert explain(schema, query).scope is CacheScope.PRIVATE
    for name in ("alice", "bob", "alice", "bob"):
        expected = PLAIN.execute_sync(query, context_value=context(users[name]))
        result = schema.execute_sync(query, context_value=context(users[name]))
        assert result.data == expected.data
    assert outcome(result)["status"] == "hit"


def test_scope_public_on_a_check_of_values_is_a_mistake(cache: ResponseCache) -> None:
    @strawberry.type
    class Wrong:
        seen: list[BookType] = SHARED(strawberry_django.field(extensions=[HasRetvalPerm("a.b")]))

    extension = ResponseCacheExtension(cache, tenant=None)
    with pytest.raises(CacheConfigurationError, match=r"Wrong\.seen: .*HasRetvalPerm"):
        extension.check(strawberry.Schema(Wrong, extensions=[extension]))


def test_a_check_below_a_cached_field_makes_it_private(
    schema: strawberry.Schema, users: dict[str, Any]
) -> None:
    query = "{ guarded { id title } }"
    assert explain(schema, query).scope is CacheScope.PRIVATE


def test_a_check_of_the_parent_runs_on_each_hit(
    schema: strawberry.Schema, users: dict[str, Any]
) -> None:
    query = "{ plain { id secret } }"
    said = []
    for name in ("alice", "alice", "bob"):
        result = schema.execute_sync(query, context_value=context(users[name]))
        expected = PLAIN.execute_sync(query, context_value=context(users[name]))
        assert result.data == expected.data
        assert len(result.errors or ()) == len(expected.errors or ())
        said.append({each["status"] for each in outcome(result)["fields"]})
    assert said[0] == {"miss"}
    assert said[1] == {"hit"}
    assert result.errors, "Bob has no permission for any book"


def test_a_subclass_of_a_known_extension_is_custom_code(
    schema: strawberry.Schema, users: dict[str, Any]
) -> None:
    result = schema.execute_sync("{ renamed { id } }", context_value=context(users["alice"]))
    said = outcome(result)
    assert said["reason"] == "custom_code"
    assert "Renamed" in said["advice"]
