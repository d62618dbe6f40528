"""The formulas of docstrings, which are plain text, as MathML.

A docstring says "v ← μ v + g" or "γ (x − μ) / √(σ² + ε) + β" in letters that papers
print, among words. `find` cuts a text into words and formulas, `mathml` writes one in
the markup that browsers show by themselves: no script, no font from elsewhere.

Nothing is guessed about the meaning: letters become italic, what stands above or below
the line goes there, √(…) gets its roof, and only in a formula on a line of its own does
a / b become a fraction. The text of the result is that of the docstring, which
tests/test_site.py checks for all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

FUNCTIONS = {
    *("argmax", "clip", "cos", "dim", "erf", "exp", "lim", "ln", "log", "max", "mean"),
    *("min", "relu", "sigmoid", "sign", "sin", "softmax", "sqrt", "tan", "tanh", "var"),
}
GREEK = "α-ωΑ-Ωϕϵ"
HATS = {"\u0302": "^", "\u0304": "¯", "\u0303": "~", "\u0307": "˙"}
HAT = f"[{''.join(HATS)}]"
BELOW = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
ABOVE = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁱⁿᵀᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴴ"
RELATIONS = "=←→≤≥≠<>∈≈~∝⇄"
OPERATORS = "+−·/×⋆⊙∘±∗∂"
PAIRS = {"(": ")", "[": "]", "⌊": "⌋", "⌈": "⌉", "{": "}"}
TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<number>(?:\d+(?:,\d{{3}})*(?:\.\d+)?|[½¼¾⅓⅔])(?![A-Za-z_]{{2}}|[_.]\w))
    |(?P<name>(?:d|∂)?[{GREEK}ℓ∞]{HAT}?[′']?
        |(?<![\w-])(?:[A-Za-z]+(?![\w'’`.:-]*[A-Za-z])
            |[A-Za-z]{{1,2}}(?=_\w(?!\w))){HAT}?[′']?)
    |(?P<below>[{BELOW}]+|_\w(?!\w)|_\{{[^}}]+\}})
    |(?P<above>[{ABOVE}]+|\^\w(?!\w)|\^\([^()]+\))
    |(?P<big>[ΣΠ∏∑√∫])
    |(?P<relation>->|[{RELATIONS}])
    |(?P<operator>[{OPERATORS}])
    |(?P<bar>[|‖])
    |(?P<open>[(\[{{⌊⌈])|(?P<close>[)\]}}⌋⌉])
    |(?P<dots>…)
    |(?P<comma>[,;])
    |(?P<word>\S)""",
    re.VERBOSE,
)
PROSE = re.compile(r"`[^`]*`|[A-Za-z][\w'’.:-]*[A-Za-z\d]")
Token = tuple[str, str]  # its kind, and its text


def tokens(text: str) -> list[Token]:
    """Cut a text; what is no part of a formula is a "word"."""
    found, at = list[Token](), 0
    for c in "ŷẑẽŵêâîôûãñõāēīōū":  # ŷ is one character, and x̂ two
        text = text.replace(c, unicodedata.normalize("NFD", c))
    while at < len(text):
        match, prose = TOKEN.match(text, at), PROSE.match(text, at)
        assert match is not None
        kind, word = str(match.lastgroup), match[0]
        if prose and len(prose[0]) > len(word) and not is_indexed(prose[0]):
            kind, word = "word", prose[0]
        if kind == "name" and not is_symbol(word):
            kind = "word"
        found.append((kind, word))
        at += len(word)
    return [(_kind(found, i), word) for i, (_, word) in enumerate(found)]


def is_indexed(word: str) -> bool:
    """Whether it is η_t or TP_k: a letter with an index below."""
    return re.fullmatch(r"[A-Za-z]{1,2}_\w", word) is not None


def is_symbol(word: str) -> bool:
    """Whether a name is a letter of a formula, or a function: x, dW, KH, log."""
    if not word.isascii() or len(word) == 1:
        return word not in ("A", "I")
    known = r"d[A-Za-np-z]|[KO][HWT]|TP|FP|TN|FN|[Ww][hkoqvx]|bh|[A-Za-z]'"
    return word in FUNCTIONS or re.fullmatch(known, word) is not None


def _kind(found: list[Token], place: int) -> str:
    """Return the kind of a token; "a" is a letter only beside a sign."""
    kind, word = found[place]
    if word not in ("a", "A"):
        return kind
    beside = [
        next((kind for kind, _ in side if kind != "space"), "")
        for side in (reversed(found[:place]), iter(found[place + 1 :]))
    ]
    signs = {"relation", "operator", "above", "below"}
    before, behind = {*signs, "big", "open", "bar"}, {*signs, "close", "bar"}
    return "name" if beside[0] in before or beside[1] in behind else "word"


