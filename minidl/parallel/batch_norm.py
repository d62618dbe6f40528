"""Batch norm over all ranks: mean and variance are those of the whole batch.

Each rank alone would normalize by its own rows, which are fewer. Two sums on the way
there and one on the way back make of them what one process computes.

Throughout:  x (N, C, …) rows of this rank    n numbers per channel on all ranks
             g = ∂L/∂y, with L the sum of the losses on all ranks
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minidl import nn
from minidl.backend import device_of, namespace, to_device, to_numpy
from minidl.engine.op import op
from minidl.engine.tensor import Tensor
from minidl.errors import GraphError, ShapeError
from minidl.parallel.world import World


def sync_batch_norm(model: Any, world: World) -> Any:
    """Let every batch norm of a model see the whole batch in training; return it.

    >>> sync_batch_norm(net, parallel.mpi())                           # doctest: +SKIP
    """
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.batch_norm = partial(over_all_ranks, world=world)
    return model


def over_all_ranks(x, gamma=None, beta=None, *, eps, world):
    """γ x̂ + β as in ops.batch_norm.    -> y, mean (C,), variance (C,), n."""
    y, mean, var, n = _batch_norm(x, gamma, beta, eps=eps, world=world)
    return y, mean, var, n


@op
def _batch_norm(x, gamma, beta, *, eps, world):
    if isinstance(x, Tensor):
        raise GraphError(
            "batch norm over all ranks has no second derivative; differentiate twice "
            "in one process, without sync_batch_norm"
        )
    axes, own = (0, *range(2, x.ndim)), 0.0 if world.lent else 1.0
    column = (1, x.shape[1], *(1 for _ in x.shape[2:]))
    shape = (x.shape[1],)

    def total(*sums):
        """Add up (C,) each over all ranks, in float64 and one message."""
        host = np.concatenate([np.ravel(to_numpy(s)).astype(np.float64) for s in sums])
        host *= own
        parts = np.split(world.sum(host), np.cumsum([np.size(s) for s in sums])[:-1])
        return [to_device(part, device_of(x)) for part in parts]

    count = np.array([x.size / x.shape[1]])
    sums, n = total(x.sum(axis=axes), count)
    n = float(n[0])
    if n < 2:
        raise ShapeError(
            f"batch_norm: all ranks together have {n:.0f} value per channel, and one "
            "value has no variance; train with larger batches, or drop_last=True"
        )
    mean = (sums / n).astype(x.dtype).reshape(column)
    centered = x - mean
    (squares,) = total((centered * centered).sum(axis=axes))
    var = (squares / n).astype(x.dtype).reshape(column)
    rstd = 1 / namespace(x).sqrt(var + eps)
    scale = rstd if gamma is None else rstd * gamma.reshape(column)
    y = centered * scale
    if beta is not None:
        y += beta.reshape(column)

    def backward(g):
        if not own:  # these rows are another rank's: they count there
            g = g * 0
        xhat = (x - mean) * rstd
        dbeta, dgamma = g.sum(axis=axes), (g * xhat).sum(axis=axes)
        all_beta, all_gamma = (
            (d / n).astype(x.dtype).reshape(column) for d in total(dbeta, dgamma)
        )
        dx = (g - all_beta - xhat * all_gamma) * scale
        return (
            dx,
            None if gamma is None else dgamma.reshape(shape),
            None if beta is None else dbeta.reshape(shape),
        )

    return y, backward, (mean.reshape(shape), var.reshape(shape), n)
