"""What students read of their work, in one table: another language is another table.

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
    # what is odd about a submission
    "file missing": "{file} is missing",
    "copies": "{count} copies of {file}: {name} counts, not {others}",
    "taken for": "{name} was taken for {file}, whose regions it has",
    "too large": "{name} is larger than {most:,} bytes and was not read",
    "no text": "{name} is no text in UTF-8",
    "no notebook": "{name} is no notebook that can be read",
    "cannot read": "{name} cannot be read",
    "made by": "its submission.json says that it was made by {name}",
    "made for": "its submission.json says that it is of {name}",
    "nothing in it": "it is empty; {file} and its like were expected",
    "archive in it": "it holds another archive, {name}, which is not opened; unpack it "
                     "and grade again",
    "nothing known": "nothing in it was recognized: {names}; {file} and its like were "
                     "expected",
    "no further": "the submission cannot be read further: {why}",
    "unreadable": "the submission cannot be read: {why}; was it uploaded to the end?",
    "outside": "{name!r} reaches outside of the folder and was not read; do not trust "
               "where it came from",
    "many files": "it holds more than {most:,} files",
    "deep": "it has more than {most} folders in folders",
    "no file": "it is a link or no file",
    "not a file": "{name!r} is a link or no file",
    "device": "{name!r} is a link or a device and was not read",
    "link": "{name!r} is a link and was not read",
    "many bytes": "it has more than {most:,} bytes",
    "becomes": "it becomes more than {most:,} bytes",
    "damaged": "{name} is damaged ({why}); hand it in again",
    "cut": "it ends in the middle; hand it in again",
}  # fmt: skip
SPOKEN = ENGLISH


def say(name: str, /, **values: object) -> str:
    """Return a sentence of the table.

    >>> say("needs", task="a1.4")
    'needs a1.4 first'
    """
    return SPOKEN[name].format(**values)
