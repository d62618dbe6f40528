"""How good are sentences? Comparing sequences of tokens with the true ones.

Each function takes the sequences first that were said, and then the true ones, one for
each: lists of numbers or of words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

from minidl.errors import ShapeError

Tokens = Sequence[Hashable]


def edit_distance(a: Tokens, b: Tokens) -> int:
    """Return how many tokens to insert, leave out or replace.    Levenshtein 1966.

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(last + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def token_error_rate(said: Sequence[Tokens], true: Sequence[Tokens]) -> float:
    """Σ edit distances / Σ true tokens: tokens that are wrong, missing or too many.

    Of words the word error rate, of phones the phone error rate; it may exceed 1.

    >>> token_error_rate(["abc", "d"], ["abx", "d"])
    0.25
    """
    _check("token_error_rate", said, true)
    return sum(map(edit_distance, said, true)) / sum(map(len, true))


def bleu1(said: Sequence[Tokens], true: Sequence[Tokens]) -> float:
    """Return the share of tokens said that are true, none counted too often.

    Times exp(1 − r / c) if the c tokens said are fewer than the r true ones.
    Papineni et al. 2002, with single words, over the whole corpus, one reference each.

    >>> bleu1([["red", "red", "heart"]], [["red", "heart"]])
    0.666...
    """
    _check("bleu1", said, true)
    pairs = zip(said, true, strict=True)
    hits = sum((Counter(a) & Counter(b)).total() for a, b in pairs)
    c, r = sum(map(len, said)), sum(map(len, true))
    return hits / c * min(1.0, math.exp(1 - r / c)) if c else 0.0


def _check(name: str, said: Sequence[Tokens], true: Sequence[Tokens]) -> None:
    """Refuse sequences that are not one for one, or truths without a token."""
    if len(said) != len(true) or not sum(map(len, true)):
        raise ShapeError(
            f"{name}: {len(said)} sequences and {len(true)} true ones with "
            f"{sum(map(len, true))} tokens; give one true one for each, not all empty"
        )
