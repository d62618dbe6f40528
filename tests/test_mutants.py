"""A wrong op is caught: every op is broken in every simple way, and its rows must fail.

The mutants are made from the source of minidl.ops: for each op, each gradient with its
sign flipped, each `.sum(…)` of its backward dropped, and the un-broadcasting switched
off. A mutant that no row notices is a hole in the table.
"""

from __future__ import annotations

import ast
import copy
import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import minidl.ops
from minidl import check
from minidl.errors import MinidlError
from tests.rows import all_rows, alone, curved, float_inputs

ROWS = all_rows()


class Mutant(NamedTuple):
    """A module of minidl.ops with one thing wrong in one op."""

    module: Any
    op: str
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.op}-{self.what}"


def is_op(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    names = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(isinstance(name, ast.Name) and name.id == "op" for name in names)


def ways_back(function: ast.FunctionDef) -> list[ast.AST]:
    """The closures of an op: its lambdas and the functions inside it."""
    inner = [
        n for n in ast.walk(function) if isinstance(n, (ast.Lambda, ast.FunctionDef))
    ]
    return [n for n in inner if n is not function]


def negated(node: ast.expr) -> ast.expr:
    """−x, inside the branches of `x if wanted else None`."""
    if isinstance(node, ast.IfExp):
        return ast.IfExp(node.test, negated(node.body), negated(node.orelse))
    if isinstance(node, ast.Constant) and node.value is None:
        return node
    return ast.UnaryOp(ast.USub(), node)


def flips(function: ast.FunctionDef) -> Iterator[str]:
    """Flip each gradient in turn; the function is broken only while we yield."""
    for way in ways_back(function):
        if isinstance(way, ast.Lambda):
            if (
                isinstance(way.body, ast.Call)
                and ast.unparse(way.body.func) == "Scatter"
            ):
                slots = [(way.body.args, 1)]
            else:
                slots = [(way, "body")]
        else:
            returns = [
                n for n in ast.walk(way) if isinstance(n, ast.Return) and n.value
            ]
            slots = []
            for r in returns:
                if isinstance(r.value, ast.Tuple):
                    slots += [(r.value.elts, i) for i in range(len(r.value.elts))]
                else:
                    slots.append((r, "value"))
        for place, key in slots:
            old = place[key] if isinstance(key, int) else getattr(place, key)
            if isinstance(old, ast.Starred) or ast.unparse(old) == "None":
                continue
            put(place, key, negated(old))
            yield f"minus({ast.unparse(old)[:40]})"
            put(place, key, old)


def put(place: Any, key: Any, value: Any) -> None:
    if isinstance(key, int):
        place[key] = value
    else:
        setattr(place, key, value)


class DropSum(ast.NodeTransformer):
    """Replace the n-th x.sum(…) by x."""

    def __init__(self, n: int) -> None:
        self.n, self.seen = n, ""

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sum":
            self.n -= 1
            if self.n == -1:
                self.seen = ast.unparse(node)[:40]
                return node.func.value
        return node


def mutants_of(function: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    for what in flips(function):
        yield what, copy.deepcopy(function)
    for i in range(20):
        twin = copy.deepcopy(function)
        drop = DropSum(i)
        for way in ways_back(twin):
            drop.visit(way)
        if drop.seen:
            yield f"without({drop.seen})", twin
    twin = copy.deepcopy(function)
    for decorator in twin.decorator_list:
        if isinstance(decorator, ast.Call):
            kept = [k for k in decorator.keywords if k.arg != "broadcasts"]
            if len(kept) < len(decorator.keywords):
                decorator.keywords = kept
                yield "without(un-broadcasting)", twin


def all_mutants() -> list[Mutant]:
    found = []
    for info in pkgutil.iter_modules(minidl.ops.__path__):
        module = importlib.import_module(f"minidl.ops.{info.name}")
        for function in filter(is_op, ast.parse(inspect.getsource(module)).body):
            for what, broken in mutants_of(function):
                source = ast.unparse(ast.fix_missing_locations(broken))
                found.append(Mutant(module, function.name, what, source))
    return found


def noticed(row: Any) -> bool:
    try:
        check.gradcheck(row, row.inputs)
        check.gradcheck(curved(row), row.inputs, order=2)
        for i in float_inputs(row):
            check.gradcheck(alone(row, i), [row.inputs[i]])
        return False
    except (MinidlError, ValueError, TypeError, IndexError):
        return True


@pytest.mark.parametrize("mutant", all_mutants(), ids=str)
def test_every_mutant_is_noticed(mutant, monkeypatch):
    """Put the broken op in the place of the right one, wherever its module uses it."""
    right = getattr(mutant.module, mutant.op)
    scope = dict(vars(mutant.module))
    exec(compile(mutant.source, mutant.module.__file__, "exec"), scope)
    wrong = scope[mutant.op]
    for module in [m for n, m in sys.modules.items() if n.startswith("minidl.ops")]:
        if getattr(module, mutant.op, None) is right:
            monkeypatch.setattr(module, mutant.op, wrong)
    rows = [
        row
        for row in ROWS
        if right in (row.op, getattr(row.op, "__wrapped__", 0))
        or mutant.op in names(row.op)
    ]
    rows = rows or [row for row in ROWS if row.op.__module__ == mutant.module.__name__]
    assert rows, f"no row uses {mutant.op}"
    for row in rows:
        twin = copy.copy(row)
        twin.op = wrong if row.op is right else rewrapped(row.op, right, wrong)
        if noticed(twin):
            return
    pytest.fail(f"no row noticed {mutant}")


def rewrapped(function: Any, right: Any, wrong: Any) -> Any:
    """The same wrapper of a rows module, such as `first`, around the broken op."""
    if getattr(function, "__wrapped__", None) is right:
        return functools.wraps(wrong)(lambda *xs, **settings: wrong(*xs, **settings)[0])
    return function


def names(function: Any) -> tuple[str, ...]:
    """The names that a function, or the body of an op, looks up."""
    return getattr(function, "body", function).__code__.co_names
