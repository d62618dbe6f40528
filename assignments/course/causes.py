"""Where a failure comes from: the regions that ran while a row was asked.

All regions of an edition run in one engine, so a mistake in one can make rows of others
fail. While a student's score is computed every region says that it runs (`watched`). A
task with no row that fails is right as far as one can see; what a failing row ran
besides those is suspect. A task is wrong if some row suspects it alone. A task that is
not, and that ran a wrong one in every failing row, fails because of that one. Where no
row tells two apart, both are named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .regions import BEGIN, lines_of, text_of

CALLED = "_region_runs_"  # a function that answers_child.py puts among the builtins


def watched(source: str) -> str:
    """Return a file in which every region tells that it runs, with the same lines.

    >>> watched("if x:\\n    # region a1.1: y\\n    y = 1\\n    # endregion\\n")
    'if x:\\n    _region_runs_("a1.1")\\n    y = 1\\n    # endregion\\n'
    """
    lines = lines_of(source)
    for i, line in enumerate(lines):
        if (match := BEGIN.fullmatch(line)) is not None:
            lines[i] = f'{match[1]}{CALLED}("{match[2]}")'
    return text_of(lines)


def causes(
    failed: Mapping[str, Iterable[Collection[str]]],
) -> dict[str, tuple[list[str], bool]]:
    """Return, by failing task, the tasks that its failures come from, and if surely.

    failed   the regions that ran in each failing row, by the task of the row

    >>> causes({"a1.1": [{"a1.1", "a1.4"}], "a1.4": [{"a1.4", "a1.2"}]})
    {'a1.1': (['a1.4'], True)}
    >>> causes({"a1.3": [{"a1.3", "a1.4"}], "a1.4": [{"a1.3", "a1.4"}]})
    {'a1.3': (['a1.4'], False), 'a1.4': (['a1.3'], False)}
    """
    suspects = {
        task: [set(ran).intersection(failed) for ran in rows]
        for task, rows in failed.items()
    }
    every = [ran for rows in suspects.values() for ran in rows]
    wrong = {task for ran in every if len(ran) == 1 for task in ran}
    found = {}
    for task, rows in suspects.items():
        surely = [ran & wrong - {task} for ran in rows]
        perhaps = set.intersection(*rows) - {task} if rows else set()
        if task not in wrong and rows and all(surely):
            found[task] = _in_order(set.union(*surely), failed), True
        elif task not in wrong and perhaps:
            found[task] = _in_order(perhaps, failed), False
    return found


def _in_order(names: Iterable[str], tasks: Iterable[str]) -> list[str]:
    return sorted(names, key=list(tasks).index)
