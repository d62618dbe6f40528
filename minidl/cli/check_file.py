"""`minidl check FILE.py:function`: somebody's file, in a process with a time limit.

The message comes first, then the table, then a picture of the wrong elements. What is
checked is a function of Tensors, a layer, or a pair of NumPy functions: f_forward with
its f_backward in the same file, or "f,g" with both names.
"""

from __future__ import annotations

import argparse
import json
import linecache
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from minidl import backend, check
from minidl.errors import MinidlError, RangeError

SUFFIXES = (".py", ".ipynb")


class UnknownNameError(MinidlError, LookupError):
    """A name that stands for nothing that can be checked."""


def is_file(name: str) -> bool:
    """Whether a name is that of a file and of something in it.

    >>> is_file("net.py:affine"), is_file("nn.Linear")
    (True, False)
    """
    return Path(name.rpartition(":")[0]).suffix in SUFFIXES


def run(options: argparse.Namespace) -> int:
    """Check in a new process; stop it when its time is up."""
    if options.inside:
        return inside(options)
    words = [sys.executable, "-m", "minidl", "check", options.name]
    words += ["x".join(map(str, shape)) or "-" for shape in options.shapes]
    words += ["--inside"]
    words += [f"--example={options.example}"] if options.example else []
    words += [f"--picture={options.picture}"] if options.picture else []
    try:
        return subprocess.run(words, timeout=options.time, check=False).returncode
    except subprocess.TimeoutExpired:
        print(
            f"minidl check: {options.name} took longer than {options.time:g} s and was "
            "stopped; is there an endless loop? Try smaller shapes, or --time 300",
            file=sys.stderr,
        )
        return 2


def inside(options: argparse.Namespace) -> int:
    """Check here: print the message, the table and the picture."""
    backend.seed(0)
    path, _, names = options.name.rpartition(":")
    scope = loaded(Path(path))
    thing = found(scope, names, path)
    inputs = example(options, scope)
    if gives_gradients(thing, inputs):
        thing = (thing, None)
    try:
        with np.errstate(all="ignore"):
            report = check.gradcheck(thing, inputs, mode="full", raise_exception=False)
            said = report.text if report.ok else told(thing, inputs, report)
    except MinidlError:
        raise
    except Exception:  # of somebody's own code: shown from their own lines on
        print(failure(options.name), file=sys.stderr)
        return 2
    print(said)
    if report.findings:
        print(f"\n{report.table}")
    if report.picture:
        print(f"\n{report.picture}")
    if options.picture and report.save_picture(options.picture):
        print(f"\n{options.picture}: the wrong elements are dark")
    return 0 if report.ok else 1


def told(thing: Any, inputs: list[Any], report: check.Report) -> str:
    """Return what is wrong: what explain says, else the report."""
    found = check.explain(thing, inputs)
    return str(found) if not found else report.text


def gives_gradients(f: Any, inputs: list[Any]) -> bool:
    """Whether f is a NumPy function that returns a loss and its gradients."""
    if isinstance(f, tuple) or hasattr(f, "body") or hasattr(f, "named_parameters"):
        return False
    try:
        with np.errstate(all="ignore"):
            made = f(*inputs)
    except Exception:  # it may be a function of Tensors; that is tried then
        return False
    floats = [np.shape(x) for x in inputs if np.asarray(x).dtype.kind == "f"]
    if not isinstance(made, tuple) or len(made) < 2 or np.size(made[0]) != 1:
        return False
    return [np.shape(g) for g in made[1:]] == floats[: len(made) - 1]


def loaded(path: Path) -> dict[str, Any]:
    """Run a file, or the code cells of a notebook, and return its names.

    A cell that fails is told of, and the next one is tried: a notebook need not run as
    a whole for one function in it to be checked.
    """
    if not path.exists():
        raise UnknownNameError(f"there is no file {path}; this is {Path.cwd()}")
    sys.path.insert(0, str(path.parent.resolve()))
    scope: dict[str, Any] = {"__name__": "__checked__", "__file__": str(path)}
    if path.suffix == ".py":
        _execute(path.read_text("utf-8"), str(path), scope)
        return scope
    for k, source in enumerate(cells(path), 1):
        try:
            _execute(source, f"{path.name}[cell {k}]", scope)
        except Exception as error:
            print(
                f"cell {k} fails ({type(error).__name__}: {error}); I go on without it"
            )
    return scope


def cells(path: Path) -> list[str]:
    """Return the code cells of a notebook, without lines that only IPython knows."""
    found = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            kept = ["" if line.lstrip()[:1] in ("%", "!") else line for line in lines]
            found.append("\n".join(kept))
    return found


def _execute(source: str, name: str, scope: dict[str, Any]) -> None:
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = len(source), None, lines, name  # for messages
    exec(compile(source, name, "exec"), scope)


def found(scope: dict[str, Any], names: str, path: str) -> Any:
    """Return the function, the layer, or the pair that is meant."""
    first, _, second = names.partition(",")
    if first.endswith("_forward") and not second:
        second = first.removesuffix("_forward") + "_backward"
        second = second if second in scope else ""
    things = []
    for name in filter(None, (first, second)):
        if not callable(scope.get(name)):
            known = [k for k, v in scope.items() if callable(v) and k[0] != "_"]
            raise UnknownNameError(
                f"{path} has no function {name!r}; it has {', '.join(known) or 'none'}"
            )
        things.append(scope[name])
    if len(things) == 2:
        return tuple(things)
    return things[0]() if isinstance(things[0], type) else things[0]


def example(options: argparse.Namespace, scope: dict[str, Any]) -> list[Any]:
    """Return the inputs: an expression in the names of the file, or random arrays."""
    if options.example:
        try:
            made = eval(options.example, {"np": np, **scope})
        except Exception as error:
            raise RangeError(
                f"--example {options.example!r} fails ({type(error).__name__}: "
                f"{error});"
                ' it is a list of inputs, such as "[np.ones((2, 3)), np.array([0, 1])]"'
            ) from error
        return list(made) if isinstance(made, (list, tuple)) else [made]
    if not options.shapes:
        raise RangeError(
            f"what goes in? Say shapes, such as `minidl check {options.name} 3x4 4`,"
            ' or an example: --example "[np.ones((2, 3)), np.array([0, 1])]"'
        )
    draw = np.random.default_rng(0)
    return [draw.standard_normal(shape) for shape in options.shapes]


def failure(name: str) -> str:
    """Return the traceback of somebody's code, from their own lines on."""
    kind, error, trace = sys.exc_info()
    frames = traceback.extract_tb(trace)
    own = [f for f in frames if "minidl" not in Path(f.filename).parts]
    lines = traceback.format_list(own or frames)
    return f"{name} fails:\n{''.join(lines)}{kind.__name__ if kind else ''}: {error}"
