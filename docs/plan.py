"""Write two tables into assignments/README.md: the assignments, the semester plan.

python -m docs.plan            writes them, from assignment.cfg's and from docs/plan.cfg
python -m docs.plan --check    fails if the page is not what plan.cfg says

Every name is looked up: an API must be importable, a notebook, task or test must be
there. What is not built yet stands as "planned", and must not be there.
"""

from __future__ import annotations

import configparser
import importlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE, PAGE = Path(__file__).with_suffix(".cfg"), ROOT / "assignments" / "README.md"
MARKS = "<!-- plan: written by docs/plan.py -->", "<!-- end of plan -->"
LIST = "<!-- assignments: written by docs/plan.py -->", "<!-- end of assignments -->"
HEAD = ("week", "topic", "lecture", "in minidl", "notebook", "assignment", "test")


def topics() -> list[dict[str, str]]:
    """Return the rows of plan.cfg, in order."""
    found = configparser.ConfigParser(interpolation=None)
    found.read_string(SOURCE.read_text(encoding="utf-8"))
    return [{"topic": name, **found[name]} for name in found.sections()]


def api(name: str) -> str:
    """Return `name`; it is a module of minidl or something in one."""
    module, _, thing = name.rpartition(".")
    try:
        importlib.import_module(f"minidl.{name}")
    except ImportError:
        getattr(importlib.import_module(f"minidl.{module}".rstrip(".")), thing)
    return f"`{name}`"


def notebook(number: str) -> str:
    """Return a link to the notebook with that number."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return f"[{number}](../notebooks/{path.name})"


def tasks(names: str) -> str:
    """Return "a1.6 a1.7" as a link to the assignment and its tasks: [a1](…) 6 7."""
    found: dict[str, list[str]] = {}
    for name in names.split():
        assignment, _, number = name.partition(".")
        (folder,) = (ROOT / "assignments").glob(f"{assignment}_*")
        known = configparser.ConfigParser(interpolation=None)
        known.read_string((folder / "assignment.cfg").read_text(encoding="utf-8"))
        if number:
            known[name]  # a KeyError names it
        link = f"[{assignment}]({folder.name}/README.md)"
        found.setdefault(link, []).append(number)
    return " ".join(
        " ".join([link, *numbers]).strip() for link, numbers in found.items()
    )


def test(name: str) -> str:
    """Return a link to a test file."""
    path = ROOT / "tests" / f"test_{name}.py"
    path.stat()
    return f"[{name}](../tests/{path.name})"


def cells(row: dict[str, str]) -> list[str]:
    """Return a row of the table; each word looked up."""
    lookups = {"in minidl": api, "notebook": notebook, "test": test}
    line = []
    for column in HEAD:
        words = row.get(column, "")
        if words.startswith("("):
            words = f"*{words[1:-1]}: planned*"
        elif column == "assignment":
            words = tasks(words)
        elif column in lookups:
            words = " ".join(map(lookups[column], words.split()))
        line.append(words)
    return line


def table() -> str:
    """Return the plan in Markdown."""
    lines = [" | ".join(HEAD), " | ".join("---" for _ in HEAD)]
    lines += [" | ".join(cells(row)) for row in topics()]
    return "\n".join(f"| {line} |" for line in lines)


def assignments() -> str:
    """Return a line for each assignment that is there, in Markdown."""
    lines = [
        "assignment | hours | tasks | the student ends up with",
        "--- | --- | --- | ---",
    ]
    for path in sorted((ROOT / "assignments").glob("a*/assignment.cfg")):
        given = configparser.ConfigParser(interpolation=None)
        given.read_string(path.read_text(encoding="utf-8"))
        head, tasks = given["assignment"], len(given.sections()) - 1
        link = f"[{head['name']} {head['title']}]({path.parent.name}/README.md)"
        lines.append(f"{link} | {head['hours']} | {tasks} | {head['result']}")
    return "\n".join(f"| {line} |" for line in lines)


def page() -> str:
    """Return the page with the tables of now."""
    text = PAGE.read_text(encoding="utf-8")
    for (begin, end), made in {MARKS: table, LIST: assignments}.items():
        pattern = re.compile(rf"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
        text = pattern.sub(f"{begin}\n\n{made()}\n\n{end}".replace("\\", r"\\"), text)
    return text


def main() -> None:
    """Write the page, or compare it with what is there."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        sys.exit("the plan in assignments/README.md is old: run python -m docs.plan")


if __name__ == "__main__":
    main()
