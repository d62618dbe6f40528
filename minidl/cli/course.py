"""Run a course: hand out assignments, score and hand in work, check and grade.

  minidl course check               prove all assignments (or name one: check a1)
  minidl course release a1 --to DIR the student's edition, a folder and its zip
  minidl course score               a student's own points so far, and the next hints
  minidl course submit --student ID what a student hands in, as a zip

It works in a clone of the repository, or in the folder that students are given; the
same commands are `python -m minidl course …`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

HELP = "assignments: release, score, submit, check, grade"
MORE = "minidl.cli.course_grade"  # grade and export


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl course`."""
    found = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (text, add, action) in _actions().items():
        sub = found.add_parser(name, help=text, description=text)
        text = "the clone or the student's folder (found upwards)"
        sub.add_argument("--root", type=Path, metavar="DIR", help=text)
        add(sub)
        sub.set_defaults(action=action)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(options.action(options))


Add = Callable[[argparse.ArgumentParser], None]
Action = Callable[[argparse.Namespace], int]


def _actions() -> dict[str, tuple[str, Add, Action]]:
    actions: dict[str, tuple[str, Add, Action]] = {
        "release": ("write the student's edition of an assignment", _to, release),
        "score": ("the points of the work in this folder, and hints", _named, score),
        "submit": ("write the zip file to hand in", _student, submit),
        "check": ("prove that assignments grade what they say", _check, check),
    }
    if importlib.util.find_spec(MORE) is not None:
        actions |= importlib.import_module(MORE).ACTIONS
    return actions


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", help="such as a1")


def _to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="such as a1")
    text = "the folder to write to"
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help=text)


def _student(parser: argparse.ArgumentParser) -> None:
    text = "the name that your course knows you by"
    parser.add_argument("--student", required=True, metavar="ID", help=text)
    text = "where to write it (the folder of the assignment)"
    parser.add_argument("--to", type=Path, metavar="DIR", help=text)


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", help="such as a1 (all)")
    parser.add_argument("--dry", action="store_true", help="write no manifest.json")


def release(options: argparse.Namespace) -> int:
    """Write the student's edition, as a folder and as a zip."""
    from minidl.course.assignment import find
    from minidl.course.edition.release import release as write

    folder, archive = write(find(options.name, options.root), options.to)
    print(f"{folder} for students, and the same as {archive}")
    print("try it there: python -m minidl course score")
    return 0


def score(options: argparse.Namespace) -> int:
    """Print points per task and the next hints; status 1 while something is missing."""
    from minidl.course import scoring
    from minidl.course.assignment import find

    assignment = find(options.name, options.root)
    results = scoring.score(assignment)
    print(f"{assignment}: the public rows")
    for result in results:
        task, sign = result.task, "✓" if result.points == result.of else " "
        print(f"{sign} {task.name:6} {result.points:3} of {result.of:2}  {task.title}")
        for line in result.note.splitlines():
            print(f"{'':20}{line}")
    points, total = sum(r.points for r in results), sum(r.of for r in results)
    hidden = 100 - total
    more = f"; {hidden} more stand in hidden rows" if assignment.edition else ""
    print(f"{points} of {total} points{more}")
    for file in scoring.strays(assignment):
        print(f"{file} was changed outside of the markers, where nothing is graded")
    return 0 if points == total else 1


def submit(options: argparse.Namespace) -> int:
    """Write the zip to hand in."""
    from minidl.course.assignment import find
    from minidl.course.edition.submission import submit as write
    from minidl.course.scoring import strays

    assignment = find("", options.root)
    to = options.to or assignment.folder
    path, doubts = write(assignment, options.student, to)
    for doubt in doubts:
        print(f"careful: {doubt}")
    for file in strays(assignment):
        print(f"careful: {file} was changed outside of the markers, where nothing "
              "is graded")  # fmt: skip
    print(f"{path} is what you hand in: {', '.join(assignment.files)}")
    return 0


def check(options: argparse.Namespace) -> int:
    """Print the proof of each assignment; status 1 if something in it does not hold."""
    from minidl.course.assignment import all_assignments, find
    from minidl.course.proof.checking import check as prove

    root = options.root
    chosen = [find(name, root) for name in options.names] or all_assignments(root)
    faults = 0
    for assignment in chosen:
        start = time.perf_counter()
        report = prove(assignment, write=not options.dry)
        print(report.table(), f"  in {time.perf_counter() - start:.1f} s", sep="\n")
        faults += len(report.faults)
    print("all is well" if not faults else f"{faults} faults")
    return 1 if faults else 0
