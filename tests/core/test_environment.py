"""The switch in the environment turns the cache off, and an unknown word in it is an error."""

import pytest

from strawberry_response_cache import CacheConfigurationError
from strawberry_response_cache.core._environment import is_switched_on

SWITCH = "RESPONSE_CACHE_ENABLED"


@pytest.mark.combined
@pytest.mark.parametrize("word", ["", "1", "true", "yes", "on", "True", " ON "])
def test_an_empty_switch_1_true_yes_and_on_leave_the_cache_on(word: str) -> None:
    assert is_switched_on({SWITCH: word})


@pytest.mark.combined
@pytest.mark.parametrize("word", ["0", "false", "no", "off", "OFF", " No "])
def test_the_words_0_false_no_and_off_turn_the_cache_off(word: str) -> None:
    assert not is_switched_on({SWITCH: word})


@pytest.mark.combined
@pytest.mark.parametrize("word", ["2", "y", "enabled", "o n", "none"])
def test_an_unknown_word_in_the_switch_is_an_error(word: str) -> None:
    with pytest.raises(CacheConfigurationError, match=SWITCH):
        is_switched_on({SWITCH: word})


def test_the_switch_is_read_from_the_process_environment_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SWITCH, "0")
    assert not is_switched_on()
    assert is_switched_on({})
    monkeypatch.delenv(SWITCH)
    assert is_switched_on()
