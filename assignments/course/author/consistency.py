"""Whether the parts of an assignment agree: handout, tasks, regions, rows, tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import numpy as np

from ..answers import inputs_of
from ..assignment import Assignment, Task, read
from ..errors import RegionError
from ..regions import regions
from ..rows import Row

TASKS = range(6, 15)
TOTAL = 100
MUTANTS, VARIANTS = 10, 8
NEEDED = ("README.md", "notebook.py", "picture.png", "rows.py", "hidden.py", "calls.py")
PICTURE = 150_000  # bytes


def paper_faults(assignment: Assignment) -> list[str]:
    """Return a sentence for everything that does not agree."""
    return [
        *_folder(assignment), *_points(assignment), *_rows(assignment),
        *_regions(assignment), *_handout(assignment), *_tests(assignment),
        *_overflow(assignment),
    ]  # fmt: skip


def _folder(a: Assignment) -> Iterator[str]:
    yield from (f"{n} is missing" for n in NEEDED if not (a.folder / n).is_file())
    picture = a.folder / "picture.png"
    if picture.is_file() and picture.stat().st_size > PICTURE:
        yield f"picture.png has {picture.stat().st_size:,} bytes; {PICTURE:,} will do"
    if not a.hours > 0:
        yield "assignment.cfg estimates no hours"


def _points(a: Assignment) -> Iterator[str]:
    if len(a.tasks) not in TASKS:
        yield f"it has {len(a.tasks)} tasks; 6 to 14 make an assignment"
    if list(a.tasks) != [f"{a.name}.{i}" for i in range(1, len(a.tasks) + 1)]:
        yield f"its tasks are not numbered in order: {', '.join(a.tasks)}"
    total = sum(task.points for task in a.tasks.values())
    if total != TOTAL:
        yield f"the points of its tasks add up to {total}, not {TOTAL}"
    for task in a.tasks.values():
        of_rows = sum(row.points for row in a.rows if row.task == task.name)
        if of_rows != task.points:
            yield f"{task.name} has {task.points} points, and its rows have {of_rows}"
    if len(a.mutants) < MUTANTS:
        yield f"it has {len(a.mutants)} mutants; there should be {MUTANTS}"
    if len(a.variants) < VARIANTS:
        yield f"it has {len(a.variants)} variants; there should be {VARIANTS}"


def _rows(a: Assignment) -> Iterator[str]:
    calls = ast.parse(read(a.folder / "calls.py")).body
    defined = {node.name for node in calls if isinstance(node, ast.FunctionDef)}
    seen = set()
    for row in [*a.public, *a.hidden]:
        name = f"{row.task}, {row.name}"
        dear = row.points < 1 or (row.compare == "kind" and row.points > 1)
        wrong = {
            "there is no such task": row.task not in a.tasks,
            f"{row.call} is not in calls.py": row.call not in defined,
            f"{row.points} points (at least 1; a kind row has 1)": dear,
            "it has no hint": not row.hint.strip(),
            "it is never drawn": row.draws < 1,
            "it is there twice": (row.task, row.name, row.hidden) in seen,
        }
        yield from (f"{name}: {why}" for why, is_so in wrong.items() if is_so)
        seen.add((row.task, row.name, row.hidden))
    if any(row.hidden for row in a.public) or any(not row.hidden for row in a.hidden):
        yield "rows.py has only public rows, hidden.py only rows with hidden=True"


def _regions(a: Assignment) -> Iterator[str]:
    for file in a.files:
        try:
            found = {t for t in regions(a.source(file)) if t.startswith(f"{a.name}.")}
        except RegionError as error:
            yield f"{file}: {error}"
            continue
        wanted = {task.name for task in a.tasks.values() if task.file == file}
        yield from (f"{file} has no region {name}" for name in sorted(wanted - found))
        yield from (f"{file}: no task for {name}" for name in sorted(found - wanted))
    marker = re.compile(rf"# region ({a.name}\.\d+):")
    for path in sorted((a.root / "minidl").rglob("*.py")):
        file = path.relative_to(a.root).as_posix()
        if file not in a.files:
            found = set(marker.findall(read(path)))
            yield from (f"{file}: no task for {name}" for name in sorted(found))


def _handout(a: Assignment) -> Iterator[str]:
    path = a.folder / "README.md"
    lines = read(path).splitlines() if path.is_file() else []
    for task in a.tasks.values():
        if not any(_says(line, task) for line in lines):
            yield (
                f"README.md has no line with {task.name} and its points; write "
                f'"{task.name} … ({task.points} points)" or a row of a table'
            )
    known = re.compile(rf"\b{a.name}\.\d+\b")
    named = {name for line in lines for name in known.findall(line)}
    yield from (f"README.md names {n}, which is no task" for n in named - set(a.tasks))


def _overflow(a: Assignment) -> Iterator[str]:
    """A text that warns of overflow needs a public row in which something overflows."""
    path = a.folder / "README.md"
    _, *parts = re.split(r"^### ", read(path) if path.is_file() else "", flags=re.M)
    for part in parts:
        task = part.partition(" ")[0]
        rows = [row for row in a.public if row.task == task]
        if re.search(r"overflow|e\^\{1000\}", part) and not any(map(_large, rows)):
            yield f"README.md warns of overflow in {task}, no public row overflows"


def _large(row: Row) -> bool:
    """Whether a row draws numbers whose exponential overflows."""
    drawn = inputs_of(row, "overflow").values()
    return any(bool((abs(x[np.isfinite(x)]) > 710).any()) for x in drawn)


def _says(line: str, task: Task) -> bool:
    here = re.search(rf"(?<![\w.]){re.escape(task.name)}(?!\d)", line)
    words = rf"\b{task.points} points?\b|\|\s*{task.points}\s*\|"
    return here is not None and re.search(words, line) is not None


def _tests(a: Assignment) -> Iterator[str]:
    path = a.folder / "tests" / f"test_{a.name}.py"
    if not path.is_file() or "checks(__file__)" not in read(path):
        yield f"tests/test_{a.name}.py is missing, or does not go over checks(__file__)"
