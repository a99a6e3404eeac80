"""`manage.py response_cache`: the command line, on the cache of the project."""

from argparse import REMAINDER, ArgumentParser
from typing import Any, NoReturn, TextIO, cast

from django.core.management.base import BaseCommand, CommandError

from strawberry_response_cache.django._shared_cache import get_cache


class Command(BaseCommand):
    """The command."""

    help = (
        "Look at the response cache of this project, and invalidate what it holds. Each command says what it takes: "
        "response_cache explain --help."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Accept all arguments; the command line of this package parses them."""
        parser.add_argument(
            "arguments",
            nargs=REMAINDER,
            help="explain, check, ping, stats, key, invalidate, forget or clear, and what it takes.",
        )

    def handle(self, *_: Any, arguments: list[str], **__: Any) -> None:
        """Run the command of the command line that the arguments name.

        Raises:
            CommandError: If an argument or the settings have a mistake, or Redis does not answer.
            SystemExit: With 1, if the answer is no.
        """
        try:
            from strawberry_response_cache.cli import run  # noqa: PLC0415 - it has an extra of its own
            from strawberry_response_cache.cli.terminal import Terminal  # noqa: PLC0415 - as above
        except SystemExit as missing:
            raise CommandError(missing.code) from None
        self.stdout.ending = ""
        # Django's wrapper of a stream is no TextIO, and has all that is needed of one.
        terminal = Terminal(cast("TextIO", self.stdout), cache=get_cache, fail=_exit_with)
        code = run(_without_options_of_django(arguments), terminal, "manage.py response_cache")
        if code:
            raise SystemExit(code)


def _exit_with(text: str, code: int) -> NoReturn:
    raise CommandError(text, returncode=code)


def _without_options_of_django(arguments: list[str]) -> list[str]:
    """Drop the options of Django itself, which it accepts anywhere in a line and has applied already."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--settings", "--pythonpath", "--verbosity"):
        parser.add_argument(option)
    for flag in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_known_args(arguments)[1]
