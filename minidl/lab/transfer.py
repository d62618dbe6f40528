"""Transfer: what a network learned from other data, under a new head.

Throughout:  N samples    D features    K classes    head  the last layer, a Linear

replace_head  K classes in place of the old ones
features      what goes into the head: frozen features for a linear classifier
nearest       images that mean the same, by their features
fine_tuning.py goes on training below the head. Yosinski et al. 2014.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from minidl import files, nn
from minidl.backend import Seed, to_numpy
from minidl.data import DataLoader, Dataset
from minidl.engine.modes import no_grad
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, NonFiniteError, RangeError, ShapeError
from minidl.lab.bench import device, leaves
from minidl.nn.module import Module, evaluating
from minidl.train.batches import LARGE, Data, inputs, is_samples, joined

Vector = np.ndarray[Any, Any]
TINY = np.finfo(float).tiny  # below it a length is no length


# The head


def head_of(model: Module, name: str | None = None) -> tuple[str, nn.Linear]:
    """Return the name of the head and the head: the last layer that has parameters.

    The last is the last that `__init__` assigned; `name` says it where that is another.
    Raises RangeError where it is no Linear, or shares its parameters.
    """
    own = [(n, m) for n, m in leaves(model) if m.parameters()]
    found = dict(own) if name else dict(own[-1:])
    name = name or next(iter(found), "")
    head = found.get(name)
    if not isinstance(head, nn.Linear):
        linear = ", ".join(n for n, m in own if isinstance(m, nn.Linear)) or "none"
        what = f"its {name!r} is a {type(head).__name__}" if head else f"no {name!r}"
        raise RangeError(
            f"{type(model).__name__} has no head that can be replaced: {what}. A "
            f"head is a Linear, and there are {linear}: give its name with head=…"
        )
    shared = [n for n, p in model.named_state() if p is head.weight]
    if len(shared) > 1:
        raise RangeError(
            f"the head of this {type(model).__name__} is shared: "
            f"{' and '.join(shared)} are one parameter; give it a weight of its own"
        )
    return name, head


def replace_head(
    model: Module, classes: int, *, head: str | None = None, rng: Seed = None
) -> Module:
    """Put a new last layer, for K classes, in the place of the old; return the model.

    The model itself changes: all its other parameters stay the same Tensors, with the
    same numbers. The new weight is small (init="head"), so that an untrained softmax
    costs log K; it is not frozen, whatever the rest is.

    head   its name, where it is not the last layer that `__init__` assigned

    >>> net = nn.Sequential(nn.Linear(4, 8, rng=0), nn.ReLU(), nn.Linear(8, 10, rng=1))
    >>> replace_head(net.freeze(), 3, rng=0)
    Sequential()  67 parameters, 40 frozen
      0: Linear()  weight (4, 8), bias (8,)  40 parameters, 40 frozen
      1: ReLU()
      2: Linear()  weight (8, 3), bias (3,)  27 parameters

    Raises RangeError for a model whose last layer is no Linear.
    """
    if classes < 1:
        raise RangeError(f"replace_head: classes is {classes}; a head has 1 at least")
    name, old = head_of(model, head)
    n_in, bias = old.weight.shape[0], old.bias is not None
    new = nn.Linear(n_in, classes, bias, init="head", rng=rng)
    new.to(device(old)).astype(old.weight.dtype)
    new.training = old.training if old._mode is None else old._mode
    owner: Any = model
    *path, last = name.split(".")
    for part in path:
        owner = _below(owner, part)
    if isinstance(owner, list):
        owner[int(last)] = new
    elif isinstance(owner, dict):
        owner[last] = new
    else:
        setattr(owner, last, new)
    return model


def _below(owner: Any, part: str) -> Any:
    """Return what stands under one part of a dotted name."""
    if isinstance(owner, dict):
        return owner[part]
    return owner[int(part)] if isinstance(owner, list) else getattr(owner, part)


# Features

Place = tuple[str, bool]  # a layer, and whether what is behind it is meant
_KEPT: WeakKeyDictionary[Module, dict[str, Vector]] = WeakKeyDictionary()
KEEP = 4  # of each model: those of training, validation and test data, and one more


def features(
    model: Module,
    data: Data,
    *,
    layer: str | None = None,
    head: str | None = None,
    batch_size: int = LARGE,
    store: files.Path | None = None,
) -> Vector:
    """Return what the model puts into its head, in the order of the samples: (N, D).

    data    inputs (N, …), a tuple (x, y) or a dataset; y is left out
    layer   the name of a layer whose output is wanted instead, of its own shape
    head    the name of the head, as in `replace_head`
    store   a folder that keeps the features for the next program

    The model is in eval mode meanwhile and records no gradient. Features of the newest
    calls are kept with the model, and made again when its parameters, its settings or
    the data have changed. A file in `store` is found by the same facts; the code of the
    layers is not among them: delete the folder when you change it.

    >>> net = nn.Sequential(nn.Linear(4, 8, rng=0), nn.ReLU(), nn.Linear(8, 10, rng=1))
    >>> features(net, np.ones((5, 4), np.float32)).shape
    (5, 8)

    Raises DTypeError for a loader: one that shuffles would lose the order.
    """
    if not is_samples(data):
        raise DTypeError(
            "features come in the order of the samples, so give these: an array, "
            f"(x, y) or a dataset, not a {type(data).__name__}; try loader.dataset"
        )
    if layer is not None and layer not in dict(model.named_modules()):
        names = ", ".join(name for name, _ in model.named_modules() if name)
        raise RangeError(f"features: there is no layer {layer!r}; there are {names}")
    place = (layer, True) if layer else (head_of(model, head)[0], False)
    whole = _digest(model, data, place)
    kept = _KEPT.setdefault(model, {})
    if whole in kept:
        return kept[whole].copy()
    path = None if store is None else os.path.join(store, f"{whole[:32]}.safetensors")
    if path is not None and os.path.exists(path):
        made = files.read(path, sealed=True)[0]["features"]
    else:
        made = _features(model, data, place, batch_size)
        if path is not None:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            files.write(path, {"features": made}, sealed=True)
    kept[whole] = made
    if len(kept) > KEEP:
        del kept[next(iter(kept))]
    return made.copy()


def _features(model: Module, data: Data, place: Place, size: int) -> Vector:
    """Run the model over all batches, and keep what passes the place meant."""
    name, behind = place
    passed: list[tuple[Any, Any]] = []
    watched = dict(model.named_modules())[name]
    parts = []
    with (
        watched.register_forward_hook(lambda _, x, y: passed.append((x[0], y))),
        evaluating(model),
        no_grad(),
    ):
        for batch in DataLoader(data, size):
            passed.clear()
            scores = model(*inputs(batch, device(model)))
            if len(passed) != 1:
                raise RangeError(
                    f"features: {name!r} ran {len(passed)} times in one pass, and "
                    "features are what one run gives; name another with layer=…"
                )
            x, y = passed[0]
            if not behind and y.shape != scores.shape:
                raise RangeError(
                    f"features: {name!r} puts out {y.shape} and the model "
                    f"{scores.shape}, so it is not the head; name it with head=…"
                )
            parts.append(to_numpy(y if behind else x))
    return joined(parts)


def _digest(model: Module, data: Data, place: Place) -> str:
    """Return the SHA-256 of all that features depend on, but for the code."""
    sha = hashlib.sha256(f"{place} {model!r}".encode())
    samples: Any = getattr(data, "arrays", data)
    if isinstance(samples, Dataset):
        samples = samples.batch(range(len(samples)))
    state = [p.data for _, p in model.named_state()]
    for part in (*state, *map(values, inputs(samples, None))):
        array = np.ascontiguousarray(to_numpy(part))
        sha.update(f"{array.dtype} {array.shape}".encode())
        sha.update(array.data.cast("B") if array.size else b"")
    return sha.hexdigest()


# Retrieval


def nearest(x: TensorLike, k: int = 5, *, among: TensorLike | None = None) -> Vector:
    """Return, for each sample, the k others whose features point most its way.

    x (N, D), among (M, D) -> (N, k) indices, the nearest first; without `among` the
    others are those of x, and no sample is its own neighbor. Near is what has a large
    cosine, cos(a, b) = aᵀ b / (‖a‖ ‖b‖): lengths, which contrast changes, do not count.

    >>> x = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.1], [0.2, 1.0]])
    >>> nearest(x, k=1).ravel().tolist()
    [2, 3, 0, 1]
    >>> nearest([[5.0, 4.0]], k=2, among=x).tolist()
    [[2, 0]]

    Raises ShapeError where lengths differ, RangeError where there are no k others,
    NonFiniteError for NaN. All N M cosines are in memory at once.
    """
    a = _rows(x)
    b = a if among is None else _rows(among)
    others = len(b) - (among is None)
    if a.shape[1] != b.shape[1]:
        raise ShapeError(
            f"nearest: x has {a.shape[1]} features and among {b.shape[1]}; both come "
            "from one layer of one model"
        )
    if not 1 <= k <= others:
        raise RangeError(f"nearest: k is {k}, and there are {others} others")
    return _by_cosine(a, b, k, among is None)


def _by_cosine(a: Vector, b: Vector, k: int, same: bool) -> Vector:
    """Return the k rows of b nearest to each row of a.    a (N, D), b (M, D) -> (N, k)

    same   b is a, and no row finds itself
    A row of zeros has the cosine 0 with every other.
    """
    # region a5.14: the cosines of all pairs, and in each row the k largest
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), TINY)
    b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), TINY)
    cosines = a @ b.T
    if same:
        np.fill_diagonal(cosines, -np.inf)
    order: Vector = np.argsort(-cosines, axis=1, kind="stable")
    return order[:, :k]
    # endregion


def _rows(x: TensorLike) -> Vector:
    """Return features as float64 (N, D): images become rows."""
    array = np.asarray(to_numpy(x) if hasattr(x, "dtype") else x, np.float64)
    if array.ndim < 2 or not len(array):
        raise ShapeError(
            f"nearest takes features (N, D), and got {array.shape}; x[None] makes one "
            "vector a batch"
        )
    if not np.isfinite(array).all():
        raise NonFiniteError(
            "nearest: the features hold NaN or infinity; look for it with `md.debug()`"
        )
    return array.reshape(len(array), -1)
