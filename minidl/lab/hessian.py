"""The Hessian of a loss, as something that vectors are multiplied with.

    L loss    θ weights, one vector (P,)    g = ∂L/∂θ (P,)    H = ∂²L/∂θ² (P, P)

H has P² numbers, too many for a net. But H v is one gradient more: that of g · v, with
v held fixed (Pearlmutter 1994, "Fast exact multiplication by the Hessian").
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace, to_numpy
from minidl.data import DataLoader
from minidl.engine.backward import grad
from minidl.engine.modes import enable_grad, no_grad
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, NonFiniteError, RangeError, ShapeError
from minidl.lab.objective import own_randomness
from minidl.nn.module import Module, evaluating
from minidl.train.batches import Counted, Data, check_scalar, is_samples, pair

BATCH = 500  # where the data are samples and not batches
STREAM = 1994  # any number
LARGEST = 5000  # weights, of which the whole matrix is made: 200 MB


class Hessian:
    """H of a model's loss over some data: `H @ v`, `H.gradient()`, `H.full()`.

    model  an nn.Module; its weights that require a gradient are θ, in their order
    loss   (scores, y) -> scalar Tensor, a mean over the labels
    data   batches (x, y): a loader, a list; or samples: a dataset, a tuple (x, y)
    seed   of whatever draws in the model while it is measured

    The loss is the mean over all data, in eval mode: without dropout, and with the
    running statistics of batch norm. Batches are drawn once, so that every product is
    of the same H. Neither model nor loader is changed.

    >>> from minidl import nn, ops
    >>> net = nn.Linear(1, 1, rng=0).astype("float64")
    >>> x, y = np.array([[1.0], [3.0]]), np.zeros((2, 1))
    >>> H = Hessian(net, ops.mse_loss, (x, y))    # L = mean (w x + b)²
    >>> H @ np.array([1.0, 0.0])                  # 2 mean x², 2 mean x
    array([10.,  4.])
    """

    def __init__(
        self, model: Module, loss: Callable[..., Any], data: Data, *, seed: int = 0
    ) -> None:
        if not isinstance(model, Module):
            raise DTypeError(
                f"a Hessian is that of an nn.Module, not {type(model).__name__}"
            )
        self.model, self.loss, self.seed = model, loss, seed
        self.weights: list[Any] = [p for p in model.parameters() if p.requires_grad]
        if not self.weights:
            raise RangeError(
                "no weight of the model requires a gradient; is all of it frozen? "
                "Try model.unfreeze()"
            )
        self.device = device_of(self.weights[0].data)
        if is_samples(data):  # in the width of the weights
            data = DataLoader(data, BATCH, dtype=self.weights[0].dtype)
        elif isinstance(data, DataLoader):  # its place in the epochs stays what it is
            data = copy.copy(data)
            data._pool = None
        with own_randomness(seed):
            self.batches = list(data)
        if not self.batches:
            raise RangeError("there is no batch; is the iterator used up?")

    @property
    def shape(self) -> tuple[int, int]:
        """(P, P), with P weights."""
        n = sum(p.size for p in self.weights)
        return n, n

    def __matmul__(self, v: Any) -> Array:
        """H v = ∂(g · v)/∂θ.    v (P,) -> (P,)."""
        parts = self.parts(v)

        def product(loss: Tensor) -> list[Any]:
            slopes = grad(loss, self.weights, create_graph=True, allow_unused=True)
            pairs = zip(slopes, parts, strict=True)
            terms = [(g * Tensor(d)).sum() for g, d in pairs if g is not None]
            curved = [term for term in terms if term.requires_grad]
            if not curved:  # the loss is a straight line in all weights
                return [None] * len(parts)
            return list(grad(curved, self.weights, allow_unused=True))

        return self._mean(product)

    def gradient(self) -> Array:
        """g = ∂L/∂θ.    -> (P,)."""
        return self._mean(lambda x: list(grad(x, self.weights, allow_unused=True)))

    def value(self) -> float:
        """L, the loss itself."""
        with quiet(self.model, self.seed), no_grad():
            sums = [(n, loss.item()) for n, loss in self._losses()]
        total = sum(n * loss for n, loss in sums)
        return float(total / sum(n for n, _ in sums))

    def full(self) -> np.ndarray[Any, Any]:
        """H as a matrix on the host, column by column; of small nets only."""
        n, _ = self.shape
        if n > LARGEST:
            raise RangeError(
                f"the full Hessian of {n} weights has {n * n:.1e} numbers; up to "
                f"{LARGEST} weights it is made. `H @ v` works for all, and "
                "lab.sharpness gives the largest eigenvalue and the trace"
            )
        columns = [to_numpy(self @ e) for e in np.eye(n)]
        return np.stack(columns, axis=1)

    def parts(self, v: Any) -> list[Array]:
        """Return a vector (P,) as one array for each weight, of its shape and dtype."""
        n, _ = self.shape
        if getattr(v, "shape", None) != (n,):
            raise ShapeError(
                f"the model has {n} weights, and the vector has shape "
                f"{getattr(v, 'shape', None)}; it must be ({n},)"
            )
        xp, at, parts = namespace(self.weights[0].data), 0, []
        v = xp.asarray(v)
        for p in self.weights:
            parts.append(v[at : at + p.size].reshape(p.shape).astype(p.dtype))
            at += p.size
        return parts

    def normal(self, rng: np.random.Generator) -> Array:
        """Draw a vector (P,) of N(0, 1), on the device of the weights."""
        xp = namespace(self.weights[0].data)
        return xp.asarray(rng.normal(size=self.shape[0]), dtype=self.weights[0].dtype)

    def signs(self, rng: np.random.Generator) -> Array:
        """Draw a vector (P,) of +1 and −1."""
        xp = namespace(self.weights[0].data)
        drawn = 2 * rng.integers(0, 2, self.shape[0]) - 1
        return xp.asarray(drawn, dtype=self.weights[0].dtype)

    def _mean(self, function: Callable[[Tensor], list[Any]]) -> Array:
        """Return Σ n f(L) / Σ n over batches of n labels, as one vector (P,)."""
        xp, total, count = namespace(self.weights[0].data), 0.0, 0
        with quiet(self.model, self.seed), enable_grad():
            for n, loss in self._losses():
                parts = zip(function(loss), self.weights, strict=True)
                flat = xp.concatenate(
                    [
                        (xp.zeros_like(p.data) if x is None else x).reshape(-1)
                        for x, p in parts
                    ]
                )
                total = total + n * flat
                count += n
        return total / count

    def _losses(self) -> Iterator[tuple[Any, Any]]:
        """Yield how many labels a batch has, and its loss."""
        counted = Counted(self.loss)
        for batch in self.batches:
            xs, y = pair(batch, self.device)
            loss = self.loss(self.model(*xs), y)
            check_scalar(loss)
            yield counted(y), loss


def stream(seed: int) -> np.random.Generator:
    """Return a generator for directions.

    It is none that `rng=seed` gives a layer: a direction would be its first weights.
    """
    return np.random.default_rng([seed, STREAM])


@contextmanager
def quiet(model: Module, seed: int) -> Iterator[None]:
    """Measure without a trace: eval mode, and generators that are put back."""
    with own_randomness(seed), evaluating(model):
        yield


def checked(x: float, what: str) -> float:
    """Return x, or say that the loss has left all bounds."""
    if not math.isfinite(x):
        raise NonFiniteError(
            f"{what} is {x}: the loss or its gradient is not finite at these weights; "
            "was the rate too high? `with md.debug():` finds where it began"
        )
    return x
