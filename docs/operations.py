"""Write docs/operations.md: every operation and layer, its formula, and its paper.

python docs/operations.py            writes the table from the docstrings
python docs/operations.py --check    fails if the file is not what they say
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from minidl import nn, ops

TARGET = Path(__file__).with_suffix(".md")
AUTHORS = r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*"
PAPER = re.compile(
    rf"{AUTHORS}(?:(?:, {AUTHORS})*,? (?:&|and) {AUTHORS}| et al\.)?,? (?:19|20)\d\d"
    r"(?:, (?:section|equation|eq\.|algorithm|figure|table|chapter)s? [\w.]+)?"
)


def formula(thing: Any) -> str:
    """The first line of a docstring, shapes left out."""
    first = (thing.__doc__ or "").strip().split("\n\n")[0]
    line = " ".join(first.split("\n")[0].split("    ")[0].split())
    return line.rstrip(".").replace("|", "\\|")


def papers(thing: Any) -> str:
    """The papers that a docstring names."""
    text = " ".join((thing.__doc__ or "").split())
    return "; ".join(dict.fromkeys(found.rstrip(".") for found in PAPER.findall(text)))


def op_of(layer: str) -> Any:
    """The operation that a layer is named after: relu for ReLU."""
    found = [name for name in ops.__all__ if name.replace("_", "") == layer.lower()]
    return getattr(ops, found[0]) if found else None


def rows(module: ModuleType) -> list[str]:
    """One row for each public function or class of minidl.ops or minidl.nn."""
    lines = ["| name | what it computes | source | file |", "|---|---|---|---|"]
    for name in sorted(module.__all__, key=str.lower):
        thing = getattr(module, name)
        if isinstance(thing, ModuleType) or not callable(thing):
            continue
        home = thing.__module__.replace(".", "/") + ".py"
        if home.startswith("minidl/"):
            source = papers(thing) or papers(op_of(name))
            cells = (f"`{name}`", formula(thing), source, f"`{home}`")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def page() -> str:
    """The whole page."""
    head = "<!-- written by docs/operations.py; do not edit -->\n# What minidl computes"
    sections = [head, "## Operations: `minidl.ops`", *rows(ops)]
    sections += ["", "## Layers and losses: `minidl.nn`", *rows(nn)]
    text = "\n".join(sections) + "\n"
    return text.replace("\n## ", "\n\n## ").replace("\n| name", "\n\n| name")


def main() -> None:
    """Write the page, or compare it with what is there."""
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != page():
            sys.exit("docs/operations.md is old: run python docs/operations.py")
    else:
        TARGET.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
