"""The topics of the lectures: look up every name, and write the two tables from them.

python -m docs.topics            writes docs/topics.md and tables of the course page
python -m docs.topics --check    fails if one of them is not what topics.cfg says

topics.cfg holds one section for each topic, and five cells. `api` must be importable,
and `notebook`, `task`, `test` and `picture` must be there. What is in parentheses is
planned and must not be there yet. "none: …" says why there is to be none.
"""

from __future__ import annotations

import configparser
import functools
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE, MAP = Path(__file__).with_suffix(".cfg"), Path(__file__).with_suffix(".md")
COURSE = ROOT / "assignments" / "README.md"
WRITTEN = "<!-- {}: written by docs/topics.py -->", "<!-- end of {} -->"
CELLS = "api", "notebook", "task", "test", "picture"

# The notebooks of each week; assignments follow from the tasks of their topics.
WEEKS = (
    "01 06", "07 08", "02 03 04", "05 10", "09 11", "12 13",
    "14 16", "15 22", "17 18", "19", "20 21",
)  # fmt: skip


def topics() -> list[dict[str, str]]:
    """Return the sections of topics.cfg, in order."""
    found = configparser.ConfigParser(interpolation=None)
    found.read_string(SOURCE.read_text(encoding="utf-8"))
    return [{"topic": name, **found[name]} for name in found.sections()]


@functools.cache
def configs() -> list[tuple[Path, configparser.ConfigParser]]:
    """Return each assignment.cfg: its path and what it says."""
    found = []
    for path in sorted((ROOT / "assignments").glob("a*/assignment.cfg")):
        given = configparser.ConfigParser(interpolation=None)
        given.read_string(path.read_text(encoding="utf-8"))
        found.append((path, given))
    return found


# ------------------------------------------------------------------ one word of a cell
# Each returns Markdown, seen from a folder beside minidl/, or raises LookupError.


def api(name: str) -> str:
    """Return `name`; it is a module of minidl or something in one."""
    parts = name.split(".")
    try:
        importlib.import_module(f"minidl.{name}")
    except ImportError:
        thing = importlib.import_module("minidl")
        for depth, part in enumerate(parts):
            if not hasattr(thing, part):
                thing = submodule(".".join(parts[: depth + 1]))
            else:
                thing = getattr(thing, part)
    return f"`{name}`"


def submodule(name: str) -> object:
    """Import minidl.`name`."""
    try:
        return importlib.import_module(f"minidl.{name}")
    except ImportError as error:
        raise LookupError(f"minidl has no {name}") from error


def notebook(number: str) -> str:
    """Return a link to the notebook with that number."""
    found = list((ROOT / "notebooks").glob(f"{number}_*.ipynb"))
    if len(found) != 1:
        raise LookupError(f"there is no notebook {number}")
    return f"[{number}](../notebooks/{found[0].name})"


def task(name: str) -> str:
    """Return a link to the handout of a task, `a1.6`."""
    for path, given in configs():
        if name in given:
            return f"[{name}](../assignments/{path.parent.name}/README.md)"
    raise LookupError(f"there is no task {name}")


def test(name: str) -> str:
    """Return a link to a test file."""
    path = ROOT / "tests" / f"test_{name}.py"
    if not path.is_file():
        raise LookupError(f"there is no tests/{path.name}")
    return f"[{name}](../tests/{path.name})"


def picture(name: str) -> str:
    """Return a picture: `show.curves`, or a figure or table of a notebook."""
    if name.startswith("show."):
        return api(name)
    kind, number = re.fullmatch(r"(figure|table) in (\d\d)(?:: .*)?", name).groups()
    return f"{kind} in {notebook(number)}"


LOOKUP: dict[str, Callable[[str], str]] = {
    "api": api, "notebook": notebook, "task": task, "test": test, "picture": picture,
}  # fmt: skip


# ------------------------------------------------------------------------------ cells


def words(column: str, cell: str) -> list[str]:
    """Return the words of a cell; a picture may be several words in parentheses."""
    if column != "picture" or cell.startswith("show."):
        return cell.split()
    return [cell]


