"""The reference shows every command, with the exit codes and states that there are."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strawberry_response_cache.cli import app
from strawberry_response_cache.cli.terminal import Code
from strawberry_response_cache.core._inspection import EntryState

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text("utf-8")


def test_every_command_exit_code_and_state_is_in_the_reference() -> None:
    commands = {each.name for each in app.registered_commands}
    assert commands == set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    assert {str(int(code)) for code in Code} == set(re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE))
    said = PAGE.partition("## `key`")[2]
    states = re.findall(r"^\| ([a-z_, ]+) \|", said, re.MULTILINE)
    assert {each.value for each in EntryState} == {
        word for row in states for word in row.split(", ") if row != "it says"
    }


def test_every_command_has_json_and_help(run: Callable[..., Any]) -> None:
    for command in app.registered_commands:
        assert command.name is not None
        code, said = run(command.name, "--help")
        assert code == 0
        # Between the marks of colours that a terminal may get.
        assert "json" in said
