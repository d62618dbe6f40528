"""Is this optimizer the one of the paper? Its steps against the formula.

A rule is written as in the paper. A mistake is a change of one place of it: a term or a
factor left out, a sign, another name, a root forgotten, two lines exchanged. Each
changed formula is run on the same gradients; the one that makes the student's steps, in
two draws with other settings, is said.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.backend import Array, Seed, generator
from minidl.check.report import OK, WRONG, Finding, GradientError, Report
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError

STEPS = 5
CLOSE = 1e-9

# p parameter, g gradient, t step from 1; all other names start at 0
FORMULAS = {
    "sgd": "p = p - lr * g",
    "momentum": "v = momentum * v + g\np = p - lr * v",
    "cs231n momentum": "v = momentum * v - lr * g\np = p + v",
    "nesterov": "v = momentum * v + g\np = p - lr * (g + momentum * v)",
    "adagrad": "s = s + g * g\np = p - lr * g / (sqrt(s) + eps)",
    "rmsprop": "s = rho * s + (1 - rho) * g * g\np = p - lr * g / (sqrt(s) + eps)",
    "adam": """
m = beta1 * m + (1 - beta1) * g
v = beta2 * v + (1 - beta2) * g * g
mhat = m / (1 - beta1 ** t)
vhat = v / (1 - beta2 ** t)
p = p - lr * mhat / (sqrt(vhat) + eps)""",
    "adamw": """
