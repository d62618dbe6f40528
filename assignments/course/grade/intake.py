"""A submission: the texts of the files that the assignment names, wherever they are.

Of a package (packages.py) only those texts are taken. A file is known by its path, by
its name, or by the regions that are marked in it; so a notebook with the regions in its
cells, and "activation (1).py", are what they seem.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..assignment import Assignment
from ..regions import BEGIN, lines_of
from ..sentences import say
from . import packages
from .packages import ARCHIVES, FILE, Member

FAR = 10_000  # a bare name, or regions alone, are the last resort


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    texts    the files that the assignment names, as far as they are there
    digest   of those texts: what decides whether it must be graded again
    notes    what is odd about it, in sentences
    status   "graded"; "empty" or "damaged" if no text was found
    """

    student: str
    texts: Mapping[str, str]
    digest: str
    notes: tuple[str, ...] = ()
    status: str = "graded"


def take(path: Path, student: str, assignment: Assignment) -> Submission:
    """Return the texts of a submission; what is wrong with it becomes a note."""
    package = packages.read(path)
    notes = list(package.notes)
    texts = dict(_chosen(package.members, assignment, notes))
    notes += _claims(package.members, student, assignment)
    status = "graded"
    if not texts:
        status = "damaged" if package.notes else "empty"
        names = [*(m.name for m in package.members), *package.others]
        notes.append(_nothing(names, assignment))
    else:
        lost = [name for name in assignment.files if name not in texts]
        notes += [say("file missing", file=name) for name in lost]
    state = hashlib.blake2b(digest_size=16)
    for name, text in sorted(texts.items()):
        state.update(f"{len(name)} {name} {len(text)} ".encode())
        state.update(text.encode("utf-8", "surrogatepass"))
    return Submission(student, texts, state.hexdigest(), tuple(notes), status)


def holds(path: Path, assignment: Assignment) -> bool:
    """Whether a package has a file with regions of an assignment."""
    return any(
        _tasks(text, assignment)
        for member in packages.read(path).members
        if (text := _text(member, [])) is not None
    )


def name_of(raw: str) -> str:
    """Return the name of a student as it is written everywhere.

    >>> name_of("Zoe\\u0308"), name_of("a\\udcff")
    ('Zoë', 'a\\\\xff')
    """
    whole = raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    shown = (c if c.isprintable() else "_" for c in unicodedata.normalize("NFC", whole))
    return "".join(shown).strip()


def _chosen(
    members: Sequence[Member], assignment: Assignment, notes: list[str]
) -> Iterator[tuple[str, str]]:
    """Yield the files that are wanted: minidl/ops/a.py, or else any/folder/…/a.py.

    The shortest path counts; among equally short ones the newest.
    """
    texts = [(m, text) for m in members if (text := _text(m, notes)) is not None]
    for want in assignment.files:
        copies = []
        for member, text in texts:
            far = _far(member.name, want)
            tasks = _tasks(text, assignment)
            if far is None and any(assignment.tasks[t].file == want for t in tasks):
                far = 2 * FAR
            if far is not None:
                copies.append((far, -member.date, member.name, text))
        if copies:
            yield want, _best(want, sorted(copies), notes)


def _best(
    want: str, copies: Sequence[tuple[int, float, str, str]], notes: list[str]
) -> str:
    """Return the first of several copies; say so if they differ."""
    far, _, name, text = copies[0]
    others = [copy[2] for copy in copies[1:] if copy[3] != text]
    if others:
        count, some = len(others) + 1, ", ".join(others[:3])
        notes.append(say("copies", count=count, file=want, name=name, others=some))
    if far == 2 * FAR:
        notes.append(say("taken for", name=name, file=want))
    return text


def _far(name: str, want: str) -> int | None:
    """Return how far a path is from the wanted one; None if it is another file."""
    parts, tail = PurePosixPath(name).parts, PurePosixPath(want).parts
    if parts[-len(tail) :] == tail:
        return len(parts)
    return FAR if len(parts) == 1 and parts[0] == tail[-1] else None


def _tasks(text: str, assignment: Assignment) -> set[str]:
    """Return the tasks whose regions begin in a text."""
    heads = (BEGIN.fullmatch(line) for line in lines_of(text))
    return {head[2] for head in heads if head is not None} & set(assignment.tasks)


def _text(member: Member, notes: list[str]) -> str | None:
    """Return the code of a file; None of what is no code."""
    name = member.name
    if not name.lower().endswith(packages.CODE):
        return None
    if len(member.content) > FILE and name.endswith(".py"):
        notes.append(say("too large", name=name, most=FILE))
        return None
    text = text_of(member.content)
    if text is None:
        notes.append(say("no text", name=name))
        return None
    return text if name.lower().endswith(".py") else _cells(name, text, notes)


def text_of(content: bytes) -> str | None:
    """Return a file's text: without its mark of bytes, every line ending in \\n.

    What is no UTF-8 counts if it has no zero bytes: comments in another encoding.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content:
            return None
        text = content.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _cells(name: str, text: str, notes: list[str]) -> str | None:
    """Return the code cells of a notebook, one after the other."""
    try:
        cells = json.loads(text)["cells"]
        sources = [c["source"] for c in cells if c.get("cell_type") == "code"]
        codes = [s if isinstance(s, str) else "".join(s) for s in sources]
    except Exception:  # no JSON, no notebook, nested a thousand times
        notes.append(say("no notebook", name=name))
        return None
    return "\n".join(re.sub(r"\A%%.*\n", "", code) for code in codes) + "\n"


def _claims(
    members: Sequence[Member], student: str, assignment: Assignment
) -> Iterator[str]:
    """Yield what submission.json says otherwise than the name of the package."""
    for member in members:
        if PurePosixPath(member.name).name == "submission.json":
            try:
                said = json.loads(member.content[:FILE])
                made, about = said["student"], said["assignment"]
            except Exception:
                yield say("cannot read", name=member.name)
                continue
            if isinstance(made, str) and name_of(made) != student.split(" (")[0]:
                yield say("made by", name=name_of(made))
            if about != assignment.name:
                yield say("made for", name=name_of(str(about)))
            return


def _nothing(names: Sequence[str], assignment: Assignment) -> str:
    """Say that nothing was found, and what is there."""
    wanted = assignment.files[0]
    if not names:
        return say("nothing in it", file=wanted)
    inner = [name for name in names if name.lower().endswith(ARCHIVES)]
    if inner:
        return say("archive in it", name=inner[0])
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return say("nothing known", names=some, file=wanted)
