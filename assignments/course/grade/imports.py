"""What a region may not reach for: another engine, or this one, finished.

Read off the syntax tree before anything runs, so that it can be said in a sentence. It
is a courtesy, not a wall: whoever hides an import finds that there is nothing to import
(child.py), and that the functions which would answer are closed.
"""

from __future__ import annotations

import ast
import textwrap

from ..sandbox.child import FOREIGN

CALLS = {"__import__", "import_module"}


def refused(code: str) -> str:
    """Say what a region imports that it may not; "" if nothing.

    >>> refused("    import torch\\n    y = torch.softmax(x)\\n")
    "imports torch (line 1 of the region): a task is solved with the engine's names"
    """
    try:
        tree = ast.parse(textwrap.dedent(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # grafting says what is wrong with it, and better
    for node in ast.walk(tree):
        for name in _imported(node):
            top = name.partition(".")[0]
            if top in FOREIGN or top == "minidl":
                what = "the finished minidl" if top == "minidl" else top
                return (
                    f"imports {what} (line {_line(node)} of the region): a task is "
                    "solved with the engine's names"
                )
    return ""


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _imported(node: ast.AST) -> list[str]:
    """Return the names of modules that a node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["minidl" if node.level else str(node.module)]
    if isinstance(node, ast.Call) and _called(node) in CALLS:
        words = [a.value for a in node.args if isinstance(a, ast.Constant)]
        return [word for word in words if isinstance(word, str)]
    return []


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
