"""What comes into the loop: batches out of loaders, lists, datasets and arrays.

A batch is a tuple (*inputs, y): whatever the model takes, and then the truth; or a
dictionary, in which the truth has one of the names in TRUTH. Its parts are Tensors,
arrays of NumPy, PyTorch (as its DataLoader gives them) or JAX, or columns of pandas.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from minidl.backend import device_of, namespace, to_numpy
from minidl.data import DataLoader, Dataset
from minidl.data.dataset import as_array, in_width
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import DTypeError, ShapeError
from minidl.ops import from_dlpack

Metrics = Mapping[str, Callable[..., Any]]
Batch = tuple[Any, ...]
Data: TypeAlias = Any  # a loader, a list of batches; to judge with, samples, too
IGNORE = -100  # the ignore_index of cross_entropy
LARGE = 256  # a batch that is not trained on
TRUTH = ("y", "label", "labels", "target", "targets")


def for_training(data: Data) -> Any:
    """Refuse what would be trained on sample by sample, or cannot be repeated."""
    if is_samples(data):
        raise DTypeError(
            f"fit wants batches and got a whole {type(data).__name__}; try "
            "DataLoader(data, batch_size=50, shuffle=True)"
        )
    if not hasattr(data, "__iter__"):
        raise DTypeError(
            f"fit wants an iterable of batches (x, y), not {type(data).__name__}; try "
            "DataLoader((x, y), batch_size=50, shuffle=True)"
        )
    return data


def for_evaluation(data: Data) -> Any:
    """Return batches; datasets, arrays and tuples of arrays are cut into large ones."""
    return DataLoader(data, LARGE) if is_samples(data) else data


def is_samples(data: Data) -> bool:
    """Whether `data` are samples, from which a loader makes batches."""
    if isinstance(data, tuple):
        return bool(data) and all(hasattr(part, "shape") for part in data)
    return isinstance(data, (Dataset, Tensor)) or hasattr(data, "shape")


def going_on(data: Data, position: int) -> Iterator[Any]:
    """Return the batches after the first `position` ones of an epoch that was left."""
    if position and hasattr(data, "load_state_dict"):  # a loader knows its place itself
        data.load_state_dict(data.state_dict())
        position = 0
    return islice(data, position, None)


def pair(batch: Batch, device: str | None) -> tuple[Batch, Any]:
    """Return the inputs and the truth of a batch, on the device.

    >>> (x,), y = pair((np.ones((2, 3)), np.array([0, 1])), None)
    >>> type(x).__name__, y.shape
    ('Tensor', (2,))
    """
    if isinstance(batch, Mapping):
        batch = _in_order(batch)
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise DTypeError(
            "a batch is a tuple (x, y), inputs first and the truth last, and this one "
            f"is {_described(batch)}; a collate function can put it in that form"
        )
    *xs, y = (_on_device(part, device) for part in batch)
    return tuple(xs), y


def inputs(batch: Batch, device: str | None) -> Batch:
    """Return the inputs of a batch; a truth that came along is left out."""
    if isinstance(batch, Mapping):
        parts: Any = [part for name, part in batch.items() if name not in TRUTH]
    elif isinstance(batch, (tuple, list)):
        parts = batch[:-1] if len(batch) > 1 else batch
    else:
        parts = [batch]
    return tuple(_on_device(part, device) for part in parts)


def _in_order(batch: Mapping[str, Any]) -> Batch:
    """Return a dictionary as a tuple: the inputs in its order, and the truth."""
    truths = [name for name in batch if name in TRUTH]
    if len(truths) != 1 or len(batch) < 2:
        raise DTypeError(
            f"a batch with the names {list(batch)} needs inputs and one truth, which "
            f"is called one of {', '.join(TRUTH)}; rename it in a collate function"
        )
    return *(batch[name] for name in batch if name not in TRUTH), batch[truths[0]]


def _on_device(part: Any, device: str | None) -> Any:
    if not isinstance(part, Tensor):
        part = _as_tensor(part)
    return part.to(device) if device and isinstance(part, Tensor) else part


def _as_tensor(part: Any) -> Any:
    """Return arrays of any library as Tensors that share their memory; others as is.

    Fractions of other libraries are brought to the default dtype, as a loader does.
    """
    if isinstance(part, np.ndarray) or device_of(part) == "cuda":
        return Tensor(part, copy=False)
    if hasattr(part, "__dlpack_device__"):  # PyTorch, JAX
        return Tensor(in_width(from_dlpack(part).data, "default"), copy=False)
    if hasattr(part, "__array__") and not isinstance(part, np.generic):  # pandas
        return Tensor(in_width(as_array(np.asarray(part)), "default"), copy=False)
    return Tensor(part, copy=False) if hasattr(part, "dtype") else part


def _described(batch: Batch) -> str:
    if isinstance(batch, (tuple, list)):
        return f"a {type(batch).__name__} of {len(batch)}"
    return f"a {type(batch).__name__}" + (
        f" of shape {tuple(batch.shape)}" if hasattr(batch, "shape") else ""
    )


def named_metrics(metrics: Any) -> Metrics:
    """Return {name: function}, of a function, a list of them, or a dictionary.

    >>> from minidl.train import accuracy
    >>> list(named_metrics([accuracy]))
    ['accuracy']
    """
    if isinstance(metrics, Mapping):
        return dict(metrics)
    several: Sequence[Any] = [metrics] if callable(metrics) else list(metrics)
    for metric in several:
        if not callable(metric):
            raise DTypeError(
                f"a metric is a function of (scores, labels), not {metric!r}; "
                "try metrics=[md.train.accuracy]"
            )
    return {getattr(m, "__name__", type(m).__name__): m for m in several}


def check_scalar(loss: Tensor) -> None:
    """Refuse what cannot be descended."""
    if not isinstance(loss, Tensor):
        raise DTypeError(
            f"the loss must return a Tensor, not {type(loss).__name__}; build it of "
            "minidl.ops, without .data or .numpy() on the way"
        )
    if loss.shape != ():
        raise ShapeError(
            f"the loss must be one number, and this one has shape {tuple(loss.shape)}; "
            'try reduction="mean", or .mean()'
        )


def samples(y: TensorLike) -> int:
    """Return how many samples a batch has."""
    return len(y) if getattr(y, "ndim", 0) else 1


class Counted:
    """How many labels the mean that a loss returns is a mean over.

    A mean over all batches is Σ n L / Σ n with this n of each, and not with the number
    of its samples, where some labels are ignored or sequences differ in length.

    ignore_index and weight are the loss's own: an attribute, a keyword of a partial, or
    a default. Other functions, which may call cross_entropy, are taken to ignore −100.

    >>> from functools import partial
    >>> from minidl import ops
    >>> y = np.array([[3, 1, 0], [2, 0, 0]])
    >>> Counted(ops.cross_entropy)(y), Counted(partial(ops.nll_loss, ignore_index=0))(y)
    (6, 3)
    """

    def __init__(self, loss: Callable[..., Any]) -> None:
        ours = str(getattr(loss, "__module__", "")).startswith("minidl.")
        self.ignored = _setting(loss, "ignore_index", None if ours else IGNORE)
        self.weight = None
        if self.ignored is not None:
            self.weight = _setting(loss, "weight", None)

    def __call__(self, y: TensorLike, *, quick: bool = False) -> Any:
        """Return n: a number, or an array () of a device, which nobody waits for.

        quick   on a GPU, where to look takes launches, count one label a sample unseen
        """
        y = values(y)
        if getattr(y, "ndim", 0) == 0:
            return 1
        if self.ignored is None or y.dtype.kind not in "iu":
            return y.size
        if quick and y.ndim == 1 and device_of(y) != "cpu":
            return y.size
        heard = y != self.ignored
        xp = namespace(heard)
        if self.weight is None:
            n = xp.count_nonzero(heard)
        else:
            n = (values(self.weight)[xp.where(heard, y, 0)] * heard).sum()
        return n if device_of(y) != "cpu" else n.item() if hasattr(n, "item") else n


def _setting(loss: Callable[..., Any], name: str, otherwise: Any) -> Any:
    """Return what a loss was told, or does if it is told nothing."""
    if isinstance(loss, partial):
        return loss.keywords.get(name, _setting(loss.func, name, otherwise))
    if hasattr(loss, name):
        return getattr(loss, name)
    try:
        return inspect.signature(loss).parameters[name].default
    except (KeyError, TypeError, ValueError):
        return otherwise


def numbers(mixed: Sequence[Any]) -> list[float]:
    """Return numbers, and arrays () read in one transfer, as numbers."""
    arrays = [x for x in mixed if hasattr(x, "dtype")]
    if len(arrays) > 1:
        arrays = to_numpy(namespace(arrays[0]).stack(arrays)).astype(float).tolist()
    read = iter(arrays)
    return [float(to_numpy(next(read))) if hasattr(x, "dtype") else x for x in mixed]


def joined(parts: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return the arrays of all batches, one below the other, on the host."""
    return np.concatenate([to_numpy(part) for part in parts])