def cell(row: dict[str, str], column: str) -> str:
    """Return a cell in Markdown, each word looked up."""
    text = row.get(column, "").strip()
    if re.match(r"none: \S", text):
        return f"*{text}*"
    if not text or text == "none":
        raise LookupError(f"{row['topic']}: {column} is empty, without a reason")
    shown = []
    for word in words(column, text):
        try:
            shown.append(LOOKUP[column](word.strip("()")))
        except (LookupError, AttributeError) as error:
            if not word.startswith("("):
                raise LookupError(f"{row['topic']}: {column}: {error}") from error
            shown.append(f"*{word[1:-1]}: planned*")
        else:
            if word.startswith("("):
                raise LookupError(
                    f"{row['topic']}: {column}: {word} is there: drop the parentheses"
                )
    return " ".join(shown)


def faults() -> list[str]:
    """Return a sentence for each cell that is empty or names what is not there."""
    found = []
    for row in topics():
        for column in CELLS:
            try:
                cell(row, column)
            except LookupError as error:
                found.append(str(error))
    named = " ".join(row["task"] for row in topics()).split()
    found += [
        f"{name}: no topic has this task" for name in known_tasks() if name not in named
    ]
    return found


def known_tasks() -> list[str]:
    """Return the name of every task of every assignment."""
    return [
        name
        for _, given in configs()
        for name in given.sections()
        if name != "assignment"
    ]


# ------------------------------------------------------------------------------ pages


def markdown(*rows: list[str]) -> str:
    """Return rows, the first of which is the head, as a table."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def topic_map() -> str:
    """Return docs/topics.md."""
    rows, parts, area = topics(), [], None
    parts.append(
        "# The topics of the lectures\n\n"
        "Where minidl teaches, measures and grades each topic. Written by "
        "`python -m docs.topics` from [topics.cfg](topics.cfg), which also holds what "
        "the lectures claim and what was measured."
    )
    for area in dict.fromkeys(row["area"] for row in rows):
        table = [
            [row["topic"], row["lecture"], *(cell(row, column) for column in CELLS)]
            for row in rows
            if row["area"] == area
        ]
        parts.append(f"## {area.split(' ', 1)[1].capitalize()}")
        parts.append(markdown(["topic", "lecture", *CELLS], *table))
    return "\n\n".join(parts) + "\n"


def semester() -> str:
    """Return a line for each notebook, by weeks: its topics and their tasks."""
    rows, lines = topics(), []
    for week, numbers in enumerate(WEEKS, 1):
        for number in numbers.split():
            here = [row for row in rows if row["notebook"].strip("()") == number]
            if not list((ROOT / "notebooks").glob(f"{number}_*.ipynb")):
                continue
            tasks = " ".join(
                row["task"] for row in here if not row["task"].startswith(("none", "("))
            )
            names = "; ".join(row["topic"] for row in here)
            lines.append([str(week), notebook(number), names, compact(tasks)])
    return markdown(["week", "notebook", "topics", "tasks"], *lines)


def compact(tasks: str) -> str:
    """Return "a1.6 a1.7" as a link to the assignment and numbers: [a1](…) 6 7."""
    found: dict[str, list[str]] = {}
    for name in sorted(
        set(tasks.split()), key=lambda name: [*map(int, name[1:].split("."))]
    ):
        link = (
            task(name).replace(name, name.split(".")[0]).replace("../assignments/", "")
        )
        found.setdefault(link, []).append(name.split(".")[1])
    return " ".join(" ".join([link, *numbers]) for link, numbers in found.items())


def assignments() -> str:
    """Return a line for each assignment that is there."""
    lines = [["assignment", "hours", "tasks", "the student ends up with"]]
    for path, given in configs():
        head, tasks = given["assignment"], len(given.sections()) - 1
        link = f"[{head['name']} {head['title']}]({path.parent.name}/README.md)"
        lines.append([link, head["hours"], str(tasks), head["result"]])
    return markdown(*lines)


def course_page() -> str:
    """Return assignments/README.md with the tables of now."""
    text = COURSE.read_text(encoding="utf-8")
    for name, made in {"semester": semester, "assignments": assignments}.items():
        begin, end = (mark.format(name) for mark in WRITTEN)
        pattern = re.compile(rf"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
        text = pattern.sub(f"{begin}\n\n{made()}\n\n{end}".replace("\\", r"\\"), text)
    return text


def main() -> None:
    """Write the pages, or compare them with what is there."""
    if found := faults():
        sys.exit("docs/topics.cfg:\n" + "\n".join(found))
    for path, made in {MAP: topic_map, COURSE: course_page}.items():
        if "--check" not in sys.argv[1:]:
            path.write_text(made(), encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != made():
            sys.exit(f"{path.name} is old: run python -m docs.topics")


if __name__ == "__main__":
    main()
