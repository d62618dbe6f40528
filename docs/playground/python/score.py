"""One task of an assignment, scored in the page by the course's own machinery.

The lines are put into the region of the student's edition, and its public rows are
asked, as `python -m minidl course score` does. It is feedback and no grade: the code
runs unguarded, in the browser of whoever wrote it.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # an edit within a second may go unseen


def edition(root: str):
    """Return the assignment in a folder, whose own machinery is used from now on."""
    if root not in sys.path:
        sys.path.insert(0, root)
        importlib.invalidate_caches()
    from minidl_course.assignment import find

    return find("", Path(root))


def tasks(root: str) -> str:
    """Return the tasks in JSON, each with what stands in its region."""
    from minidl_course.regions import region_of

    found = []
    for task in edition(root).tasks.values():
        text = Path(root, task.file).read_text(encoding="utf-8")
        region = region_of(text, task.name)
        found.append({
            "name": task.name, "title": task.title, "file": task.file,
            "points": task.points, "code": region.code, "indent": len(region.indent),
        })  # fmt: skip
    return json.dumps(found)


def score(root: str, name: str, written: str) -> str:
    """Return points and rows of a task in JSON.

    written   {task: the lines in its region} in JSON; what a task needs may be there
    """
    from minidl_course.regions import region_of, replace
    from minidl_course.score import score as scores

    began = time.perf_counter()
    assignment = edition(root)
    before: dict[Path, str] = {}
    try:
        for task, code in json.loads(written).items():
            file = Path(root, assignment.tasks[task].file)
            text = file.read_text(encoding="utf-8")
            before.setdefault(file, text)
            changed = replace(text, region_of(text, task), code)
            file.write_text(changed, encoding="utf-8")
        (found,) = scores(assignment, name)
    finally:
        for file, text in before.items():
            file.write_text(text, encoding="utf-8")
    rows = [
        {"name": row.name, "points": verdict.points, "of": row.points,
         "right": verdict.right, "what": verdict.what, "hint": verdict.hint}
        for row, verdict in found.verdicts
    ]  # fmt: skip
    return json.dumps({
        "points": found.points, "of": found.of, "rows": rows,
        "seconds": time.perf_counter() - began,
    })  # fmt: skip
