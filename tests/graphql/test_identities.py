"""What the functions that say who asks may return, and what tells the entries of requests apart."""

import inspect
from typing import Any
from uuid import UUID

import pytest
from django.utils.functional import SimpleLazyObject

from strawberry_response_cache import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._user_code import Raised
from strawberry_response_cache.graphql._identity import (
    CacheIdentity,
    UnclearError,
    is_awaitable,
    kind_of_refused,
    printed_session,
    refuse_to_wait,
    unknown_extensions,
)
from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError
from strawberry_response_cache.graphql.policy.reasons import Reason


def identity_of(cache: ResponseCache, **parts: Any) -> CacheIdentity:
    chosen: dict[str, Any] = {"session": "str:alice", "varied": {}, "extensions": {}} | parts
    return CacheIdentity(cache=cache, **chosen)


def test_the_repr_of_an_identity_holds_no_session_and_no_varied_value(
    memory_cache: ResponseCache,
) -> None:
    identity = identity_of(
        memory_cache, session="str:secret", varied={"x": "secret"}, extensions={"y": "secret"}
    )
    assert "secret" not in repr(identity)
    assert "cache=" in repr(identity)


def test_only_a_session_makes_an_identity_private(memory_cache: ResponseCache) -> None:
    assert identity_of(memory_cache).visibility == "private"
    assert identity_of(memory_cache, session=None).visibility == "public"


def test_each_part_of_an_identity_is_part_of_the_keys_of_fields(
    memory_cache: ResponseCache,
) -> None:
    one = identity_of(memory_cache)
    stems = [
        one.field_stem("stem", "tags", "str:alice"),
        one.field_stem("other", "tags", "str:alice"),
        one.field_stem("stem", "others", "str:alice"),
        one.field_stem("stem", "tags", "str:bob"),
        one.field_stem("stem", "tags", None),
        identity_of(memory_cache, varied={"x": "1"}).field_stem("stem", "tags", "str:alice"),
        identity_of(memory_cache, varied={"x": "2"}).field_stem("stem", "tags", "str:alice"),
        identity_of(memory_cache, extensions={"x": "1"}).field_stem("stem", "tags", "str:alice"),
        identity_of(memory_cache, extensions={"x": "2"}).field_stem("stem", "tags", "str:alice"),
    ]
    assert len({*stems}) == len(stems)
    assert identity_of(memory_cache).field_stem("stem", "tags", "str:alice") == stems[0]


@pytest.mark.combined
@pytest.mark.parametrize("value", [None, False, "", 0, "0", SimpleLazyObject(lambda: None)])
def test_empty_and_false_values_are_no_session(value: object) -> None:
    assert printed_session(value) is None


def test_sessions_of_different_types_have_different_texts() -> None:
    printed = [printed_session(each) for each in ("1", 1, UUID(int=1), str(UUID(int=1)), "alice")]
    assert len({*printed}) == 5
    assert None not in printed
    assert printed_session(SimpleLazyObject(lambda: "alice")) == printed[-1]


@pytest.mark.combined
@pytest.mark.parametrize("value", [True, 1.0, b"alice", ["alice"], {"id": 1}, object()])
def test_a_session_that_is_no_string_int_or_uuid_is_refused(value: object) -> None:
    with pytest.raises(UnclearError) as raised:
        printed_session(value)
    assert raised.value.kind == str(raised.value) == type(value).__qualname__


async def later() -> str:
    return "alice"


async def test_awaitables_are_recognized_and_refused_without_an_event_loop() -> None:
    coroutine = later()
    assert is_awaitable(coroutine)
    assert not is_awaitable("alice")
    assert not is_awaitable(SimpleLazyObject(lambda: coroutine)), "it claims another class"
    with pytest.raises(UnclearError, match="coroutine"):
        refuse_to_wait(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED

    class Waiting:
        def __await__(self) -> Any:
            yield

    assert is_awaitable(Waiting())
    with pytest.raises(UnclearError, match="Waiting"):
        refuse_to_wait(Waiting())


def test_a_refused_value_is_described_by_the_error_of_its_function_or_by_its_type() -> None:
    error = Raised(KeyError("user"))
    assert kind_of_refused(error, error) == "KeyError"
    assert kind_of_refused("alice", Raised(UnclearError(dict))) == "dict"
    assert kind_of_refused("alice", Raised(RuntimeError())) == "RuntimeError"
    for refused in (CacheConfigurationError(""), UnkeyableError()):
        assert kind_of_refused("", Raised(refused)) == "empty str"
        assert kind_of_refused("alice", Raised(refused)) == "str"
        assert kind_of_refused([], Raised(refused)) == "list"
        own = Raised(refused)
        assert kind_of_refused(own, own) == type(refused).__qualname__, "the function raised it"


@pytest.mark.combined
@pytest.mark.parametrize("name", ["a", "_x", "client.Library-2", "a" * 64])
def test_advice_names_an_extension_that_a_client_sends(name: str) -> None:
    problem = unknown_extensions({name, "zz", "not a name"})
    assert problem.reason is Reason.REQUEST_EXTENSIONS
    assert f'ignore_request_extensions=("{name}",)' in problem.advice
    assert f'vary_request_extensions=("{name}",)' in problem.advice


@pytest.mark.combined
@pytest.mark.parametrize("name", ["", "1a", "a b", "ä", "a" * 65, "a\n", '"', 1])
def test_advice_does_not_repeat_an_unusual_name_of_an_extension(name: Any) -> None:
    problem = unknown_extensions({name})
    assert problem.reason is Reason.REQUEST_EXTENSIONS
    assert "The client sends the extension" not in problem.advice
