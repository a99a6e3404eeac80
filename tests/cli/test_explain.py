"""`explain` and `check`: what is cached of a schema, one operation or many, and why not."""

import json
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

def make():
    return schema
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
def test_explain_prints_whether_an_operation_is_cached_and_its_tree_of_fields() -> None:
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
def test_explain_reads_a_document_from_stdin() -> None:
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
        (
            ("its_schema:make", "query.graphql"),
            "no strawberry.Schema. Write a module that calls it",
        ),
        (("its_schema:schema", "nowhere.graphql"), "nowhere.graphql cannot be read"),
        (("its_schema:schema", "query.graphql"), "$n"),
        (
            ("its_schema:schema", "wrong.graphql"),
            "field 'nothing' on type 'Query'. (line 2, column 3)",
        ),
        (("its_schema:schema", "unread.graphql"), "unread.graphql is no document: Syntax Error"),
        (("its_schema:schema", "query.graphql", "--variables", "[1]"), "is a JSON object"),
        (("its_schema:schema", "query.graphql", "--variables", "{"), "is a JSON object"),
    ],
)
def test_the_error_for_a_bad_argument_is_one_line_and_says_what_to_write(
    arguments: tuple[str, ...], expected: str
) -> None:
    Path("wrong.graphql").write_text("{\n  nothing\n}")
    Path("unread.graphql").write_text("{\n  motto(\n}")
    code, said = explained(*arguments)
    assert code == 2
    assert expected in said
    assert said.count("\n") == 1


@pytest.mark.exhaustive
def test_explain_finds_the_schema_in_the_current_folder(folder: Path) -> None:
    command: list[Path | str] = [
        Path(sys.executable).with_name("strawberry-response-cache"),
        *("explain", "its_schema:schema", "-"),
    ]
    finished = subprocess.run(
        command, cwd=folder, input="{ motto }", capture_output=True, text=True, check=True
    )
    assert "Cached for 60 s" in finished.stdout


FRAGMENT = "fragment F on Query { motto }"
CHANGING = """
import strawberry
from its_schema import Query

@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> int:
        return 1

schema = strawberry.Schema(Query, Mutation)
"""


@pytest.fixture
def documents(folder: Path) -> Path:
    """A directory of documents, which share a fragment."""
    below = folder / "documents" / "below"
    below.mkdir(parents=True)
    (below / "fragment.graphql").write_text(FRAGMENT)
    (folder / "documents" / "a.graphql").write_text(
        "query A($w: Boolean!) { ...F bare @include(if: $w) } query B { ...F }"
    )
    (folder / "documents" / "c.gql").write_text("query C($n: Int!) { motto(length: $n) }")
    (folder / "documents" / "readme.md").write_text("no document")
    return folder / "documents"


@pytest.mark.usefixtures("documents")
def test_a_directory_is_explained_as_a_table_of_its_operations() -> None:
    code, said = explained("its_schema:schema", "documents")
    assert code == 0
    rows = [line.split() for line in said.splitlines()]
    assert rows[0] == ["Operation", "Cached", "ttl", "Scope", "Limited", "by", "Reason"]
    assert rows[1] == ["A", "no", "Query.bare", "root_without_hint"]
    assert rows[2] == ["B", "yes", "60", "s", "PUBLIC", "Query.motto"]
    assert rows[3] == ["C", "yes", "60", "s", "PUBLIC", "Query.motto"]
    code, said = explained("its_schema:schema", "documents", "--operation", "B")
    assert (code, "Cached for 60 s" in said) == (0, True)
    assert explained("its_schema:schema", "documents", "--variables", '{"w": true}')[0] == 2
    assert explained("its_schema:schema", "documents", "--operation", "D")[0] == 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("columns", ["20", "80"])
