"""The examples of the documentation print what their pages show."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_its_page_shows(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out == example.with_suffix(".txt").read_text("utf-8")


def test_every_example_is_shown_with_its_output() -> None:
    shown = {
        name
        for page in DOCS.rglob("*.md")
        for name in re.findall(r"\{literalinclude\} .*examples/(\S+)", page.read_text("utf-8"))
    }
    files = {each.name for path in EXAMPLES for each in (path, path.with_suffix(".txt"))}
    assert len(EXAMPLES) > 5
    assert shown == files == {path.name for path in (DOCS / "examples").iterdir() if path.is_file()}
