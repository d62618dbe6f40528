"""`minidl course grade` and `minidl course export`: what instructors run.

  minidl course grade DIR --out OUT       everything named aN_<student> in DIR
  minidl course export OUT --format csv --to grades.csv
  minidl course export a1 --format gradescope --to a1_gradescope.zip

The sandbox proves itself first by attacking itself; assignments/SECURITY.md says what
each level stops. Killed in the middle, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CourseError

if TYPE_CHECKING:
    from .batch import Batch
    from .results import Result

SANDBOXES = ("auto", "bwrap", "landlock", "process")
FORMATS = ("gradescope", "github", "classroom50", "csv", "canvas", "moodle")
TRUST = "--i-trust-these-submissions"
ELSEWHERE = (
    f"grading needs Linux for its sandbox, and this is {sys.platform}; grade in a "
    "container: assignments/grader.Dockerfile says how, in three lines"
)


def grade_arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl course grade`."""
    add = parser.add_argument
    add("submissions", type=Path, metavar="DIR", help="folders and zips aN_<student>")
    add("--out", type=Path, required=True, metavar="OUT", help="where results go")
    add("--assignment", default="", metavar="aN", help="which (by the names in DIR)")
    add("--jobs", type=int, default=1, metavar="N", help="submissions at once (1)")
    text = "the walls around each process (auto: the best that holds here)"
    add("--sandbox", choices=SANDBOXES, default="auto", help=text)
    text = "grade this student only, again even if nothing changed"
    add("--student", default="", metavar="NAME", help=text)
    text = "ids for names in class.md and class.html; OUT/ids.csv tells whose they are"
    add("--anonymous", action="store_true", help=text)
    text = "a file with the secret seed (or $MINIDL_COURSE_SECRET, or OUT/secret.key)"
    add("--secret", default="", metavar="FILE", help=text)
    text = "grade below L2, where a submission can read files and use the network"
    add(TRUST, action="store_true", dest="trusted", help=text)


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl course export`."""
    add = parser.add_argument
    add(
        "what", help="an assignment (its autograder), or the OUT of a grading (results)"
    )
    add("--format", choices=FORMATS, required=True, help="for which platform")
    add(
        "--to", type=Path, required=True, metavar="PATH", help="file or folder to write"
    )
    add("--secret", default="", metavar="FILE", help="a file with the secret seed")
    add("--classroom", default="", help="classroom50: the classroom's short name")


def grade(options: argparse.Namespace) -> int:
    """Grade a folder; status 1 if something could not be graded."""
    if sys.platform != "linux":
        raise CourseError(ELSEWHERE)
    from . import class_report
    from .batch import Batch, secret_of
    from .inbox import DUPLICATE, UNKNOWN
    from .intake import name_of
    from .preflight import chosen, proved

    assignment = chosen(options.submissions, options.assignment, options.root)
    proof = proved(options.sandbox, options.trusted)
    print(proof)
    options.out.mkdir(parents=True, exist_ok=True)
    secret = secret_of(options.out, options.secret)
    line = Progress()
    batch = Batch(
        assignment, options.submissions, options.out, proof.level, secret,
        max(1, options.jobs), line, name_of(options.student), explain=True,
    )  # fmt: skip
    results = batch.run()
    line.end()
    _write(batch, results, secret if options.anonymous else "")
    kept = len(results) - batch.graded
    print(
        f"{assignment}: {batch.graded} graded in {line.took:.1f} s"
        + (f" ({batch.graded / line.took:.2f} per second)" if batch.graded else "")
        + (f", {kept} as they were" if kept else "")
        + f"; {options.out / 'grades.csv'}, class.md, feedback/"
    )
    bad = [entry for entry in batch.entries if entry.status == UNKNOWN]
    odd = [r for r in results if r.trouble or r.status in ("empty", "damaged")]
    for entry in batch.entries:
        if entry.status in (UNKNOWN, DUPLICATE):
            print(entry)
    for result in odd:
        print(f"{result.student}: {class_report.status_of(result)}")
    if batch.gone:
        names = ", ".join(batch.gone)
        print(
            f"not in {options.submissions} any more: {names}; their pages stay in "
            f"{options.out}, and they are in no table and no export"
        )
    if any(r.trouble for r in results):
        print("look at what was not graded, then run the command again")
    return 1 if bad or odd else 0


def _write(batch: Batch, results: list[Result], secret: str) -> None:
    """Write the grades and the class report; with a secret, without names."""
    from minidl.files.whole import replaced

    from . import class_report

    ids = class_report.anonymous(results, secret) if secret else {}
    said = results, batch.entries, batch.named, ids
    pages = {
        "grades.csv": class_report.grades_file(results),
        "class.md": class_report.markdown(*said).encode("utf-8", "replace"),
        "class.html": class_report.html(*said).encode("utf-8", "replace"),
        "ids.csv": class_report.ids_file(ids),
    }
    for name, content in pages.items():
        if content:
            with replaced(batch.out / name) as file:
                file.write(content)


class Progress:
    """A line that says how far a batch is; on no terminal, a line now and then."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        self.took = 1e-9
        self.open = sys.stderr.isatty()

    def __call__(self, result: Any, done: int, total: int) -> None:
        """Tell of one more."""
        now = time.monotonic()
        self.took = now - self.start
        rate = done / self.took
        left = (total - done) / rate
        text = f"graded {done}/{total}, {rate:.2f} per second, {left:.0f} s to go"
        if self.open:
            print(f"\r{text:60}", end="", file=sys.stderr, flush=True)
        elif now - self.last > 10 or done == total:
            self.last = now
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.open:
            print(file=sys.stderr)


def export(options: argparse.Namespace) -> int:
    """Write what another platform takes."""
    from ..export.exporting import write

    for line in write(
        options.what, options.format, options.to, options.root, options.secret,
        options.classroom,
    ):  # fmt: skip
        print(line)
    return 0


Action = tuple[
    str,
    Callable[[argparse.ArgumentParser], None],
    Callable[[argparse.Namespace], int],
]
ACTIONS: dict[str, Action] = {
    "grade": ("grade a folder of submissions", grade_arguments, grade),
    "export": ("autograders and grades for other platforms", export_arguments, export),
}
