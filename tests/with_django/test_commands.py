"""`manage.py response_cache`, and the command line in a project of Django."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from strawberry_response_cache.django import get_cache

SCHEMA = """
import strawberry, strawberry_django
from django.contrib.auth.models import Group
from strawberry.extensions import SchemaExtension
from strawberry_response_cache import ResponseCacheExtension, cache_control
from strawberry_response_cache.django import get_cache

class Beside(SchemaExtension):
    def check(self) -> None:
        "A method of somebody else's, of the same name."

@strawberry_django.type(Group)
class GroupType:
    name: strawberry.auto

@strawberry.type
class Query:
    groups: list[GroupType] = cache_control(ttl=60)(strawberry_django.field())

extension = ResponseCacheExtension(get_cache(), tenant=None)
schema = strawberry.Schema(Query, extensions=[Beside, extension])
bare = strawberry.Schema(Query)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "its_django_schema.py").write_text(SCHEMA)
    (tmp_path / "broken.py").write_text("number = 1\n1 / 0\n")
    (tmp_path / "unreadable.py").write_text("def\n")
    (tmp_path / "query.graphql").write_text("{ groups { name } }")
    (tmp_path / "its_settings.py").write_text(
        "INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', "
        "'strawberry_response_cache.django']\n"
        "RESPONSE_CACHE = {'URL': 'memory://', 'PREFIX': 'p'}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("its_django_schema", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def said(*arguments: str, **more: Any) -> str:
    out = io.StringIO()
    call_command("response_cache", *arguments, stdout=out, **more)
    return out.getvalue()


@pytest.mark.usefixtures("folder")
def test_check_and_explain_say_what_a_schema_does() -> None:
    assert said("check", "its_django_schema:schema").endswith("No mistakes.\n")
    explained = said("explain", "its_django_schema", "query.graphql")
    assert explained.startswith("Cached for 60 s, PUBLIC; limited by Query.groups.")


def test_invalidate_and_clear_reach_one_tenant(valkey_url: str) -> None:
    with override_settings(RESPONSE_CACHE={"URL": valkey_url, "PREFIX": "commands"}):
        plain, acme = get_cache(), get_cache().for_tenant("acme")

        def statuses() -> list[str]:
            return [
                each.remember_sync(["a"], 60, lambda: 1, tags=["BookType:1"]).status.value
                for each in (plain, acme)
            ]

        statuses()
        invalidated = said("invalidate", "BookType:1", "[BookType]")
        assert invalidated == "Invalidated 2 tags without a tenant.\n"
        assert statuses() == ["miss", "hit"]
        said("invalidate", "BookType:1", "--tenant", "acme")
        assert statuses() == ["hit", "miss"]
        assert said("clear") == "Cleared everything without a tenant.\n"
        assert statuses() == ["miss", "hit"]
        said("clear", "--tenant", "acme")
        assert statuses() == ["hit", "miss"]
        assert f"{valkey_url.removeprefix('redis://')} answers.\n" in said("ping")
        # Django takes some options anywhere in a line.
        assert json.loads(said("stats", "--json", "--settings=none", "--no-color"))["tenants"] == 2
        with pytest.raises(SystemExit, match="1"):
            said("key", "--part", "absent")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["check", "absent"], "No module named 'absent'"),
        (["check", "broken"], r"ZeroDivisionError in .*broken.py, line 2"),
        (["check", "unreadable"], r"SyntaxError in .*unreadable.py, line 1"),
        (["check", "its_django_schema:bare"], "has no ResponseCacheExtension"),
        (["explain", "its_django_schema", "absent.graphql"], "absent.graphql cannot be read"),
        (
            ["explain", "its_django_schema", "query.graphql", "--variables", "[]"],
            "is a JSON object",
        ),
        (["invalidate", "a"], "memory:// is a server inside each process"),
        (["clear"], "memory:// is a server inside each process"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_mistake_is_an_error_of_the_command(arguments: list[str], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        said(*arguments)


def test_redis_that_is_down_is_an_error_of_the_command(unused_port: int) -> None:
    url = f"redis://:hush@127.0.0.1:{unused_port}"
    given = {"URL": url, "PREFIX": "p", "INVALIDATE_DEADLINE": 0.2}
    with override_settings(RESPONSE_CACHE=given):
        for arguments in (["ping"], ["clear"], ["invalidate", "a"]):
            with pytest.raises(CommandError, match="did not take it") as caught:
                said(*arguments)
            assert "hush" not in str(caught.value)


def test_mistakes_in_the_settings_are_an_error_of_the_command() -> None:
    with (
        override_settings(RESPONSE_CACHE={}),
        pytest.raises(CommandError, match=r"E002: .*\nE005: "),
    ):
        said("ping")


@pytest.mark.parametrize(
    ("module", "schema", "code", "text"),
    [
        ("its_settings", "its_django_schema:schema", 0, "Cached for 60 s, PUBLIC"),
        pytest.param(
            "its_settings", "broken", 2, "ZeroDivisionError in ", marks=pytest.mark.exhaustive
        ),
        pytest.param(
            "absent_settings",
            "its_django_schema",
            2,
            "No module named 'absent_settings'",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            "", "its_django_schema", 2, "ImproperlyConfigured", marks=pytest.mark.exhaustive
        ),
    ],
)
def test_the_command_line_sets_django_up(
    folder: Path, module: str, schema: str, code: int, text: str
) -> None:
    program = "from strawberry_response_cache.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "explain", schema, "query.graphql"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": module},
    )
    assert done.returncode == code, done.stderr
    assert text in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
