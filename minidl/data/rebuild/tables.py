"""Tables of measurements: flowers, wines, cells, patients.

Each row has a class but those of diabetes, whose target is a number. A fifth of each
class goes to validation, a fifth to test.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence

import numpy as np

from minidl.backend import Array
from minidl.data.rebuild.fetch import from_pypi
from minidl.data.rebuild.pack import as_bytes, parts

PACKAGE = "scikit-learn==1.9.1"
FOLDER = "sklearn/datasets/data/"
SHA256 = {
    "iris.csv": "f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449",
    "wine_data.csv": "10e8a802908b34f86e5da8ce962f3c806694bc98450a18f61851af59f324bede",
    "breast_cancer.csv": (
        "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed"
    ),
    "diabetes_data_raw.csv.gz": (
        "7fc0ded571454b1982210d3bb43f0aca44eae01a0b8654a3b24022bdb6b38009"
    ),
    "diabetes_target.csv.gz": (
        "8e53f65eb811df43c206f3534bb3af0e5fed213bc37ed6ba36310157d6023803"
    ),
}
IRIS = ["sepal length", "sepal width", "petal length", "petal width"]  # in cm
WINE = [
    "alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "total phenols",
    "flavanoids", "nonflavanoid phenols", "proanthocyanins", "color intensity", "hue",
    "OD280/OD315 of diluted wines", "proline",
]  # fmt: skip
CELL = [
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
    "concave points", "symmetry", "fractal dimension",
]  # fmt: skip
CELLS = [f"{how} {what}" for how in ("mean", "error of", "worst") for what in CELL]
DIABETES = [
    "age", "sex", "body mass index", "blood pressure", "total cholesterol",
    "low-density lipoproteins", "high-density lipoproteins",
    "total / high-density cholesterol", "log of triglycerides", "blood sugar",
]  # fmt: skip


def iris() -> dict[str, Array]:
    """Return the arrays of iris.npz."""
    return _classes("iris.csv", IRIS)


def wine() -> dict[str, Array]:
    """Return the arrays of wine.npz."""
    cultivars = ["cultivar 1", "cultivar 2", "cultivar 3"]
    return _classes("wine_data.csv", WINE, cultivars)


def breast_cancer() -> dict[str, Array]:
    """Return the arrays of breast_cancer.npz."""
    return _classes("breast_cancer.csv", CELLS)


def diabetes() -> dict[str, Array]:
    """Return the arrays of diabetes.npz, in the units in which they were measured."""
    x = _numbers(gzip.decompress(_file("diabetes_data_raw.csv.gz")).decode(), " ")
    y = _numbers(gzip.decompress(_file("diabetes_target.csv.gz")).decode(), " ")
    return _split(x, y, np.zeros(len(x), np.int64), DIABETES, [])


def _classes(
    name: str, features: Sequence[str], categories: Sequence[str] = ()
) -> dict[str, Array]:
    """Read "N, D, names of the classes", then N rows of D numbers and a class."""
    header, _, rows = _file(name).decode("ascii").partition("\n")
    table = _numbers(rows, ",")
    y = table[:, -1].astype(np.uint8)
    categories = categories or header.strip().split(",")[2:]
    return _split(table[:, :-1], y, y, features, categories)


def _file(name: str) -> bytes:
    path = FOLDER + name
    return from_pypi(PACKAGE, {path: SHA256[name]})[path]


def _numbers(text: str, separator: str) -> Array:
    """Return a table of numbers.    -> (N, D) float64"""
    rows = [line.split(separator) for line in text.splitlines() if line.strip()]
    return np.array([[float(value) for value in row] for row in rows])


def _split(
    x: Array, y: Array, label: Array, features: Sequence[str], categories: Sequence[str]
) -> dict[str, Array]:
    keys = [row.tobytes() for row in x.astype("<f8")]
    arrays = {
        "features": as_bytes("\n".join(features)),
        "categories": as_bytes("\n".join(categories)),
    }
    for name, chosen in parts(keys, label, lambda n: (n // 5, n // 5)).items():
        arrays[f"{name}_x"] = x[chosen].astype("<f8")
        arrays[f"{name}_y"] = y[chosen].astype("<f8") if not categories else y[chosen]
    return arrays
