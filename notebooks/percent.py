"""Sources of notebooks: read into cells, and run as the scripts that they are.

A source is a Python file in jupytext's percent format, of which we use the plainest
part: `# %%` begins a cell of code, `# %% [markdown]` one of text, whose lines stand
behind `# `. The first cell begins the file.

    python -m notebooks.percent notebooks/01_backpropagation.py

runs one, and then the solution that is folded away in it.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
CODE, TEXT = "# %%", "# %% [markdown]"


@dataclass
class Cell:
    """A cell: what kind it is ("code" or "markdown"), its text, and where it begins."""

    kind: str
    text: str
    line: int


def sources(*beginnings: str) -> list[Path]:
    """Return the sources whose names begin so, or all; ValueError if there is none."""
    found = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
    for beginning in beginnings:
        if not any(path.name.startswith(beginning) for path in found):
            names = ", ".join(path.stem for path in found)
            raise ValueError(
                f"no notebook begins with {beginning!r}; there are {names}"
            )
    return [path for path in found if path.name.startswith(beginnings or ("",))]


def cells(source: str) -> list[Cell]:
    """Return the cells of a source.

    >>> for cell in cells("# %% [markdown]\\n# Hello.\\n\\n# %%\\nx = 1\\n"):
    ...     print(cell)
    Cell(kind='markdown', text='Hello.', line=1)
    Cell(kind='code', text='x = 1', line=4)
    """
    found: list[Cell] = []
    for number, line in enumerate(source.splitlines(), start=1):
        if line in (CODE, TEXT):
            found.append(Cell("code" if line == CODE else "markdown", "", number))
        elif line.startswith(CODE):
            raise ValueError(
                f"line {number}: {line!r} is neither {CODE!r} nor {TEXT!r}"
            )
        elif found:
            plain = found[-1].kind == "code"
            found[-1].text += (line if plain else _bare(line, number)) + "\n"
        elif line.strip():
            raise ValueError(
                f"line {number}: a source begins with {CODE!r} or {TEXT!r}"
            )
    for cell in found:
        cell.text = cell.text.strip("\n")
    return found


def _bare(line: str, number: int) -> str:
    """Return a line of text without the `# ` before it."""
    if line and line != "#" and not line.startswith("# "):
        raise ValueError(f"line {number}: text begins with '# ', unlike {line!r}")
    return line[2:]


def solution(source: str) -> str:
    """Return the Python inside the first folded <details> of a source, or ""."""
    text = "\n".join(c.text for c in cells(source) if c.kind == "markdown")
    folded = re.search(r"<details>.*?```python\n(.*?)```.*?</details>", text, re.S)
    return folded[1] if folded else ""


def run(path: Path) -> None:
    """Run a source as a script, then its solution, which its `check` must accept.

    And `check` must be a check: it refuses a solution that returns None.
    """
    source = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(source, path.name, "exec"), names)
    exec(compile(solution(source), f"the solution in {path.name}", "exec"), names)
    print("the solution:", names["check"](names["answer"]))
    print(f"processor time: {time.process_time():.1f} s")
    try:
        names["check"](lambda *_, **__: None)
    except (AssertionError, AttributeError, TypeError):
        return
    raise AssertionError(f"{path.name}: check accepts an answer that returns None")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name))
