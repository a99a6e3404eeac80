"""What keeps a whole schema, or a field, from being cached is told at the first use, by `check` and by `explain`."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.graphql.ledger import outcome

LOGGER = "strawberry_response_cache"


@strawberry.type
class Page:
    text: str

    @cache_control(ttl=60)
    @strawberry.field
    def words(self) -> int:
        return len(self.text.split())


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self) -> str:
        return "once"

    @cache_control(ttl=60)
    @strawberry.field
    def page(self) -> Page:
        return Page(text="two words")


@strawberry.type
class Members(Query):
    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self) -> str:
        return "alice"


@strawberry.type
class Plain:
    @strawberry.field
    def motto(self) -> str:
        return "always"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def post(self) -> bool:
        return True


class Tracing(SchemaExtension):
    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        return _next(root, info, *args, **kwargs)


class Executor(StrawberryGraphQLCoreExecutionContext):
    """An executor of the user's own."""


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def extended(cache: ResponseCache, **options: Any) -> ResponseCacheExtension:
    return ResponseCacheExtension(cache, tenant=None, debug=True, **options)


def made() -> Tracing:
    """A factory of extensions, as `functools.partial` makes them."""
    return Tracing()


@pytest.mark.parametrize("tracing", [Tracing, made])
def test_a_hook_that_turns_everything_off_is_named_once(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture, tracing: Callable[[], Tracing]
) -> None:
    extension = extended(cache)
    schema = strawberry.Schema(Query, extensions=[tracing, extension])
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(3):
            assert outcome(schema.execute_sync("{ motto }"))["reason"] == "custom_code"
    (said,) = [each for each in warnings_of(caplog) if "Nothing of this schema" in each]
    assert "Tracing in trusted_extensions" in said
    assert said in extension.check(schema)
    assert "Tracing in trusted_extensions" in explain(schema, "{ motto }").verdict


def test_an_executor_that_turns_everything_off_is_named_once(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    extension = extended(cache)
    schema = strawberry.Schema(Query, extensions=[extension], execution_context_class=Executor)
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(3):
            assert outcome(schema.execute_sync("{ motto }"))["reason"] == "custom_code"
    (said,) = [each for each in warnings_of(caplog) if "Nothing of this schema" in each]
    assert "Executor may decide per request" in said
    assert said in extension.check(schema)


def test_private_fields_without_session_are_reported(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    extension = extended(cache)
    schema = strawberry.Schema(Members, extensions=[extension])
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(2):
            schema.execute_sync("{ motto }")
    (said,) = warnings_of(caplog)
    assert "Members.me: PRIVATE, and the extension has no session=" in said
    assert any("Members.me: PRIVATE" in note for note in extension.check(schema))
    with_session = extended(cache, session=lambda _: "alice")
    told = with_session.check(strawberry.Schema(Members, extensions=[with_session]))
    assert not any("session=" in note for note in told)


def test_a_schema_in_which_nothing_can_be_cached_says_so(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    extension = extended(cache)
    schema = strawberry.Schema(Plain, Mutation, extensions=[extension])
    (note,) = extension.check(schema)
    assert "nothing of this schema is cached" in note
    assert "@cache_control(ttl=...)" in note
    assert note in caplog.text
    assert explain(schema, "{ motto }").notes == (note,)
    by_default = extended(cache, default_ttl=60)
    assert by_default.check(strawberry.Schema(Plain, extensions=[by_default])) == ()


def test_a_parent_without_identity_is_reported_and_not_refused(cache: ResponseCache) -> None:
    extension = extended(cache)
    schema = strawberry.Schema(Query, extensions=[extension])
    (note,) = extension.check(schema)
    assert note.startswith("Page.words: it has no entry of its own")
    assert "key=...)" in note
    said = [outcome(schema.execute_sync("{ page { words } }")) for _ in range(2)]
    assert [each["status"] for each in said] == ["miss", "hit"]
    told = explain(schema, "{ page { words } }")
    assert told.cacheable
    assert told.notes == (note,)
    assert f"Note: {note}" in str(told)
    assert explain(schema, "{ motto }").notes == ()


def test_a_schema_without_notes_logs_no_warning(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def motto(self) -> str:
            return "once"

    extension = extended(cache)
    schema = strawberry.Schema(Query, extensions=[extension])
    with caplog.at_level(logging.INFO, LOGGER):
        assert extension.check(schema) == ()
        schema.execute_sync("{ motto }")
    assert warnings_of(caplog) == []


def test_a_cache_that_is_off_is_reported_by_check_and_not_logged(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    extension = extended(cache, enabled=False)
    schema = strawberry.Schema(Members, extensions=[extension])
    with caplog.at_level(logging.INFO, LOGGER):
        schema.execute_sync("{ motto }")
        first, *_ = extension.check(schema)
    assert "The extension is off" in first
    assert warnings_of(caplog) == []


def test_each_operation_that_is_not_cached_is_a_line_at_debug_with_its_reason(
    cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    extension = extended(cache)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    schema.execute_sync("{ motto }")
    with caplog.at_level(logging.DEBUG, LOGGER):
        for query in ("{ motto }", "{ __schema { description } }", "mutation { post }"):
            assert schema.execute_sync(query).errors is None
    lines = [each for each in caplog.records if "without the cache" in each.getMessage()]
    assert {each.levelno for each in lines} == {logging.DEBUG}
    for line, reason in zip(lines, ["introspection", "mutation"], strict=True):
        assert line.getMessage() == f"An operation was answered without the cache ({reason})."
        assert vars(line)["response_cache.reason"] == reason
