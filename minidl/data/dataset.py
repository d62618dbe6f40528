"""A dataset is a function from a number to a sample, and a length.

x (N, …) inputs, y (N,) labels or (N, …) targets; N samples, B of them in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, default_dtype, device_of, namespace, to_device
from minidl.engine.inputs import plain_array
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import DTypeError, RangeError, ShapeError


class Dataset:
    """What a loader needs: `len(dataset)` and `dataset[i]`, a tuple such as (x, y).

    Samples are arrays, numbers, or tuples or dicts of them. Draw nothing at random
    here: random changes belong to the loader's `transform`, which makes them
    independent of who prepares the batch.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 100
    ...     def __getitem__(self, i):
    ...         return np.float32(i), i * i
    >>> Squares().batch([2, 3])
    (array([2., 3.], dtype=float32), array([4, 9]))
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self)")

    def __getitem__(self, i: Any) -> Any:
        name = type(self).__name__
        raise NotImplementedError(f"{name} must define __getitem__(self, i)")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def batch(self, indices: TensorLike) -> Any:
        """Return these samples side by side.    indices (B,) -> (x (B, …), y (B, …))"""
        return collate([self[int(i)] for i in indices])

    def subset(self, indices: TensorLike) -> Dataset:
        """Return a dataset of these samples alone, in this order."""
        return Subset(self, indices)


class Subset(Dataset):
    """Some samples of another dataset, which is not copied."""

    def __init__(self, dataset: Any, indices: TensorLike) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: Any) -> Any:
        return self.dataset[int(self.indices[i])]


class TensorDataset(Dataset):
    """Arrays whose first axes agree: sample i is the tuple of their rows i.

    Arrays are shared, not copied; lists become arrays, labels (N,) int64. Fractions of
    another width, as float64 from scikit-learn or pandas, are brought to the default
    dtype, which layers have; `dtype=None` keeps them. The first array is called `x`,
    the second `y`.

    >>> dataset = TensorDataset(np.zeros((3, 2), np.float32), [0, 1, 1])
    >>> dataset
    TensorDataset(x float32 (3, 2), y int64 (3,) of 2 classes)
    >>> x, y = dataset[1:]
    >>> x.shape, y
    ((2, 2), array([1, 1]))
    """

    def __init__(self, *data: TensorLike, dtype: Any = "default") -> None:
        arrays = (in_width(as_array(a), dtype) for a in data)
        self.arrays: tuple[Array, ...] = tuple(arrays)
        shapes = [a.shape for a in self.arrays]
        if not shapes or () in shapes or len({s[0] for s in shapes}) > 1:
            raise ShapeError(
                "TensorDataset wants arrays with one row per sample, the same number "
                f"of rows each; their shapes are {shapes}"
            )

    @property
    def x(self) -> Array:
        """The inputs: the first array."""
        return self.arrays[0]

    @property
    def y(self) -> Array:
        """The labels or targets: the second array."""
        if len(self.arrays) < 2:
            raise ShapeError("this dataset has no y; make it with TensorDataset(x, y)")
        return self.arrays[1]

    @property
    def classes(self) -> int:
        """How many classes the labels name: the largest one, plus 1."""
        if not is_labels(self.y):
            raise DTypeError(
                f"classes are counted on integer labels (N,), and y is "
                f"{self.y.dtype} {self.y.shape}"
            )
        return int(self.y.max()) + 1 if len(self) else 0

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: Any) -> tuple[Any, ...]:
        return tuple(a[i] for a in self.arrays)

    def batch(self, indices: TensorLike) -> tuple[Array, ...]:
        """Return whole rows, one copy per array.    indices (B,) -> (B, …) each"""
        return tuple(a[namespace(a).asarray(indices)] for a in self.arrays)

    def subset(self, indices: TensorLike) -> TensorDataset:
        """Return a copy of these rows, in this order."""
        return TensorDataset(*self.batch(np.asarray(indices)))

    def to(self, device: str) -> TensorDataset:
        """Return the dataset with its arrays on `device`."""
        return TensorDataset(*(to_device(a, device) for a in self.arrays))

    def __repr__(self) -> str:
        names = ("x", "y", *map(str, range(2, len(self.arrays))))
        shown = [
            f"{name} {a.dtype} {a.shape}"
            for name, a in zip(names, self.arrays, strict=False)
        ]
        if len(self.arrays) > 1 and is_labels(self.y) and len(self):
            shown[1] += f" of {self.classes} classes"
        return f"TensorDataset({', '.join(shown)})"


