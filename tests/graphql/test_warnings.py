"""What an extension logs: once for a field, or once in an interval for a function, and with what."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from strawberry_response_cache.graphql._options import InvalidationOptions, Options, Warnings
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason


def given(context: Any) -> Any:
    raise AssertionError


class Answering:
    def __call__(self, context: Any) -> Any:
        raise AssertionError


HERE = f"{__name__}.given, line {given.__code__.co_firstlineno}"

AGAIN: list[tuple[Callable[[Warnings], None], int, list[str]]] = [
    (
        lambda warnings: warnings.unusable("tenant", given, "KeyError"),
        logging.ERROR,
        ["function tenant", HERE, "KeyError", "the request is not cached"],
    ),
    (
        lambda warnings: warnings.unusable("debug", given, "KeyError"),
        logging.ERROR,
        ["function debug", "debug counts as off"],
    ),
    (
        lambda warnings: warnings.unusable("verify", given, "KeyError"),
        logging.ERROR,
        ["function verify", "the request is not verified"],
    ),
    (lambda warnings: warnings.wrong_scope("Query.x"), logging.ERROR, ["Query.x gave a session"]),
    (lambda warnings: warnings.silent_switch(given), logging.WARNING, ["enabled", HERE]),
    (
        lambda warnings: warnings.unfilled_tag("Query.x", "no such attribute"),
        logging.ERROR,
        ["cache_control on Query.x", "no such attribute"],
    ),
    (lambda warnings: warnings.tags_left_out(7), logging.WARNING, ["7 tags", "(1 response)"]),
    (
        lambda warnings: warnings.unusable_on_commit("KeyError", "raised"),
        logging.ERROR,
        ["on_commit raised", "KeyError"],
    ),
    (
        lambda warnings: warnings.lost_invalidation("KeyError", "it failed"),
        logging.ERROR,
        ["because it failed"],
    ),
]
ONCE: list[tuple[Callable[[Warnings], None], int, list[str]]] = [
    (
        lambda warnings: warnings.parent_key("Query.x", "KeyError"),
        logging.ERROR,
        ["the parent of Query.x", "KeyError"],
    ),
    (
        lambda warnings: warnings.missing_session("Query.x", "Log in."),
        logging.WARNING,
        ["without a session", "Log in."],
    ),
    (
        lambda warnings: warnings.unknown_extensions(),
        logging.WARNING,
        ["ignore_request_extensions"],
    ),
    (
        lambda warnings: warnings.everything_bypasses(Problem(Reason.DISABLED, None, "Turn on.")),
        logging.WARNING,
        ["Nothing of this schema", "Turn on."],
    ),
    (lambda warnings: warnings.without_event_loop(), logging.WARNING, ["event loop"]),
]


@pytest.mark.combined
@pytest.mark.parametrize(("warn", "level", "words"), AGAIN + ONCE)
def test_each_warning_names_its_subject_and_is_logged_once_per_extension(
    caplog: pytest.LogCaptureFixture,
    warn: Callable[[Warnings], None],
    level: int,
    words: list[str],
) -> None:
    warnings = Warnings()
    for _ in range(3):
        warn(warnings)
    [line] = caplog.records
    assert line.levelno == level
    assert [word for word in words if word not in line.getMessage()] == []
    warn(Warnings())
    assert len(caplog.records) == 2, "another extension has lines of its own"


@pytest.mark.combined
@pytest.mark.parametrize(
    ("warn", "fields"),
    [
        (
            lambda warnings: warnings.unusable("tenant", given, "KeyError"),
            {"response_cache.function": "tenant", "error.type": "KeyError"},
        ),
        (
            lambda warnings: warnings.wrong_scope("Query.x"),
            {"response_cache.field": "Query.x", "response_cache.failures": 1},
        ),
        (
            lambda warnings: warnings.silent_switch(given),
            {"response_cache.function": "enabled", "response_cache.failures": 1},
        ),
        (
            lambda warnings: warnings.unfilled_tag("Query.x", ""),
            {"response_cache.field": "Query.x", "response_cache.failures": 1},
        ),
        (
            lambda warnings: warnings.tags_left_out(7),
            {"response_cache.tag.count": 7, "response_cache.failures": 1},
        ),
        (
            lambda warnings: warnings.unusable_on_commit("KeyError", ""),
            {"error.type": "KeyError", "response_cache.failures": 1},
        ),
        (
            lambda warnings: warnings.lost_invalidation("KeyError", ""),
            {"error.type": "KeyError", "response_cache.failures": 1},
        ),
        (
            lambda warnings: warnings.lost_invalidation("", ""),
            {"error.type": None, "response_cache.failures": 1},
        ),
        (
            lambda warnings: warnings.parent_key("Query.x", ""),
            {"response_cache.field": "Query.x"},
        ),
        (
            lambda warnings: warnings.missing_session("Query.x", ""),
            {"response_cache.field": "Query.x"},
        ),
    ],
)
def test_a_line_has_fields_for_machines(
    caplog: pytest.LogCaptureFixture,
    warn: Callable[[Warnings], None],
    fields: dict[str, object],
) -> None:
    warn(Warnings())
    [line] = caplog.records
    assert {name: vars(line).get(name) for name in fields} == fields


def test_warnings_about_different_places_are_each_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warnings = Warnings("The middleware's")
    for name in ("a", "b"):
        warnings.unusable(name, given, "KeyError")
        warnings.wrong_scope(name)
        warnings.unfilled_tag(name, "")
        warnings.lost_invalidation("", name)
        warnings.parent_key(name, "")
        warnings.missing_session(name, "")
    assert len(caplog.records) == 12
    assert caplog.records[0].getMessage().startswith("The middleware's function a ")


def test_a_thousand_fields_are_named_in_the_log_at_most(caplog: pytest.LogCaptureFixture) -> None:
    warnings = Warnings()
    for number in range(1_100):
        warnings.missing_session(f"Query.x{number}", "")
    assert len(caplog.records) == 1_000


@pytest.mark.combined
@pytest.mark.parametrize(
    ("function", "place"),
    [
        (given, HERE),
        (functools.partial(given), HERE),
        (Answering(), f"{__name__}.Answering"),
        (len, "builtins.len"),
    ],
)
def test_a_warning_names_a_function_by_its_module_and_name(
    caplog: pytest.LogCaptureFixture, function: object, place: str
) -> None:
    Warnings().unusable("tenant", function, "KeyError")
    assert f"function tenant ({place}) gave" in caplog.records[0].getMessage()


def options_of(cache: ResponseCache, **given: Any) -> Options:
    options: Options = ResponseCacheExtension(cache, tenant=None, **given)._options
    return options


def test_nothing_of_a_request_stands_in_the_repr_of_options(memory_cache: ResponseCache) -> None:
    assert "warnings" not in repr(options_of(memory_cache))


@pytest.mark.combined
@pytest.mark.parametrize(
    ("given", "is_silent", "notes"),
    [({}, True, False), ({"debug": True}, False, True), ({"debug": given}, False, True)],
)
def test_debug_makes_responses_report_and_fields_be_noted(
    memory_cache: ResponseCache, given: dict[str, Any], *, is_silent: bool, notes: bool
) -> None:
    options = options_of(memory_cache, **given)
    assert (options.says_nothing, options.notes_fields) == (is_silent, notes)


@pytest.mark.combined
@pytest.mark.parametrize(
    ("enabled", "is_off"), [(True, False), (False, True), (lambda _: True, False)]
)
def test_only_false_turns_the_cache_off_for_the_process(
    memory_cache: ResponseCache, enabled: Any, *, is_off: bool
) -> None:
    options = options_of(memory_cache, enabled=enabled)
    assert (options.off is not None) is is_off
    assert options.off is None or options.off.reason is Reason.DISABLED


def test_responses_report_nothing_without_headers_unless_cdn_tags_are_set(
    memory_cache: ResponseCache,
) -> None:
    assert options_of(memory_cache, headers=False).says_nothing
    assert not options_of(memory_cache, cdn_tags=["apolloCacheTags"]).says_nothing


def test_a_watcher_makes_the_options_note_fields(memory_cache: ResponseCache) -> None:
    options = options_of(memory_cache)
    options.watchers = (lambda _: None,)
    assert options.notes_fields


def test_options_default_to_off_and_mutations_to_invalidating_lists(
    memory_cache: ResponseCache,
) -> None:
    options = options_of(memory_cache)
    assert not options.is_fronted
    assert not options.honours_requests
    assert InvalidationOptions().reach == options.invalidation.reach == "lists"
