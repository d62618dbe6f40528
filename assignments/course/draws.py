"""Numbers from a key: the same on every machine, with every version of every library.

    block b of the stream of a key = BLAKE2b(key, b), 64 bytes, eight words of 64 bits

What a student is asked depends on the assignment's seed, the student, the task and the
property, and can be made again years later. Nothing is rounded on the way: all numbers
are multiples of 2⁻²⁰ or 2⁻²⁴, made of whole ones.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

Array = np.ndarray[Any, Any]
Some = TypeVar("Some")
WORDS = 8  # of a block


class Draw:
    """A stream of numbers that depends on a key alone.

    >>> Draw("2026", "ada", "a1.1").sizes(3)
    (4, 6, 5)
    """

    def __init__(self, *key: str | int) -> None:
        named = "".join(
            f"{len(str(part))}:{part}" for part in key
        )  # "ab", "c" ≠ "a", "bc"
        self._key = hashlib.blake2b(named.encode()).digest()
        self._block = 0

    def words(self, n: int) -> Array:
        """Return n numbers of 64 bits.    -> (n,) uint64"""
        blocks = range(self._block, self._block + -(-n // WORDS))
        self._block = blocks.stop
        bits = b"".join(
            hashlib.blake2b(b.to_bytes(8, "little"), key=self._key).digest()
            for b in blocks
        )
        return np.frombuffer(bits, "<u8").astype(np.uint64)[:n]

    def integer(self, low: int, high: int) -> int:
        """Return a whole number, low ≤ i < high."""
        return int(self.integers(low, high, 1)[0])

    def integers(self, low: int, high: int, *shape: int) -> Array:
        """Return whole numbers, low ≤ i < high.    -> shape, int64"""
        width = np.uint64(high - low)
        return (self.words(math.prod(shape)) % width).astype(np.int64).reshape(
            shape
        ) + low

    def uniform(self, *shape: int, low: float = -1.0, high: float = 1.0) -> Array:
        """Return numbers of [low, high), each with 24 bits.    -> shape, float64"""
        u = (self.words(math.prod(shape)) >> np.uint64(40)).astype(np.float64) / 2**24
        return (low + (high - low) * u).reshape(shape)

    def normal(self, *shape: int) -> Array:
        """Return a sum of twelve uniform numbers, less six: mean 0, variance 1.

        Nearly normal, and exact: no logarithm that another machine rounds otherwise.
        """
        n = math.prod(shape)
        u = (self.words(12 * n) >> np.uint64(44)).astype(np.float64).reshape(n, 12)
        total: Array = u.sum(axis=1) / 2**20 - 6
        return total.reshape(shape)

    def away(self, *shape: int, gap: float = 0.25) -> Array:
        """Return numbers of both signs, none within `gap` of 0: away from a kink."""
        u = self.uniform(*shape)
        return u + np.where(u < 0, -gap, gap)

    def permutation(self, n: int) -> Array:
        """Return 0 … n − 1 in some order.    -> (n,) int64"""
        return np.argsort(self.words(n), kind="stable").astype(np.int64)

    def choice(self, things: Sequence[Some]) -> Some:
        """Return one of some things."""
        return things[self.integer(0, len(things))]

    def sizes(self, n: int, low: int = 2, high: int = 8) -> tuple[int, ...]:
        """Return n different sizes, low ≤ size < high: no two axes can be mixed up."""
        order: Any = self.permutation(high - low)[:n]
        return tuple(int(low + i) for i in order)
