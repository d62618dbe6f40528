"""Tables of points that a learning platform reads into its grade book.

    Canvas   a line for each student, known by the login; above them what can be had
    Moodle   its import of grades asks which column is what: user or e-mail address

Both are UTF-8 without a mark. Who is not graded has an empty cell, which changes
nothing there. (grades.csv, for Excel, is made in grade/class_report.py.)

https://community.canvaslms.com/docs/DOC-12828   https://docs.moodle.org/en/Grade_import
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..grade.class_report import status_of
from ..grade.results import Result


def canvas(results: Sequence[Result]) -> str:
    """Return the file for Grades → Import in Canvas."""
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", _title(results)]
    possible = ["    Points Possible", "", "", "", "", results[0].worth]
    rows = [[r.student, "", "", r.student, "", _points(r)] for r in results]
    return _table([head, possible, *rows])


def moodle(results: Sequence[Result]) -> str:
    """Return the file for Grades → Import → CSV file in Moodle."""
    title = _title(results)
    head = ["Username", "Email address", title, f"Feedback: {title}"]
    rows = [
        [r.student, r.student if "@" in r.student else "", _points(r), status_of(r)]
        for r in results
    ]
    return _table([head, *rows])


def _title(results: Sequence[Result]) -> str:
    return f"{results[0].assignment} {results[0].title}"


def _points(result: Result) -> int | str:
    return "" if result.trouble else result.points


def _table(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
