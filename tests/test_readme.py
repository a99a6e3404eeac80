"""The README says what the code does: its example runs as printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_example_prints_what_the_readme_says() -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("python")[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    assert finished.stdout == blocks("text")[0]


@pytest.mark.exhaustive  # each takes as long as hundreds of other tests
@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=lambda each: each[0])
def test_the_example_passes_a_strict_type_checker(checker: list[str], tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text(blocks("python")[0], encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", *checker, str(example)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_to_files_and_headings_that_exist(name: str) -> None:
    """The build of the documentation checks the links of its own pages."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        page = ROOT / (target or name)
        assert page.is_file(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
            assert heading in {_anchor(each) for each in headings}, heading


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