def test_a_narrow_terminal_cuts_nothing_off_the_table(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "OfANameThatLeavesNoPlace" * 5
    Path("long.graphql").write_text(f"query {name} {{ bare }} query Other {{ motto }}")
    monkeypatch.setenv("COLUMNS", columns)

    _, output = explained("its_schema:schema", "long.graphql")

    assert [line.split() for line in output.splitlines()[1:]] == [
        [name, "no", "Query.bare", "root_without_hint"],
        ["Other", "yes", "60", "s", "PUBLIC", "Query.motto"],
    ]


@pytest.mark.usefixtures("documents")
def test_with_fail_on_uncacheable_the_exit_code_says_whether_a_query_is_not_cached(
    documents: Path,
) -> None:
    fail = ("--fail-on", "uncacheable")
    assert explained("its_schema:schema", "documents", *fail)[0] == 1
    assert explained("its_schema:schema", "documents", "--operation", "B", *fail)[0] == 0
    assert explained("its_schema:schema", "-", *fail, stdin="{ bare }")[0] == 1
    assert explained("its_schema:schema", "-", stdin="{ bare }")[0] == 0
    # What changes something is not to be cached.
    (documents.parent / "changing.py").write_text(CHANGING)
    (documents / "a.graphql").write_text("query B { ...F } mutation M { change }")
    assert explained("changing:schema", "documents", *fail)[0] == 0
    assert explained("changing:schema", "-", *fail, stdin="mutation { change }")[0] == 0


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "manifest",
    [
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [
                {
                    "id": "1a",
                    "name": "B",
                    "type": "query",
                    "body": f"query B {{ ...F }} {FRAGMENT}",
                },
                {"id": "2b", "name": "A", "type": "query", "body": "query A { bare }"},
            ],
        },
        {"1a": f"query B {{ ...F }} {FRAGMENT}", "2b": "query A { bare }"},
    ],
    ids=["apollo", "relay"],
)
def test_a_manifest_of_persisted_queries_is_explained_operation_by_operation(
    folder: Path, manifest: object
) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))
    code, said = explained("its_schema:schema", "manifest.json", "--json")
    assert code == 0
    found = {each["operation"]: each for each in json.loads(said)}
    assert [found[name]["where"] for name in "BA"] == ["1a", "2b"]
    assert (found["B"]["cacheable"], found["B"]["ttl"], found["B"]["scope"]) == (True, 60, "PUBLIC")
    assert found["A"]["reason"] == "root_without_hint"
    assert found["A"]["advice"].startswith("Put @cache_control")
    for wrong in ("[]", "{}", '{"1a": 5}', '{"operations": [{"id": "1a"}]}'):
        (folder / "manifest.json").write_text(wrong)
        code, said = explained("its_schema:schema", "manifest.json")
        assert (code, said.startswith("Error: A manifest of persisted queries is")) == (2, True)


@pytest.mark.usefixtures("documents")
def test_an_operation_that_is_not_valid_is_named_and_fails(documents: Path) -> None:
    (documents / "d.graphql").write_text("query D { nothing }")
    code, said = explained("its_schema:schema", "documents")
    assert code == 2
    assert "Cannot query field 'nothing'" in said
    assert "Error: 1 of 4 operations are not valid for this schema." in said
    (documents / "d.graphql").write_text("query D {")
    code, said = explained("its_schema:schema", "documents")
    assert (code, "d.graphql is no document" in said) == (2, True)


@pytest.mark.usefixtures("folder")
def test_one_operation_as_json_has_its_tree_of_fields() -> None:
    code, said = explained("its_schema:schema", "-", "--json", stdin="{ motto }")
    found = json.loads(said)
    assert (code, found["cacheable"], found["limited_by"]) == (0, True, "Query.motto")
    (field,) = found["fields"]
    assert (field["coordinate"], field["ttl"], field["fields"]) == ("Query.motto", 60, [])


def test_the_annotations_of_a_schema_are_checked(folder: Path) -> None:
    (folder / "checked.py").write_text(
        """
import strawberry
from strawberry_response_cache import CacheScope, ResponseCache, ResponseCacheExtension, cache_control

def schema_with(hint):
    @strawberry.type
    class Query:
        motto: str = hint(strawberry.field(resolver=lambda: "once"))
    cache = ResponseCache.from_url("memory://", prefix="p")
    return strawberry.Schema(Query, extensions=[ResponseCacheExtension(cache, tenant=None)])

good = schema_with(cache_control(ttl=60))
noted = schema_with(cache_control(ttl=60, scope=CacheScope.PRIVATE))
wrong = schema_with(cache_control(ttl=60, vary=["locale"]))
"""
    )

    def checked(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["check", *arguments])
        return result.exit_code, result.output

    assert checked("checked:good") == (0, "No mistakes.\n")
    assert json.loads(checked("checked:good", "--json")[1]) == {
        "mistakes": [],
        "notes": [],
        "never_cached": {},
    }
    code, said = checked("checked:noted")
    assert code == 0
    assert said.startswith("Note: ")
    assert checked("checked:noted", "--fail-on", "notes")[0] == 1
    code, said = checked("checked:wrong")
    assert (code, "Query.motto" in said) == (1, True)
    found = json.loads(checked("checked:wrong", "--json")[1])
    assert (len(found["mistakes"]) > 0, found["notes"]) == (True, [])
    assert checked("its_schema:schema")[0] == 2


