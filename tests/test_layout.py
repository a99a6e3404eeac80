"""The layout: imports point one way, and there are no circles."""

import ast
import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import strawberry_response_cache

PACKAGE = Path(strawberry_response_cache.__file__).parent
NAME = strawberry_response_cache.__name__

_POINTING = re.compile(
    r"\bdef (test_(?:(?:its?|they|their|that|this|these|those|the_others?|one_that|and|nor)_\w*|"
    r"\w*_(?:as_ever|too|as_well|either|get_their_own)))\("
)
"""Names of tests that need the test before them."""

_POINTING_AT = re.compile(r"(?!Whether)\w+ (?:it|them)\b")
"""Docstrings that do not say what they are about."""

_SAID_ELSEWHERE = re.compile(r"\s+\w+(?:Error|Exception|Exit): .*\b[Aa]s (?:`|raised)")
"""Errors of which another docstring says when they are raised."""

GRAPHQL = [
    "_inspect",
    "_explain",
    "_explained_fields",
    "_explanation",
    "_extension",
    "_checks",
    "_hooks",
    "_adoption",
    "execution",
    "invalidation",
    "_request",
    "_claim",
    "_options",
    "_report",
    "_identity",
    "keys",
    "policy",
    "annotations",
    "_compat",
    "_guard",
    "_delivery",
    "http",
    "_sightings",
    "_verify",
    "_differences",
    "_stored_data",
]
"""What is in `graphql/`: each imports only what stands below it."""


