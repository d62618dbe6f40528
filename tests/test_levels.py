"""Imports point down: every import of every file, against the levels in setup.cfg.

import-linter proves the same contract in `.ci/run`, chains of imports included; this
small reader of the syntax tree runs wherever the tests run. A level is the first name
below `minidl`: `nn` for minidl/nn/conv.py, and "" for minidl itself.
"""

import ast
import configparser
from importlib.util import resolve_name
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick
PACKAGE = Path(__file__).parent.parent / "minidl"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def level_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def contract() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    return parser["importlinter:contract:levels"]


def places() -> dict[str, tuple[int, int]]:
    """Where each level is: how far down, and in which group of its line.

    `a | b` must not know each other; `a : b` may.
    """
    rows = [row.split("|") for row in contract()["layers"].strip().splitlines()]
    return {
        name.strip(" ()"): (depth, group)
        for depth, row in enumerate(rows)
        for group, names in enumerate(row)
        for name in names.split(":")
    }


def exceptions() -> set[tuple[str, ...]]:
    """The imports that may point up, such as ("engine", "ops")."""
    lines = contract()["ignore_imports"].strip().splitlines()
    pairs = [[name.strip().split(".")[1] for name in x.split("->")] for x in lines]
    return {tuple(pair) for pair in pairs}


PLACES, EXCEPTIONS = places(), exceptions()


def imports_of(source: str, package: str) -> set[str]:
    """Return the levels that a file names, at its head or deep inside a function."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            names += [f"{base}.{alias.name}" for alias in node.names]
    parts = [[*name.split("."), ""] for name in names]
    return {part[1] for part in parts if part[0] == "minidl"}


def fault(where: str, target: str) -> str:
    """Why level `where` may not import `target`; "" if it may."""
    if target not in PLACES:
        return "not a level: import from the package that defines it"
    (here, group), (there, other) = PLACES[where], PLACES[target]
    if where == target or there > here or (where, target) in EXCEPTIONS:
        return ""
    if there < here:
        return "a higher level"
    return "" if group == other else "a sibling"


def test_every_module_has_a_level():
    without = {level_of(path) for path in SOURCES} - PLACES.keys()
    assert without == {"__init__"}, "give it a line in setup.cfg, among the layers"


def test_imports_point_down():
    wrong = []
    for path in SOURCES:
        if (where := level_of(path)) == "__init__":  # minidl itself may import all
            continue
        package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
        wrong += [
            f"{path.relative_to(PACKAGE.parent)} imports minidl.{target}: {why}"
            for target in sorted(imports_of(path.read_text(encoding="utf-8"), package))
            if (why := fault(where, target))
        ]
    assert not wrong, "\n".join(wrong)


def test_a_wrong_import_would_be_seen():
    deep = "def f():\n    from ..nn import Linear"
    assert imports_of(deep, "minidl.ops") == {"nn"}
    assert imports_of("import minidl as md", "minidl.ops") == {""}
    assert imports_of("from minidl import nn, grad", "minidl.ops") == {"nn", "grad"}
    assert fault("ops", "nn") == "a higher level"
    assert fault("backend", "ops") == "a higher level"
    assert fault("nn", "optim") == "a sibling"
    assert "not a level" in fault("ops", "")
    assert "not a level" in fault("ops", "grad")
    assert not fault("engine", "ops")
    assert not fault("nn", "ops")