def find(text: str) -> Iterator[tuple[bool, str]]:
    """Cut a text into (is it a formula, its characters)."""
    run: list[Token] = []
    for kind, word in [*tokens(text), ("word", "")]:
        if kind != "word":
            run.append((kind, word))
            continue
        yield from _pieces(run)
        run = []
        if word:
            yield False, word


def _pieces(run: list[Token]) -> Iterator[tuple[bool, str]]:
    """Cut a run at its commas and unpaired brackets; say of each what it is."""
    depth, piece = 0, list[Token]()
    balance = _paired(run)
    for place, (kind, word) in enumerate(run):
        depth += (kind == "open") - (kind == "close") if place in balance else 0
        alone = kind in ("open", "close") and place not in balance
        if alone or (kind == "comma" and depth == 0):
            yield from _trimmed(piece)
            yield False, word
            piece = []
        else:
            piece.append((kind, word))
    yield from _trimmed(piece)


def _paired(run: list[Token]) -> set[int]:
    """Return the places of brackets that have a partner within the run."""
    stack, found = list[int](), set[int]()
    for place, (kind, word) in enumerate(run):
        if kind == "open":
            stack.append(place)
        elif kind == "close" and stack and PAIRS[run[stack[-1]][1]] == word:
            found |= {place, stack.pop()}
    return found


def _trimmed(piece: list[Token]) -> Iterator[tuple[bool, str]]:
    """Give what stands before and behind a formula back to the words around it."""
    inside = [i for i, token in enumerate(piece) if not _is_edge(token)]
    first = inside[0] if inside else len(piece)
    while (
        first
        and piece[first - 1][1] in ("−", "∂", "±", "+=")
        and not (first > 1 and piece[first - 2][0] not in ("space", "relation"))
    ):
        first -= 1  # a sign of what follows
    last = inside[-1] + 1 if inside else len(piece)
    parts = (piece[:first], False), (piece[first:last], True), (piece[last:], False)
    for part, inner in parts:
        text = "".join(word for _, word in part)
        if text:
            yield inner and is_formula(part), text


def _is_edge(token: Token) -> bool:
    """Whether a formula neither begins nor ends with it."""
    return token[0] in ("space", "relation", "operator", "comma")


def is_formula(part: list[Token]) -> bool:
    """Whether tokens are worth setting as mathematics: letters, and a sign of it."""
    kinds = [kind for kind, _ in part if kind != "space"]
    names = [word for kind, word in part if kind == "name"]
    signs = {"below", "above", "big", "relation", "operator", "bar"} & {*kinds}
    if not kinds or kinds[0] in ("below", "above"):
        return False
    if not names:
        return bool({"above", "big"} & signs)
    greek = any(not name.isascii() for name in names)
    letter = {*kinds} == {"name"} and not FUNCTIONS & {*names}
    applied = bool(FUNCTIONS & {*names}) and len(names) > 1
    return bool(signs) or greek or letter or applied or "open" in kinds


# ----------------------------------------------------------------------------- markup


def mathml(text: str, *, fractions: bool = False) -> str:
    """Write a formula as MathML; `fractions` is for one on a line of its own."""
    inner = _row(tokens(text), fractions=fractions)
    return f'<math alttext="{escape(text, quote=True)}">{inner}</math>'


@dataclass
class Item:
    """A thing in a row: a sign, or an atom, perhaps with something below and above."""

    base: str
    is_atom: bool = True
    below: str = ""
    above: str = ""

    @property
    def markup(self) -> str:
        """The item as MathML."""
        scripts = [f"<mrow>{part}</mrow>" for part in (self.below, self.above) if part]
        tag = ("msub" if self.below else "m") + ("sup" if self.above else "")
        inner = "".join([self.base or "<mrow></mrow>", *scripts])
        return f"<{tag}>{inner}</{tag}>" if scripts else self.base


