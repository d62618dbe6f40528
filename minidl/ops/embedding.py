"""Embedding: a table whose row i is the vector of token i.

Throughout:  i token ids, whole numbers    w the table (V, D)    y output    g = ∂L/∂y
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from minidl.backend import device_of
from minidl.engine.op import op
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.ops.elementwise import where
from minidl.ops.indexing import Scatter

__all__ = ["embedding"]


@op(linear=True)
def embedding(i, weight, *, padding_idx=None):
    """y = w[i]: each token's row of the table.    i (…), w (V, D) -> y (…, D).

    As a matrix product it would be onehot(i) w, so that dw = onehot(i)ᵀ G: each g is
    added to the row that it came from, a row that was taken twice gets both, always in
    the same order. The row `padding_idx` stands for "no token here" and never moves.
    Raises RangeError for ids that are no rows of w, DTypeError for ids that are floats.

    >>> import numpy as np
    >>> embedding(np.array([2, 0, 2]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    array([[5., 6.],
           [1., 2.],
           [5., 6.]])
    """
    _check(i, weight, padding_idx)
    shape = weight.shape
    pad = None if padding_idx is None else padding_idx % shape[0]
    # region a7.1: the row of each token, and the gradient of the table
    y = weight[i]

    def backward(g):
        if pad is not None:
            g = where((i == pad)[..., None], 0.0, g)
        return Scatter(i, g, shape)

    # endregion
    return y, (None, backward)


def _check(i: TensorLike, weight: TensorLike, padding_idx: int | None) -> None:
    """Raise unless every id is a row of the table."""
    if weight.ndim != 2:
        raise ShapeError(
            f"embedding: the table has shape {weight.shape}; it should be (V, D), a "
            "row of D numbers for each of V tokens"
        )
    rows = weight.shape[0]
    if not hasattr(i, "dtype") or i.dtype.kind not in "iu":
        raise DTypeError(
            "embedding: token ids are whole numbers, and these are "
            f"{getattr(i, 'dtype', type(i).__name__)}; try ids.astype('int64')"
        )
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise RangeError(
            f"embedding: padding_idx is {padding_idx}, and the table has rows 0 … "
            f"{rows - 1}"
        )
    if device_of(i) == "cpu" and i.size and not 0 <= i.min() <= i.max() < rows:
        raise RangeError(
            f"embedding: token ids go from {i.min()} to {i.max()}, and the table has "
            f"rows 0 … {rows - 1}; was it made for a smaller vocabulary?"
        )
