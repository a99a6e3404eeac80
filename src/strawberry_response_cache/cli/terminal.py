"""Prints what commands say, for people or for scripts."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, IntEnum
from functools import partial
from typing import NoReturn, TextIO

import typer
from graphql import GraphQLError
from rich.console import Console
from rich.progress import Progress, ProgressColumn

from strawberry_response_cache.cli.inputs import BadArgumentError
from strawberry_response_cache.core import CacheConfigurationError, CacheStoreError, ResponseCache


class Code(IntEnum):
    """The exit codes."""

    DONE = 0
    NO = 1
    """The command worked, and its answer is no."""
    WRONG = 2
    """An argument, a document or the configuration is wrong."""
    FAILED = 3
    """Redis did not answer, or refused."""


class Terminal:
    """Prints what commands have to say.

    Args:
        out: Where it prints; None for stdout.
        cache: Returns the cache that a project configures; None to look into the environment.
        fail: Ends the command with a message and an exit code; None prints the message to stderr.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        *,
        cache: Callable[[], ResponseCache] | None = None,
        fail: Callable[[str, int], NoReturn] | None = None,
    ) -> None:
        self.console = Console(file=out, soft_wrap=True, highlight=False)
        self._errors = Console(stderr=True, soft_wrap=True, highlight=False)
        self.cache = cache
        self._fail = fail

    def say(self, text: str, style: str = "") -> None:
        """Print a line for people."""
        self.console.print(text, style=style or None, markup=False)

    def json(self, value: object) -> None:
        """Print one JSON document for scripts; a member of an enum as its value."""
        self.console.file.write(f"{json.dumps(value, indent=2, default=_value_of)}\n")

    @contextmanager
    def progress(
        self, what: str, *columns: ProgressColumn, total: float | None = None
    ) -> Iterator[Callable[..., None]]:
        """Show how far a command is, on stderr, if that is a terminal.

        Args:
            what: What it does.
            columns: The columns of the progress bar.
            total: How many steps there are, if that is known.
        """
        if not self._errors.is_terminal:
            yield lambda **_: None
            return
        with Progress(*columns, console=self._errors, transient=True) as progress:
            yield partial(progress.update, progress.add_task(what, total=total))

    def fail(self, text: str, code: Code) -> NoReturn:
        """End the command because it could not do what it was asked."""
        if self._fail is not None:
            self._fail(text, int(code))
        print(f"Error: {text}", file=sys.stderr)  # noqa: T201 - a command speaks there
        raise typer.Exit(int(code))


def _value_of(member: Enum) -> object:
    return member.value


@contextmanager
def speaking(context: typer.Context) -> Iterator[Terminal]:
    """Provide the terminal of a command; an expected error ends the command with one line.

    Raises:
        typer.Exit: After an error, with its code.
    """
    terminal = context.obj if isinstance(context.obj, Terminal) else Terminal()
    try:
        yield terminal
    except GraphQLError as error:
        places = [f"line {each.line}, column {each.column}" for each in error.locations or ()]
        terminal.fail(f"{error.message} ({places[0]})" if places else error.message, Code.WRONG)
    except (BadArgumentError, CacheConfigurationError) as error:
        terminal.fail(str(error), Code.WRONG)
    except CacheStoreError as error:
        terminal.fail(str(error), Code.FAILED)


def end_command(answer: bool) -> None:  # noqa: FBT001 - the answer of a command
    """End a command whose answer is yes or no.

    Raises:
        typer.Exit: If it is no.
    """
    if not answer:
        raise typer.Exit(int(Code.NO))
