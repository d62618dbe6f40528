"""The instructor's proof that an assignment grades what it says it grades.

    the reference gets all points, the blank skeleton none; a blank alone loses its own
    task's points and no others; every mutant loses points in its task and only there;
    handout, regions, rows and points agree; every right answer depends on the draw;
    what students get parses, lints, and holds no line of the solution

What holds is printed as a table; what does not is a sentence each.
"""

from __future__ import annotations

import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from minidl.course import manifest
from minidl.course.assignment import Assignment
from minidl.course.cut.regions import blank, region_of, replace
from minidl.course.cut.tree import reference_tree
from minidl.course.proof.papers import paper_faults
from minidl.course.proof.released import edition_faults
from minidl.course.rows import Mutant
from minidl.course.trial import Trial, depends
from minidl.errors import CourseError, RegionError

JOBS = 2


@dataclass
class Report:
    """What was found: points by task, and everything that is not as it should be."""

    assignment: Assignment
    reference: dict[str, int] = field(default_factory=dict)
    skeleton: dict[str, int] = field(default_factory=dict)
    alone: dict[str, dict[str, int]] = field(default_factory=dict)
    caught: dict[str, list[bool]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Return the report as lines to print."""
        a = self.assignment
        lines = [
            f"{a}",
            f"  {'task':7}{'points':>7}{'reference':>11}{'blank':>7}{'mutants':>10}",
        ]
        for task in a.tasks.values():
            caught = self.caught.get(task.name, [])
            lost = self.alone.get(task.name, {}).get(task.name, task.points)
            lines.append(
                f"  {task.name:7}{task.points:7}{self.reference.get(task.name, 0):11}"
                f"{lost:7}{f'{sum(caught)} of {len(caught)}':>10}  {task.title}"
            )
        full, empty = sum(self.reference.values()), sum(self.skeleton.values())
        lines.append(f"  reference {full} of 100, skeleton {empty}")
        if not self.faults:
            lines.append(
                f"  {len(a.public)} public rows, {len(a.hidden)} hidden, "
                f"{len(a.mutants)} mutants"
            )
        return "\n".join([*lines, *(f"  WRONG  {fault}" for fault in self.faults)])


def check(assignment: Assignment, *, write: bool = False) -> Report:
    """Prove an assignment; write its manifest if all is well and `write` says so."""
    report = Report(assignment)
    with tempfile.TemporaryDirectory() as folder:
        tree = reference_tree(Path(folder) / "tree", assignment.root)
        try:
            report.faults += paper_faults(assignment)
            _run(report, Trial(assignment, tree))
            report.faults += edition_faults(assignment, tree)
        except CourseError as error:
            report.faults.append(str(error))
    if write and not report.faults:
        path = assignment.folder / manifest.FILE
        path.write_text(manifest.text(assignment), encoding="utf-8")
    return report


def _run(report: Report, trial: Trial) -> None:
    a = report.assignment
    for row, expected in zip(a.rows, trial.expected, strict=True):
        if not depends(row, expected):
            report.faults.append(
                f"{row.task}, {row.name}: the right answer is the same in every draw, "
                "so that a constant would earn its points"
            )
    sources = {file: a.source(file) for file in a.files}
    empty = {file: blank(text, a.tasks) for file, text in sources.items()}
    alone = {
        t.name: {**sources, t.file: blank(sources[t.file], [t.name])}
        for t in a.tasks.values()
    }
    wrong = [(mutant, _mutated(report, mutant, sources)) for mutant in a.mutants]
    ahead = [(t.name, f[t.file]) for f in (sources, empty) for t in a.tasks.values()]
    ahead += [(m.task, f[a.tasks[m.task].file]) for m, f in wrong if f]
    with ThreadPoolExecutor(JOBS) as pool:  # what is below finds them done
        list(pool.map(lambda job: trial.judged(*job), ahead))
    report.reference = trial.submission(sources)
    report.skeleton = trial.submission(empty)
    report.alone = {name: trial.submission(files) for name, files in alone.items()}
    _compare_reference(report, trial)
    for mutant, files in wrong:
        if files:
            _compare_mutant(report, mutant, trial.submission(files))


def _compare_reference(report: Report, trial: Trial) -> None:
    a = report.assignment
    for task in a.tasks.values():
        for row, verdict in trial.judged(task.name, a.source(task.file)):
            if not verdict.right:
                report.faults.append(
                    f"{task.name}, {row.name}: the reference is {verdict.what}"
                )
        if points := report.skeleton[task.name]:
            report.faults.append(f"{task.name}: its blank earns {points} points")
        for other, points in report.alone[task.name].items():
            if other != task.name and points != report.reference[other]:
                report.faults.append(
                    f"the blank of {task.name} costs points of {other}"
                )


def _compare_mutant(report: Report, mutant: Mutant, points: dict[str, int]) -> None:
    caught = points[mutant.task] < report.reference[mutant.task]
    report.caught.setdefault(mutant.task, []).append(caught)
    if not caught:
        report.faults.append(
            f"{mutant.task}: nobody notices the mutant {mutant.name!r}"
        )
    for task, found in points.items():
        if task != mutant.task and found != report.reference[task]:
            report.faults.append(f"the mutant {mutant.name!r} costs points of {task}")


def _mutated(report: Report, mutant: Mutant, sources: dict[str, str]) -> dict[str, str]:
    """Return a submission whose region is the mutant's, or nothing if it has none."""
    task = report.assignment.tasks.get(mutant.task)
    if task is None:
        report.faults.append(f"the mutant {mutant.name!r} is of no task: {mutant.task}")
        return {}
    source = sources[task.file]
    try:
        region = region_of(source, task.name, task.file)
    except RegionError as error:
        report.faults.append(str(error))
        return {}
    if mutant.old and region.code.count(mutant.old) != 1:
        count = region.code.count(mutant.old)
        report.faults.append(
            f"the mutant {mutant.name!r}: {mutant.old!r} is there {count} times in "
            f"{task.name}, and should be once"
        )
        return {}
    code = region.code.replace(mutant.old, mutant.new) if mutant.old else _indented(
        mutant.new, region.indent
    )  # fmt: skip
    return {**sources, task.file: replace(source, region, code)}


def _indented(code: str, indent: str) -> str:
    """Return a mutant's lines at the place of the region."""
    return textwrap.indent(textwrap.dedent(code).strip("\n") + "\n", indent)
