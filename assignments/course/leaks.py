"""Lines and formulas of the solution that stand where a student would find them.

Two lines are the same if they are without their spaces. Two formulas are the same if
they are but for the names in them and the order of sums and products:
`u += (1 - r) * w` and `self.v += a * (1 - self.b)` are one. Lines that anybody would
write (`y += beta`, `return dx`) say nothing; one counts from three operators and calls
on.
"""

from __future__ import annotations

import ast
import io
import textwrap
import tokenize
from collections.abc import Iterable, Iterator, Mapping

SIGNS = {"+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^"}
OPERATORS = SIGNS | {f"{sign}=" for sign in SIGNS}
OPERATORS |= {"<", ">", "<=", ">=", "==", "!=", "~"}
ENOUGH = 3
TEXT = (".py", ".md", ".cfg", ".toml", ".txt", ".ipynb", ".json")


def telling(code: str) -> list[str]:
    """Return the lines of a region that give something away, without their spaces."""
    return [
        "".join(line.partition("  #")[0].split())
        for line in code.splitlines()
        if weight(line) >= ENOUGH
    ]


def weight(line: str) -> int:
    """Count the operators and calls of a line of code.

    >>> weight("y += beta"), weight("b = 1 / sqrt(a + c)")
    (1, 3)
    """
    count, previous = 0, None
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            if token.type == tokenize.OP and token.string in OPERATORS:
                count += 1
            called = previous is not None and previous.type == tokenize.NAME
            if token.string == "(" and called:
                count += 1
            previous = token
    except (tokenize.TokenError, SyntaxError):
        pass  # a line of a longer statement: what was counted counts
    return count


def leaks(codes: Mapping[str, str], files: Mapping[str, bytes]) -> list[str]:
    """Return a sentence for each line of a solution in a file.

    codes   the solutions by their tasks        files   what students get, by name
    """
    wanted = [(line, task) for task, code in codes.items() for line in telling(code)]
    found = []
    for name, content in files.items():
        if not name.endswith(TEXT):
            continue
        text = content.decode("utf-8", errors="replace")
        here = _within(wanted, text)  # mostly nothing: then no look at its lines
        for number, line in enumerate(text.splitlines() if here else (), 1):
            found += [
                f"{name}, line {number} is a line of {task}'s solution: {line.strip()}"
                for _, task in _within(here, line)
            ]
    return found


def _within(wanted: Iterable[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    bare = "".join(text.split())
    return [(line, task) for line, task in wanted if line in bare]


# Formulas: syntax trees without names


def formula_leaks(
    codes: Mapping[str, str], common: Iterable[str], files: Mapping[str, bytes]
) -> list[str]:
    """Return a sentence for each formula of a solution in a file of Python.

    codes   the solutions by their tasks        common   formulas that give nothing away
    """
    free = {shape for code in common for shape, _ in formulas(code)}
    wanted = {
        shape: (task, node)
        for task, code in codes.items()
        for shape, node in formulas(code)
        if shape not in free
    }
    found = []
    for name, content in files.items():
        if not name.endswith(".py"):
            continue
        try:
            tree = ast.parse(content)
        except SyntaxError:  # edition.py says so
            continue
        for node in ast.walk(tree):
            if isinstance(node, FORMULAS) and (said := wanted.get(shape_of(node))):
                here, there = ast.unparse(node), ast.unparse(said[1])
                found.append(
                    f"{name}, line {node.lineno}, `{here}`, is a formula of "
                    f"{said[0]}'s solution: `{there}`"
                )
    return found


FORMULAS = (ast.BinOp, ast.UnaryOp, ast.Call, ast.AugAssign)
COUNTED = (*FORMULAS, ast.Compare, ast.BoolOp)


def formulas(code: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield what lines of code compute, as shapes: what is assigned or returned."""
    tree = ast.parse("def f():\n" + textwrap.indent(textwrap.dedent(code), "    "))
    for node in ast.walk(tree):
        values: list[ast.AST | None] = []
        if isinstance(node, ast.AugAssign):
            values = [node]
        elif isinstance(node, ast.Lambda):
            values = [node.body]
        elif isinstance(node, (ast.Assign, ast.Return, ast.Expr)):
            whole = node.value
            values = [*whole.elts] if isinstance(whole, ast.Tuple) else [whole]
        for value in values:
            if isinstance(value, FORMULAS) and (shape := shape_of(value)):
                yield shape, value


def shape_of(node: ast.AST) -> str:
    """Return a formula without its names, "" if it says too little.

    >>> one, two = "g * (1 - y * y)", "(1 - a * a) * b"
    >>> shape_of(ast.parse(one).body[0].value) == shape_of(ast.parse(two).body[0].value)
    True
    """
    if sum(isinstance(n, COUNTED) for n in ast.walk(node)) < ENOUGH:
        return ""
    return _named(node, {}) if _bare(node) else ""


def _named(node: ast.AST, names: dict[str, str]) -> str:
    """Return a text of a formula, in which names are numbered in their order."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        key = ast.dump(node).replace("Store()", "Load()")
        return names.setdefault(key, f"v{len(names)}")
    if isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = name or (node.func.id if isinstance(node.func, ast.Name) else "?")
        first = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        plain = method and isinstance(first[0], ast.Name) and first[0].id in MODULES
        parts = [
            *([] if plain else first),
            *node.args,
            *(k.value for k in node.keywords),
        ]
        return f"{called}({', '.join(_named(part, names) for part in parts)})"
    inner: list[ast.AST] = [*ast.iter_child_nodes(node)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
        inner = [node.op, *sorted((node.left, node.right), key=_bare)]
    inside = ", ".join(_named(part, names) for part in inner)
    value = repr(node.value) if isinstance(node, ast.Constant) else ""
    return f"{type(node).__name__}({value}{inside})"


MODULES = ("np", "math", "xp")


def _bare(node: ast.AST) -> str:
    """Return the shape of a formula in which all names are alike, to sort by."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        return "v"
    value = repr(node.value) if isinstance(node, ast.Constant) else ""
    inside = ", ".join(map(_bare, ast.iter_child_nodes(node)))
    return f"{type(node).__name__}({value}{inside})"
