"""Run a course: hand out assignments, score and hand in work, check and grade.

  minidl course score               a student's own points so far, and the next hints
  minidl course submit --student ID what a student hands in, as a zip
  minidl course path my_engine.py   an engine from nothing, checked in eight stages
  minidl course release a1 --to DIR the student's edition, a folder and its zip
  minidl course check               prove all assignments (or name one: check a1)
  minidl course grade DIR --out OUT grade everything named aN_<student> in DIR
  minidl course export …            autograders and grades for other platforms

It works in a clone of the repository, or in the folder that students are given, which
has the first two; the same commands are `python -m minidl course …`.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Add = Callable[[argparse.ArgumentParser], None]
Action = Callable[[argparse.Namespace], int]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="minidl course",
        description=inspect.cleandoc(__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments(parser)
    for stream in (sys.stdout, sys.stderr):  # ✓ on a terminal that has none: ?
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return run(parser.parse_args(words))
    except OSError as error:
        print(f"minidl course: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


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
    """Do what was asked for; what cannot be done is said, with status 2."""
    from .errors import CourseError

    try:
        return int(options.action(options))
    except CourseError as error:
        print(f"minidl course: {error}", file=sys.stderr)
        return 2


def _actions() -> dict[str, tuple[str, Add, Action]]:
    actions: dict[str, tuple[str, Add, Action]] = {
        "score": ("the points of the work in this folder, and hints", _score, score),
        "submit": ("write the zip file to hand in", _student, submit),
        "path": ("check an engine of your own, stage by stage", _path, path),
    }
    for folder in ("author", "grade"):  # a student's edition has neither
        if (HERE / folder / "command.py").is_file():
            module: Any = importlib.import_module(f".{folder}.command", __package__)
            actions |= module.ACTIONS
    return actions


def _score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", help="such as a1")
    parser.add_argument("--task", default="", help="one task only, such as a1.3")


def _student(parser: argparse.ArgumentParser) -> None:
    text = "the name that your course knows you by"
    parser.add_argument("--student", required=True, metavar="ID", help=text)
    text = "where to write it (the folder of the assignment)"
    parser.add_argument("--to", type=Path, metavar="DIR", help=text)


def _path(parser: argparse.ArgumentParser) -> None:
    text = "your engine, such as my_engine.py"
    parser.add_argument("file", type=Path, metavar="FILE", help=text)
    text = "this stage only, 1 to 8 (all, up to the first that fails)"
    parser.add_argument("--stage", type=int, default=0, metavar="N", help=text)


def score(options: argparse.Namespace) -> int:
    """Print points per task and the next hints; status 1 while something is missing."""
    from .assignment import find
    from .score import explained, score, strays

    assignment = find(options.name, options.root)
    print(f"{assignment}: the public rows", flush=True)
    points, total, results = 0, 0, []
    for result in score(assignment, options.task):
        task, sign = result.task, "✓" if result.points == result.of else " "
        line = f"{sign} {task.name:6} {result.points:3} of {result.of:2}  {task.title}"
        print(line, flush=True)
        points, total = points + result.points, total + result.of
        results.append(result)
    for result in explained(results):  # when it is known what is right beside it
        for i, line in enumerate(result.note.splitlines()):
            print(f"{result.task.name + ':' if i == 0 else '':8}{line}")
    tasks = [t for t in assignment.tasks.values() if options.task in ("", t.name)]
    hidden = sum(task.points for task in tasks) - total
    print(f"public part {points} of {total}; {hidden} points are hidden")
    for file in strays(assignment):
        print(f"{file} was changed outside of the markers, where nothing is graded")
    return 0 if points == total else 1


def submit(options: argparse.Namespace) -> int:
    """Write the zip to hand in."""
    from .assignment import find
    from .submission import submit as write

    assignment = find("", options.root)
    path, doubts = write(assignment, options.student, options.to or assignment.folder)
    for doubt in doubts:
        print(f"careful: {doubt}")
    print(f"{path} is what you hand in: {', '.join(assignment.files)}")
    return 0


def path(options: argparse.Namespace) -> int:
    """Print the stages that pass and what to do next; status 1 if one fails."""
    from .path import HANDOUT, STAGES, walk

    stage = 0
    for stage, wrong in walk(options.file, options.root, options.stage):
        print(f"{' ' if wrong else '✓'} stage {stage}  {STAGES[stage - 1]}", flush=True)
        if wrong:
            print(f"  {wrong}")
            print(f"next: stage {stage} of {HANDOUT}")
            return 1
    if stage < len(STAGES):
        print(f"next: stage {stage + 1}, {STAGES[stage]}, of {HANDOUT}")
    else:
        print("nothing is left to do")
    return 0
