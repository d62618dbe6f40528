"""Text: plays to imitate, words to pronounce, names to invent.

The loaders return plain strings, parted once and for all; tokenizers (tokenize.py) make
numbers of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minidl.data.files import PARTS, as_text, as_words, vendored

Spoken = tuple[str, tuple[str, ...]]  # a word and its phones


def _sizes(parts: Any, unit: str) -> str:
    """Return one line, where a tuple would print all that it holds."""
    sizes = zip(PARTS, parts, strict=True)
    told = ", ".join(f"{name} of {len(part):,}" for name, part in sizes)
    return f"{type(parts).__name__}({told} {unit})"


class Texts(NamedTuple):
    """`train, validation, test = load_shakespeare()`: three strings."""

    train: str
    validation: str
    test: str

    def __repr__(self) -> str:
        return _sizes(self, "characters")


class WordLists(NamedTuple):
    """`train, validation, test = load_names()`: three lists of words."""

    train: list[str]
    validation: list[str]
    test: list[str]

    def __repr__(self) -> str:
        return _sizes(self, "words")


class Pronunciations(NamedTuple):
    """`train, validation, test = load_cmudict()`: three lists of (word, phones)."""

    train: list[Spoken]
    validation: list[Spoken]
    test: list[Spoken]

    def __repr__(self) -> str:
        return _sizes(self, "words")


def load_shakespeare() -> Texts:
    """Return nine plays of Shakespeare, 1.07 million characters of 78 kinds.

    962,703 / 53,510 / 54,555: the last twentieth of each play is for test, and the one
    before for validation; so the speakers are known from training, what they say is
    not. As You Like It, Julius Caesar, Macbeth, The Merchant of Venice, Much Ado About
    Nothing, Othello, The Taming of the Shrew, The Tempest, Twelfth Night. In the public
    domain (vendored/LICENSE-shakespeare.txt).

    >>> text = load_shakespeare().train
    >>> print(text[text.index("ROSALIND.") :][:44])
    ROSALIND.
    Dear Celia, I show more mirth than
    >>> len(set(text))
    78
    >>> load_shakespeare()
    Texts(train of 962,703, validation of 53,510, test of 54,555 characters)
    """
    arrays = vendored("shakespeare")
    return Texts(*(as_text(arrays[part]) for part in PARTS))


def load_cmudict(*, stress: bool = False) -> Pronunciations:
    """Return 20,000 English words and how Americans say them: 18,000 / 1000 / 1000.

    Words have 3 to 12 letters, and in the dictionary one pronunciation only; many are
    names. There are 39 phones; with stress=True vowels end in 0 (none), 1 or 2.
    Carnegie Mellon University, BSD license (vendored/LICENSE-cmudict.txt).

    >>> load_cmudict().test[1]
    ('walkways', ('W', 'AO', 'K', 'W', 'EY', 'Z'))
    >>> load_cmudict(stress=True).test[1][1]
    ('W', 'AO1', 'K', 'W', 'EY2', 'Z')
    """
    arrays = vendored("cmudict")
    return Pronunciations(*(_spoken(as_text(arrays[part]), stress) for part in PARTS))


def load_names() -> WordLists:
    """Return 8402 first names, in lower case: 6722 / 840 / 840.

    Of 2 to 12 letters a-z, from G. Ward's Moby word lists, by way of stdlib; in the
    public domain (vendored/LICENSE-names.txt).

    >>> load_names().train[:4]
    ['lindsay', 'alon', 'kurtis', 'harmonia']
    """
    arrays = vendored("names")
    return WordLists(*(as_words(arrays[part]) for part in PARTS))


def _spoken(text: str, stress: bool) -> list[Spoken]:
    """Return the entries of lines such as "walkways W AO1 K W EY2 Z"."""
    entries = []
    for line in text.split("\n"):
        word, *phones = line.split(" ")
        if not stress:
            phones = [phone.rstrip("012") for phone in phones]
        entries.append((word, tuple(phones)))
    return entries
