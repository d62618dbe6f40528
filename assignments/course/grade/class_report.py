"""What an instructor reads: everybody's points, and what went wrong most often.

grades.csv opens in a spreadsheet, where a cell that begins with =, +, - or @ would be a
formula: such a cell gets an apostrophe in front, and is text.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, median
from urllib.parse import quote

from .feedback import HEAD, STYLE, plain, safe
from .inbox import DUPLICATE, UNKNOWN, Entry
from .mistakes import Mistake, mistakes
from .results import Result, slug

NO_NAMES: dict[Mistake, str] = {}
NO_IDS: dict[str, str] = {}
HEADS = ("task", "", "mean", "all points", "none", "0 … all")
BARS = " ▁▂▃▄▅▆▇█"
BAR = 20  # characters of a histogram's longest bar


def grades_file(results: Sequence[Result]) -> bytes:
    """Return grades.csv; by its first three bytes Excel sees that it is UTF-8."""
    return grades(results).encode("utf-8-sig", "replace")


def grades(results: Sequence[Result]) -> str:
    """Return grades.csv: student, points, one column for each task, what is odd."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    tasks = [task.task for task in results[0].tasks] if results else []
    table.writerow(["student", "points", "of", *tasks, "status"])
    for result in results:
        status = status_of(result)
        table.writerow(
            [
                cell(result.student),
                "" if result.trouble else result.points,
                result.worth,
                *("" if result.trouble else task.points for task in result.tasks),
                cell(status),
            ]
        )
    return out.getvalue()


def status_of(result: Result) -> str:
    """Return how it went: "graded", or what is odd or wrong."""
    if result.trouble:
        return f"not graded: {result.trouble}"
    said = [result.status] if result.status != "graded" else []
    return ": ".join([*said, *filter(None, ["; ".join(result.notes)])]) or "graded"


def cell(words: str) -> str:
    """Return words that a spreadsheet takes for words.

    >>> cell("=HYPERLINK(1)"), cell("ada")
    ("'=HYPERLINK(1)", 'ada')
    """
    return f"'{words}" if re.match(r"[=+\-@\t\r\n＝＋－＠|%]", words) else words


