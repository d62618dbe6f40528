"""The page of a backward for an expression that somebody typed."""

from __future__ import annotations

import ast
import json

import numpy as np

import minidl as md
from minidl import ops, show
from minidl.errors import MinidlError

SIGNS = str.maketrans({"−": "-", "·": "*", "×": "*", "²": "**2", "³": "**3"})
LIMIT = 40  # vertices of a graph that one can look at


class ExpressionError(Exception):
    """What was typed is no expression, in a sentence."""


def page(expression: str, values: str) -> str:
    """Return {"html": …, "operations": …} in JSON, for a scalar, or the sum of it."""
    tree = _parsed(expression, "eval")
    names = _names(tree)
    leaves = {
        name: md.Tensor(np.asarray(value, np.float64), requires_grad=True)
        for name, value in _values(values, names).items()
    }
    known = {name: getattr(ops, name) for name in ops.__all__}
    try:
        y = eval(
            compile(tree, "expression", "eval"), {"__builtins__": {}, **known, **leaves}
        )
    except MinidlError as error:
        raise ExpressionError(str(error)) from error
    except Exception as error:
        raise ExpressionError(f"{type(error).__name__}: {error}") from error
    if not isinstance(y, md.Tensor) or y.node is None:
        raise ExpressionError(
            "nothing is computed: type an expression with a name in it, such as x * x"
        )
    if y.size != 1:
        y = y.sum()
    made = show.backward_steps(y, leaves)
    return json.dumps(
        {"html": made.html, "operations": made.html.count("Back through")}
    )


def _parsed(text: str, mode: str) -> ast.AST:
    try:
        tree = ast.parse(text.translate(SIGNS).strip(), mode=mode)
    except SyntaxError as error:
        raise ExpressionError(f"{text.strip()!r} is no Python: {error.msg}") from error
    for node in ast.walk(tree):
        if isinstance(node, (ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield)):
            raise ExpressionError("names, numbers, operators and calls only")
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise ExpressionError(f"{node.attr} may not be asked for")
    return tree


def _names(tree: ast.AST) -> list[str]:
    """Return the names that are no operation, in the order of their first use."""
    called = {n.func.id for n in ast.walk(tree)
              if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}  # fmt: skip
    unknown = called - set(ops.__all__)
    if unknown:
        raise ExpressionError(f"minidl.ops has no {sorted(unknown)[0]}")
    found = [
        n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id not in called
    ]
    found.sort(key=lambda n: n.col_offset)
    return list(dict.fromkeys(n.id for n in found))


def _values(text: str, names: list[str]) -> dict[str, object]:
    """Return a value for each name: "x = 2, w = [1, 2]"; 1 where none is given."""
    call = _parsed(f"dict({text})", "eval").body  # the form of keyword arguments
    if not isinstance(call, ast.Call) or call.args:
        raise ExpressionError(f"{text!r}: write values as x = 2, w = [1, -1]")
    given = {}
    for word in call.keywords:
        try:
            given[word.arg] = ast.literal_eval(word.value)
            np.asarray(given[word.arg], np.float64)
        except (ValueError, TypeError) as error:
            raise ExpressionError(
                f"{word.arg} is no number, and no list of numbers"
            ) from error
    return {name: given.get(name, 1.0) for name in names}
