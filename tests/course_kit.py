"""A small course for the tests: one assignment, two tasks, both of softmax.

The package is the real one, by a link. The backward task may be given little time, so
that what hangs does so there.
"""

import io
import json
import re
import zipfile
from pathlib import Path

from minidl_course import manifest
from minidl_course.assignment import find
from minidl_course.grade.batch import Batch
from minidl_course.regions import region_of, regions, replace

ROOT = Path(__file__).parent.parent
FILE = "minidl/ops/activation.py"
SOURCE = (ROOT / FILE).read_text(encoding="utf-8")
FORWARD, BACKWARD = [name for name in regions(SOURCE) if name.startswith("a1.")]
NAME = FORWARD.partition(".")[0]
SECRET = "of the tests"

CONFIG = f"""
[assignment]
name = {NAME}
title = Softmax
hours = 1
seed = tests
seconds = 30
memory = 640

[{FORWARD}]
title = forward
file = {FILE}
points = 60
closed = {FILE}:log_softmax

[{BACKWARD}]
title = backward
file = {FILE}
points = 40
seconds = SECONDS
closed = {FILE}:log_softmax
"""
CALLS = '''
"""What is asked."""
from minidl import Tensor, ops


def forward(x):
    return {"y": ops.softmax(x)}


def backward(x, u):
    x = Tensor(x, requires_grad=True)
    ops.softmax(x).backward(u)
    return {"dx": x.grad}
'''
ROWS = f'''
from minidl_course import Row


def scores(draw):
    return {{"x": draw.normal(*draw.sizes(2))}}


def large(draw):
    return {{"x": draw.normal(*draw.sizes(2)) * 1000}}


def cotangent(draw):
    n, k = draw.sizes(2)
    return {{"x": draw.normal(n, k), "u": draw.normal(n, k)}}


ROWS = [
    Row("{FORWARD}", "forward", 40, "forward", scores, "what do they add up to?",
        rtol=1e-5),
    Row("{BACKWARD}", "gradient of x", 40, "backward", cotangent, "the sum", rtol=1e-5),
]
'''
HIDDEN = f'''
from minidl_course import Row


def large(draw):
    return {{"x": draw.normal(*draw.sizes(2)) * 1000}}


ROWS = [Row("{FORWARD}", "large scores", 20, "forward", large, "overflow", hidden=True,
            rtol=1e-5)]
'''


def make_course(root, seconds=30):
    """Write the course into a folder; return the assignment.

    seconds   of the backward task
    """
    (root / "minidl").symlink_to(ROOT / "minidl")
    folder = root / "assignments" / f"{NAME}_softmax"
    folder.mkdir(parents=True)
    config = CONFIG.replace("SECONDS", str(seconds))
    texts = {"assignment.cfg": config, "calls.py": CALLS, "rows.py": ROWS}
    for name, text in (texts | {"hidden.py": HIDDEN}).items():
        (folder / name).write_text(text, encoding="utf-8")
    assignment = find(NAME, root)
    (folder / "manifest.json").write_text(manifest.text(assignment), encoding="utf-8")
    return assignment


def written(**codes):
    """Return the student's file with some regions filled in, the others blank."""
    from minidl_course.regions import blank

    text = blank(SOURCE, [FORWARD, BACKWARD])
    for task, code in codes.items():
        region = region_of(text, {"forward": FORWARD, "backward": BACKWARD}[task])
        lines = re.sub(r"^(?=.)", region.indent, code.strip("\n"), flags=re.MULTILINE)
        text = replace(text, region, lines + "\n")
    return text


def zipped(files):
    """Return the bytes of a zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def hand_in(folder, student, content):
    """Write a submission: a text of the one file, bytes of it, or {name: content}."""
    files = content if isinstance(content, dict) else {FILE: content}
    path = folder / f"{NAME}_{student}.zip"
    path.write_bytes(zipped(files))
    return path


def hand_in_folder(folder, student, text):
    """Write a submission as a folder; return it."""
    path = folder / f"{NAME}_{student}" / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return folder / f"{NAME}_{student}"


def run(assignment, submissions, out, level, jobs=2, told=lambda *_: None):
    """Grade a folder; return the results by student."""
    batch = Batch(assignment, submissions, out, level, SECRET, jobs, told)
    results = {result.student: result for result in batch.run()}
    return results, batch.graded


def points(result):
    """Return the points of a result by task."""
    return {task.task: task.points for task in result.tasks}


def shown(result):
    """Return a result as text, for a test that failed."""
    rows = [[t.task, t.printed, *t.rows] for t in result.tasks]
    return f"{result.trouble}\n{json.dumps(rows, indent=1, default=str)}"
