"""The arrows of the house point down: every import of every file, against setup.cfg.

import-linter proves the same contract in `.ci/run`, chains of imports included; this
small reader of the syntax tree runs wherever the tests run. A floor is the first name
below `minidl`: `nn` for minidl/nn/conv.py, and "" for minidl itself, the front door.
"""

import ast
import configparser
from importlib.util import resolve_name
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "minidl"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def contract() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    return parser["importlinter:contract:levels"]


def places() -> dict[str, tuple[int, int]]:
    """Where each floor is: how far down, and among which friends.

    `a | b` must not know each other; `a : b` are friends.
    """
    rows = [row.split("|") for row in contract()["layers"].strip().splitlines()]
    return {
        name.strip(" ()"): (depth, friends)
        for depth, row in enumerate(rows)
        for friends, names in enumerate(row)
        for name in names.split(":")
    }


def knots() -> set[tuple[str, ...]]:
    """The imports that may point up, such as ("tensor", "ops")."""
    lines = contract()["ignore_imports"].strip().splitlines()
    pairs = [[name.strip().split(".")[1] for name in x.split("->")] for x in lines]
    return {tuple(pair) for pair in pairs}


def imports_of(source: str, package: str) -> set[str]:
    """Return the floors that a file names, at its head or deep inside a function."""
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
    """Why floor `where` may not import `target`; "" if it may."""
    place = places()
    if target not in place:
        return "it comes through the front door; name the floor it lives on"
    (here, friends), (there, others) = place[where], place[target]
    if where == target or there > here or (where, target) in knots():
        return ""
    if there < here:
        return "a higher floor"
    return "" if friends == others else "a sibling"


def test_every_module_has_a_floor():
    homeless = {floor_of(path) for path in SOURCES} - places().keys()
    assert homeless == {"__init__"}, "give it a line in setup.cfg, among the layers"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    if (where := floor_of(path)) != "__init__":  # the front door opens on every floor
        package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
        for target in imports_of(path.read_text(encoding="utf-8"), package):
            assert not fault(where, target), f"minidl.{target or '(itself)'}"


def test_a_broken_arrow_would_be_seen():
    deep = "def f():\n    from ..nn import Linear"
    assert imports_of(deep, "minidl.ops") == {"nn"}
    assert imports_of("import minidl as md", "minidl.ops") == {""}
    assert imports_of("from minidl import nn, grad", "minidl.ops") == {"nn", "grad"}
    assert fault("ops", "nn") == "a higher floor"
    assert fault("backend", "ops") == "a higher floor"
    assert fault("nn", "optim") == "a sibling"
    assert "front door" in fault("ops", "")
    assert "front door" in fault("ops", "grad")
    assert not fault("engine", "ops")
    assert not fault("nn", "ops")
