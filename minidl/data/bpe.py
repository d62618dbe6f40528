"""Byte-pair encoding: frequent neighbors become one token, again and again.

A text is bytes, so there are 256 tokens to begin with and nothing is unknown. Training
counts all pairs of neighbors, gives the most frequent one a number of its own, replaces
it everywhere, and repeats. Gage 1994; for neural nets: Sennrich, Haddow & Birch 2016.

T tokens of a text, V in the vocabulary; the V − 256 merges are (left, right) -> new.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from minidl.backend import Array
from minidl.data.tokenize import FIRST_BYTES, PIECE
from minidl.errors import DTypeError, RangeError

Pair = tuple[int, int]


class BytePairTokenizer:
    """Byte-pair encoding with V = 256 + merges + special tokens.

    >>> pairs = BytePairTokenizer.train("low lower lowest slow", size=259)
    >>> pairs.strings(pairs.encode("slower"))
    ['s', 'low', 'e', 'r']
    >>> pairs.decode(pairs.encode("naïve 🙂"))
    'naïve 🙂'
    """

    def __init__(self, merges: Sequence[Pair], special: Sequence[str] = ()) -> None:
        self.merges, self.special = (
            [(int(a), int(b)) for a, b in merges],
            tuple(special),
        )
        self.rank = {pair: i for i, pair in enumerate(self.merges)}
        for i, pair in enumerate(self.merges):
            if not all(0 <= part < FIRST_BYTES + i for part in pair):
                raise RangeError(
                    f"merge {i} joins {pair}, which are not made before it"
                )
        self._known: dict[str, list[int]] = {}

    @classmethod
    def train(
        cls, text: str, size: int, special: Sequence[str] = ()
    ) -> BytePairTokenizer:
        """Learn merges from a text, until there are `size` tokens, special ones too.

        It stops earlier when no pair is left that occurs twice.
        """
        count = size - FIRST_BYTES - len(special)
        if count < 0:
            raise RangeError(
                f"size={size} is less than the {FIRST_BYTES} bytes and {len(special)} "
                "special tokens that there are from the start"
            )
        return cls(learn(text, count), special)

    def __len__(self) -> int:
        return FIRST_BYTES + len(self.merges) + len(self.special)

    def __getitem__(self, token: str) -> int:
        """Return the number of a special token: they are the last ones."""
        if token not in self.special:
            raise RangeError(f"{token!r} is none of the special tokens {self.special}")
        return FIRST_BYTES + len(self.merges) + self.special.index(token)

    def encode(self, text: str) -> Array:
        """Return the numbers of a text.    text -> (T,) int64"""
        if not isinstance(text, str):
            raise DTypeError(f"encode wants a string, not {type(text).__name__}")
        numbers: list[int] = []
        for piece in PIECE.findall(text):
            if piece not in self._known:
                self._known[piece] = self._encode(piece)
            numbers += self._known[piece]
        return np.array(numbers, np.int64)

    def _encode(self, piece: str) -> list[int]:
        """Apply the merges in the order in which they were learned."""
        ids = list(as_bytes(piece))
        while len(ids) > 1:
            first = min(
                pairwise(ids), key=lambda pair: self.rank.get(pair, len(self.rank))
            )
            if first not in self.rank:
                break
            ids = merge(ids, first, FIRST_BYTES + self.rank[first])
        return ids

    @cached_property
    def contents(self) -> list[bytes]:
        """The bytes that each token stands for; special tokens for none."""
        table = [bytes([i]) for i in range(FIRST_BYTES)]
        for left, right in self.merges:
            table.append(table[left] + table[right])
        return table + [b""] * len(self.special)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of T numbers; bytes that are no text become "\\ufffd"."""
        return b"".join(self._bytes(numbers)).decode("utf-8", errors="replace")

    def strings(self, numbers: Iterable[int]) -> list[str]:
        """Return the text of each number by itself."""
        return [part.decode("utf-8", errors="replace") for part in self._bytes(numbers)]

    def _bytes(self, numbers: Iterable[int]) -> list[bytes]:
        ids = [int(i) for i in numbers]
        bad = [i for i in ids if not 0 <= i < len(self)]
        if bad:
            raise RangeError(f"token {bad[0]} is none of 0 … {len(self) - 1}")
        return [self.contents[i] for i in ids]


def as_bytes(text: str) -> bytes:
    """Return text in UTF-8; half a surrogate pair, which is no character, as U+FFFD."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.encode("utf-8")


def learn(text: str, count: int) -> list[Pair]:
    """Return up to `count` merges: each time the most frequent pair, by counting anew.

    A piece that occurs often is kept once, with its number of occurrences. Only pieces
    that hold the merged pair change, so only theirs are counted anew. Among equally
    frequent pairs the one of the smallest numbers wins.
    """
    pieces = [
        (list(as_bytes(piece)), times)
        for piece, times in Counter(PIECE.findall(text)).items()
    ]
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)  # pair -> pieces that hold it
    for i, (ids, times) in enumerate(pieces):
        for pair in pairwise(ids):
            counts[pair] += times
            where[pair].add(i)
    merges: list[Pair] = []
    while len(merges) < count and counts:
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        new = FIRST_BYTES + len(merges)
        merges.append(best)
        for i in where.pop(best):
            ids, times = pieces[i]
            for pair in pairwise(ids):
                counts[pair] -= times
            ids = merge(ids, best, new)
            pieces[i] = ids, times
            for pair in pairwise(ids):
                counts[pair] += times
                where[pair].add(i)
        counts = +counts  # without the pairs that are gone
    return merges


def merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Replace a pair of neighbors, from left to right.

    >>> merge([1, 2, 1, 2, 2], (1, 2), 9)
    [9, 9, 2]
    """
    merged, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged
