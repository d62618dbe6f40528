"""Every public name, by chapter and by the file that defines it.

A public name is what the `__all__` of a package lists, and what minidl.errors defines.
tests/test_site.py compares this with the packages, so that no name can be forgotten.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from docs.site import order
from docs.site.order import ROOT

CHAPTERS = {
    "engine": ("The engine", ["minidl", "minidl.errors"]),
    "ops": ("Operations", ["minidl.ops"]),
    "nn": ("Layers", ["minidl.nn", "minidl.nn.init"]),
    "optim": ("Optimizers and schedules", ["minidl.optim", "minidl.optim.schedules"]),
    "data": ("Data", ["minidl.data"]),
    "check": ("Checking gradients", ["minidl.check"]),
    "show": ("Pictures", ["minidl.show"]),
    "models": ("Networks to read", ["minidl.models"]),
    "train": ("The training loop", ["minidl.train"]),
    "lab": ("The laboratory", ["minidl.lab"]),
    "course": ("The course", ["minidl_course"]),
}
LARGE = 60  # a chapter with more names than this has a page for each file


@dataclass
class Name:
    """A public name: `minidl.ops.conv2d`, what it is, and where it is defined."""

    package: str
    short: str
    thing: Any
    file: str  # the module that defines it
    members: list[Name] = field(default_factory=list)

    @property
    def full(self) -> str:
        """The name in full, as one imports it."""
        return f"{self.package}.{self.short}"

    @property
    def summary(self) -> str:
        """The first line of the docstring, without shapes and sources."""
        head = (inspect.getdoc(self.thing) or "").split("\n\n")[0].split("    ")[0]
        return " ".join(head.split())


def package(name: str) -> ModuleType:
    """Import a package; the course lies beside minidl."""
    if name.startswith("minidl_course") and "minidl_course" not in sys.modules:
        importlib.import_module("minidl.cli.course").machinery()
    return importlib.import_module(name)


def public(module: ModuleType) -> list[str]:
    """Return the public names of a package that are no packages themselves."""
    listed = getattr(module, "__all__", None)
    if listed is None:  # minidl.errors: what it defines
        listed = [
            name
            for name, thing in vars(module).items()
            if getattr(thing, "__module__", "") == module.__name__
            and not name.startswith("_")
        ]
    return [
        name for name in listed if not isinstance(getattr(module, name), ModuleType)
    ]


@functools.cache
def chapter(key: str) -> dict[str, list[Name]]:
    """Return the names of a chapter, by the file that defines them."""
    found: dict[str, list[Name]] = {}
    for home in CHAPTERS[key][1]:
        module = package(home)
        for short in public(module):
            thing = getattr(module, short)
            file = getattr(thing, "__module__", home)
            members = sorted(_members(home, short, thing), key=_attached)
            name = Name(home, short, thing, file, members)
            found.setdefault(file, []).append(name)
    return dict(sorted(found.items(), key=lambda part: order.place(part[0])))


def _members(home: str, short: str, thing: Any) -> Iterator[Name]:
    """Return what is public of a class and new there: methods, properties, forward."""
    if not inspect.isclass(thing):
        return
    older = {name for base in thing.__mro__[1:] for name in vars(base)} - {"forward"}
    for name, member in vars(thing).items():
        bare = inspect.unwrap(getattr(member, "__func__", member))
        callable_ = inspect.isfunction(bare) or isinstance(member, property)
        shown = callable_ and not name.startswith("_") and name not in older
        if shown and getattr(thing, name).__doc__:
            yield Name(home, f"{short}.{name}", member, thing.__module__)


def _attached(member: Name) -> str:
    """Sort what another file attaches to a class, as Tensor.exp, behind its own."""
    home = getattr(member.thing, "__module__", member.file)
    return "" if home == member.file else member.short


@functools.cache
def index() -> dict[str, Name]:
    """Return every public name and method, in full."""
    names = [n for key in CHAPTERS for part in chapter(key).values() for n in part]
    return {n.full: n for name in names for n in (name, *name.members)}


@functools.cache
def _endings() -> dict[str, set[str]]:
    """Return, for each ending of a name such as nn.Linear, the names that end so."""
    found: dict[str, set[str]] = {}
    for full in index():
        parts = full.split(".")
        for start in range(len(parts)):
            found.setdefault(".".join(parts[start:]), set()).add(full)
    return found


def resolve(text: str, near: str = "") -> str | None:
    """Return the public name that a text means, as written in the package `near`."""
    text = text.removesuffix("()")
    if text.startswith("md."):
        text = "minidl" + text[2:]
    for full in (text, f"{near}.{text}"):
        if full in index():
            return full
    found = _endings().get(text, set())
    if "." not in text:  # a word that a method has for its name is not that method
        found = {full for full in found if "." not in index()[full].short}
    if len(found) > 1:  # a name, and its alias elsewhere
        found = {
            full for full in found if index()[full].file.startswith(_package(full))
        }
    return next(iter(found)) if len(found) == 1 else None


def _package(full: str) -> str:
    return index()[full].package


@functools.cache
def pages() -> dict[str, dict[str, list[Name]]]:
    """Return the pages of the reference: one a chapter, or one a file of it."""
    found: dict[str, dict[str, list[Name]]] = {}
    for key in CHAPTERS:
        parts = chapter(key)
        if sum(map(len, parts.values())) <= LARGE:
            found[key] = parts
        else:
            files = {f"{key}.{file.rpartition('.')[2]}": file for file in parts}
            found |= {page: {file: parts[file]} for page, file in files.items()}
    return found


@functools.cache
def page_of() -> dict[str, str]:
    """Return the page of the reference on which each name stands."""
    return {
        name.full: page
        for page, parts in pages().items()
        for found in parts.values()
        for name in found
    }


def source(name: Name) -> tuple[str, int] | None:
    """Return the file, seen from the root of the repository, and line of a name."""
    thing = name.thing.fget if isinstance(name.thing, property) else name.thing
    thing = inspect.unwrap(getattr(thing, "__func__", thing))
    if inspect.isclass(thing):
        path = Path(sys.modules[thing.__module__].__file__ or "")
        lines = text_of(path)
        head = re.compile(rf"class {thing.__name__}\b")
        line = next((i for i, text in enumerate(lines, 1) if head.match(text)), 0)
    elif inspect.isfunction(thing):
        path, line = Path(thing.__code__.co_filename), thing.__code__.co_firstlineno
    else:  # a value
        return None
    if not line or not path.is_relative_to(ROOT):
        return None
    return path.relative_to(ROOT).as_posix(), line


@functools.cache
def text_of(path: Path) -> list[str]:
    """Return the lines of a file."""
    return path.read_text(encoding="utf-8").split("\n")
