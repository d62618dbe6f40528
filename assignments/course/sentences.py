"""What students read of their points, in one table: another language is another table.

A sentence is named by what it says; braces hold what differs. Files, hints of rows, and
what exceptions say are not here.
"""

from __future__ import annotations

ENGLISH = {
    "right": "right",
    "alone": "right, and counts as soon as another property of the task is right",
    "hidden": "this property does not hold; of a hidden row no numbers are shown",
    "absent": "absent",
    "no array": "a {kind} came, not an array",
    "shape": "shape {given} came, {right} fits",
    "kind": "{given} came ({dtype}), {right} fit ({wanted})",
    "width": "{given} came, {right} fits",
    "lost": "{given} came{place}, where a finite number should be",
    "value": "the value is wrong: {given} came{place}, {right} is right",
    "values": "{count} of {of} values are wrong: {given} came{place}, {right} is right",
    "at": " at {place}",
    "truth values": "truth values",
    "whole numbers": "whole numbers",
    "floats": "floats",
    "wider": "float32 must stay float32: an array or a NumPy number in float64 widens "
             "what it meets; bring it back with .astype(x.dtype)",
    "unwritten": "not written yet",
    "needs": "needs {task} first",
    "foreign": "comes from {tasks}: that is wrong, and every row that fails here runs "
               "it",
    "perhaps": "or it comes from {tasks}: that is not right either, and all that fails "
               "runs it",
    "missing": "{file} is not in the submission",
    "raised": "raised {said}",
    "quotes": "{said} (its text quotes a solution)",
    "the code": "the code {said}",
    "of": "{points} of {worth} points",
    "hint": "hint: {hint}",
    "hidden row": "{name} (hidden)",
    "not graded": "Not graded yet",
    "apology": "the grader itself failed ({trouble}); your course will look at it",
    "sandbox": "graded in the sandbox {sandbox}",
}  # fmt: skip
SPOKEN = ENGLISH


def say(name: str, /, **values: object) -> str:
    """Return a sentence of the table.

    >>> say("needs", task="a1.4")
    'needs a1.4 first'
    """
    return SPOKEN[name].format(**values)
