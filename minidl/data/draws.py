"""Random numbers by address, for data that many hands prepare.

A generator is a stream: who reads it first changes what the next one gets. Two workers,
a prefetching thread or a resumed run would each see other numbers. Here nothing is read
in turn: the n-th number of a sample is a hash of (seed, purpose, epoch, sample, n), so
it is the same whoever asks, whenever, and in whatever batch.

N samples of a batch; n counts the numbers drawn so far for each of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import Array, Seed, generator

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio, odd
AUGMENT, ORDER, MIX = range(3)  # purposes: each has numbers of its own


def scramble(z: Array) -> Array:
    """Mix the bits of each uint64: the output step of splitmix64.    (…) -> (…)

    Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators".
    """
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Draws:
    """One stream of random numbers per sample: (seed, epoch, samples (N,)) -> (N, …).

    Sample 9 gets the same numbers alone as in company:

    >>> together, alone = Draws(0, 3, [5, 9]), Draws(0, 3, [9])
    >>> bool(together.uniform()[1] == alone.uniform()[0])
    True
    """

    def __init__(
        self, seed: int, epoch: int, samples: Any, *, purpose: int = AUGMENT
    ) -> None:
        key = np.zeros(1, np.uint64)
        for part in (seed, purpose, epoch, samples):
            wrapped = part % 2**64 if isinstance(part, int) else part
            key = scramble(key + GOLDEN + np.asarray(wrapped).astype(np.uint64))
        self.key = key
        self.drawn = 0

    def __len__(self) -> int:
        return len(self.key)

    def bits(self, *shape: int) -> Array:
        """Return 64 random bits each.    -> (N, *shape) uint64"""
        count = math.prod(shape)
        n = np.arange(self.drawn + 1, self.drawn + count + 1, dtype=np.uint64)
        self.drawn += count
        return scramble(self.key[:, None] + n * GOLDEN).reshape(len(self), *shape)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Array:
        """Return numbers from [low, high).    -> (N, *shape) float64"""
        u = (self.bits(*shape) >> np.uint64(11)) * 2.0**-53
        return u if (low, high) == (0.0, 1.0) else low + (high - low) * u

    def integers(self, count: int, *shape: int) -> Array:
        """Return whole numbers from 0 … count − 1.    -> (N, *shape) int64"""
        return (self.uniform(*shape) * count).astype(np.int64)

    def normal(self, *shape: int) -> Array:
        """Return N(0, 1) numbers.    -> (N, *shape) float32

        Box & Muller 1958: √(−2 ln u) cos 2πv, with u and v the halves of 64 bits.
        """
        bits = self.bits(*shape)
        u = ((bits >> np.uint64(32)).astype(np.float32) + 1) * 2.0**-32  # never 0
        v = (bits & np.uint64(0xFFFFFFFF)).astype(np.float32) * 2.0**-32
        return np.sqrt(-2 * np.log(u)) * np.cos((2 * math.pi) * v)


def permutation(seed: int, epoch: int, n: int) -> Array:
    """Return 0 … n − 1 in the order of this epoch: sort them by their own hash.

    >>> permutation(seed=0, epoch=0, n=6).tolist() == list(range(6))
    False
    """
    hashes = Draws(seed, epoch, np.arange(n), purpose=ORDER).bits()
    return np.argsort(hashes, kind="stable")


def seed_from(rng: Seed) -> int:
    """Return an int as it is; from a Generator, or minidl.seed, draw one."""
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        return int(rng)
    return int(generator(rng).integers(2**63))


def draws_for(rng: Seed | Draws, n: int) -> Draws:
    """Return `rng` if the loader made it, else one stream for each of n samples."""
    return rng if isinstance(rng, Draws) else Draws(seed_from(rng), 0, np.arange(n))
