"""The command `strawberry-response-cache`; it needs the extra `cli`."""

import sys

try:
    import rich  # noqa: F401 - named here, where its absence can be told
    import typer
except ModuleNotFoundError as missing:  # pragma: no cover - the tests install it
    sys.exit(
        f"The command needs {missing.name}: pip install 'strawberry-response-cache[cli]', or call "
        "strawberry_response_cache.explain(schema, query) and print what it returns."
    )

from strawberry_response_cache.cli.check import check
from strawberry_response_cache.cli.entries import forget, key
from strawberry_response_cache.cli.explain import explain
from strawberry_response_cache.cli.invalidation import clear, invalidate
from strawberry_response_cache.cli.servers import ping, stats
from strawberry_response_cache.cli.terminal import Terminal

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a local variable may hold a password
    help="Explain how a Strawberry schema is cached, look at what is cached, and invalidate it.",
    epilog="Exit codes: 0 done; 1 the answer is no; 2 a wrong argument or configuration; 3 Redis did not do it.",
)
for command in (explain, check, ping, stats, key, invalidate, forget, clear):
    app.command(name=command.__name__)(command)


def main() -> None:
    """Run the command."""
    app()


def run(arguments: list[str], terminal: Terminal, name: str) -> int:
    """Run one command inside another program.

    Args:
        arguments: The arguments of the command line.
        terminal: Prints what it has to say.
        name: Its name in the help.

    Returns:
        Its exit code.
    """
    try:
        typer.main.get_command(app).main(arguments, prog_name=name, obj=terminal)
    except SystemExit as end:
        return int(end.code or 0)
    return 0
