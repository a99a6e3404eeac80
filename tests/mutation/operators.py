"""The mistakes that a mutation run writes into a module, one at a time."""

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

_UNREAD = {
    "annotation",
    "returns",
    "decorator_list",
    "bases",
    "type_comment",
    "ctx",
    "pattern",
    "exc",
}
"""Fields of nodes in which nothing is changed: types, patterns, and the errors that are raised."""
_TESTS = {"test", "guard", "ifs"}
_SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
_BOUNDS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}  # fmt: skip
_LONGEST_WORD = 16
"""Longer strings, and those with spaces, are text for people."""


class Mutation(NamedTuple):
    """One mistake: a field of a node of the tree, and what it is to hold instead."""

    node: ast.AST
    field: str
    value: Any
    line: int
    function: str
    lines: range
    text: str


def mutations(
    tree: ast.AST, function: str = "module", lines: range = range(0)
) -> Iterator[Mutation]:
    """Yield every mistake that can be made in a tree.

    Args:
        tree: It.
        function: The function or class that it is a part of.
        lines: Those that a test runs if it can notice; none for what is run by importing.
    """
    for field, value in ast.iter_fields(tree):
        if field in _UNREAD:
            continue
        children = value if isinstance(value, list) else [value]
        for at, child in enumerate(children):
            if not isinstance(child, ast.AST) or _is_left_out(child):
                continue
            here = _lines(child, lines)
            for new in _instead_of(child, tree, field, function):
                others = [*children[:at], *([] if new is None else [new]), *children[at + 1 :]]
                changed = others if isinstance(value, list) else new
                told = "nothing" if new is None else _printed(new)
                text = f"{_printed(child)} -> {told}"
                line = getattr(child, "lineno", 0) or child.body[0].lineno  # type: ignore[attr-defined] # a case
                yield Mutation(tree, field, changed, line, function, here, text)
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = child.name if function == "module" else f"{function}.{child.name}"
            yield from mutations(child, inner, here)


def _lines(node: ast.AST, around: range) -> range:
    """Return the lines of a statement; of one that holds others, those before them."""
    match node:
        case ast.ClassDef():
            return range(0)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.match_case() | ast.ExceptHandler():
            return range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1)
        case ast.stmt() if around:
            inside = getattr(node, "body", None) or getattr(node, "cases", None)
            if inside is None:
                return range(node.lineno, (node.end_lineno or 0) + 1)
            first = (
                inside[0].lineno if isinstance(inside[0], ast.stmt) else inside[0].pattern.lineno
            )
            return range(node.lineno, max(first, node.lineno + 1))
        case _:
            return around


def _printed(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:70]} ... {text[-25:]}"


def _is_left_out(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Global():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in {"msg", "__slots__", "__all__", "advice"}
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"))):
            return True
        case ast.Call(func=ast.Name(id="TypeVar" | "cast" | "isinstance" | "issubclass")):
            return True
    return False


def _instead_of(
    node: ast.AST, parent: ast.AST, field: str, function: str
) -> Iterator[ast.AST | None]:
    """Yield what can stand instead of a node; None for nothing."""
    if field in _TESTS:
        if not isinstance(node, ast.BoolOp):
            yield ast.Constant(value=False)
            if not isinstance(parent, ast.While):
                yield ast.Constant(value=True)
    else:
        yield from _negated(node)
    if _can_be_missing(parent, field):
        yield None
    if field == "iter" and not isinstance(parent, ast.AsyncFor):
        yield ast.Tuple([], ast.Load())
    match node:
        case ast.stmt():
            yield from _instead_of_statement(node, function)
        case ast.ExceptHandler() if ast.unparse(node.body[0]) != "raise":
            yield ast.ExceptHandler(node.type, node.name, [ast.Raise()])
        case ast.expr():
            yield from _instead_of_expression(node, field)


def _negated(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _NEGATED:
        negated = _NEGATED[type(node.ops[0])]()
        yield ast.Compare(node.left, [negated, *node.ops[1:]], node.comparators)


def _can_be_missing(parent: ast.AST, field: str) -> bool:
    """Whether an element, a named argument or a case can be left out."""
    match parent:
        case ast.Match(cases=cases):
            return field == "cases" and len(cases) > 1
        case ast.Call():
            return field == "keywords"
        case ast.Tuple(ctx=context) | ast.List(ctx=context):
            return field == "elts" and isinstance(context, ast.Load)
        case _:
            return isinstance(parent, ast.Set)


def _instead_of_statement(node: ast.stmt, function: str) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=targets) if not function.endswith("__init__"):
            if any(isinstance(each, ast.Attribute | ast.Subscript) for each in targets):
                yield ast.Pass()


def _instead_of_expression(node: ast.expr, field: str) -> Iterator[ast.expr]:
    match node:
        case ast.BoolOp(op=op, values=values):
            for at in range(len(values)):
                left = [*values[:at], *values[at + 1 :]]
                yield left[0] if len(left) == 1 else ast.BoolOp(op, left)
        case ast.BinOp(
            left=left, op=ast.Add() | ast.Sub() | ast.BitOr() | ast.BitAnd(), right=right
        ):
            yield left
            yield right
        case ast.Compare(left=left, ops=[op], comparators=comparators) if type(op) in _BOUNDS:
            yield ast.Compare(left, [_BOUNDS[type(op)]()], comparators)
        case ast.Call(func=ast.Name(id=name)) if name in _SWAPPED:
            yield ast.Call(ast.Name(_SWAPPED[name], ast.Load()), node.args, node.keywords)
        case ast.Dict(keys=keys, values=values):
            for at in range(len(keys)):
                yield ast.Dict([*keys[:at], *keys[at + 1 :]], [*values[:at], *values[at + 1 :]])
        case ast.Constant(value=value) if field not in _TESTS:
            yield from _instead_of_constant(value)


def _instead_of_constant(value: object) -> Iterator[ast.expr]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int() | float():
            yield ast.Constant(value + 1)
        case str() if len(value) <= _LONGEST_WORD and " " not in value:
            yield ast.Constant(f"{value}~")
