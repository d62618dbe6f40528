"""Typical mistakes of place: transposed, mirrored, shifted, exchanged, smeared.

As in mistakes.py, each function looks at one case and returns a sentence or None.

    got, want   the gradient by the way back, and by differences
"""

from __future__ import annotations

import itertools

import numpy as np

from minidl.check.mistakes import Case, Recognizer, close


def exchanged(c: Case) -> str | None:
    """The gradient of another input."""
    for name, want in c.wants.items():
        if close(c.got, want) and not close(c.want, want):
            return (
                f"is the gradient of {name}: were they returned in another order than "
                "the inputs stand in the signature?"
            )
    return None


def transposed(c: Case) -> str | None:
    """The axes in another order."""
    n = c.want.ndim
    for axes in itertools.permutations(range(n)):
        if axes != tuple(range(n)) and close(c.got.transpose(axes), c.want):
            if n == 2:
                return "is the transpose of the right one: .T is missing, or too much"
            return f"is right after .transpose{axes}: the axes are in the wrong order"
    return None


def mirrored(c: Case) -> str | None:
    """Back to front along some axes."""
    for k in range(1, c.want.ndim + 1):
        for axes in itertools.combinations(range(c.want.ndim), k):
            if c.want.size > 1 and close(np.flip(c.got, axes), c.want):
                along = " and ".join(map(str, axes))
                return (
                    f"is the mirror image of the right one along axis {along}: "
                    "a kernel or a sequence was turned round, or was not"
                )
    return None


def shifted(c: Case) -> str | None:
    """Moved along an axis."""
    for axis, length in enumerate(c.want.shape):
        for shift in range(1, length):
            if close(np.roll(c.got, shift, axis), c.want):
                by = -shift if shift <= length // 2 else length - shift
                return f"is shifted along axis {axis} by {by}: an index is off"
    return None


def shuffled(c: Case) -> str | None:
    """The right numbers, but not where they belong."""
    if c.want.size > 1 and close(np.sort(c.got, None), np.sort(c.want, None)):
        return (
            "has the right numbers in the wrong places: look at reshape, transpose and "
            "the order of indices in the way back"
        )
    return None


def smeared(c: Case) -> str | None:
    """Each entry got the sum or the mean over an axis."""
    for axis, n in enumerate(c.want.shape):
        for word, total in (
            ("sum", c.want.sum(axis=axis, keepdims=True)),
            ("mean", c.want.mean(axis=axis, keepdims=True)),
        ):
            if n > 1 and close(c.got, np.broadcast_to(total, c.want.shape)):
                return (
                    f"is the {word} over axis {axis} of the right one, for all entries "
                    "alike: was a sum taken over an axis that stays in the result?"
                )
    return None


PLACES: tuple[Recognizer, ...] = (
    exchanged, transposed, mirrored, shifted, shuffled, smeared,
)  # fmt: skip
