"""Normalization layers: an op of minidl/ops/norm.py, γ and β, and what it remembers.

Throughout:  x input    y output, of the same shape    γ is `weight`, β is `bias`
             N batch, C channels, H W image, D features
Batch norm alone differs between training and evaluation: see BatchNorm1d.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minidl import ops
from minidl.backend import Array, default_dtype, namespace
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError, ShapeError
from minidl.nn.dropout import look_for_mode
from minidl.nn.module import Buffer, Module, Parameter

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "LayerNorm",
    "RMSNorm",
]  # fmt: skip


class _BatchNorm(Module):
    """What batch norm of vectors and of images have in common: see BatchNorm1d."""

    shapes: ClassVar[dict[int, str]]  # the inputs it takes, by their number of axes
    batch_norm: Callable[..., Any] = staticmethod(ops.batch_norm)  # see minidl.parallel

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        if momentum is not None and not 0 <= momentum <= 1:
            raise RangeError(
                f"momentum is {momentum}, but it is the weight of the new statistics "
                "beside the old, in [0, 1]; 0.1 is usual, None averages all batches"
            )
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = _filled(num_features, 1) if affine else None
        self.bias = _filled(num_features, 0) if affine else None
        self.running_mean: Buffer | None = None
        self.running_var: Buffer | None = None
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features, default_dtype()))
            self.running_var = Buffer(np.ones(num_features, default_dtype()))
            self.num_batches_tracked = Buffer(np.zeros((), np.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Return y; in training, remember the statistics of this batch."""
        self._check(x)
        y: Tensor
        scale = self.weight, self.bias
        if self.training or self.running_mean is None:
            y, mean, var, *seen = self.batch_norm(x, *scale, eps=self.eps)
            if self.training:
                if self.momentum is not None:  # None: the pass of update_batch_norm
                    look_for_mode(self, "learns its statistics from this batch")
                n = seen[0] if seen else x.size // self.num_features
                self._remember(mean, var, n)
            return y
        known = self.running_mean, self.running_var
        y = ops.batch_norm_eval(x, *known, *scale, eps=self.eps)
        return y

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1."""
        if self.running_mean is None or self.running_var is None:
            return
        counted = (self.running_mean, 0), (self.running_var, 1)
        for buffer, value in (*counted, (self.num_batches_tracked, 0)):
            buffer.data[...] = value
            buffer.touch()

    def _remember(self, mean: Array, var: Array, n: float) -> None:
        """running ← running + momentum (new − running); the variance unbiased."""
        if self.running_mean is None or self.running_var is None:
            return
        count = self.num_batches_tracked
        count.data += 1
        count.touch()
        share: Any = self.momentum
        if share is None:  # the mean of all batches so far, without asking the device
            share = namespace(mean).reciprocal(count.data.astype(mean.dtype))
        # region a4.3: a running mean of what the batches say
        new = (self.running_mean, mean), (self.running_var, var * (n / (n - 1)))
        for running, now in new:
            running.data += share * (now - running.data)
            running.touch()
        # endregion

    def _check(self, x: Tensor) -> None:
        if x.ndim not in self.shapes or x.shape[1] != self.num_features:
            fits = " or ".join(self.shapes.values()).replace(
                "C", str(self.num_features)
            )
            raise ShapeError(
                f"{type(self).__name__}({self.num_features}) got x {tuple(x.shape)}, "
                f"and takes {fits}; {_batch_norm_for(x.ndim)}"
            )


class BatchNorm1d(_BatchNorm):
    """γ (x − μ) / √(σ² + ε) + β for each feature.    x (N, C) or (N, C, T) -> y like x.

    In training, μ and σ² are those of the batch, and a running mean of them is kept:
    running ← (1 − momentum) running + momentum · new, σ² divided by n − 1 there (the
    unbiased one), by n in y. In evaluation the running ones are used, so that an
    example does not depend on its neighbors.    Ioffe & Szegedy 2015.

    momentum             weight of the new; None: the plain mean over all batches
    affine               whether γ and β are learned; else they are 1 and 0
    track_running_stats  without them, the batch's own are used in evaluation too

    Raises ShapeError in training if a feature has a single value.
    """

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, T)"}


class BatchNorm2d(_BatchNorm):
    """γ (x − μ) / √(σ² + ε) + β for each channel.    x (N, C, H, W) -> y like x.

    All as in BatchNorm1d; the N H W values of a channel share their μ and σ².
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}


