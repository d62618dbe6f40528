"""The order in which the source can be read: the parts of the book, and their files.

Twelve files lead from a Tensor to a trained network (README.md lists them); then come
the packages, the engine first. Within a package stand the files that its docstring
lists, in that order, or else as ORDER says; the others follow by name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PARTS = {
    "engine": "The engine",
    "ops": "Operations",
    "nn": "Layers",
    "optim": "Optimizers and schedules",
    "data": "Data",
    "train": "The training loop",
    "models": "Networks",
    "check": "Checking gradients",
    "show": "Pictures",
    "lab": "The laboratory",
    "kernels": "Faster bodies of operations",
    "capture": "A training step as one CUDA graph",
    "files": "Files",
    "interchange": "Exchange with other programs",
    "cli": "Commands",
    "": "What all share",
    "course": "The machinery of the course",
}
ORDER = {
    "ops": "elementwise reduce shape joining indexing creation linalg activation loss "
    "windows conv pool norm dropout embedding recurrent attention einsum random",
    "nn": "tree module linear activation init containers loss layer conv pool norm "
    "dropout embedding recurrent attention position transformer",
    "optim": "optimizer sgd adaptive adam adamp schedules cycles plateau gradients "
    "averaging scaler groups settings state",
    "train": "trainer batches callback evaluation history metrics stopping gradients "
    "averages checkpoint checkpoint_file",
    "": "backend errors foreign demo",
}


@dataclass(frozen=True)
class Page:
    """A module: its path from the root of the repository, and its first sentence."""

    path: str
    summary: str

    @property
    def target(self) -> str:
        """The page, seen from the root of the site, without its ending."""
        inner = self.path.removesuffix(".py")
        return f"source/{inner.replace('/__init__', '/index')}"


@functools.cache
def walk() -> dict[str, Page]:
    """Return the twelve files of README.md that lead through the whole."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \d+ \| `(minidl/\S+\.py)` \| (.+) \|$", text, re.M)
    return {path: Page(path, summary) for path, summary in listed}


@functools.cache
def parts() -> dict[str, list[Page]]:
    """Return the pages of each part of the book, in the order in which to read them."""
    packages = sorted(p.parent.name for p in (ROOT / "minidl").glob("*/__init__.py"))
    found = {part: list(_pages(part)) for part in dict.fromkeys([*PARTS, *packages])}
    return {part: pages for part, pages in found.items() if pages}


def pages() -> list[Page]:
    """Return all pages, from the first to the last."""
    return [page for found in parts().values() for page in found]


def _pages(part: str) -> Iterator[Page]:
    """Return the pages of a part."""
    folder = ROOT / ("assignments/course" if part == "course" else f"minidl/{part}")
    found = folder.rglob("*.py") if part else folder.glob("*.py")
    files = {p.relative_to(folder).as_posix(): p for p in found}
    package = files.get("__init__.py")
    said = package.read_text(encoding="utf-8").split('"""')[1] if package else ""
    said = " ".join(re.findall(r"(?:^|  )(\w[\w./ ,]*?)(?=  )", said, re.M))
    listed = re.findall(r"\w+(?=\.py|\b)", ORDER.get(part) or said)
    place = {name: at for at, name in reversed(list(enumerate(listed)))}
    places = {
        name: (
            "/" in name,
            place.get(name.removesuffix(".py"), len(place) + 1e6),
            name != "__init__.py",
            name,
        )
        for name in files
    }
    first = ("__init__.py",) if "__init__.py" in files and part else ()
    ordered = sorted(files, key=lambda name: (name not in first, places[name]))
    for name in ordered:
        path = files[name].relative_to(ROOT).as_posix()
        yield Page(path, _summary(files[name].read_text(encoding="utf-8")))


def _summary(text: str) -> str:
    """Return the first sentence of a module's docstring."""
    found = re.match(r'\s*"""(.+?)(?:\n\n|""")', text, re.S)
    return " ".join(found[1].split()) if found else ""


@functools.cache
def targets() -> dict[str, str]:
    """Return the page of each file: minidl/ops/conv.py -> source/minidl/ops/conv."""
    return {page.path: page.target for page in pages()}


@functools.cache
def place(module: str) -> int:
    """Return where a module, minidl.ops.conv, stands in the book."""
    path = module.replace(".", "/").replace("minidl_course", "assignments/course")
    found = (f"{path}.py", f"{path}/__init__.py")
    return next((i for i, page in enumerate(pages()) if page.path in found), 10**6)
