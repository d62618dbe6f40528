"""Preprocessing: move the data to where networks learn well.

Everything is learned on the training set alone (`fit`) and then done to all sets alike
(`transform`; `inverse` undoes it). A class waits for its data, the function of the same
name is fitted at once, and a fitted object is called like a function:

    center = zero_center(train.x);  x = center(train.x);  x_test = center(test.x)

x (N, D) or images (N, C, H, W), D = C·H·W features; μ mean, σ² variance; V (K, D)
principal directions, one per row, and λ (K,) the variances along them.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.data.dataset import like
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, MinidlError, RangeError, ShapeError

Per = Literal["feature", "channel"]
ROWS = 128  # of a block in _squares


class Preprocess:
    """What all share. A new one defines `_fit`, `_transform` and `_inverse`."""

    shape: tuple[int, ...] | None = None  # of one sample, once fitted

    def fit(self, x: TensorLike) -> Self:
        """Learn from the training set, and return self."""
        data = _floats(x)
        if data.ndim < 2 or len(data) < 2:
            raise ShapeError(
                f"{type(self).__name__}.fit wants samples (N, …), two at least, not "
                f"{data.shape}"
            )
        self._fit(data)
        self.shape = data.shape[1:]
        return self

    def transform(self, x: TensorLike) -> Any:
        """Return x, changed as was learned.    (N, …) -> (N, …)"""
        data = _floats(x)
        self._check_fitted()
        if data.shape[1:] != self.shape:
            raise ShapeError(
                f"{type(self).__name__} was fitted to samples of shape {self.shape}, "
                f"and these have {data.shape[1:]}"
            )
        return like(x, self._transform(data).astype(data.dtype, copy=False))

    __call__ = transform

    def fit_transform(self, x: TensorLike) -> Any:
        """Learn from x and return it changed."""
        return self.fit(x).transform(x)

    def inverse(self, z: TensorLike) -> Any:
        """Return the samples that transform would turn into z (or the nearest ones)."""
        data = _floats(z)
        self._check_fitted()
        return like(z, self._inverse(data).astype(data.dtype, copy=False))

    def _check_fitted(self) -> None:
        if self.shape is None:
            name = type(self).__name__
            raise MinidlError(f"{name}: fit it to the training set first, .fit(x)")

    # What each kind defines, of floats (N, …):

    def _fit(self, x: Array) -> None:
        raise NotImplementedError

    def _transform(self, x: Array) -> Array:
        raise NotImplementedError

    def _inverse(self, z: Array) -> Array:
        raise NotImplementedError


class ZeroCenter(Preprocess):
    """x − μ, with μ the mean image (per="feature") or one number per channel.

    >>> center = zero_center(np.array([[0.0, 10.0], [2.0, 30.0]]))
    >>> center.mean.tolist(), center(np.array([[1.0, 25.0]])).tolist()
    ([1.0, 20.0], [[0.0, 5.0]])
    """

    mean: Array

    def __init__(self, per: Per = "feature") -> None:
        if per not in ("feature", "channel"):
            raise RangeError(f'per must be "feature" or "channel", not {per!r}')
        self.per = per

    def _axes(self, x: Array) -> tuple[int, ...]:
        """Return the axes to average: samples, and for channels the pixels too."""
        if self.per == "feature":
            return (0,)
        if x.ndim != 4:
            raise ShapeError(f'per="channel" wants images (N, C, H, W), not {x.shape}')
        return (0, 2, 3)

    def _fit(self, x: Array) -> None:
        # region a2.8: the mean of every feature, or of every channel
        self.mean = x.mean(axis=self._axes(x), keepdims=True, dtype=np.float64)[0]
        # endregion

    def _transform(self, x: Array) -> Array:
        return x - self.mean.astype(x.dtype)

    def _inverse(self, z: Array) -> Array:
        return z + self.mean.astype(z.dtype)


class Standardize(ZeroCenter):
    """(x − μ) / σ. A feature that never varies is left at zero, not divided by zero.

    >>> z = standardize(np.array([[1.0, 7.0], [3.0, 7.0]]))(np.array([[5.0, 7.0]]))
    >>> z.tolist()
    [[3.0, 0.0]]
    """

    std: Array

    def _fit(self, x: Array) -> None:
        super()._fit(x)
        std = x.std(axis=self._axes(x), keepdims=True, dtype=np.float64)[0]
        tiny = 10 * np.finfo(x.dtype).eps * np.abs(self.mean)  # rounding, not variance
        self.std = np.where(std > tiny, std, 1.0)

    def _transform(self, x: Array) -> Array:
        return super()._transform(x) / self.std.astype(x.dtype)

    def _inverse(self, z: Array) -> Array:
        return super()._inverse(z * self.std.astype(z.dtype))


class PCA(Preprocess):
    """(x − μ) Vᵀ: the k directions in which the data vary most.    (N, …) -> (N, k)

    mean (D,), components V (k, D), variances λ (k,), explained (k,): their share of all
    variance. Each direction's largest entry is positive, so that signs are settled.

    >>> x = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> p = pca(x, 1)
    >>> p.components.round(6).tolist(), p(x).round(6).ravel().tolist()
    ([[0.6, 0.8]], [-5.0, 0.0, 5.0])
    """

    mean: Array
    components: Array
    variances: Array
    explained: Array

    def __init__(self, k: int | None = None) -> None:
        self.k = k

    def _fit(self, x: Array) -> None:
        x = x.reshape(len(x), -1).astype(np.float64)
        n, d = x.shape
        k = min(n, d) if self.k is None else self.k
        if not 1 <= k <= min(n, d):
            raise RangeError(
                f"k={k} directions cannot be found in {n} samples of {d} features; "
                f"k lies between 1 and {min(n, d)}"
            )
        # region a2.9: the directions in which the data vary, the greatest first
        self.mean = x.mean(axis=0)
        x -= self.mean
        if n < d:
            _, s, v = np.linalg.svd(x, full_matrices=False)
            variances = s**2 / (n - 1)
        else:  # the eigenvectors of the covariance are the same, and sooner found
            variances, columns = np.linalg.eigh(_squares(x) / (n - 1))
            variances, v = np.maximum(variances[::-1], 0), columns.T[::-1]
        # endregion
        largest = np.take_along_axis(v, abs(v).argmax(axis=1)[:, None], axis=1)
        self.components = (v * np.sign(largest))[:k]
        self.variances = variances[:k]
        self.explained = variances[:k] / (variances.sum() or 1.0)

    def _transform(self, x: Array) -> Array:
        flat = x.reshape(len(x), -1)
        return (flat - self.mean.astype(x.dtype)) @ self.components.T.astype(x.dtype)

    def _inverse(self, z: Array) -> Array:
        assert self.shape is not None
        x = z @ self.components.astype(z.dtype) + self.mean.astype(z.dtype)
        return x.reshape(len(z), *self.shape)


class Whiten(PCA):
    """(x − μ) Vᵀ / √(λ + ε): uncorrelated, and of variance 1 in all directions.

    ε keeps directions with hardly any variance, which are mostly noise, from being
    blown up. With zca=True the result is turned back by V, which of all white data are
    the ones nearest to x: images again, (N, C, H, W), with their edges stressed.

    >>> g = np.random.default_rng(0)
    >>> x = g.normal(size=(500, 2)) @ np.array([[3.0, 1.0], [0.0, 1.0]])
    >>> np.cov(whiten(x)(x).T).round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(
        self, k: int | None = None, *, eps: float = 1e-5, zca: bool = False
    ) -> None:
        super().__init__(k)
        self.eps, self.zca = eps, zca

    def _scale(self, x: Array) -> Array:
        scale: Array = np.sqrt(self.variances + self.eps)
        return np.where(scale > 0, scale, 1.0).astype(x.dtype)

    def _transform(self, x: Array) -> Array:
        # region a2.10: as far in all directions, and turned back if zca is asked for
        z = super()._transform(x) / self._scale(x)
        return (z @ self.components.astype(x.dtype)).reshape(x.shape) if self.zca else z
        # endregion

    def _inverse(self, z: Array) -> Array:
        if self.zca:
            z = z.reshape(len(z), -1) @ self.components.T.astype(z.dtype)
        return super()._inverse(z * self._scale(z))


