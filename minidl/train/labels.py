"""What was predicted, and what was true: reading both, and counting the pairs.

N samples, K classes; scores (N, K) or predicted labels (N,), true labels (N,)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, namespace, to_numpy
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError

Classes = int | Sequence[int] | None
Vector = np.ndarray[Any, Any]


def count(
    name: str, said: Vector, truth: Vector, wanted: Classes
) -> tuple[Vector, Vector]:
    """Count (true, predicted) pairs of all classes; say where the wanted ones stand."""
    occur = np.union1d(said, truth)
    if isinstance(wanted, (int, np.integer)):
        if occur[0] < 0 or occur[-1] >= wanted:
            raise RangeError(
                f"{name}: with {wanted} classes the labels are 0 … {wanted - 1}, "
                f"but they run from {occur[0]} to {occur[-1]}"
            )
        wanted = range(wanted)
    chosen = occur if wanted is None else np.asarray(wanted)
    known, index = np.unique(np.concatenate([truth, said, chosen]), return_inverse=True)
    i, j, at = np.split(index, [len(truth), len(truth) + len(said)])
    k = len(known)
    return np.bincount(i * k + j, minlength=k * k).reshape(k, k), at


def read(
    name: str, scores: TensorLike, labels: TensorLike
) -> tuple[Vector, Vector, int | None]:
    """Return predicted labels (N,), true labels (N,), and K if scores tell it."""
    x, truth = as_array(name, scores), to_numpy(as_array(name, labels))
    if truth.ndim != 1 or truth.size == 0:
        raise ShapeError(
            f"{name}: labels must be (N,) with N ≥ 1, not {truth.shape}; one-hot rows "
            "become labels by .argmax(axis=1), a column by .reshape(-1)"
        )
    if x.ndim not in (1, 2) or len(x) != len(truth) or x.shape[1:] in ((0,), (1,)):
        raise ShapeError(
            f"{name}: predictions {x.shape} for labels {truth.shape}; they may be "
            f"scores ({len(truth)}, K), K ≥ 2, or predicted labels ({len(truth)},)"
        )
    n_classes = None
    if x.ndim == 2:
        _check_scores(name, x, truth)
        x, n_classes = x.argmax(axis=1), x.shape[1]
    return (
        _whole(name, "predictions", to_numpy(x)),
        _whole(name, "labels", truth),
        n_classes,
    )


def _check_scores(name: str, x: Array, truth: Vector) -> None:
    """Refuse scores that have no largest, and labels that have no score."""
    if x.dtype.kind not in "fiub":
        raise DTypeError(f"{name}: scores must be numbers, not {x.dtype}")
    if bool(namespace(x).isnan(x).any()):
        raise RangeError(
            f"{name}: some scores are nan, so that no class is the largest; "
            "has training diverged? Look at the loss, and try a smaller learning rate"
        )
    k = x.shape[1]
    if truth.min() < 0 or truth.max() >= k:
        raise RangeError(
            f"{name}: scores {x.shape} are for the labels 0 … {k - 1}, but the "
            f"labels run from {truth.min()} to {truth.max()}; leave padding out first"
        )


def _whole(name: str, what: str, x: Vector) -> Vector:
    """Return labels as int64; numbers with a fraction are no labels."""
    if x.dtype.kind not in "iub":
        raise DTypeError(
            f"{name}: {what} (N,) must be integers, not {x.dtype}; probabilities of "
            "one class become labels by (p > 0.5), float labels by .astype(int)"
        )
    return x.astype(np.int64)


def as_array(name: str, x: TensorLike) -> Array:
    """Return the plain array of a Tensor, an array or a list."""
    x = values(x)
    if hasattr(x, "dtype"):
        return x
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ShapeError(f"{name}: the rows of this list differ in length") from error
