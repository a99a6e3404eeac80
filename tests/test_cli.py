"""The command explains an operation of a schema that it is pointed to."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strawberry_response_cache.cli import app

SCHEMA = """
import strawberry
from strawberry_response_cache import cache_control

@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self, length: int = 1) -> str:
        raise AssertionError("nothing runs")

    @strawberry.field
    def bare(self) -> str:
        raise AssertionError("nothing runs")

schema = strawberry.Schema(Query)
number = 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a schema, to work in."""
    (tmp_path / "its_schema.py").write_text(SCHEMA)
    (tmp_path / "query.graphql").write_text(
        "query Q($n: Int!, $w: Boolean = false) { motto(length: $n) bare @include(if: $w) }"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "its_schema", raising=False)
    return tmp_path


def explained(*arguments: str, stdin: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["explain", *arguments], input=stdin)
    return result.exit_code, result.output


@pytest.mark.usefixtures("folder")
def test_the_command_prints_the_verdict_and_the_tree() -> None:
    code, said = explained("its_schema:schema", "query.graphql", "--variables", '{"n": 1}')
    assert code == 0
    assert "Cached for 60 s, PUBLIC; limited by Query.motto." in said
    assert "motto: Query.motto, 60 s" in said
    assert "See docs" not in said

    code, said = explained("its_schema", "query.graphql", "--variables", '{"n": 1, "w": true}')
    assert code == 0
    assert "Put @cache_control(ttl=...) above Query.bare." in said
    assert "See docs/why-not-cached.md#root_without_hint\n" in said


@pytest.mark.usefixtures("folder")
def test_the_document_may_come_from_stdin() -> None:
    code, said = explained("its_schema:schema", "-", "--default-ttl", "5", stdin="{ bare }")
    assert (code, "Cached for 5 s" in said) == (0, True)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("missing:schema", "query.graphql"), "Write it as module:schema"),
        (("its_schema:nothing", "query.graphql"), "Write it as module:schema"),
        ((":", "query.graphql"), "Write it as module:schema"),
        (("", "query.graphql"), "Write it as module:schema"),
        (("its_schema:number", "query.graphql"), "is a int and no strawberry.Schema"),
        (("its_schema:schema", "nowhere.graphql"), "nowhere.graphql cannot be read"),
        (("its_schema:schema", "query.graphql"), "$n"),
        (("its_schema:schema", "query.graphql", "--variables", "[1]"), "is a JSON object"),
        (("its_schema:schema", "query.graphql", "--variables", "{"), "is a JSON object"),
    ],
)
def test_a_bad_argument_is_one_line_that_says_what_to_write(
    arguments: tuple[str, ...], expected: str
) -> None:
    code, said = explained(*arguments)
    assert code == 2
    assert expected in said
    assert "Traceback" not in said


def test_the_command_finds_the_schema_in_the_current_folder(folder: Path) -> None:
    command: list[Path | str] = [
        Path(sys.executable).with_name("strawberry-response-cache"),
        *("explain", "its_schema:schema", "-"),
    ]
    finished = subprocess.run(
        command, cwd=folder, input="{ motto }", capture_output=True, text=True, check=True
    )
    assert "Cached for 60 s" in finished.stdout
