"""The convention of our docstrings: paragraphs, tables, formulas, examples.

    y = w x + b.    x (N, D) -> y (N, K).      first line; a gap before shapes, sources

    name    a row of a table: two spaces or more behind its name, and the lines that go
            on stand further in; more rows may stand there
        v ← μ v + g                            further in than the text: formulas, if
                                               they are made of them, else as they are
    >>> Linear(2, 3).weight.shape              an example, up to the next blank line
    (2, 3)

The parts are plain values; docs/site/extension.py makes pages of them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from docs.site.formulas import find

WORD = r'(?:"[^"]*"|[\w*.{}]+(?:\(\))?)'
KEY = rf'{WORD}(?:, {WORD})*(?: = [\w"]+)?:?'
ROW = re.compile(rf"(?P<key>{KEY})(?P<gap> {{2,}}|\t)(?P<text>\S.*)")
LOOSE = re.compile(r"(?P<key>[^\s>][^>]{0,30}?[^\s.;:,]) {3,}(?P<text>\S.*)")
GAP = re.compile(r" {3,}")


@dataclass
class Text:
    """A paragraph; its pieces stood apart by a gap."""

    pieces: list[str]


@dataclass
class Table:
    """Rows: a name, and what is said of it."""

    rows: list[tuple[str, list[Block]]]


@dataclass
class Formulas:
    """Lines of formulas: how far in each stands, and its pieces."""

    lines: list[tuple[int, list[str]]]


@dataclass
class Example:
    """What one types, and what is printed; or any text that stays as it is."""

    text: str
    doctest: bool


Block = Text | Table | Formulas | Example


def parse(docstring: str | None) -> list[Block]:
    """Cut a docstring into blocks."""
    text = inspect.cleandoc(docstring or "")
    head, _, rest = text.partition("\n")
    blocks: list[Block] = [Text(_pieces([head]))] if head else []
    if rest.strip() and not rest.startswith("\n"):  # the first sentence goes on
        return list(_blocks(text.split("\n")))
    return blocks + list(_blocks(rest.split("\n")))


def _blocks(lines: list[str]) -> Iterator[Block]:
    """Cut lines at blank ones, and each part by what it looks like."""
    for part in re.split(r"\n(?:[ ]*\n)+", "\n".join(lines).strip("\n")):
        yield from _part([line for line in part.split("\n") if line.strip()])


def _part(lines: list[str]) -> Iterator[Block]:
    """Cut lines without a blank one among them."""
    while lines:
        size, block = _first(lines)
        yield block
        lines = lines[size:]


def _first(lines: list[str]) -> tuple[int, Block]:
    """Take the first block of some lines: how many lines it has, and the block."""
    examples = [i for i, line in enumerate(lines) if line.lstrip().startswith(">>>")]
    if examples and examples[0] == 0:
        return len(lines), Example(inspect.cleandoc("\n".join(lines)), doctest=True)
    lines = lines[: examples[0]] if examples else lines
    size = _while(lines, lambda line: line.startswith(" "))
    if size:  # all of these stand further in than the text
        return size, _indented(lines[:size])
    size = _rows(lines)
    if size:
        return size, _table(lines[:size])
    ends = (
        i
        for i in range(1, len(lines))
        if lines[i].startswith("    ") or _rows(lines[i:]) > 1
    )
    size = next(ends, len(lines))
    return size, Text(_pieces(lines[:size]))


def _while(lines: list[str], test) -> int:  # type: ignore[no-untyped-def]
    """Return how many of the first lines pass a test."""
    return next((i for i, line in enumerate(lines) if not test(line)), len(lines))


def _rows(lines: list[str]) -> int:
    """Return how many of the first lines are rows of a table, or go on with one."""
    size = _while(lines, lambda line: bool(_row(line)) or line.startswith("  "))
    alone = size == 1 and not ROW.fullmatch(lines[0])  # words, and a gap among them
    return size if lines and _row(lines[0]) and not alone else 0


def _row(line: str) -> re.Match[str] | None:
    """Match the first line of a row."""
    return ROW.fullmatch(line) or LOOSE.fullmatch(line)


def _table(lines: list[str]) -> Block:
    """Make a table of its lines; three pairs side by side stay as they are."""
    rows: list[tuple[str, list[str]]] = []
    for line in lines:
        if found := _row(line):
            rows.append((found["key"], [found["text"]]))
        else:
            rows[-1][1].append(line)
    for key, said in rows:
        if key == "Throughout:":  # a legend: its lines are pieces, too
            said[:] = ["    ".join(line.strip() for line in said)]
    beside = sum(bool(re.search(rf" {{3,}}{KEY} {{2,}}", f" {t[0]}")) for _, t in rows)
    if beside:
        return Example("\n".join(lines), doctest=False)
    return Table([(key, list(_cell(said))) for key, said in rows])


def _cell(said: list[str]) -> Iterator[Block]:
    """Cut what is said of a name: a text that goes on, then perhaps rows of its own."""
    more = inspect.cleandoc("\n" + "\n".join(said[1:])).split("\n") if said[1:] else []
    size = _while(more, lambda line: _rows([line]) == 0 and not line.startswith(" "))
    yield Text(_pieces([said[0], *more[:size]]))
    if more[size:]:
        yield from _part(inspect.cleandoc("\n" + "\n".join(more[size:])).split("\n"))


def _indented(lines: list[str]) -> Block:
    """Lines further in than the text: formulas, if they are made of them."""
    inner = inspect.cleandoc("\n" + "\n".join(lines)).split("\n")
    cut = [(len(line) - len(line.lstrip()), line.strip()) for line in inner]
    pieces = [(depth, re.split(r" {2,}", line)) for depth, line in cut]
    if all(_mathematical(parts[0]) for _, parts in pieces):
        return Formulas(pieces)
    return Example("\n".join(inner), doctest=False)


def _mathematical(text: str) -> bool:
    """Whether the greater part of a text is formulas."""
    inside = sum(len(piece) for is_formula, piece in find(text) if is_formula)
    return 2 * inside > len(text)


def _pieces(lines: list[str]) -> list[str]:
    """Join lines to a paragraph, and cut it at its gaps."""
    return [piece.strip() for piece in GAP.split(" ".join(lines)) if piece.strip()]
