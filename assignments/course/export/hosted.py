"""The grader on somebody else's platform: one submission, one file of results.

    python -m minidl_course.export.hosted gradescope /autograder
    python -m minidl_course.export.hosted classroom50 CHECKOUT

The platform's container is the outer wall there; inside of it the best level that holds
is taken, and the result says which. If the grader itself fails there is no result and
the status is not 0: nobody gets 0 points for our mistakes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from minidl.files.whole import replaced

from ..assignment import all_assignments
from ..errors import CourseError
from ..grade.grading import Grader
from ..grade.intake import take
from ..grade.results import Result
from ..grade.trees import Trees
from ..sandbox import folders
from ..sandbox.box import Box
from ..sandbox.probe import reach
from . import SECRET, classroom50, gradescope


def grade_one(submission: Path, student: str, root: Path) -> Result:
    """Return the result of one submission for the one assignment at `root`."""
    (assignment,) = all_assignments(root)
    proof = reach("auto")
    print(proof)
    with folders.temporary() as scratch:
        trees = Trees(assignment, scratch / "trees")
        (scratch / "homes").mkdir()
        trees.make()
        secret = (root / SECRET).read_text(encoding="utf-8").strip()
        box = Box(proof.level)
        one = Grader(assignment, trees, box, secret, scratch / "homes")
        return one.grade(take(submission, student, assignment))


def on_gradescope(home: Path, root: Path) -> None:
    """Grade home/submission into home/results/results.json."""
    path = home / "submission_metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    result = grade_one(home / "submission", gradescope.student(metadata), root)
    with replaced(home / "results" / "results.json") as file:
        file.write(json.dumps(gradescope.results(result), indent=1).encode())


def on_classroom50(checkout: Path, root: Path) -> None:
    """Grade a checkout into its result.json."""
    owner = os.environ.get("OWNER") or os.environ.get("USERNAME") or "unknown"
    result = grade_one(checkout, owner, root)
    with replaced(checkout / "result.json") as file:
        said = classroom50.result(result, os.environ)
        file.write(json.dumps(said, indent=1).encode())


def main(words: list[str]) -> int:
    """Grade for the platform that is named."""
    platforms = {"gradescope": on_gradescope, "classroom50": on_classroom50}
    try:
        platforms[words[0]](Path(words[1]), Path.cwd())
    except (CourseError, OSError) as error:
        print(f"the autograder failed: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