p = p - lr * weight_decay * p
m = beta1 * m + (1 - beta1) * g
v = beta2 * v + (1 - beta2) * g * g
mhat = m / (1 - beta1 ** t)
vhat = v / (1 - beta2 ** t)
p = p - lr * mhat / (sqrt(vhat) + eps)""",
}
# in the two draws: no number stands for another, and eps is large enough to be seen
SETTINGS = (
    {"lr": 0.1, "momentum": 0.7, "rho": 0.8, "beta1": 0.6, "beta2": 0.85, "eps": 0.02},
    {"lr": 0.3, "momentum": 0.4, "rho": 0.6, "beta1": 0.8, "beta2": 0.7, "eps": 0.05},
)
DECAY = 0.13
SYNONYMS = {
    "lr": ("lr", "learning_rate"),
    "eps": ("eps", "epsilon"),
    "rho": ("rho", "decay_rate", "alpha"),
    "momentum": ("momentum",),
    "beta1": ("beta1",),
    "beta2": ("beta2",),
    "weight_decay": ("weight_decay",),
}
OPPOSITE: dict[type, Any] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
Settings = dict[str, float]


def check_rule(
    rule: Callable[..., Any],
    formula: str,
    *,
    rng: Seed = 0,
    raise_exception: bool = True,
) -> Report:
    """Compare an optimizer's steps with the formula of the paper; return a Report.

    rule      a class, made as `rule([parameter], lr=…)` and called by `.step()`, or a
              function `rule(w, dw, config) -> w, config`, as in CS231n
    formula   a name of FORMULAS ("adam", "rmsprop", …), or lines as they stand there

    >>> def sgd(w, dw, config):
    ...     return w + config["learning_rate"] * dw, config
    >>> print(check_rule(sgd, "sgd", raise_exception=False))
    sgd: the rule fails
      has `p + lr * g` where `p - lr * g` belongs
      ...
    """
    text = FORMULAS.get(formula, formula)
    if "=" not in text:
        known = ", ".join(FORMULAS)
        raise RangeError(f"no rule is called {formula!r}; there are {known}")
    lines, draw = ast.parse(text.strip()), generator(rng)
    names = {n.id for n in ast.walk(lines) if isinstance(n, ast.Name)}
    runs = []
    for given in SETTINGS:
        all_of_them = {**given, "weight_decay": DECAY}
        settings = {k: v for k, v in all_of_them.items() if k in names}
        p, gs = draw.standard_normal(6), [draw.standard_normal(6) for _ in range(STEPS)]
        runs.append((p, gs, settings))
    with np.errstate(all="ignore"):
        steps = [student(rule, *run) for run in runs]
    report = Report(getattr(rule, "__name__", type(rule).__name__), order="rule")
    for run, got in zip(runs, steps, strict=True):
        report.findings.append(_finding(got, followed(lines, *run)))
    if not report.ok:
        report.faults = said(lines, runs, steps)
    if raise_exception and not report.ok:
        raise GradientError(str(report))
    return report


def _finding(got: list[Array], want: list[Array]) -> Finding:
    """Compare the parameter after every step; name the first step that is wrong."""
    for k, (a, b) in enumerate(zip(got, want, strict=True), 1):
        error = float(np.linalg.norm(a - b) / np.linalg.norm(b))
        if not error < CLOSE:
            at = int(abs(a - b).argmax())
            name = f"p after step {k}"
            return Finding(
                name, b.shape, a[at], b[at], error, WRONG, value=float(b[at])
            )
    last, right = got[-1], want[-1]
    return Finding(
        f"p after {len(want)} steps", right.shape, last[0], right[0], 0.0, OK
    )


def followed(
    lines: ast.Module, p: Array, gs: list[Array], settings: Settings
) -> list[Array]:
    """Return p after each step of a formula."""
    code = compile(ast.fix_missing_locations(lines), "formula", "exec")
    names = {n.id for n in ast.walk(lines) if isinstance(n, ast.Name)}
    scope: dict[str, Any] = dict.fromkeys(names, 0.0)
    scope |= {"sqrt": np.sqrt, "abs": np.abs, "maximum": np.maximum, **settings, "p": p}
    found = []
    with np.errstate(all="ignore"):
        for t, g in enumerate(gs, 1):
            scope |= {"t": float(t), "g": g}
            exec(code, scope)
            found.append(np.array(scope["p"]))
    return found


def student(
    rule: Callable[..., Any], p: Array, gs: list[Array], settings: Settings
) -> list[Array]:
    """Return p after each step of a student's rule."""
    if isinstance(rule, type):
        leaf = Tensor(p.copy(), requires_grad=True)
        optimizer, found = rule([leaf], **_keywords(rule, settings)), []
        for g in gs:
            leaf.grad = g.copy()
            optimizer.step()
            found.append(np.array(leaf.data))
        return found
    config: Any = {name: v for k, v in settings.items() for name in SYNONYMS[k]}
    w, found = p.copy(), []
    for g in gs:
        made = rule(w, g.copy(), config)
        w, config = made if isinstance(made, tuple) else (made, config)
        found.append(np.array(w))
    return found


def _keywords(rule: type, settings: Settings) -> dict[str, Any]:
    """Return the settings by the names that a class takes."""
    taken = inspect.signature(rule).parameters
    found: dict[str, Any] = {}
    for k, value in settings.items():
        names = [name for name in SYNONYMS[k] if name in taken]
        if names or k == "weight_decay":
            found[names[0] if names else k] = value
    if "betas" in taken and "beta1" in settings:
        found["betas"] = settings["beta1"], settings["beta2"]
    return found


def said(lines: ast.Module, runs: list[Any], steps: list[list[Array]]) -> list[str]:
    """Return the changes of the formula that make the student's steps."""
    found: dict[int, str] = {}  # the shortest for each line
    for k, words, changed in changes(lines):
        try:
            fits = all(
                _same(followed(changed, p, gs[:n], settings), got[:n])
                for n in (1, STEPS)  # the first step tells nearly always
                for (p, gs, settings), got in zip(runs, steps, strict=True)
            )
        except Exception:  # a change may leave no formula
            continue
        if fits:
            text = words()
            found[k] = min(found.get(k, text), text, key=len)
    alike = list(found.values())[:2]
    return ["; or, which is the same here: ".join(alike)] if alike else []


