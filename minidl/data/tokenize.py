"""Tokenizers: text becomes numbers, and numbers become text again.

characters   a number per character: short alphabet, long sequences
words        a number per word: short sequences, and words nobody has seen
bytes        byte-pair encoding, in between: frequent pieces, and nothing is unknown

Numbers below `len(special)` are special tokens, such as "<pad>" or "<end>", which text
never becomes by itself. T numbers stand for one text, V is the size of the vocabulary.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from minidl.backend import Array
from minidl.errors import RangeError

# Letters of many scripts carry combining marks (vowel signs, accents), which \w lacks.
MARKS = "".join(
    chr(i) for i in range(0x300, 0x20000) if unicodedata.category(chr(i))[0] == "M"
)
LETTER = rf"[\w{MARKS}]"
SIGN = rf"[^\w\s{MARKS}]"
WORD = re.compile(rf"{LETTER}+(?:['’]{LETTER}+)*|{SIGN}")  # don't, 42, one comma
PIECE = re.compile(rf" ?{LETTER}+| ?{SIGN}+|\s+(?!\S)|\s+")  # no pair goes across
FIRST_BYTES = 256


class Vocabulary:
    """A list of tokens, each with its number: what all tokenizers have in common.

    >>> letters = CharTokenizer("hello", special=["<end>"])
    >>> letters.tokens, letters.encode("hole"), letters.decode([2, 4, 3, 1])
    (('<end>', 'e', 'h', 'l', 'o'), array([2, 4, 3, 1]), 'hole')
    """

    def __init__(self, tokens: Sequence[str], special: Sequence[str] = ()) -> None:
        self.tokens = (*special, *tokens)
        self.special = tuple(special)
        self.number = {token: i for i, token in enumerate(self.tokens)}
        if len(self.number) < len(self.tokens):
            raise RangeError("a vocabulary has each token once; this one repeats some")

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, token: str) -> int:
        """Return the number of one token, such as `tokenizer["<end>"]`."""
        if token not in self.number:
            raise RangeError(f"{token!r} is no token of this vocabulary of {len(self)}")
        return self.number[token]

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text that T numbers stand for; special tokens are left out."""
        return self.join(self.strings(numbers))

    def strings(self, numbers: Iterable[int]) -> list[str]:
        """Return the tokens that T numbers stand for, without the special ones."""
        found = []
        for i in map(int, numbers):
            if not 0 <= i < len(self):
                raise RangeError(f"token {i} is none of 0 … {len(self) - 1}")
            if i >= len(self.special):
                found.append(self.tokens[i])
        return found

    def join(self, tokens: Sequence[str]) -> str:
        """Return tokens as text."""
        return "".join(tokens)


class CharTokenizer(Vocabulary):
    """A number per character of a text, in the order of Unicode.

    A character that the text lacks is a RangeError, unless `unknown` (one of the
    special tokens) stands for it.
    """

    def __init__(
        self, text: str, special: Sequence[str] = (), *, unknown: str | None = None
    ) -> None:
        super().__init__(sorted(set(text)), special)
        self.unknown = unknown if unknown is None else self[unknown]

    def encode(self, text: str) -> Array:
        """Return the numbers of a text.    T characters -> (T,) int64"""
        return _numbers(self, text, self.unknown)


class WordTokenizer(Vocabulary):
    """A number per word and per sign of punctuation, the most frequent first.

    texts     the texts to count in
    size      how many words to keep at most; the rarer ones become `unknown`

    >>> words = WordTokenizer(["to be, or not to be"], special=["?"], unknown="?")
    >>> words.encode("not to see")
    array([4, 2, 0])
    >>> words.decode(words.encode("or be"))
    'or be'
    """

    def __init__(
        self,
        texts: Iterable[str],
        special: Sequence[str] = ("<unknown>",),
        *,
        size: int | None = None,
        unknown: str | None = "<unknown>",
    ) -> None:
        counts = Counter(word for text in texts for word in split_words(text))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        super().__init__(ranked[:size], special)
        self.unknown = unknown if unknown is None else self[unknown]

    def encode(self, text: str) -> Array:
        """Return the numbers of a text.    T words -> (T,) int64"""
        return _numbers(self, split_words(text), self.unknown)

    def join(self, tokens: Sequence[str]) -> str:
        """Return words with spaces between them."""
        return " ".join(tokens)


def pad_sequences(rows: Iterable[Iterable[int]], value: int = 0) -> Array:
    """Return sequences as one array, the shorter ones filled up.    -> (N, T) int64

    >>> pad_sequences([[5, 6, 7], [8]])
    array([[5, 6, 7],
           [8, 0, 0]])
    """
    lists = [list(row) for row in rows]
    table = np.full((len(lists), max(map(len, lists), default=0)), value, np.int64)
    for line, row in zip(table, lists, strict=True):
        line[: len(row)] = row
    return table


def split_words(text: str) -> list[str]:
    """Return the words and signs of a text.

    >>> split_words("Don't go, Tom!")
    ["Don't", 'go', ',', 'Tom', '!']
    """
    return WORD.findall(text)


def _numbers(
    vocabulary: Vocabulary, tokens: Iterable[str], unknown: int | None
) -> Array:
    number = vocabulary.number
    if unknown is not None:
        return np.array([number.get(token, unknown) for token in tokens], np.int64)
    try:
        return np.array([number[token] for token in tokens], np.int64)
    except KeyError as error:
        raise RangeError(
            f"{error.args[0]!r} is none of the {len(vocabulary)} tokens; build the "
            'vocabulary from all texts, or with special=["?"], unknown="?"'
        ) from None
