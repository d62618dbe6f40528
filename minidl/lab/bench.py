"""What the seven steps work on: model, data, loss, optimizer; and what a step says.

x inputs (N, …)    y labels (N,) or targets (N, …)    K classes
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from minidl import ops, optim
from minidl.backend import device_of, namespace, to_numpy
from minidl.data import DataLoader, Dataset, TensorDataset, train_test_split
from minidl.data.dataset import is_labels
from minidl.engine.modes import no_grad
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, RangeError
from minidl.lab.objective import own_randomness
from minidl.nn.module import Module
from minidl.train import Trainer, accuracy
from minidl.train.batches import Data, pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Vector = np.ndarray[Any, Any]


@dataclass
class Step:
    """What one of the seven steps found.

    name     which step        ok       whether the next one makes sense
    saw      what was seen     means    what that means     do   what to try
    figure   a picture of it   facts    the numbers, by name, for what comes after
    """

    name: str
    ok: bool
    saw: str
    means: str = ""
    do: str = ""
    figure: Figure | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What it saw, what that means, what to do."""
        return " ".join(part for part in (self.saw, self.means, self.do) if part)

    def __repr__(self) -> str:
        said = f"{'✓' if self.ok else '✗'} {self.name}: {self.text}"
        return textwrap.fill(said, 88, subsequent_indent="    ")


def judged(
    name: str,
    complaints: Sequence[tuple[str, str]],
    saw: str = "",
    means: str = "",
    facts: dict[str, Any] | None = None,
    figure: Figure | None = None,
) -> Step:
    """Return a step: its complaints (what is seen, what to try), or what it saw."""
    facts = facts or {}
    if not complaints:
        means, end = (f"{means}.", ":") if means else ("", ".")
        return Step(name, True, f"{saw}{end}", means, "", figure, facts)
    seen = "; ".join(said.rstrip(".") for said, _ in complaints)
    advice = "; ".join(cure for _, cure in complaints if cure)
    do = f"Try: {advice}.".replace("?.", "?") if advice else ""
    return Step(name, False, f"{seen}.".replace("?.", "?"), "", do, figure, facts)


class How(TypedDict, total=False):
    """What every step takes; see `Bench`."""

    loss: Any
    optimizer: Any
    batch_size: int
    seed: int


