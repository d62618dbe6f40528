"""What a blank must say: which names a region gets, and which it must leave behind.

Both are read off the syntax tree, in the scope of the function that holds the region: a
name is left behind if the region binds it and a later line, or an inner function, reads
it. Names are listed in the order in which they are first bound.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from threading import Lock

PARSER = Lock()
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
INNER = (
    *SCOPES, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


def left_behind(tree: ast.Module, start: int, end: int) -> list[str]:
    """Return the names that lines start … end bind and that others read."""
    scope = _scopes(tree, start, end)[-1]
    bound = [name for name, line in _bound(scope) if start < line < end]
    loops = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(scope)
        if isinstance(node, (ast.For, ast.While)) and _around(node, start, end)
    ]
    read = {
        name
        for name, line, inner in _read(scope)
        if not start < line < end
        and (line > end or inner or any(a <= line <= b for a, b in loops))
    }
    return [name for name in dict.fromkeys(bound) if name in read]


def known_before(
    tree: ast.Module, start: int, end: int, others: Sequence[tuple[int, int]] = ()
) -> list[str]:
    """Return the arguments and variables that are there when a region begins.

    others   the lines of the other regions: what one of them binds and does not leave
             behind is the business of whoever fills it in
    """
    *outer, scope = _scopes(tree, start, end)
    functions = [node for node in outer if not isinstance(node, ast.Module)]
    own = _bound(scope)
    pairs = [(n, line, f) for f in [*functions, scope] for n, line in _bound(f)]
    private = {
        (name, line)
        for a, b in others
        for name, line, _ in pairs
        if a < line < b and name not in left_behind(tree, a, b)
    }
    around = {f.name for f in [*functions, scope] if isinstance(f, ast.FunctionDef)}
    later = {n for n, _ in own} - {n for n, line in own if line < start}
    known = [
        name
        for name, line, _ in pairs
        if line < start and (name, line) not in private and name not in around | later
    ]
    return [name for name in dict.fromkeys(known) if name != "_"]


def _around(node: ast.AST, start: int, end: int) -> bool:
    first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
    return first is not None and last is not None and first < start and last >= end - 1


def _scopes(tree: ast.Module, start: int, end: int) -> list[ast.AST]:
    """Return the module and the functions around a region, the innermost last."""
    inside = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and _holds(node, start, end)
    ]
    return [tree, *sorted(inside, key=lambda node: node.lineno)]


def inside_function(tree: ast.Module, start: int, end: int) -> bool:
    """Whether a region stands in the body of a function."""
    return len(_scopes(tree, start, end)) > 1


def _holds(node: ast.FunctionDef | ast.AsyncFunctionDef, start: int, end: int) -> bool:
    """Whether a function has a statement between the lines, in its own body."""
    return node.lineno < start and any(
        isinstance(child, ast.stmt) and start < child.lineno < end
        for child in ast.walk(node)
    )


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope that are not in an inner one."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, INNER):
            yield from _own(child)


def _bound(scope: ast.AST) -> list[tuple[str, int]]:
    """Return the names that a scope binds, arguments first, and where."""
    found = []
    if isinstance(scope, SCOPES):
        every = [
            *scope.args.posonlyargs, *scope.args.args, scope.args.vararg,
            *scope.args.kwonlyargs, scope.args.kwarg,
        ]  # fmt: skip
        found = [(a.arg, scope.lineno) for a in every if a is not None]
    for node in _own(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append((node.id, node.lineno))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append((node.name, node.lineno))
    # a name in a comprehension's `:=`, or of an import, a `with` or an `except`: the
    # engine's regions have none
    return found


def _read(
    scope: ast.AST, hidden: frozenset[str] = frozenset(), inner: bool = False
) -> Iterator[tuple[str, int, bool]]:
    """Yield the names that are read in a scope or deeper: name, line, whether deeper.

    What an inner function binds itself is another name.
    """
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Store):
            if child.id not in hidden:
                yield child.id, child.lineno, inner
        elif isinstance(child, ast.AugAssign) and isinstance(child.target, ast.Name):
            if child.target.id not in hidden:
                yield child.target.id, child.lineno, inner
            yield from _read(child, hidden, inner)
        elif isinstance(child, INNER):
            own = {name for name, _ in _bound(child)}
            yield from _read(child, hidden | own, True)
        else:
            yield from _read(child, hidden, inner)


def imports_todo(source: str) -> str:
    """Return the file with `todo` imported, where isort would have it."""
    lines = source.splitlines(keepends=True)
    body = parsed(source).body
    froms = [
        n for n in body if isinstance(n, ast.ImportFrom) and n.module and not n.level
    ]
    ours = [n for n in froms if str(n.module).partition(".")[0] == "minidl"]
    for node in ours:
        if node.module == "minidl.errors":
            names = [_spelled(alias) for alias in node.names]
            if "todo" not in names:
                text = _import([*names, "todo"])
                lines[node.lineno - 1 : node.end_lineno] = [text]
            return "".join(lines)
    later = [n.lineno - 1 for n in ours if str(n.module) > "minidl.errors"]
    if later:
        lines.insert(later[0], _import(["todo"]))
    elif ours:
        lines.insert(ours[-1].end_lineno or 0, _import(["todo"]))
    else:
        heads = [
            n.end_lineno or 0
            for n in body
            if isinstance(n, (ast.Import, ast.ImportFrom))
        ]
        doc = body[0].end_lineno if body and ast.get_docstring(parsed(source)) else 0
        at = max([*heads, doc or 0])
        lines.insert(at, "\n" + _import(["todo"]) + ("" if heads else "\n"))
    return "".join(lines)


def _spelled(alias: ast.alias) -> str:
    return alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"


def _import(names: list[str]) -> str:
    line = f"from minidl.errors import {', '.join(names)}\n"
    if len(line) <= 89:
        return line
    return (
        "from minidl.errors import (\n" + "".join(f"    {n},\n" for n in names) + ")\n"
    )


def parsed(source: str) -> ast.Module:
    """Return the tree of a source, for one thread at a time.

    CPython 3.11 counts the depth of its parser for all threads together, and a garbage
    collection within it may switch to another one: a SystemError then.
    """
    with PARSER:
        return ast.parse(source)