class LayerNorm(Module):
    """γ (x − μ) / √(σ² + ε) + β over the last axes of each example.    Ba et al. 2016.

    x (N, …, D) -> y like x.    normalized_shape: D, or the shape of several last axes
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps = eps
        self.weight = _filled(self.normalized_shape, 1) if affine else None
        self.bias = _filled(self.normalized_shape, 0) if affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalized over its last axes."""
        n_axes = _check_last(self, x, self.normalized_shape)
        y: Tensor = ops.layer_norm(
            x, self.weight, self.bias, n_axes=n_axes, eps=self.eps
        )
        return y


class RMSNorm(Module):
    """γ x / √(mean of x² + ε) over the last axes.    Zhang & Sennrich 2019.

    x (N, …, D) -> y like x.    normalized_shape: D, or the shape of several last axes
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        affine: bool = True,
    ) -> None:
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps = eps
        self.weight = _filled(self.normalized_shape, 1) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x divided by its root mean square."""
        n_axes = _check_last(self, x, self.normalized_shape)
        y: Tensor = ops.rms_norm(x, self.weight, n_axes=n_axes, eps=self.eps)
        return y


class GroupNorm(Module):
    """γ (x − μ) / √(σ² + ε) + β over each group of channels.    Wu & He 2018.

    x (N, C, …) -> y like x; C = num_channels in num_groups groups of neighbors.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(
                f"GroupNorm: {num_channels} channels do not form {num_groups} equal "
                "groups; num_groups must divide num_channels"
            )
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = _filled(num_channels, 1) if affine else None
        self.bias = _filled(num_channels, 0) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalized over each group of channels."""
        _check_channels(self, x, self.num_channels, x.ndim >= 2)
        y: Tensor = ops.group_norm(
            x, self.weight, self.bias, num_groups=self.num_groups, eps=self.eps
        )
        return y


class InstanceNorm2d(Module):
    """γ (x − μ) / √(σ² + ε) + β over each channel of each image.    Ulyanov 2016.

    x (N, C, H, W) -> y like x.    affine: whether γ, β are learned; off, as in PyTorch
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, affine: bool = False
    ) -> None:
        self.num_features, self.eps = num_features, eps
        self.weight = _filled(num_features, 1) if affine else None
        self.bias = _filled(num_features, 0) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalized over each channel of each image."""
        _check_channels(self, x, self.num_features, x.ndim == 4)
        y: Tensor = ops.instance_norm(x, self.weight, self.bias, eps=self.eps)
        return y


def _filled(shape: int | tuple[int, ...], value: float) -> Parameter:
    return Parameter(np.full(shape, value, default_dtype()))


def _as_tuple(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _batch_norm_for(ndim: int) -> str:
    """Say which batch norm takes an input of so many axes."""
    if ndim == 4:
        return "BatchNorm2d takes images, and C is their axis 1"
    if ndim in (2, 3):
        return "BatchNorm1d takes vectors and sequences, and C is their axis 1"
    return "x[None] makes one example a batch"


def _check_channels(layer: Module, x: Tensor, channels: int, fits: bool) -> None:
    if not fits or x.shape[1] != channels:
        raise ShapeError(
            f"{type(layer).__name__} was made for {channels} channels on axis 1, as in "
            f"(N, {channels}, H, W), and got x {tuple(x.shape)}"
        )


def _check_last(layer: Module, x: Tensor, shape: tuple[int, ...]) -> int:
    """Return how many axes are normalized, if x ends with `shape`."""
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{type(layer).__name__} was made for inputs (N, …) that end with {shape}, "
            f"and got x {tuple(x.shape)}"
        )
    return len(shape)
