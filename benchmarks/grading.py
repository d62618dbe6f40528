"""How fast submissions are graded: throughput and peak memory of one whole batch.

    python -m benchmarks.grading --assignment a1 --count 200 --jobs 2

The submissions are made here, from what the assignment has: the reference, the blank
skeleton, each mutant, and halves of both; so some tasks are right, some wrong, some
empty. The batch is the command that instructors run, `minidl course grade`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from benchmarks.history import RECORD, remember
from minidl_course.assignment import Assignment, find
from minidl_course.author.mutation import mutated
from minidl_course.regions import blank, region_of, replace
from minidl_course.zips import zipped

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Make submissions, grade them in one command, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assignment", default="a1")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--record", action="store_true", help=RECORD)
    options = parser.parse_args()
    assignment = find(options.assignment, options.root)
    with tempfile.TemporaryDirectory() as folder:
        inbox, out = Path(folder, "inbox"), Path(folder, "out")
        inbox.mkdir()
        kinds = islice(cycle(submissions(assignment)), options.count)
        for i, files in enumerate(kinds):
            content = {name: text.encode() for name, text in files.items()}
            path = inbox / f"{assignment.name}_student{i:04}.zip"
            path.write_bytes(zipped(content))
        start = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-m", "minidl", "course", "grade", str(inbox), "--out",
             str(out), "--jobs", str(options.jobs), "--sandbox", options.sandbox,
             "--root", str(options.root), "--i-trust-these-submissions"],
            cwd=ROOT, check=False,
        )  # fmt: skip
        took = time.perf_counter() - start
    if run.returncode:
        return run.returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate, megabytes = options.count / took, used.ru_maxrss / 1024
    figures = {"per_second": rate, "jobs": options.jobs, "megabytes": megabytes}
    if options.record:
        remember(grading=figures)
    print(
        f"{options.count} submissions of {assignment.name} ({len(assignment.tasks)} "
        f"tasks), {options.jobs} jobs: {took:.1f} s, {rate:.2f} per "
        f"second, processor {used.ru_utime + used.ru_stime:.1f} s, largest process "
        f"{megabytes:.0f} MB"
    )
    return 0


def submissions(assignment: Assignment) -> list[dict[str, str]]:
    """Return the kinds of submissions: files by name."""
    whole = {file: assignment.source(file) for file in assignment.files}
    names = list(assignment.tasks)
    half = names[: len(names) // 2]
    some = {file: blank(text, half) for file, text in whole.items()}
    none = {file: blank(text, names) for file, text in whole.items()}
    return [whole, some, none, *_mutated(assignment, whole)]


def _mutated(assignment: Assignment, whole: dict[str, str]) -> Iterator[dict[str, str]]:
    for mutant in assignment.mutants:
        file = assignment.tasks[mutant.task].file
        region = region_of(whole[file], mutant.task)
        yield {**whole, file: replace(whole[file], region, mutated(assignment, mutant))}


if __name__ == "__main__":
    sys.exit(main())
