"""The examples of the documentation print what their pages show, and their tests pass."""

import logging
import os
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
APPLICATION = DOCS / "examples" / "testing"
PROJECT = DOCS / "examples" / "django"
FRAMEWORKS = DOCS / "examples" / "frameworks"
"""`tests/frameworks` serves them."""


@pytest.fixture
def own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an example add handlers to the log for as long as it runs."""
    monkeypatch.setattr(logging.getLogger("strawberry_response_cache"), "handlers", [])


@pytest.mark.usefixtures("own_handlers")
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
    for folder in (APPLICATION, FRAMEWORKS, PROJECT):
        found = [path for path in folder.rglob("*.py") if path.stat().st_size]
        files |= {path.relative_to(DOCS / "examples").as_posix() for path in found}
    proxies = ("nginx.conf", "varnish.vcl", "varnish-purge.vcl", "purging.py")
    files |= {f"http/{each}" for each in proxies}  # tests/proxies
    assert len(EXAMPLES) > 5
    there = {
        path
        for path in (DOCS / "examples").rglob("*.*")
        if path.suffix != ".pyc" and path.stat().st_size
    }
    assert shown == files == {path.relative_to(DOCS / "examples").as_posix() for path in there}


def test_the_tests_of_the_documented_application_pass(tmp_path: Path) -> None:
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


ASK_TWICE = """
import os
import sys
import django
from django.core.management import call_command
from django.test import Client

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()
call_command("makemigrations", "shop", verbosity=0)
call_command("migrate", verbosity=0)
for _ in range(2):
    asked = Client().post("/graphql/", sys.argv[1], content_type="application/json")
    print(asked.content.decode())
"""


@pytest.mark.exhaustive
def test_the_django_project_does_what_its_page_shows(tmp_path: Path) -> None:
    """Its tests pass, and the commands of its page print what the page shows below them."""
    project = shutil.copytree(PROJECT, tmp_path / "project")

    def run(*command: str) -> str:
        finished = subprocess.run(
            [sys.executable, "-W", "error", *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=project,
            env=os.environ | {"REDIS_URL": "memory://"},
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout + finished.stderr

    page = (DOCS / "guides" / "django.md").read_text("utf-8")
    assert "Ran 5 tests" in run("manage.py", "test")
    (shown,) = re.findall(r"^   ```console\n(.*?)^   ```", page, re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("   ") for line in shown.splitlines()]
    body = lines[2].partition("-d ")[2].strip("'")
    said = run(*lines[0].removeprefix("$ python ").split())
    said += run("-c", ASK_TWICE, body)
    without_seconds = re.compile(r'(?<="ttl":)\d+')
    assert without_seconds.sub("", said).splitlines() == [
        without_seconds.sub("", line) for line in lines if not line.startswith("$")
    ]


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