class NamedDataset(TensorDataset):
    """A TensorDataset whose numbers have names, for pictures, captions and tables.

    names        one per sample, such as an emoji's description; a subset keeps them
    categories   one per class: sample i is of the class `categories[y[i]]`
    features     one per column of x

    >>> x = np.zeros((3, 1), np.float32)
    >>> data = NamedDataset(x, [1, 0, 1], names="abc", categories=["even", "odd"])
    >>> data.subset([2, 0]).names, data.categories[data.y[0]]
    (('c', 'a'), 'odd')
    """

    def __init__(
        self,
        *data: TensorLike,
        names: Sequence[str] = (),
        categories: Sequence[str] = (),
        features: Sequence[str] = (),
    ) -> None:
        super().__init__(*data)
        self.names, self.categories = tuple(names), tuple(categories)
        self.features = tuple(features)
        if len(self.names) not in (0, len(self)):
            raise ShapeError(f"{len(self)} samples cannot have {len(names)} names")

    def subset(self, indices: TensorLike) -> NamedDataset:
        """Return a copy of these rows, in this order, with their names."""
        indices = np.asarray(indices)
        names = [self.names[int(i)] for i in indices] if self.names else ()
        return self._like(self.batch(indices), names)

    def to(self, device: str) -> NamedDataset:
        """Return the dataset with its arrays on `device`."""
        return self._like([to_device(a, device) for a in self.arrays], self.names)

    def _like(self, arrays: Sequence[Array], names: Sequence[str]) -> NamedDataset:
        known = {"categories": self.categories, "features": self.features}
        return NamedDataset(*arrays, names=names, **known)


def as_array(data: Any) -> Array:
    """Return the plain array: shared if it is one; int64 if it holds labels (N,)."""
    array = data.data if isinstance(data, Tensor) else data
    if isinstance(array, np.ndarray):
        array = plain_array(array)
    elif device_of(array) == "cpu":
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = array.astype(default_dtype())
    if array.dtype.kind not in "biuf":
        raise DTypeError(
            f"a dataset holds numbers, and this array is {array.dtype}; rows of "
            "unequal length need padding, names need a number each"
        )
    return array.astype(np.int64, copy=False) if is_labels(array) else array


def in_width(array: Array, dtype: Any) -> Array:
    """Return fractions in this dtype: "default" for the default, None for their own."""
    if dtype is None or array.dtype.kind != "f":
        return array
    return array.astype(default_dtype() if dtype == "default" else dtype, copy=False)


def is_labels(y: Array) -> bool:
    """Whether y names classes: one integer per sample."""
    return bool(y.ndim == 1 and y.dtype.kind in "iu")


def check_labels(y: TensorLike, classes: int, ignore_index: int | None = None) -> None:
    """Raise RangeError unless every label is one of 0 … classes − 1.

    Do this once, on the host: a GPU reads a wrong label as some other one, silently.
    """
    y = as_array(y)
    bad = (y < 0) | (y >= classes)
    if ignore_index is not None:
        bad &= y != ignore_index
    if bad.any():
        at = int(bad.argmax())
        raise RangeError(
            f"label {int(y[at])} of sample {at} is none of the {classes} classes "
            f"0 … {classes - 1}; {int(bad.sum())} labels are out of range"
        )


def collate(samples: Sequence[Any]) -> Any:
    """Put samples side by side: a list of (x, y) becomes (x (B, …), y (B, …)).

    Whole numbers become int64, fractions the default dtype; dicts stay dicts, and text
    stays a list. Raises ShapeError where the samples' shapes differ.

    >>> collate([(0.5, 1), (1.5, 0)])
    (array([0.5, 1.5], dtype=float32), array([1, 0]))
    """
    first = samples[0]
    if isinstance(first, dict):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        return tuple(collate(column) for column in zip(*samples, strict=True))
    if isinstance(first, str):
        return list(samples)
    if isinstance(first, (float, int)) and not isinstance(first, np.generic):
        return as_array(list(samples))
    arrays = [as_array(sample) for sample in samples]
    shapes = sorted({a.shape for a in arrays})
    if len(shapes) > 1:
        raise ShapeError(
            f"samples of one batch have different shapes, such as {shapes[0]} and "
            f"{shapes[-1]}; crop or pad them, or give DataLoader(collate=…)"
        )
    return namespace(arrays[0]).stack(arrays)


def like(given: Any, array: Array) -> Any:
    """Return `array` as what was given: a Tensor on its device, or a plain array."""
    if not isinstance(given, Tensor):
        return array
    return Tensor(to_device(array, device_of(given.data)), copy=False)