@functools.cache
def modules() -> dict[str, Path]:
    """All modules of the package, by their dotted names."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports(path: Path, *, also_lazy: bool) -> tuple[str, ...]:
    """The modules that a module imports, those of type checking and lazy ones left out if so asked."""
    return tuple(_imports(path, also_lazy=also_lazy))


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path, *, also_lazy: bool) -> Iterator[str]:
    tree = _parsed(path)
    nodes = ast.walk(tree) if also_lazy else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            known = modules()
            yield from (each if each in known else node.module for each in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_modules_in_graphql_import_only_from_lower_folders() -> None:
    root = f"{NAME}.graphql."
    places = {
        name.removeprefix(root).partition(".")[0] for name in modules() if name.startswith(root)
    }
    assert places == set(GRAPHQL), "every place in graphql/ has its rank"
    for name, path in modules().items():
        if not name.startswith(root):
            continue
        here = GRAPHQL.index(name.removeprefix(root).partition(".")[0])
        for imported in imports(path, also_lazy=True):
            if imported.startswith(root):
                there = GRAPHQL.index(imported.removeprefix(root).partition(".")[0])
                assert there >= here, f"{name} imports {imported}, which stands above it"


_PRIVATE = re.compile(r"_(?!replace$|make$|asdict$|fields$)[^_]\w*(?<!_)")
"""Private names, without those of named tuples and enums, which are documented."""
_PRIVATE_ELSEWHERE = {
    f"{NAME}.graphql.execution.fields.room": {"_getframe"},  # of Python, and documented
    f"{NAME}.django._lookups": {"_meta"},  # of Django, and documented
    f"{NAME}.django._query_set": {"_base_manager"},  # of Django, and documented
    f"{NAME}.graphql.http.response_headers": {"_get_current_object"},  # of werkzeug, and documented
    f"{NAME}.graphql.http.session_cookies": {"_get_current_object"},  # of werkzeug, and documented
    f"{NAME}.core.redis.async_connection": {"_reader"},  # of redis-py, which has no other way
}
"""Private names of other packages that are read outside of `_compat`."""


def _private_names(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the private attributes that a module reads, and whether they are of an object of its own."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Attribute) and _PRIVATE.fullmatch(node.attr):
            is_own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            yield node.attr, is_own


def test_only_one_place_reads_private_names_of_other_packages() -> None:
    own = {name for path in modules().values() for name, is_own in _private_names(path) if is_own}
    own |= {
        node.name
        for path in modules().values()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found = {}
    for name, path in modules().items():
        read = {each for each, is_own in _private_names(path) if not is_own}
        foreign = (read - own) | (read & {"_schema", "_raw_info", "_implements_resolve"})
        if foreign and not name.startswith(f"{NAME}.graphql._compat."):
            found[name] = foreign
    assert found == _PRIVATE_ELSEWHERE


@pytest.mark.parametrize("foreign", ["strawberry", "graphql", "opentelemetry"])
def test_the_core_knows_neither_graphql_nor_telemetry(foreign: str) -> None:
    for name, path in modules().items():
        if name.startswith(f"{NAME}.core"):
            for imported in imports(path, also_lazy=True):
                assert imported.partition(".")[0] != foreign, name
                assert not imported.startswith((f"{NAME}.graphql", f"{NAME}.cli")), name


def test_the_algorithm_does_no_io() -> None:
    io = (f"{NAME}.core.drivers", f"{NAME}.core.redis", "asyncio", "redis", "socket")
    algorithm = [name for name in modules() if name.startswith(f"{NAME}.core.algorithm.")]
    assert f"{NAME}.core.algorithm.flights" in algorithm
    for name in algorithm:
        for imported in imports(modules()[name], also_lazy=True):
            assert not imported.startswith(io), f"{name} imports {imported}"


def test_nothing_else_in_the_package_imports_its_helpers_for_tests() -> None:
    testing = f"{NAME}.testing"
    for name, path in modules().items():
        if not name.startswith(testing):
            imported = imports(path, also_lazy=True)
            assert not any(each.startswith(testing) for each in imported), name


def test_only_the_django_app_imports_django_and_nothing_else_imports_the_app() -> None:
    app = f"{NAME}.django"
    for name, path in modules().items():
        if not name.startswith(app):
            imported = {each for each in imports(path, also_lazy=True) if each.startswith(app)}
            assert not imported, name
            # The command line sets Django up, where it is asked to by the environment.
            assert name == f"{NAME}.cli.inputs" or "django" not in {
                each.partition(".")[0] for each in imports(path, also_lazy=True)
            }, name


def test_there_are_no_circles_of_imports() -> None:
    known = modules()
    graph = {
        name: {
            found for found in imports(path, also_lazy=False) if found in known and found != name
        }
        for name, path in known.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for imported in sorted(graph[name]):
                visit(imported, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_only_core_log_imports_logging() -> None:
    """What handlers and filters raise is dropped in `core/_log.py`, and nowhere else."""
    for name, path in modules().items():
        if name != f"{NAME}.core._log":
            assert "logging" not in imports(path, also_lazy=True), name


def test_the_mutation_run_names_modules_and_tests_that_exist() -> None:
    tests = Path(__file__).parent
    concerns = tomllib.loads((tests / "mutation" / "modules.toml").read_text("utf-8"))
    assert concerns
    for name, concern in concerns.items():
        named = [PACKAGE / name, *(tests / each for each in concern["tests"])]
        assert [path for path in named if not path.is_file()] == []


def test_the_map_for_contributors_names_modules_that_exist() -> None:
    root = Path(__file__).parents[1]
    text = (root / "CONTRIBUTING.md").read_text("utf-8")
    table = text.partition("## Where do I change it?")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_/]+(?:\.py|/))`", table)
    there = {f"/{path.relative_to(root)}" for path in modules().values()}
    there |= {f"/{path.relative_to(root)}/" for path in PACKAGE.rglob("*/")}
    assert len(named) > 30
    assert [
        name
        for name in named
        if not (root / name).exists() and not any(each.endswith(f"/{name}") for each in there)
    ] == []


def test_names_of_tests_can_be_read_alone() -> None:
    """A name that begins with a pronoun, or says that something is as before, needs the test before it."""
    found = {
        path.name: names
        for path in Path(__file__).parent.rglob("test_*.py")
        if (names := _POINTING.findall(path.read_text("utf-8")))
    }
    assert found == {}


def test_docstrings_name_what_a_function_acts_on() -> None:
    """``Count it.`` is understood by who has read the class, and by nobody else."""
    found = [
        f"{name}.{node.name}: {line}"
        for name, path in modules().items()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if _POINTING_AT.match(line := (ast.get_docstring(node) or "").partition("\n")[0])
    ]
    assert found == []


def test_docstrings_say_themselves_when_an_error_is_raised() -> None:
    """``As `remember` does`` sends the reader to another docstring, and that one perhaps to a third."""
    found = [
        f"{name}: {line.strip()}"
        for name, path in modules().items()
        for line in path.read_text("utf-8").splitlines()
        if _SAID_ELSEWHERE.match(line)
    ]
    assert found == []


_VIEWS = {"asgi", "fastapi", "flask", "aiohttp", "litestar", "quart", "sanic", "channels"}
"""Modules whose classes have the names of Strawberry's views, so that an import is all that changes."""


def test_a_name_of_a_class_stands_for_one_thing() -> None:
    """No two classes, nor aliases of types, share a name."""
    homes: dict[str, list[str]] = {}
    for name, path in modules().items():
        tree = _parsed(path)
        classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        aliases = [
            node.target.id
            for node in tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            if ast.unparse(node.annotation) == "TypeAlias"
        ]
        if name.removeprefix(f"{NAME}.") not in _VIEWS | {"django._views"}:
            for each in classes + aliases:
                homes.setdefault(each, []).append(name)
    assert len(homes) > 300
    assert {each: found for each, found in homes.items() if len(found) > 1} == {}


_TWINS = {
    "_nothing",  # the generator of calls that never generate, of the async and of the sync driver
    "taken_over",  # what an async and a sync connection take over from redis-py
    "explain",  # the function, and the command that prints what it returns
    "invalidate",  # as above
    "__getattr__",  # Python's, for what a package loads late
}
"""Functions of modules that share a name because they do one thing in two places."""


def test_a_name_of_a_function_stands_for_one_thing() -> None:
    """No two functions of modules share a name, except for those that do one thing in two places."""
    homes: dict[str, list[str]] = {}
    for name, path in modules().items():
        for node in _parsed(path).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                homes.setdefault(node.name, []).append(name)
    assert len(homes) > 700
    assert {each for each, found in homes.items() if len(found) > 1} == _TWINS