def _summary(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return sentences about the class, and a row of figures for each task."""
    graded = [r for r in results if not r.trouble]
    points = [r.points for r in graded]
    lines = [f"{len(graded)} graded, {len(results) - len(graded)} not yet"]
    if not graded:
        return lines, []
    lines.append(
        f"points: mean {mean(points):.1f}, median {median(points):g}, lowest "
        f"{min(points)}, highest {max(points)}, of {graded[0].worth}"
    )
    table = []
    for i, task in enumerate(graded[0].tasks):
        got = [r.tasks[i].points for r in graded]
        full, none = sum(g == task.worth for g in got), sum(g == 0 for g in got)
        figures = [f"{mean(got):.1f} of {task.worth}", str(full), str(none)]
        figures.append(bars(got, task.worth))
        table.append([task.task, task.title, *figures])
    return lines, table


def flags(result: Result) -> str:
    """Return what an instructor should know of a submission, in a few words.

    Notes, and what the sandbox saw: a process that hung, crashed, left or forged.
    """
    said = [] if status_of(result) == "graded" else [status_of(result)]
    for task in result.tasks:
        whats = [row.what for row in task.rows if row.what.startswith("the code ")]
        said += [f"{task.task}: {what}" for what in whats[:1]]
    return "; ".join(said)


Names = Mapping[Mistake, str]  # what `check.explain` said of mistakes


def markdown(
    results: Sequence[Result], entries: Sequence[Entry] = (), named: Names = NO_NAMES,
    ids: Mapping[str, str] = NO_IDS,
) -> str:  # fmt: skip
    """Return the class report as Markdown.

    ids   what students are called in place of their names, if anything
    """
    lines, table = _summary(results)
    first = results[0]
    text = [f"# {plain(first.assignment)} {plain(first.title)}: the class", ""]
    text += [f"- {line}" for line in lines]
    text += ["", f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    text += ["| " + " | ".join(map(plain, row)) + " |" for row in table]
    text += ["", "```", *histogram(results), "```", "", "## The commonest mistakes", ""]
    for n, what, said in _common(results, named):
        text.append(f"- {n} × {plain(what)}: {plain(said)}")
    failed = [r for r in results if r.trouble]
    if failed:
        text += ["", "## Look at these yourself", ""]
        text += [f"- {plain(_id(r, ids))}: {plain(r.trouble)}" for r in failed]
    text += ["", "## Students", "", "| student | points | |", "|---|---|---|"]
    for r in results:
        page = f"[{plain(r.student)}](feedback/{quote(slug(r.student))}.html)"
        page = plain(_id(r, ids)) if ids else page
        text.append(f"| {page} | {_points(r)} | {plain(_flags(r, ids))} |")
    if left := _left(entries, ids):
        text += ["", "## Not graded", "", *(f"- {plain(line)}" for line in left)]
    return "\n".join([*text, "", "---", "", plain(first.sandbox), ""])


def html(
    results: Sequence[Result], entries: Sequence[Entry] = (), named: Names = NO_NAMES,
    ids: Mapping[str, str] = NO_IDS,
) -> str:  # fmt: skip
    """Return the class report as a page of its own; arguments as of `markdown`."""
    lines, table = _summary(results)
    first = results[0]
    title = safe(f"{first.assignment} {first.title}: the class")
    common = [[str(n), what, said] for n, what, said in _common(results, named)]
    failed = "".join(
        f"<li>{safe(_id(r, ids))}: {safe(r.trouble)}</li>\n"
        for r in results
        if r.trouble
    )
    students = "".join(
        f"<tr><td>{_link(r, ids)}</td><td class=n>{_points(r)}</td>"
        f"<td>{safe(_flags(r, ids))}</td></tr>\n"
        for r in results
    )
    left = "".join(f"<li>{safe(line)}</li>\n" for line in _left(entries, ids))
    return (
        HEAD.format(title=title, style=STYLE)
        + f"<h1>{title}</h1>\n"
        + "".join(f"<p>{safe(line)}</p>\n" for line in lines)
        + f"<table>\n<tr>{''.join(f'<th>{head}' for head in HEADS)}</tr>\n"
        + f"{_cells(table)}</table>\n"
        + f"<pre>{safe(chr(10).join(histogram(results)))}</pre>\n"
        + f"<h2>The commonest mistakes</h2>\n<table>\n{_cells(common)}</table>\n"
        + (f"<h2>Look at these yourself</h2>\n<ul>\n{failed}</ul>\n" if failed else "")
        + f"<h2>Students</h2>\n<table>\n{students}</table>\n"
        + (f"<h2>Not graded</h2>\n<ul>\n{left}</ul>\n" if left else "")
        + f"<footer>{safe(first.sandbox)}</footer>\n</html>\n"
    )


def _common(results: Sequence[Result], named: Names) -> Iterator[tuple[int, str, str]]:
    """Yield how many made a mistake, where, and what it is."""
    for mistake, made in mistakes(results):
        task, row, what = mistake
        said = named.get(mistake, "")
        yield len(made), f"{task} {row}", what + (f" ({said})" if said else "")


def anonymous(results: Sequence[Result], secret: str) -> dict[str, str]:
    """Return an id for each student, which only the secret leads back to."""
    key = secret.encode()[:64]
    return {
        r.student: "s-" + hashlib.blake2b(
            r.student.encode("utf-8", "replace"), key=key, digest_size=4
        ).hexdigest()
        for r in results
    }  # fmt: skip


def ids_file(ids: Mapping[str, str]) -> bytes:
    """Return ids.csv; nothing if nobody has an id."""
    lines = [f"{made},{cell(student)}\r\n" for student, made in ids.items()]
    return "".join(["id,student\r\n", *lines]).encode("utf-8-sig") if ids else b""


def _id(result: Result, ids: Mapping[str, str]) -> str:
    return ids.get(result.student, result.student)


def _link(result: Result, ids: Mapping[str, str]) -> str:
    if ids:
        return safe(_id(result, ids))
    page = f"feedback/{quote(slug(result.student))}.html"
    return f"<a href='{page}'>{safe(result.student)}</a>"


def _flags(result: Result, ids: Mapping[str, str]) -> str:
    """Return the flags; the status alone without names, for notes may hold some."""
    said = flags(result)
    return result.status if ids and said else said


def _left(entries: Sequence[Entry], ids: Mapping[str, str]) -> list[str]:
    """Return what was not graded; a name of a file may be a student's."""
    left = [str(entry) for entry in entries if entry.status in (UNKNOWN, DUPLICATE)]
    return [f"{len(left)} entries of the folder"] if ids and left else left


def _cells(rows: Sequence[Sequence[str]]) -> str:
    lines = ("".join(f"<td>{safe(cell)}</td>" for cell in row) for row in rows)
    return "".join(f"<tr>{line}</tr>\n" for line in lines)


def _points(result: Result) -> str:
    return "" if result.trouble else f"{result.points} of {result.worth}"


def bars(points: Sequence[int], worth: int) -> str:
    """Return how often none, a quarter, … all of a task's points were had, as bars.

    >>> bars([0, 0, 0, 0, 5, 10, 10], 10)
    '█ ▂ ▄'
    """
    counts = Counter(round(4 * p / max(1, worth)) for p in points)
    most = max(counts.values(), default=1)
    return "".join(BARS[-(-8 * counts[i] // most)] for i in range(5)).rstrip()


def histogram(results: Sequence[Result]) -> list[str]:
    """Return how many students have how many points, in steps of ten."""
    points = [r.points for r in results if not r.trouble]
    counts = Counter(min(p // 10, 9) for p in points)
    most = max(counts.values(), default=1)
    return [
        f"{10 * i:3}-{10 * i + (10 if i == 9 else 9):<3} "
        f"{'█' * round(BAR * counts[i] / most)} {counts[i] or ''}".rstrip()
        for i in range(10)
    ]