def zero_center(x: TensorLike, per: Per = "feature") -> ZeroCenter:
    """Return a ZeroCenter fitted to x."""
    return ZeroCenter(per).fit(x)


def standardize(x: TensorLike, per: Per = "feature") -> Standardize:
    """Return a Standardize fitted to x."""
    return Standardize(per).fit(x)


def pca(x: TensorLike, k: int | None = None) -> PCA:
    """Return a PCA of x with k directions (default: all)."""
    return PCA(k).fit(x)


def whiten(
    x: TensorLike, k: int | None = None, *, eps: float = 1e-5, zca: bool = False
) -> Whiten:
    """Return a Whiten fitted to x."""
    return Whiten(k, eps=eps, zca=zca).fit(x)


def _squares(x: Array) -> Array:
    """Return xᵀx, added up over blocks of rows.    (N, D) -> (D, D)

    A NumPy without BLAS, as in a browser, takes ten times as long for one product of a
    long transposed matrix as for those of its blocks, which stay in the cache.
    """
    total = np.zeros((x.shape[1], x.shape[1]), x.dtype)
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        total += np.ascontiguousarray(block.T) @ block
    return total


def _floats(x: TensorLike) -> Array:
    data = to_numpy(x)
    if data.dtype.kind != "f":
        raise DTypeError(
            f"preprocessing wants floats, not {data.dtype}; try x.astype('float32')"
        )
    return data
