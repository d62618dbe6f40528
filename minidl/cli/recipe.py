"""Run the seven steps of the lecture on data: from no idea to a trained network.

DATA is one of the sets in the package (digits, mnist5k, emoji, iris, wine,
breast_cancer, diabetes) or an .npz file with the arrays x and y; or, parted already,
train_x, train_y, validation_x, validation_y and perhaps test_x, test_y. Whole numbers
in y are labels, fractions are targets. Inputs (and targets) are standardized, as the
training part tells.

Each step says what it saw, what that means, and what to try; the first one that is not
well ends it. All of it, with the pictures, is written to one HTML page.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from minidl import data, ops, process
from minidl.cli.demo import whole
from minidl.data import TensorDataset, standardize
from minidl.data.dataset import is_labels
from minidl.errors import DataError
from minidl.lab import recipe
from minidl.models import CNN, MLP

SETS = {
    "digits": data.load_digits,
    "mnist5k": data.load_mnist5k,
    "emoji": data.load_emoji,
    "iris": data.load_iris,
    "wine": data.load_wine,
    "breast_cancer": data.load_breast_cancer,
    "diabetes": data.load_diabetes,
}
PARTS = ("train", "validation", "test")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl recipe`."""
    add = parser.add_argument
    add("data", help=f"{', '.join(SETS)}, or an .npz file")
    models = "layers in a row, or convolutions for images (mlp)"
    add("--model", choices=("mlp", "cnn"), default="mlp", help=models)
    sizes = "of the hidden layers of an mlp (100)"
    add("--hidden", type=int, nargs="*", default=[100], help=sizes)
    add("--epochs", type=int, help="of the last trainings (20, or more if small)")
    add("--batch-size", type=int, default=50, help="samples of a step (50)")
    add("--seed", type=whole, default=0, help="the same seed, the same numbers (0)")
    add("--jobs", type=int, default=1, help="processes for the searches (1)")
    add("--out", default="recipe.html", help="the page (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; status 1 if a step was not well."""
    process.for_a_program()
    parts = prepared(load(options.data))
    labels = is_labels(parts[0].y)

    def make_model() -> Any:
        x, y = parts[0].arrays
        outputs = parts[0].classes if labels else int(np.prod(y.shape[1:]))
        if options.model == "cnn":
            return CNN(x.shape[1], outputs)
        return MLP([int(np.prod(x.shape[1:])), *options.hidden, outputs])

    report = recipe(
        make_model, parts, epochs=options.epochs, jobs=options.jobs, save=options.out,
        loss=ops.cross_entropy if labels else ops.mse_loss,
        batch_size=options.batch_size, seed=options.seed,
    )  # fmt: skip
    print(f"page: {options.out}")
    return 0 if report.ok else 1


def load(name: str) -> list[TensorDataset]:
    """Return the parts of a set in the package, or of a file."""
    if name in SETS:
        return list(SETS[name]())
    if not Path(name).exists():
        raise DataError(
            f"{name!r} is neither a file nor a set of the package; there are "
            f"{', '.join(SETS)}"
        )
    try:
        with np.load(name, allow_pickle=False) as archive:
            found = dict(archive)
    except (
        ValueError,
        OSError,
        zipfile.BadZipFile,
        AttributeError,
        TypeError,
    ) as error:
        raise DataError(
            f"{name} cannot be read as an .npz file of numbers ({error}); write it by "
            "np.savez(path, x=x, y=y)"
        ) from error
    return parts_of(name, found)


def parts_of(name: str, found: dict[str, np.ndarray[Any, Any]]) -> list[TensorDataset]:
    """Return the parts of a file: those in it, or 4/5 and 1/5 of x and y."""
    pairs = [(f"{p}_x", f"{p}_y") for p in PARTS if f"{p}_x" in found]
    if {"x", "y"} <= found.keys():
        x, y = numbers(found["x"]), truth(found["y"])
        return list(data.train_test_split(x, y, test_size=0.2, rng=0))
    if len(pairs) < 2 or any(y not in found for _, y in pairs):
        raise DataError(
            f"{name} has {', '.join(found) or 'nothing'}; it needs x and y, or "
            "train_x, train_y, validation_x, validation_y (and test_x, test_y)"
        )
    return [TensorDataset(numbers(found[x]), truth(found[y])) for x, y in pairs]


def numbers(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return inputs as float32."""
    return x.astype(np.float32)


def truth(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return labels (N,) as int64, or targets (N, …) as float32."""
    if y.ndim == 1 and y.dtype.kind in "iub":
        return y.astype(np.int64)
    return y.reshape(len(y), -1).astype(np.float32)


def prepared(parts: list[TensorDataset]) -> list[TensorDataset]:
    """Return the parts standardized, learned from the first; targets as well."""
    scale = standardize(parts[0].x)
    aim = None if is_labels(parts[0].y) else standardize(parts[0].y)
    return [
        TensorDataset(scale(part.x), part.y if aim is None else aim(part.y))
        for part in parts
    ]
