"""A chain of 1000 operations on arrays of 4 floats, forward and backward.

Nothing but the price of the tape: y ← y · c and y ← y + c in turn. By hand it is the
same NumPy calls, the backward of an addition being nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PAIRS = 500
X = np.ones(4, np.float32)
C = np.full(4, 1.0001, np.float32)
Step = Callable[[], float]


def numpy() -> Step:
    """The same NumPy calls, written by hand."""

    def step() -> float:
        y = X
        for _ in range(PAIRS):
            y = y * C
            y = y + C
        g = np.ones(4, np.float32)
        for _ in range(PAIRS):
            g = g * C
        return float(g[0])

    return step


def minidl(pairs: int = PAIRS) -> Step:
    """The engine."""
    from minidl import Tensor

    c, one = Tensor(C), np.ones(4, np.float32)

    def step() -> float:
        x = Tensor(X, requires_grad=True)
        y = x
        for _ in range(pairs):
            y = y * c
            y = y + c
        y.backward(one)
        return float(x.grad[0])

    return step


def torch() -> Step:
    """PyTorch, eager."""
    import torch

    c, one = torch.tensor(C), torch.ones(4)

    def step() -> float:
        x = torch.tensor(X, requires_grad=True)
        y = x
        for _ in range(PAIRS):
            y = y * c
            y = y + c
        y.backward(one)
        assert x.grad is not None
        return float(x.grad[0])

    return step
