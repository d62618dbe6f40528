"""Regions: the lines of the engine that a student writes.

    # region a4.1: normalize each feature over the batch, then scale and shift
    …
    # endregion

A region is whole statements of one block. `blank` puts todo("a4.1") in its place, bound
to the names that the lines after it need. The markers are found line by line, for a
student's file need not parse: a slip in one task must not cost another.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .blanks import (
    imports_todo,
    inside_function,
    known_before,
    left_behind,
    parsed,
)
from .errors import RegionError

BEGIN = re.compile(r"([ \t]*)#[ \t]*region[ \t]+(\w+\.\d+):[ \t]*(.*?)[ \t]*")
END = re.compile(r"[ \t]*#[ \t]*endregion\b.*")


@dataclass(frozen=True)
class Region:
    """A task's place in a file; its markers stand on lines `start` and `end`."""

    task: str
    title: str
    start: int
    end: int
    indent: str
    code: str


def regions(source: str) -> dict[str, Region]:
    """Return the regions of a file by their tasks, in order.

    Raises RegionError for one that is twice there, inside another, or without an end.
    """
    found: dict[str, Region] = {}
    for region in _regions(source):
        if region.task in found:
            raise RegionError(
                f"{region.task} has two regions, on lines {found[region.task].start} "
                f"and {region.start}; leave one, with its markers"
            )
        found[region.task] = region
    return found


def _regions(source: str) -> Iterator[Region]:
    lines, begin, start = lines_of(source), None, 0
    for number, line in enumerate(lines, 1):
        if (match := BEGIN.fullmatch(line)) is not None:
            if begin is not None:
                raise RegionError(
                    f"{match[2]} begins on line {number}, inside of {begin[2]} (line "
                    f'{start}); is a line "# endregion" lost between them?'
                )
            begin, start = match, number
        elif END.fullmatch(line):
            if begin is None:
                raise RegionError(
                    f'line {number} says "# endregion", and no region is open there; '
                    'a region begins with "# region " and the name of its task'
                )
            code = text_of(lines[start : number - 1])
            yield Region(begin[2], begin[3], start, number, begin[1], code)
            begin = None
    if begin is not None:
        raise RegionError(
            f'{begin[2]} begins on line {start} and has no end: a line "# endregion" '
            "is missing"
        )


def region_of(source: str, task: str, file: str = "the file") -> Region:
    """Return a task's region.

    Only its own markers matter here: what happened to those of others does not.
    """
    lines = lines_of(source)
    heads = [
        (number, match)
        for number, line in enumerate(lines, 1)
        if (match := BEGIN.fullmatch(line)) is not None and match[2] == task
    ]
    if len(heads) != 1:
        raise RegionError(
            f'{file}: the line "# region {task}: …" is '
            + ("missing" if not heads else f"there {len(heads)} times")
            + "; what counts is what stands between it and # endregion, so put the "
            "markers back as they were in the file you got"
        )
    start, match = heads[0]
    for end, line in enumerate(lines[start:], start + 1):
        if END.fullmatch(line):
            code = text_of(lines[start : end - 1])
            return Region(task, match[3], start, end, match[1], code)
        if BEGIN.fullmatch(line):
            break
    raise RegionError(
        f'{file}: {task} begins on line {start}, and the line "# endregion" that ends '
        "it is missing; put it back after your last line of the task"
    )


def lines_of(source: str) -> list[str]:
    """Return the lines as Python counts them; `splitlines` knows other ends, too."""
    return [line.rstrip("\n") for line in io.StringIO(source, newline=None)]


def text_of(lines: Iterable[str]) -> str:
    """Return the text of some lines."""
    return "".join(f"{line}\n" for line in lines)


def replace(source: str, region: Region, code: str) -> str:
    """Return the file with other lines between the markers of a region."""
    lines = lines_of(source)
    return text_of([*lines[: region.start], *lines_of(code), *lines[region.end - 1 :]])


def blank(source: str, tasks: Collection[str]) -> str:
    """Return the file with the regions of some tasks emptied.

    Markers stay. A blank says which names are there and which it must leave behind, and
    binds those to todo(task), which raises: the rest still parses and lints.
    """
    tree, every = parsed(source), list(regions(source).values())
    found = [region for region in every if region.task in tasks]
    for region in reversed(found):
        others = [(r.start, r.end) for r in every if r.task != region.task]
        source = replace(source, region, _blank(tree, region, others))
    return imports_todo(source) if found else source


def _blank(tree: ast.Module, region: Region, others: list[tuple[int, int]]) -> str:
    if not inside_function(tree, region.start, region.end):
        raise RegionError(
            f"{region.task} stands outside of any function, and its blank would raise "
            "at import; a region is a part of a function's body"
        )
    gives = left_behind(tree, region.start, region.end)
    given = known_before(tree, region.start, region.end, others)
    block: Any = parsed(f"def _():\n{moved(region.code, region.indent, '    ')}")
    returns = isinstance(block.body[0].body[-1], ast.Return)
    notes = [f"given: {', '.join(given)}"] if given else []
    if gives:
        notes.append(f"leave behind: {', '.join(gives)}")
    elif returns:
        notes.append("return the answer")
    elif not any(isinstance(node, ast.Return) for node in ast.walk(block)):
        notes.append("change in place what the handout says")
    call = f'todo("{region.task}")'
    head = (
        " = ".join([*gives, call]) if gives else f"return {call}" if returns else call
    )
    width = 88 - len(region.indent) - 2
    comment = textwrap.wrap("; ".join(notes), width) if notes else []
    lines = [*(f"# {line}" for line in comment), head]
    return text_of(f"{region.indent}{line}" for line in lines)


def moved(code: str, old: str, new: str) -> str:
    """Return lines of code with another indent."""
    lines = lines_of(code)
    return text_of(new + x.removeprefix(old) if x.strip() else x for x in lines)
