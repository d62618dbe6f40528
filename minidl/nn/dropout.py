"""Layers that disturb training and stand aside in evaluation.

Each owns a key, (seed, call): the seed is drawn once, from the layer's generator; the
call is counted up at every use. An op computes the noise from a copy of the key, so
that a saved state brings the same noise again, on every device.

Throughout:  x input    y output, of the same shape    p probability to drop
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from minidl import ops
from minidl.backend import Array, Seed, generator
from minidl.engine.modes import mode
from minidl.engine.tensor import Tensor
from minidl.errors import MistakeWarning, RangeError, ShapeError
from minidl.nn.interchange import Layout
from minidl.nn.module import Buffer, Module
from minidl.nn.substitute import substituted

__all__ = ["Dropout", "Dropout2d", "GaussianNoise", "WeightNoise"]


def look_for_mode(layer: Module, does: str) -> None:
    """Warn of a layer that works as in training where nothing is learned."""
    if mode.careful and not mode.recording:
        name = type(layer).__name__
        warnings.warn(
            f"{name} {does} under no_grad, because the model is in training mode: is "
            "it judged here? model.eval() before, and model.train() after",
            MistakeWarning,
            stacklevel=2,
        )


class Noisy(Module):
    """A layer with a key of its own, which PyTorch's layers do not have."""

    torch_layout: ClassVar[Layout] = Layout(own=("key",))

    def __init__(self, rng: Seed = None) -> None:
        seed = generator(rng).integers(2**64, dtype=np.uint64)
        self.key = Buffer(np.array([seed, 0], np.uint64))

    def next_key(self) -> Array:
        """Return the key of this call, and count the call."""
        key = self.key.data.copy()
        self.key.data[1:] += 1
        self.key.touch()
        return key


class Dropout(Noisy):
    """Drop each element of x with probability p; divide the others by 1 − p.

    x any shape -> y like x; in evaluation, y = x.    Srivastava et al. 2014.

    >>> layer = Dropout(0.5, rng=0)
    >>> layer(np.ones(6)).numpy()
    array([0., 0., 2., 2., 0., 0.])
    >>> layer.eval()(np.ones(6)).numpy()
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: Seed = None) -> None:
        if not 0 <= p <= 1:
            raise RangeError(
                f"{type(self).__name__}: p is {p}, the probability to drop; it must be "
                "in [0, 1]"
            )
        super().__init__(rng)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return x with elements dropped, or x itself in evaluation."""
        return self.drop(x, share=())

    def drop(self, x: Tensor, share: tuple[int, ...]) -> Tensor:
        """Drop elements that are alone but for those beside them along `share`."""
        if not self.training or self.p == 0:
            return x
        look_for_mode(self, "drops elements")
        y: Tensor = ops.dropout(x, self.next_key(), p=self.p, share=share)
        return y


class Dropout2d(Dropout):
    """Drop each channel of each image with probability p; divide the others by 1 − p.

    x (N, C, H, W) -> y like x; in evaluation, y = x. Neighboring pixels tell each other
    what was dropped; whole channels cannot.    Tompson et al. 2015.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x with channels dropped, or x itself in evaluation."""
        if x.ndim < 3:
            raise ShapeError(
                "Dropout2d drops whole channels of (N, C, H, W), and x "
                f"{tuple(x.shape)} has no positions; try Dropout"
            )
        return self.drop(x, share=tuple(range(2, x.ndim)))


class GaussianNoise(Noisy):
    """x + n with every n from N(0, std²); in evaluation, y = x.    Bishop 1995."""

    def __init__(self, std: float = 0.1, *, rng: Seed = None) -> None:
        super().__init__(rng)
        self.std = _deviation(self, std)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + n, or x itself in evaluation."""
        if not self.training or self.std == 0:
            return x
        y: Tensor = ops.gaussian_noise(x, self.next_key(), std=self.std)
        return y


class WeightNoise(Noisy):
    """A module whose weights are disturbed by N(0, std²) at every call, in training.

    The gradient is that at the disturbed weights, and it moves the undisturbed ones: a
    minimum must be flat to survive.    Graves 2011 (there with a learned std).

    >>> from minidl.nn.linear import Linear
    >>> layer = WeightNoise(Linear(3, 2, rng=0), std=0.1, rng=0)
    >>> x = np.ones((1, 3), np.float32)
    >>> bool((layer(x).data == layer(x).data).any())  # never twice the same
    False
    """

    def __init__(self, module: Module, std: float = 0.01, *, rng: Seed = None) -> None:
        super().__init__(rng)
        self.module = module
        self.std = _deviation(self, std)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module makes of the inputs."""
        if not self.training or self.std == 0:
            return self.module(*args, **kwargs)
        noisy = {
            p: ops.gaussian_noise(p, self.next_key(), std=self.std)
            for p in self.module.parameters()
        }
        with substituted(self.module, lambda _, p: noisy.get(p, p)) as module:
            return module(*args, **kwargs)


def _deviation(layer: Module, std: float) -> float:
    if not std >= 0:
        raise RangeError(
            f"{type(layer).__name__}: std is {std}, but deviations are 0 or more"
        )
    return std
