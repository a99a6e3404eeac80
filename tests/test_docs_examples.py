"""The examples of the documentation print what their pages show, and their tests pass."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from strawberry_response_cache.testing import assert_hit, memory_cache, record

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
APART = {"django_shop"}
"""Django can be configured once in a process."""
APPLICATION = DOCS / "examples" / "testing"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_its_page_shows(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if example.stem in APART:
        printed = subprocess.run(
            [sys.executable, example], capture_output=True, text=True, check=True
        ).stdout
    else:
        runpy.run_path(str(example), run_name="__main__")
        printed = capsys.readouterr().out
    assert printed == example.with_suffix(".txt").read_text("utf-8")


def test_every_example_is_shown_with_its_output() -> None:
    shown = {
        name
        for page in DOCS.rglob("*.md")
        for name in re.findall(r"\{literalinclude\} .*examples/(\S+)", page.read_text("utf-8"))
    }
    files = {each.name for path in EXAMPLES for each in (path, path.with_suffix(".txt"))}
    files |= {f"testing/{path.name}" for path in APPLICATION.glob("*.py")}
    assert len(EXAMPLES) > 5
    there = {path for path in (DOCS / "examples").rglob("*.*") if path.suffix != ".pyc"}
    assert shown == files == {path.relative_to(DOCS / "examples").as_posix() for path in there}


def test_the_tests_of_the_application_pass(tmp_path: Path) -> None:
    """In a directory of their own, as a user would have them, with every warning an error."""
    for path in APPLICATION.glob("*.py"):
        shutil.copy(path, tmp_path)
    settings = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    (tmp_path / "pytest.ini").write_text(settings, "utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "5 passed" in finished.stdout, finished.stdout


def test_the_guide_shows_the_message_of_a_failed_assertion() -> None:
    page = (DOCS / "guides" / "testing.md").read_text("utf-8")
    (message,) = re.findall(r"^AssertionError: (.*?)\n```", page, re.DOTALL | re.MULTILINE)
    bookshop = runpy.run_path(str(APPLICATION / "bookshop.py"))
    with memory_cache() as cache:
        schema = bookshop["make_schema"](cache)
        with record(schema) as recording:
            for _ in range(2):
                context = {"shop": "main street", "user": "alice"}
                schema.execute_sync("{ visitors books { title } }", context_value=context)
    with pytest.raises(AssertionError) as caught:
        assert_hit(recording.last)
    assert str(caught.value) == message
