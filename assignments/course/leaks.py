"""Lines of the solution that stand where a student would find them.

Two lines are the same if they are without their spaces. Lines that anybody would write
(`y += beta`, `return dx`) say nothing; one counts from three operators and calls on.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable, Mapping

SIGNS = {"+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^"}
OPERATORS = SIGNS | {f"{sign}=" for sign in SIGNS}
OPERATORS |= {"<", ">", "<=", ">=", "==", "!=", "~"}
ENOUGH = 3
TEXT = (".py", ".md", ".cfg", ".toml", ".txt", ".ipynb", ".json")


def telling(code: str) -> list[str]:
    """Return the lines of a region that give something away, without their spaces."""
    return [
        "".join(line.partition("  #")[0].split())
        for line in code.splitlines()
        if weight(line) >= ENOUGH
    ]


def weight(line: str) -> int:
    """Count the operators and calls of a line of code.

    >>> weight("y += beta"), weight("b = 1 / sqrt(a + c)")
    (1, 3)
    """
    count, previous = 0, None
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            if token.type == tokenize.OP and token.string in OPERATORS:
                count += 1
            called = previous is not None and previous.type == tokenize.NAME
            if token.string == "(" and called:
                count += 1
            previous = token
    except (tokenize.TokenError, SyntaxError):
        pass  # a line of a longer statement: what was counted counts
    return count


def leaks(codes: Mapping[str, str], files: Mapping[str, bytes]) -> list[str]:
    """Return a sentence for each line of a solution in a file.

    codes   the solutions by their tasks        files   what students get, by name
    """
    wanted = [(line, task) for task, code in codes.items() for line in telling(code)]
    found = []
    for name, content in files.items():
        if not name.endswith(TEXT):
            continue
        text = content.decode("utf-8", errors="replace")
        here = _within(wanted, text)  # mostly nothing: then no look at its lines
        for number, line in enumerate(text.splitlines() if here else (), 1):
            found += [
                f"{name}, line {number} is a line of {task}'s solution: {line.strip()}"
                for _, task in _within(here, line)
            ]
    return found


def _within(wanted: Iterable[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    bare = "".join(text.split())
    return [(line, task) for line, task in wanted if line in bare]