def _row(part: list[Token], *, fractions: bool) -> str:
    """Write tokens side by side."""
    items: list[Item] = []
    at = 0
    while at < len(part):
        kind, word = part[at]
        at += 1
        if kind == "space":
            continue
        if kind == "open" and (end := _end(part, at - 1)):
            inner = _row(part[at:end], fractions=False)
            items.append(Item(f"<mrow>{_mo(word)}{inner}{_mo(part[end][1])}</mrow>"))
            at = end + 1
        elif word == "√":
            markup, at = _root(part, at)
            items.append(Item(markup))
        elif kind in ("below", "above"):
            _attach(items, kind, word)
        else:
            items.append(_single(kind, word))
    if fractions:
        items = _fractions(items)
    return "".join(item.markup for item in items)


def _end(part: list[Token], start: int) -> int:
    """Return where the bracket at `start` closes, or 0."""
    depth = 0
    for place in range(start, len(part)):
        kind = part[place][0]
        depth += (kind == "open") - (kind == "close")
        if depth == 0:
            return place
    return 0


def _root(part: list[Token], at: int) -> tuple[str, int]:
    """Write √ over what follows: a bracket without its signs, or one letter."""
    if at < len(part) and part[at][0] == "open" and (end := _end(part, at)):
        inner = _row(part[at + 1 : end], fractions=False)
        return f"<msqrt><mrow>{inner}</mrow></msqrt>", end + 1
    end = at + 1
    while end < len(part) and part[end][0] in ("below", "above"):
        end += 1
    return f"<msqrt><mrow>{_row(part[at:end], fractions=False)}</mrow></msqrt>", end


def _attach(items: list[Item], kind: str, word: str) -> None:
    """Put an index or exponent on the item before it."""
    text = unicodedata.normalize("NFKC", word)
    if text[0] in "_^":
        text = text[1:].removeprefix("(").removesuffix(")").strip("{}")
    inner = _row(tokens(text), fractions=False)
    if len(text) > 1 and text.isalpha():  # xᵢⱼ has two indices, and no word
        inner = "".join(f"<mi>{letter}</mi>" for letter in text)
    item = items[-1] if items else Item("")
    if getattr(item, kind):  # a second one of its kind
        item = Item(item.markup)
        items[-1:] = [item]
    if not items:
        items.append(item)
    setattr(item, kind, inner)


def _single(kind: str, word: str) -> Item:
    """Write one token."""
    if kind == "name":
        return Item(_name(word))
    if kind == "number":
        return Item(f"<mn>{word}</mn>")
    if kind == "word":
        return Item(f"<mtext>{escape(word)}</mtext>")
    return Item(_mo("→" if word == "->" else word), is_atom=kind == "dots")


def _name(word: str) -> str:
    """Write a letter, perhaps with a hat or a prime; functions stand upright."""
    letters = re.sub(f"{HAT}|[′']", "", word)
    if letters in FUNCTIONS:
        space = '<mspace width="0.17em"></mspace>'
        return f'<mrow><mi mathvariant="normal">{letters}</mi>{space}</mrow>'
    markup = "".join(f"<mi>{letter}</mi>" for letter in letters)
    for mark, sign in HATS.items():
        if mark in word:
            markup = f'<mover accent="true">{markup}<mo>{sign}</mo></mover>'
    if word[-1] in "′'":
        markup = f"<msup>{markup}<mo>′</mo></msup>"
    return f"<mrow>{markup}</mrow>" if len(letters) > 1 else markup


def _mo(sign: str) -> str:
    """Write an operator; bars and brackets stay as small as the line."""
    how = ' stretchy="false"' if sign in "()[]{}|‖⌊⌋⌈⌉/" else ""
    return f"<mo{how}>{escape(sign)}</mo>"


def _fractions(items: list[Item]) -> list[Item]:
    """Set a / b as a fraction of the two things beside the stroke."""
    done: list[Item] = []
    at = 0
    while at < len(items):
        sides = [*done[-1:], *items[at + 1 : at + 2]]
        if items[at].base == _mo("/") and len(sides) == 2 and _are_atoms(sides):
            parts = "".join(f"<mrow>{_bare(side)}</mrow>" for side in sides)
            done[-1] = Item(f"<mfrac>{parts}</mfrac>")
            at += 2
        else:
            done.append(items[at])
            at += 1
    return done


def _are_atoms(items: list[Item]) -> bool:
    return all(item.is_atom for item in items)


def _bare(item: Item) -> str:
    """Take the brackets off a part of a fraction, which needs none."""
    opened, closed = f"<mrow>{_mo('(')}", f"{_mo(')')}</mrow>"
    markup = item.markup
    inner = markup.removeprefix(opened).removesuffix(closed)
    whole = len(inner) == len(markup) - len(opened) - len(closed)
    return inner if whole and _mo("(") not in inner else markup
