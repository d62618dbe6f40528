"""mixup and CutMix: training between the examples.

Both mix every sample of a batch with a partner from the same batch, and its label in
the same proportion, so that y becomes probabilities (N, K): cross_entropy takes them
as they are. In a loader: `DataLoader(…, mix=partial(mixup, classes=10))`.

x (N, …), y (N,) labels or (N, K) probabilities; λ (N,) is what remains of the sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, Seed, default_dtype, generator, namespace
from minidl.data.dataset import as_array, check_labels, is_labels, like
from minidl.engine.tensor import TensorLike
from minidl.errors import DTypeError, RangeError, ShapeError


def mixup(
    x: TensorLike,
    y: TensorLike,
    *,
    classes: int | None = None,
    alpha: float = 0.2,
    rng: Seed = None,
) -> tuple[Any, Any]:
    """λ x + (1 − λ) x', and the same for y, with λ ~ Beta(α, α).

    x' is the partner; every pair has a λ of its own. Zhang et al. 2018, section 2.

    >>> x, y = np.eye(4, dtype=np.float32), np.arange(4)
    >>> x, y = mixup(x, y, classes=4, rng=0)      # here x happens to equal its labels
    >>> bool(np.allclose(x, y)), y.sum(axis=1).tolist()
    (True, [1.0, 1.0, 1.0, 1.0])
    """
    images, soft, g = _prepare("mixup", x, y, classes, alpha, rng)
    xp, n = namespace(images), len(images)
    # region a4.10: a share and a partner for every sample, and for its label the same
    lam = g.beta(alpha, alpha, n)
    partner = xp.asarray(g.permutation(n))
    mixed = _blend(images, images[partner], lam)
    soft = _blend(soft, soft[partner], lam)
    # endregion
    return like(x, mixed), like(x, soft)


def cutmix(
    x: TensorLike,
    y: TensorLike,
    *,
    classes: int | None = None,
    alpha: float = 1.0,
    rng: Seed = None,
) -> tuple[Any, Any]:
    """Paste a box of the partner into each image; labels are mixed by its area.

    The box has the image's proportions and 1 − λ of its area, λ ~ Beta(α, α); its
    center lies anywhere, and what sticks out of the image is cut off, after which λ is
    counted again from the pixels. Yun et al. 2019, section 3.1.

    >>> x = np.stack([np.zeros((1, 4, 4)), np.ones((1, 4, 4))])
    >>> mixed, y = cutmix(x, np.array([0, 1]), classes=2, rng=1)
    >>> bool(np.allclose(mixed.mean(axis=(1, 2, 3)), y[:, 1]))    # area = share
    True
    """
    images, soft, g = _prepare("cutmix", x, y, classes, alpha, rng)
    if images.ndim != 4:
        raise ShapeError(f"cutmix mixes images (N, C, H, W), not {images.shape}")
    xp, (n, _, h, w) = namespace(images), images.shape
    # region a5.12: a box of the partner in each image, and labels mixed by its area
    side = np.sqrt(1 - g.beta(alpha, alpha, n))
    rows = _span(g.random(n) * h, side * h, h)
    cols = _span(g.random(n) * w, side * w, w)
    box = rows[:, None, :, None] & cols[:, None, None, :]  # (N, 1, H, W)
    lam = 1 - box.mean(axis=(1, 2, 3))
    partner = xp.asarray(g.permutation(n))
    mixed = xp.where(xp.asarray(box), images[partner], images)
    soft = _blend(soft, soft[partner], lam)
    # endregion
    return like(x, mixed), like(x, soft)


def _prepare(
    name: str,
    x: TensorLike,
    y: TensorLike,
    classes: int | None,
    alpha: float,
    rng: Seed,
) -> tuple[Array, Array, np.random.Generator]:
    """Check what came, and turn labels into rows of probabilities."""
    images, labels = as_array(x), as_array(y)
    if not alpha > 0:
        raise RangeError(f"{name}: alpha must be positive, not {alpha}")
    if images.dtype.kind != "f":
        raise DTypeError(f"{name} wants float images, not {images.dtype}")
    if is_labels(labels):
        if classes is None:
            raise RangeError(f"{name} must know how many classes: try classes=10")
        check_labels(labels, classes)
        xp = namespace(labels)
        labels = labels[:, None] == xp.arange(classes)
    if labels.ndim != 2 or len(labels) != len(images):
        raise ShapeError(
            f"{name} wants one label or one row of probabilities per sample: x is "
            f"{images.shape}, y {labels.shape}"
        )
    dtype = labels.dtype if labels.dtype.kind == "f" else default_dtype()
    return images, labels.astype(dtype, copy=False), generator(rng)


def _blend(a: Array, b: Array, lam: Array) -> Array:
    """Return λ a + (1 − λ) b, with one λ per row."""
    lam = namespace(a).asarray(lam.astype(a.dtype)).reshape(-1, *(1,) * (a.ndim - 1))
    return lam * a + (1 - lam) * b


def _span(center: Array, size: Array, length: int) -> Array:
    """Return which lines lie within size/2 of center.    (N,) -> (N, length)"""
    line = np.arange(length) + 0.5
    return np.asarray(abs(line - center[:, None]) < size[:, None] / 2)