@dataclass
class Bench:
    """The material of the seven steps.

    make_model  returns a new model; it is called with nothing, after seeding
    data        train, validation and perhaps test: `load_digits()`, a tuple of sets, or
                of pairs (x, y). Of one set a fifth becomes the validation set.
    loss        (scores, y) -> scalar Tensor
    optimizer   a function (params, lr=…) that makes one, with weight_decay=… if it may
                be searched; optim.Adam by default
    """

    make_model: Callable[[], Any]
    data: Any
    loss: Callable[..., Any] = ops.cross_entropy
    optimizer: Any = optim.Adam
    batch_size: int = 50
    seed: int = 0
    train: TensorDataset = field(init=False)
    validation: TensorDataset = field(init=False)
    test: TensorDataset | None = field(init=False)

    def __post_init__(self) -> None:
        """Part the data; refuse what is no factory."""
        if hasattr(self.make_model, "parameters") and not isinstance(
            self.make_model, type
        ):
            raise DTypeError(
                "make_model is a function that makes a new model, and this is a model; "
                "try make_model=lambda: MLP([784, 100, 10])"
            )
        if not callable(self.make_model):
            raise DTypeError(f"make_model is a function, not {self.make_model!r}")
        self.train, self.validation, self.test = parts_of(self.data, self.seed)

    @property
    def labels(self) -> bool:
        """Whether y names classes."""
        return is_labels(self.train.y)

    def model(self) -> Any:
        """Return a new model, the same for the same seed."""
        with own_randomness(self.seed):
            return self.make_model()

    def loader(self, whole: bool = False) -> DataLoader:
        """Return the batches of the training set; none smaller than the others.

        whole   of training and validation set together
        """
        size = min(self.batch_size, len(self.train))
        train = self.train
        if whole:
            pairs = zip(train.arrays, self.validation.arrays, strict=True)
            train = TensorDataset(*(namespace(a).concatenate([a, b]) for a, b in pairs))
        return DataLoader(train, size, shuffle=True, drop_last=True, seed=self.seed)

    def batches(self, n: int) -> list[tuple[Any, Any]]:
        """Return the first n batches, or as many as there are."""
        return list(islice(self.loader(), n))

    def rule(self, params: Any, lr: Any, weight_decay: float = 0.0) -> Any:
        """Return a new optimizer; a decay of 0 is not mentioned to it."""
        decay = {"weight_decay": weight_decay} if weight_decay else {}
        return self.optimizer(params, lr=lr, **decay)

    @property
    def takes_decay(self) -> bool:
        """Whether the optimizer may be made with a weight decay."""
        try:
            known = inspect.signature(self.optimizer).parameters
        except (TypeError, ValueError):
            return False
        return "weight_decay" in known or any(
            p.kind is p.VAR_KEYWORD for p in known.values()
        )

    def trainer(self, model: Module, lr: Any, weight_decay: float = 0.0) -> Trainer:
        """Return a Trainer that shows no progress of its own."""
        metrics = [accuracy] if self.labels else []
        optimizer = self.rule(model.parameters(), lr, weight_decay)
        return Trainer(model, optimizer, self.loss, metrics, progress=False)

    def forward(self, model: Module, batch: Any) -> tuple[Any, Any, Any]:
        """Return scores, truth and loss of a batch."""
        xs, y = pair(batch, device(model))
        scores = model(*xs)
        return scores, y, self.loss(scores, y)

    def right(self, scores: TensorLike, y: TensorLike) -> float:
        """Return the share of the samples that are right, or NaN for targets."""
        if not self.labels or values(scores).ndim != 2:
            return float("nan")
        found = to_numpy(values(scores)).argmax(axis=1)
        return float((found == to_numpy(values(y))).mean())

    def guess(self) -> float:
        """Return the loss of the best constant answer: it knows frequencies, no inputs.

        For labels the scores are log pₖ, and cross entropy gives H = −Σ pₖ log pₖ; for
        targets the answer is their mean.
        """
        y = self.train.y
        if self.labels:
            p = np.bincount(to_numpy(y).astype(np.intp)) / len(y)
            constant = np.log(np.maximum(p, 1e-9))
        else:
            constant = to_numpy(y).mean(axis=0)
        rows = np.broadcast_to(constant, (len(y), *np.shape(constant)))
        with no_grad():
            return float(to_numpy(values(self.loss(_tensor(rows), _tensor(y)))))


def parts_of(data: Data, seed: int) -> tuple[Any, Any, Any]:
    """Return training, validation and test set (None if there is none)."""
    if isinstance(data, Dataset) or (
        isinstance(data, (tuple, list)) and all(hasattr(a, "shape") for a in data)
    ):
        one = data if isinstance(data, Dataset) else TensorDataset(*data)
        data = train_test_split(arrays(one), test_size=0.2, rng=seed)
    parts = [arrays(part) for part in data]
    if len(parts) not in (2, 3):
        raise DTypeError(
            f"the data have {len(parts)} parts; give (train, validation), or (train, "
            "validation, test)"
        )
    if min(map(len, parts)) == 0:
        raise RangeError(f"a part of the data is empty: {[len(p) for p in parts]}")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def arrays(data: Data) -> TensorDataset:
    """Return a dataset of inputs and truth; refuse what is none."""
    pair = isinstance(data, (tuple, list)) and all(hasattr(a, "shape") for a in data)
    dataset = TensorDataset(*data) if pair else data
    if not isinstance(dataset, TensorDataset) or len(dataset.arrays) != 2:
        raise DTypeError(
            "the steps want arrays: pairs (x, y), or TensorDataset(x, y), such as "
            f"load_digits() returns, and not {type(data).__name__}"
        )
    if dataset.y.ndim > 1 and dataset.y.dtype.kind in "iu":
        raise DTypeError(
            f"the steps want labels (N,) or targets of floats, and y is "
            f"{dataset.y.dtype} {dataset.y.shape}; one-hot rows become labels by "
            ".argmax(axis=1), and several labels a sample are not for them"
        )
    return dataset


def device(model: Module) -> str:
    """Return where the parameters are: batches go there."""
    first = next(iter(model.parameters()), None)
    return "cpu" if first is None else device_of(first.data)


def leaves(model: Module) -> Iterator[tuple[str, Any]]:
    """Yield (name, module) for every module that has none below it."""
    for name, module in model.named_modules():
        if not list(module.children()):
            yield name, module


def _tensor(x: TensorLike) -> Any:
    from minidl.engine.tensor import Tensor

    array = np.ascontiguousarray(to_numpy(x))
    return Tensor(array.astype(np.float32) if array.dtype == np.float64 else array)
