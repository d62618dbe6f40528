"""Before a batch: which assignment it is, and whether this machine may grade it."""

from __future__ import annotations

from pathlib import Path

from minidl import errors

from ..assignment import Assignment, all_assignments, find
from ..errors import CourseError
from ..manifest import manifest
from ..sandbox.box import RANK
from ..sandbox.probe import Proof, reach
from .inbox import student_of


def chosen(submissions: Path, name: str, root: Path | None) -> Assignment:
    """Return the assignment to grade: the one that is named, or that the names say."""
    if not name:
        every = [a.name for a in all_assignments(root)]
        names = [p.name for p in submissions.iterdir()] if submissions.is_dir() else []
        fits = [a for a in every if any(student_of(name, a) for name in names)]
        if len(fits) != 1:
            raise CourseError(
                f"{submissions} holds submissions of "
                + (" and ".join(fits) or "no assignment that is here")
                + f" (there are {', '.join(every)}); say which: --assignment a1"
            )
        name = fits[0]
    assignment = find(name, root)
    if assignment.edition:
        raise CourseError(
            "a student's edition cannot grade; use a clone, or --root DIR"
        )
    here, there = Path(errors.__file__).resolve().parent, assignment.root / "minidl"
    if here != there.resolve():
        raise CourseError(
            f"the minidl that runs now is {here}, and the assignment is about {there}; "
            f"go to {assignment.root} and say `python -m minidl course grade …`"
        )
    manifest(assignment)  # points come from there; it must be about these rows
    return assignment


def proved(sandbox: str, trusted: bool) -> Proof:
    """Return the proof of a level that is good enough for these submissions."""
    proof = reach(sandbox)
    if RANK[proof.level] < RANK["landlock"] and not trusted:
        raise CourseError(
            f"{proof}\nThat is too little for code of others: a submission could read "
            "your files and use your network. Grade on Linux 5.13 or later with "
            "Landlock, install bubblewrap, or, if you know whose code it is, say "
            "--i-trust-these-submissions (assignments/SECURITY.md)"
        )
    return proof
