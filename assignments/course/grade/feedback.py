"""What a student reads: points, what came, what would fit, and the next hint.

A hidden row says that it is wrong, never its numbers. What a student's process said is
untrusted text: one line, no codes, and escaped for the page it stands on.
"""

from __future__ import annotations

import html as pages
import re

from ..sentences import say
from .results import Result, RowResult, TaskResult

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto;
       padding: 0 1em; color: #222; background: #fff; }
h2 { margin: 1.6em 0 .3em; font-size: 1.1em; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .25em .6em; border-top: 1px solid #ddd; text-align: left;
         vertical-align: top; }
table.rows { table-layout: fixed; }
table.rows td:nth-child(1) { width: 3em; } table.rows td:nth-child(2) { width: 15em; }
td.n, th.n { text-align: right; white-space: nowrap; }
.good { color: #18794e; } .bad { color: #b42318; } .hint { color: #555; }
footer { margin-top: 2em; color: #666; font-size: .85em; }
"""
HEAD = (
    "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
    "<meta name=viewport content='width=device-width'>\n"
    "<title>{title}</title>\n<style>{style}</style>\n"
)


def markdown(result: Result) -> str:
    """Return a student's feedback as Markdown."""
    lines = [
        f"# {plain(result.assignment)} {plain(result.title)}: {plain(result.student)}",
        "",
    ]
    if result.trouble:
        lines += [f"**{say('not graded')}**: {apology(result)}", ""]
    else:
        lines += [f"**{_points(result)}**", ""]
    lines += [f"- {plain(note)}" for note in result.notes]
    for task in result.tasks:
        lines += _task_lines(task)
    return "\n".join([*lines, "", "---", "", plain(_small(result)), ""])


def _task_lines(task: TaskResult) -> list[str]:
    lines = [
        "",
        f"## {plain(task.task)} {plain(task.title)}: {task.points} of {task.worth}",
        "",
    ]
    for row in task.rows:
        name = plain(_name(row))
        mark = say("right") if row.points == row.worth else plain(row.what)
        lines.append(f"- {row.points}/{row.worth} {name}: {mark}")
        if row.hint:
            lines.append(f"    - {plain(say('hint', hint=row.hint))}")
    return lines


def html(result: Result) -> str:
    """Return a student's feedback as a page of its own."""
    title = f"{result.assignment} {result.title}: {result.student}"
    points = f"<strong>{safe(_points(result))}</strong>"
    if result.trouble:
        points = (
            f"<strong class=bad>{say('not graded')}</strong>: {safe(apology(result))}"
        )
    notes = "".join(f"<li>{safe(note)}</li>\n" for note in result.notes)
    return (
        HEAD.format(title=safe(title), style=STYLE)
        + f"<h1>{safe(title)}</h1>\n<p>{points}</p>\n"
        + (f"<ul>\n{notes}</ul>\n" if notes else "")
        + "".join(_task_page(task) for task in result.tasks)
        + f"<footer>{safe(_small(result))}</footer>\n</html>\n"
    )


def _task_page(task: TaskResult) -> str:
    rows = "".join(_row_page(row) for row in task.rows)
    head = f"{safe(task.task)} {safe(task.title)}: {task.points} of {task.worth}"
    return f"<h2>{head}</h2>\n<table class=rows>\n{rows}</table>\n"


def _row_page(row: RowResult) -> str:
    right = row.points == row.worth
    said = say("right") if right else safe(row.what)
    if row.hint:
        said += f"<br><span class=hint>{safe(say('hint', hint=row.hint))}</span>"
    name = safe(_name(row))
    kind = "good" if right else "bad"
    return (
        f"<tr><td class='n {kind}'>{row.points}/{row.worth}</td><td>{name}</td>"
        f"<td>{said}</td></tr>\n"
    )


def apology(result: Result) -> str:
    """Say that the grader failed, not the student."""
    return say("apology", trouble=result.trouble)


def _points(result: Result) -> str:
    return say("of", points=result.points, worth=result.worth)


def _name(row: RowResult) -> str:
    return say("hidden row", name=row.name) if row.hidden else row.name


def _small(result: Result) -> str:
    return say("sandbox", sandbox=result.sandbox)


def safe(words: str) -> str:
    """Return words for HTML: they stand for themselves, between tags or in quotes."""
    return pages.escape(words, quote=True)


def plain(words: str) -> str:
    r"""Return words for Markdown: no markup, no tags, no links.

    >>> plain("<b>*x*</b> [a](b)")
    '&lt;b&gt;\\*x\\*&lt;/b&gt; \\[a\\](b)'
    """
    text = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]#|~!$])", r"\\\1", text)
    return re.sub(r"(?i)\b(https?|ftp|mailto|www)([:.])", r"\1&#8203;\2", text)
