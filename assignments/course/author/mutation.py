"""Mutants and variants: patches of a region, by the text of its lines.

    - y = exp(z)                the lines that are replaced, once in the region, and
    + y = exp(x)                what stands in their place; several pairs may follow

Without a "-" line the whole region is replaced. How far lines are indented counts only
relative to each other. A patch whose old lines are gone says which one to update.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..assignment import Assignment
from ..errors import CourseError
from ..regions import lines_of, region_of, text_of
from ..rows import Patch


def mutated(assignment: Assignment, patch: Patch) -> str:
    """Return the lines of a task's region, changed; CourseError if a patch is stale."""
    task = assignment.tasks.get(patch.task)
    file = f"{assignment.folder.name}/{patch.file}"
    where = f"update {file}, {patch.name!r} of {patch.task}"
    if task is None:
        raise CourseError(f"{where}: there is no such task")
    region = region_of(assignment.source(task.file), task.name, task.file)
    try:
        return patched(region.code, region.indent, patch.patch)
    except CourseError as error:
        raise CourseError(f"{where}: {error}") from error


def patched(code: str, indent: str, patch: str) -> str:
    """Return code with a patch applied; `indent` is that of its block.

    >>> patched("  y = exp(z)\\n  y /= 2\\n", "  ", "- y = exp(z)\\n+ y = exp(x)")
    '  y = exp(x)\\n  y /= 2\\n'
    """
    lines = lines_of(code)
    for old, new in hunks(patch):
        if not old:
            return text_of(indent + line if line.strip() else "" for line in new)
        at = found(lines, old)
        first = len(lines[at]) - len(lines[at].lstrip())
        least = min((len(x) - len(x.lstrip()) for x in new if x.strip()), default=0)
        put = [" " * first + line[least:] if line.strip() else "" for line in new]
        lines[at : at + len(old)] = put
    return text_of(lines)


def found(lines: list[str], old: list[str]) -> int:
    """Return where lines stand, once; their indents do not count."""
    bare, wanted = [x.strip() for x in lines], [x.strip() for x in old]
    n = len(wanted)
    places = [i for i in range(len(bare) - n + 1) if bare[i : i + n] == wanted]
    if len(places) != 1:
        raise CourseError(
            f"{' / '.join(wanted)!r} stands {len(places)} times in the region, and "
            "should stand there once"
        )
    return places[0]


def hunks(patch: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield pairs of old and new lines."""
    old, new = list[str](), list[str]()
    for line in filter(str.strip, patch.splitlines()):
        sign, text = line.lstrip()[:1], line.lstrip()[2:]
        if sign not in ("-", "+"):
            raise CourseError(f"{line!r} begins neither with - nor with +")
        if sign == "-" and new:
            yield old, new
            old, new = [], []
        (old if sign == "-" else new).append(text)
    yield old, new
