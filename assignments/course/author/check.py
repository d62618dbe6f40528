"""The instructor's proof that an assignment grades what it says it grades.

    the reference gets all points, the blank skeleton none; a blank alone loses its own
    task's points and no others; every mutant loses points in its task and only there;
    handout, regions, rows and points agree; every right answer depends on the draw;
    what students get parses, lints, and holds no line of the solution

What holds is printed as a table; what does not is a sentence each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .. import manifest
from ..assignment import Assignment
from ..errors import CourseError
from ..regions import blank, region_of, replace
from ..rows import Mutant
from ..source_tree import reference_tree
from .consistency import paper_faults
from .edition import edition_faults
from .luck import luck_faults
from .mutation import mutated
from .release import edition
from .trial import Trial, depends
from .walkthrough import walkthrough_faults

JOBS = 2
BROKEN = ("raised NameError", "raised UnboundLocalError", "cannot be imported")


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


def check(assignment: Assignment, *, write: bool = False, students: int = 0) -> Report:
    """Prove an assignment; write its manifest if all is well and `write` says so.

    students   so many are asked about every mutant (luck.py)
    """
    report = Report(assignment)
    with tempfile.TemporaryDirectory() as folder:
        tree = reference_tree(Path(folder) / "tree", assignment.root)
        try:
            report.faults += paper_faults(assignment)
            trial = Trial(assignment, tree)
            prove(report, trial)
            report.faults += luck_faults(trial, students) if students else []
            files = edition(assignment, tree)
            report.faults += edition_faults(assignment, files)
            report.faults += walkthrough_faults(assignment, files)
        except CourseError as error:
            report.faults.append(str(error))
    if write and not report.faults:
        path = assignment.folder / manifest.FILE
        path.write_text(manifest.text(assignment), encoding="utf-8")
    return report


def changed_faults(assignment: Assignment) -> list[str]:
    """Prove those tasks again whose lines or mutants are not those of the manifest.

    Quick, for it asks the reference, the blank and the mutants of those tasks only.
    """
    report, tasks = Report(assignment), manifest.changed(assignment)
    if not tasks:
        return []
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(assignment, reference_tree(Path(folder), assignment.root))
        for task in tasks:
            source = assignment.source(assignment.tasks[task].file)
            report.reference[task] = trial.points(task, source)
            if report.reference[task] < assignment.tasks[task].points:
                report.faults.append(f"{task}: the reference loses points")
            if trial.points(task, blank(source, [task])):
                report.faults.append(f"{task}: its blank earns points")
        for mutant in assignment.mutants:
            if mutant.task in tasks:
                _try_mutant(report, trial, mutant, [mutant.task])
    return report.faults


def prove(report: Report, trial: Trial) -> None:
    """Fill in the report from the reference, the blanks and the mutants."""
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
    ahead = [(t.name, f[t.file]) for f in (sources, empty) for t in a.tasks.values()]
    ahead += [(m.task, text) for m in a.mutants if (text := _mutated(a, m))]
    with ThreadPoolExecutor(JOBS) as pool:  # what is below finds them done
        list(pool.map(lambda job: trial.judged(*job), ahead))
    report.reference = trial.submission(sources)
    report.skeleton = trial.submission(empty)
    report.alone = {name: trial.submission(files) for name, files in alone.items()}
    _compare_reference(report, trial)
    for mutant in a.mutants:
        _try_mutant(report, trial, mutant, list(a.tasks))


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


def _try_mutant(
    report: Report, trial: Trial, mutant: Mutant, tasks: Sequence[str]
) -> None:
    """See that a mutant loses points of its own task, and of no other of `tasks`."""
    a, name = report.assignment, f"the mutant {mutant.name!r}"
    try:
        mutated(a, mutant)
    except CourseError as error:
        report.faults.append(str(error))
        return
    file, text = a.tasks[mutant.task].file, _mutated(a, mutant)
    verdicts = trial.judged(mutant.task, text)
    if broken := [v.what for _, v in verdicts if v.what.startswith(BROKEN)]:
        where = f"{a.folder.name}/mutants.py"
        report.faults.append(f"update {where}, {name} of {mutant.task}: {broken[0]}")
    points = sum(verdict.points for _, verdict in verdicts)
    caught = points < report.reference[mutant.task]
    report.caught.setdefault(mutant.task, []).append(caught)
    if not caught:
        report.faults.append(f"{mutant.task}: nobody notices {name}")
    others = [t for t in tasks if t != mutant.task and a.tasks[t].file == file]
    for task in others:
        if trial.points(task, text) != report.reference[task]:
            report.faults.append(f"{name} costs points of {task}")


def _mutated(assignment: Assignment, mutant: Mutant) -> str:
    """Return the file with a mutant's region; "" if the patch is stale."""
    try:
        code = mutated(assignment, mutant)
    except CourseError:
        return ""
    task = assignment.tasks[mutant.task]
    source = assignment.source(task.file)
    return replace(source, region_of(source, task.name, task.file), code)
