"""The instructor's proof that an assignment grades what it says it grades.

    the reference gets all points, the blank skeleton none; a blank alone loses its own
    task's points and no others; every mutant loses points in its task and only there;
    every variant (a right answer in other words) keeps all points of its task;
    both are so for every student who is asked (luck.py);
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
from ..rows import Patch, Variant
from ..source_tree import reference_tree
from .consistency import paper_faults
from .edition import edition_faults
from .luck import luck_faults
from .mutation import mutated
from .release import edition
from .trial import Trial, depends
from .walkthrough import walkthrough_faults

JOBS = 2
PART = 6  # texts for one process
BROKEN = ("raised NameError", "raised UnboundLocalError", "cannot be imported")


@dataclass
class Report:
    """What was found: points by task, and everything that is not as it should be."""

    assignment: Assignment
    reference: dict[str, int] = field(default_factory=dict)
    skeleton: dict[str, int] = field(default_factory=dict)
    alone: dict[str, dict[str, int]] = field(default_factory=dict)
    caught: dict[str, list[bool]] = field(default_factory=dict)
    kept: dict[str, list[bool]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Return the report as lines to print."""
        a = self.assignment
        lines = [
            f"{a}",
            f"  {'task':7}{'points':>7}{'reference':>11}{'blank':>7}{'mutants':>10}"
            f"{'variants':>10}",
        ]
        for task in a.tasks.values():
            caught = self.caught.get(task.name, [])
            kept = self.kept.get(task.name, [])
            lost = self.alone.get(task.name, {}).get(task.name, task.points)
            lines.append(
                f"  {task.name:7}{task.points:7}{self.reference.get(task.name, 0):11}"
                f"{lost:7}{f'{sum(caught)} of {len(caught)}':>10}"
                f"{f'{sum(kept)} of {len(kept)}':>10}  {task.title}"
            )
        full, empty = sum(self.reference.values()), sum(self.skeleton.values())
        lines.append(f"  reference {full} of 100, skeleton {empty}")
        if not self.faults:
            lines.append(
                f"  {len(a.public)} public rows, {len(a.hidden)} hidden, "
                f"{len(a.mutants)} mutants, {len(a.variants)} variants"
            )
        return "\n".join([*lines, *(f"  WRONG  {fault}" for fault in self.faults)])


def check(
    assignment: Assignment,
    *,
    write: bool = False,
    students: int = 0,
    states: int | None = None,
) -> Report:
    """Prove an assignment; write its manifest if all is well and `write` says so.

    students   so many are asked about every mutant and variant
    states     so many states of a student's folder are tried (walkthrough.py; all)
    """
    report = Report(assignment)
    with tempfile.TemporaryDirectory() as folder:
        tree = reference_tree(Path(folder) / "tree", assignment.root)
        try:
            report.faults += paper_faults(assignment)
            prove(report, Trial(assignment, tree, students))
            files = edition(assignment, tree)
            report.faults += edition_faults(assignment, files)
            report.faults += walkthrough_faults(assignment, files, states)
        except CourseError as error:
            report.faults.append(str(error))
    if write and not report.faults:
        path = assignment.folder / manifest.FILE
        path.write_text(manifest.text(assignment), encoding="utf-8")
    return report


def changed_faults(assignment: Assignment) -> list[str]:
    """Prove those tasks again whose lines or patches are not those of the manifest.

    Quick, for it asks the reference, the blank and the patches of those tasks only.
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
        for patch in [*assignment.mutants, *assignment.variants]:
            if patch.task in tasks:
                _try(report, trial, patch, [patch.task])
    return report.faults


def prove(report: Report, trial: Trial) -> None:
    """Fill in the report from the reference, blanks, mutants and variants."""
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
    patches = [*a.mutants, *a.variants]
    ahead += [(p.task, text) for p in patches if (text := _mutated(a, p))]
    parts = [
        (task, texts[i : i + PART])
        for task in a.tasks
        for texts in [[text for name, text in ahead if name == task]]
        for i in range(0, len(texts), PART)
    ]
    with ThreadPoolExecutor(JOBS) as pool:  # what is below finds them done
        list(pool.map(lambda part: trial.several(*part), parts))
    report.reference = trial.submission(sources)
    report.skeleton = trial.submission(empty)
    report.alone = {name: trial.submission(files) for name, files in alone.items()}
    _compare_reference(report, trial)
    for patch in patches:
        _try(report, trial, patch, list(a.tasks))


def _compare_reference(report: Report, trial: Trial) -> None:
    a = report.assignment
    for task in a.tasks.values():
        for row, verdict in trial.judged(task.name, a.source(task.file)).rows:
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


def _try(report: Report, trial: Trial, patch: Patch, tasks: Sequence[str]) -> None:
    """See that a mutant loses points, in its own task of `tasks` only; a variant none.

    A patch of lines that are gone, or of names that are, is a fault of its own.
    """
    a, name = report.assignment, f"{type(patch).__name__.lower()} {patch.name!r}"
    try:
        mutated(a, patch)
    except CourseError as error:
        report.faults.append(str(error))
        return
    text = _mutated(a, patch)
    judged = trial.judged(patch.task, text)
    verdicts = judged.rows
    if broken := [v.what for _, v in verdicts if v.what.startswith(BROKEN)]:
        where = f"{a.folder.name}/{patch.file}"
        report.faults.append(f"update {where}, the {name} of {patch.task}: {broken[0]}")
    wrong = [f"{row.name} ({v.fault})" for row, v in verdicts if not v.right]
    report.faults += luck_faults(a.tasks[patch.task], patch, judged.students)
    if isinstance(patch, Variant):
        report.kept.setdefault(patch.task, []).append(not wrong)
        lost = f"{patch.task}: the {name} loses points in {'; '.join(wrong)}"
        report.faults += [lost] if wrong else []
        return
    report.caught.setdefault(patch.task, []).append(bool(wrong))
    report.faults += [] if wrong else [f"{patch.task}: nobody notices the {name}"]
    file = a.tasks[patch.task].file
    others = [t for t in tasks if t != patch.task and a.tasks[t].file == file]
    report.faults += [
        f"the {name} costs points of {task}"
        for task in others
        if trial.points(task, text) != report.reference[task]
    ]


def _mutated(assignment: Assignment, patch: Patch) -> str:
    """Return the file with a patched region; "" if the patch is stale."""
    try:
        code = mutated(assignment, patch)
    except CourseError:
        return ""
    task = assignment.tasks[patch.task]
    source = assignment.source(task.file)
    return replace(source, region_of(source, task.name, task.file), code)
