"""What a submission got: rows in tasks in a result, and the result as JSON.

Points come from the assignment, never from the student's run: a task lists all of its
rows, each with its maximum, whether or not an answer came.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = "minidl/course/result/2"
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # no files on Windows
LONG = 400  # letters of a sentence that holds words of a student's process


@dataclass(frozen=True)
class RowResult:
    """One property: why it failed, and where to look next if that is due."""

    name: str
    points: int
    worth: int
    hidden: bool
    what: str
    hint: str = ""


@dataclass(frozen=True)
class TaskResult:
    """One task; `printed` and `seconds` are for the instructor."""

    task: str
    title: str
    file: str
    rows: tuple[RowResult, ...]
    seconds: float = 0.0
    printed: str = ""

    @property
    def points(self) -> int:
        """What its rows got."""
        return sum(row.points for row in self.rows)

    @property
    def worth(self) -> int:
        """What its rows could have got."""
        return sum(row.worth for row in self.rows)


@dataclass(frozen=True)
class Result:
    """All of it, for one student.

    key      what it depends on: the submission, the assignment, the secret, the level
    sandbox  the level's statement, which every report prints
    notes    what is odd about the submission as a whole
    trouble  the grader's own failure, if there was one: not the student's fault
    status   "graded"; "untouched" is as handed out; in "empty" no task was found, and
             what is "damaged" could not be read
    """

    assignment: str
    title: str
    student: str
    key: str
    sandbox: str
    tasks: tuple[TaskResult, ...]
    notes: tuple[str, ...] = ()
    trouble: str = ""
    status: str = "graded"
    schema: str = field(default=SCHEMA)

    @property
    def points(self) -> int:
        """The sum over all tasks."""
        return sum(task.points for task in self.tasks)

    @property
    def worth(self) -> int:
        """The total of the assignment."""
        return sum(task.worth for task in self.tasks)


def to_json(result: Result) -> str:
    """Return a result as JSON, with the sums beside it for other programs to read."""
    sums = {"points": result.points, "worth": result.worth}
    return json.dumps(sums | asdict(result), indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Result:
    """Return the result that `to_json` wrote. Raises ValueError for anything else."""
    try:
        made: dict[str, Any] = json.loads(text)
        if made.pop("schema") != SCHEMA:
            raise ValueError("it was written by another version")
        tasks = [
            TaskResult(**{**t, "rows": tuple(RowResult(**row) for row in t["rows"])})
            for t in made.pop("tasks")
        ]
        del made["points"], made["worth"]
        return Result(tasks=tuple(tasks), notes=tuple(made.pop("notes")), **made)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no result ({error})") from error


def slug(student: str) -> str:
    """Return a name for a student's files, never two students' the same.

    Letters of any script stay. Capitals, and what a file system reads otherwise than
    we do, are told by a digest behind the name.

    >>> slug("ada"), slug("../ada"), slug("Ada"), slug("가나")
    ('ada', '.._ada-4d522c39', 'Ada-37f6086c', '가나')
    """
    plain = re.sub(r"[^\w@.-]", "_", unicodedata.normalize("NFC", student))[:64]
    same = plain == student == plain.casefold() and plain
    if same and plain[0] != "." and not DEVICES.fullmatch(plain):
        return plain
    raw = student.encode("utf-8", "surrogatepass")
    return f"{plain}-{hashlib.blake2b(raw, digest_size=4).hexdigest()}"


def clean(words: str, long: int = LONG) -> str:
    """Return untrusted text in one line: no escape codes, no odd directions.

    >>> clean("\\x1b[31mred\\x1b[0m\\nand \\u202eback")
    'red and ·back'
    """
    plain = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07?|.)", "", words)
    plain = re.sub(r"\s+", " ", plain).strip()
    shown = "".join(c if _shown(c) else "·" for c in plain)
    return shown if len(shown) <= long else shown[: long - 1] + "…"


def _shown(letter: str) -> bool:
    """Whether a letter is shown as itself: no control, format or private code."""
    return letter == " " or unicodedata.category(letter)[0] not in "CZ"
