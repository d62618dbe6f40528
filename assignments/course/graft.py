"""One task of a student inside of the reference: each task stands for itself.

`graft` puts a student's region into the reference's file. `close` empties a function
that would tell the answer while a task is graded, or in what students get.
"""

from __future__ import annotations

import ast
from functools import cache

from .blanks import parsed
from .errors import RegionError
from .regions import (
    Region,
    lines_of,
    moved,
    region_of,
    replace,
    text_of,
)


def graft(reference: str, student: str, task: str, file: str = "your file") -> str:
    """Return the reference with the student's region of one task.

    Raises RegionError where the markers are lost, or where what stands between them is
    no whole statements in the place of the old ones.
    """
    ours, theirs = region_of(reference, task), region_of(student, task, file)
    code = theirs.code
    if theirs.indent != ours.indent:
        code = moved(code, theirs.indent, ours.indent)
    if all(not x.strip() or x.strip().startswith("#") for x in lines_of(code)):
        code += f"{ours.indent}pass\n"
    made = replace(reference, ours, code)
    region = region_of(made, task, file)
    try:
        tree = parsed(made)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RegionError(_unparsable(error, region, theirs, file)) from None
    if _around(tree, region.start, region.end) != _known(reference, ours):
        raise RegionError(
            f"{file}: the lines of {task} leave their block; keep them all between the "
            f"markers, none with a smaller indent than the markers ({len(ours.indent)} "
            "spaces), and every bracket and quote closed"
        )
    return made


def _unparsable(error: Exception, made: Region, own: Region, file: str) -> str:
    line, why = getattr(error, "lineno", None), getattr(error, "msg", str(error))
    if line is None or not made.start < line < made.end:
        line = made.start
    return (
        f"{file}, line {own.start + line - made.start}: the lines of {own.task} are no "
        f"Python ({why}); `python -m py_compile` on the file shows where"
    )


@cache
def _known(reference: str, region: Region) -> Around:
    return _around(parsed(reference), region.start, region.end)


Around = tuple[list[tuple[int, int]], str]


def _around(tree: ast.Module, start: int, end: int) -> Around:
    """Return what is around a region: other statements, and the one that holds it.

    Outside of the region the text of a file is the same before and after. So it means
    the same if every other statement begins and ends where it did (counted from the
    region), and the one that holds the region has the same syntax but for the region.
    """
    before = [node for node in tree.body if node.lineno < start]
    places = [(n.lineno, n.end_lineno or 0) for n in before[:-1]]
    after = tree.body[len(before) :]
    places += [(n.lineno - end, (n.end_lineno or 0) - end) for n in after]
    return places, "".join(_without(n, start, end) for n in before[-1:])


def _without(root: ast.stmt, start: int, end: int) -> str:
    """Return the syntax of a statement less what lies between two lines."""
    for node in ast.walk(root):
        for name, block in ast.iter_fields(node):
            if isinstance(block, list):
                kept = [
                    child
                    for child in block
                    if not (isinstance(child, ast.stmt) and start < child.lineno < end)
                ]
                setattr(node, name, kept)
    return ast.dump(root)


def close(source: str, function: str, why: str = "closed") -> str:
    """Return the file with the body of a function, or `Class.method`, gone: it raises.

    Raises RegionError where the file has no such function.
    """
    body: list[ast.stmt] = parsed(source).body
    node: ast.AST | None = None
    for name in function.split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        node = next((n for n in body if isinstance(n, kinds) and n.name == name), None)
        if node is None:
            raise RegionError(f"there is no function {function} to close")
        body = node.body
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise RegionError(f"{function} is a class; name its methods to close them")
    lines, first = lines_of(source), body[0]
    if ast.get_docstring(node) is not None:
        start = first.end_lineno or first.lineno
    else:
        start = first.lineno - 1
    if node.lineno == first.lineno:  # all on one line
        raise RegionError(f"{function} is written on one line and cannot be closed")
    indent, text = " " * first.col_offset, f'"{function}: {why}"'
    raised = [f"{indent}raise NotImplementedError({text})"]
    if len(raised[0]) > 88:
        raised = [
            f"{indent}raise NotImplementedError(",
            f"{indent}    {text}",
            f"{indent})",
        ]
    return text_of([*lines[:start], *raised, *lines[body[-1].end_lineno or 0 :]])