def _same(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, rtol=CLOSE, atol=CLOSE, equal_nan=True))


Change = tuple[int, Callable[[], str], ast.Module]  # of which line, what to say


def changes(lines: ast.Module) -> Iterator[Change]:
    """Yield the formula with one place of a line changed."""
    for k, line in enumerate(lines.body):
        rest = [*lines.body[:k], *lines.body[k + 1 :]]
        yield k, functools.partial(_words, "lacks the line `{}`", line), _module(rest)
        for j in range(k + 1, len(lines.body)):
            body = list(lines.body)
            body.insert(j, body.pop(k))
            said = "does `{}` after `{}`, not before"
            yield k, functools.partial(_words, said, line, lines.body[j]), _module(body)
        assert isinstance(line, ast.Assign)
        for new in _changed(line.value, lines):
            value = new(copy.deepcopy(line.value))
            twin = ast.Assign(line.targets, value)
            body = [*lines.body[:k], twin, *lines.body[k + 1 :]]
            said = "has `{}` where `{}` belongs"
            yield k, functools.partial(_words, said, value, line.value), _module(body)
    yield from _decayed(lines)


def _words(said: str, *parts: ast.AST) -> str:
    return said.format(*map(ast.unparse, parts))


def _module(body: list[ast.stmt]) -> ast.Module:
    return ast.Module(body=body, type_ignores=[])


def _changed(value: ast.expr, lines: ast.Module) -> Iterator[Callable[[Any], Any]]:
    """Yield functions that change one place of an expression."""
    found = {n.id for n in ast.walk(lines) if isinstance(n, ast.Name)}
    names = sorted(found - {"sqrt", "abs"})
    for at, node in enumerate(ast.walk(value)):
        for other in _others(node, names):
            yield _replacing(at, other)
    for old, new in itertools.permutations(names, 2):
        yield functools.partial(_renamed, old, new)


def _renamed(old: str, new: str, value: ast.expr) -> ast.expr:
    """Return an expression with another name in all places."""
    for node in ast.walk(value):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = new
    return value


def _replacing(at: int, other: ast.expr) -> Callable[[Any], Any]:
    """Return a function that replaces the at-th node of an expression."""

    def change(value: ast.expr) -> ast.expr:
        target = list(ast.walk(value))[at]

        class Swap(ast.NodeTransformer):
            def visit(self, node: ast.AST) -> Any:
                return other if node is target else self.generic_visit(node)

        made: ast.expr = Swap().visit(value)
        return made

    return change


def _others(node: ast.AST, names: list[str]) -> Iterator[ast.expr]:
    """Yield what may stand in the place of a node by mistake."""
    if isinstance(node, ast.Name):
        yield from (ast.Name(name, ast.Load()) for name in names if name != node.id)
        yield ast.BinOp(node, ast.Sub(), ast.Constant(1))
        yield ast.BinOp(node, ast.Add(), ast.Constant(1))
    if isinstance(node, ast.Call):
        yield node.args[0]
    if not isinstance(node, ast.BinOp):
        return
    yield node.left
    yield node.right
    if type(node.op) in OPPOSITE:
        yield ast.BinOp(node.left, OPPOSITE[type(node.op)](), node.right)
    if isinstance(node.op, ast.Add) and isinstance(node.left, ast.Call):
        inner = ast.BinOp(
            node.left.args[0], ast.Add(), node.right
        )  # eps under the root
        yield ast.Call(node.left.func, [inner], [])


def _decayed(lines: ast.Module) -> Iterator[Change]:
    """The decay in the gradient, in the place of its own."""
    if "weight_decay" in ast.unparse(lines):
        body = [x for x in lines.body if "weight_decay" not in ast.unparse(x)]
        first = ast.parse("g = g + weight_decay * p").body
        said = "adds the decay to the gradient (L2), where it has a line of its own"
        yield -1, lambda: said, _module([*first, *body])