NEVER_CACHED = """
import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control

class Own(FieldExtension):
    def resolve(self, next_, source, info, **kwargs):
        return next_(source, info, **kwargs)

class IsSignedIn(BasePermission):
    def has_permission(self, source, info, **kwargs):
        return True

@strawberry.type
class Page:
    text: str

@cache_control(ttl=60)
@strawberry.type
class Book:
    title: str

@strawberry.federation.type(keys=["upc"])
class Product:
    upc: str

def field(*hints, **options):
    return strawberry.field(resolver=lambda: "once", directives=hints, **options)

@strawberry.type
class Query:
    motto: str = field(cache_control(ttl=60))
    guarded: str = field(cache_control(ttl=60), permission_classes=[IsSignedIn])
    book: Book = field(cache_control())
    bare: str = field()
    bare_guarded: str = field(permission_classes=[IsSignedIn])
    of_type: Book = field()
    without_ttl: Page = field(cache_control())
    zero: str = field(cache_control(ttl=0))
    own: str = field(cache_control(ttl=60), extensions=[Own()])
    around: str = field(
        cache_control(ttl=60), extensions=[PermissionExtension([IsSignedIn()]), Own()]
    )
    product: Product = field(cache_control(ttl=60))

def schema_with(**options):
    cache = ResponseCache.from_url("memory://", prefix="p")
    extension = ResponseCacheExtension(cache, tenant=None, session=lambda _: "a", **options)
    return strawberry.federation.Schema(Query, extensions=[extension])

schema = schema_with()
by_default = schema_with(default_ttl=60)
"""


def test_root_fields_that_are_never_cached_are_listed_as_information(folder: Path) -> None:
    """A field without a hint is neither a mistake nor a note: it may be intended."""
    (folder / "never.py").write_text(NEVER_CACHED)

    def checked(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["check", *arguments])
        return result.exit_code, result.output

    listed = {
        "root_without_hint": ["Query.bare", "Query.bareGuarded", "Query.ofType"],
        "without_ttl": ["Query.withoutTtl"],
        "ttl_zero": ["Query.zero"],
        "custom_code": ["Query.own"],
        "guarded": ["Query.around"],
    }
    code, said = checked("never:schema", "--fail-on", "notes")
    assert (code, said.splitlines()) == (
        0,
        [
            *(f"Never cached: {', '.join(fields)} ({why})" for why, fields in listed.items()),
            "No mistakes.",
        ],
    )
    assert json.loads(checked("never:schema", "--json")[1])["never_cached"] == listed
    found = json.loads(checked("never:by_default", "--json")[1])["never_cached"]
    assert found == {each: listed[each] for each in ("ttl_zero", "custom_code", "guarded")}


def test_check_lists_as_never_cached_the_fields_that_explain_never_caches(folder: Path) -> None:
    (folder / "never.py").write_text(NEVER_CACHED)
    listed = json.loads(CliRunner().invoke(app, ["check", "never", "--json"]).output)[
        "never_cached"
    ]
    never = {field.partition(".")[2] for fields in listed.values() for field in fields}
    selections = {
        "motto": "", "guarded": "", "book": "{ title }", "bare": "", "bareGuarded": "",
        "ofType": "{ title }", "withoutTtl": "{ text }", "zero": "", "own": "", "around": "",
        "product": "{ upc }",
    }  # fmt: skip
    for name, below in selections.items():
        code, said = explained("never", "-", "--json", stdin=f"{{ {name} {below} }}")
        (field,) = json.loads(said)["fields"]
        is_cached = json.loads(said)["cacheable"] or field["own_ttl"] is not None
        assert (code, is_cached) == (0, name not in never), name
