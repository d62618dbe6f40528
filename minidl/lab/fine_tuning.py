"""Fine-tuning: the head first, then all of a trained network, at a smaller rate.

Throughout:  head  the last layer, a Linear    lr, η  a learning rate

Howard & Ruder 2018 (rates by depth, one part after another); Yosinski et al. 2014.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from minidl import ops, optim
from minidl.errors import RangeError
from minidl.lab.transfer import head_of
from minidl.nn.module import Module
from minidl.train import History, Trainer, accuracy
from minidl.train.batches import Data


def rates_by_depth(
    model: Module, lr: float, *, factor: float = 2.6, parts: int = 3
) -> list[dict[str, Any]]:
    """Return parameter groups, from the first layers to the head, for an optimizer.

    The layers that can learn are cut into `parts` of about equally many. The last part
    has the rate lr, each one below it a rate `factor` times smaller: low layers see
    edges, which are of use everywhere, and need the least change. 2.6 is the factor of
    Howard & Ruder 2018, section 3.2.

    >>> from minidl import nn
    >>> net = nn.Sequential(nn.Linear(4, 8, rng=0), nn.ReLU(), nn.Linear(8, 10, rng=1))
    >>> groups = rates_by_depth(net, 0.26, parts=2)
    >>> [(round(group["lr"], 6), len(group["params"])) for group in groups]
    [(0.1, 2), (0.26, 2)]
    >>> optimizer = optim.Momentum(groups, lr=0.26)

    Raises RangeError if nothing can learn.
    """
    if not (lr > 0 and factor > 0 and parts >= 1):
        raise RangeError(
            f"rates_by_depth: lr={lr} and factor={factor} are above 0, parts={parts} "
            "is 1 at least"
        )
    layers: list[list[tuple[str, Any]]] = []
    for name, p in model.named_parameters():
        if p.requires_grad:
            if p.ndim > 1 or not layers:  # biases and norms belong to the weight before
                layers.append([])
            layers[-1].append((name, p))
    if not layers:
        raise RangeError("rates_by_depth: all is frozen; try model.unfreeze()")
    parts = min(parts, len(layers))
    cuts = [math.ceil(len(layers) * i / parts) for i in range(parts + 1)]
    return [
        {
            "params": [pair for layer in layers[a:b] for pair in layer],
            "lr": lr / factor ** (parts - 1 - i),
        }
        for i, (a, b) in enumerate(pairwise(cuts))
    ]


def fine_tune(
    model: Module,
    train: Data,
    validation: Data | None = None,
    *,
    head: str | None = None,
    epochs: tuple[int, int] = (10, 10),
    lr: float = 1e-3,
    ratio: float = 0.1,
    factor: float = 1.0,
    optimizer: Callable[..., Any] = optim.Adam,
    loss: Callable[..., Any] = ops.cross_entropy,
    metrics: Any = (accuracy,),
    callbacks: Any = (),
    progress: bool = False,
) -> History:
    """Train the head alone, then all at a smaller rate; return the history of both.

    head     its name, as in `replace_head`
    epochs   of the two stages
    lr       of the first; that of the second is ratio · lr
    factor   by which each third of the layers below moves less, in the second stage:
             see `rates_by_depth`; 1 is one rate for all

    The order matters: a new head is noise, and its first gradients would spoil the
    features below it. In the first stage all but the head is frozen, batch norm
    included. What was frozen before the call stays so in both: `model.freeze("stem")`.

    >>> from minidl import nn
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.lab import replace_head
    >>> net = nn.Sequential(nn.Linear(2, 8, rng=0), nn.ReLU(), nn.Linear(8, 9, rng=1))
    >>> batches = DataLoader(moons(100, rng=0), 20, shuffle=True, seed=0)
    >>> history = fine_tune(replace_head(net, 2, rng=0), batches, epochs=(2, 3))
    >>> history["epoch"]
    [1, 2, 3, 4, 5]

    Raises RangeError if there is nothing to move in one of the stages.
    """
    last = head_of(model, head)[1]
    _check_movable(model, last, epochs)
    both: dict[str, Any] = {"metrics": metrics, "callbacks": callbacks}
    trainer = Trainer(model, None, loss, **both, progress=progress)
    if epochs[0]:
        with _alone(model, last):
            trainer.optimizer = optimizer(last.parameters(), lr=lr)
            trainer.fit(train, validation, epochs[0])
    if epochs[1]:
        groups = rates_by_depth(model, ratio * lr, factor=factor)
        trainer.optimizer = optimizer(groups, lr=ratio * lr)
        trainer.fit(train, validation, epochs[1])
    return trainer.history


def _check_movable(model: Module, head: Module, epochs: tuple[int, int]) -> None:
    """Raise RangeError where a stage would move nothing, or nothing but the head."""
    own = {id(p) for p in head.parameters()}
    moves = [id(p) in own for p in model.parameters() if p.requires_grad]
    if epochs[0] and not any(moves):
        raise RangeError(
            "fine_tune: the head is frozen; try replace_head, or unfreeze it"
        )
    if epochs[1] and all(moves):
        raise RangeError(
            "fine_tune: all but the head is frozen, so that there is nothing to "
            "fine-tune; try model.unfreeze(), or epochs=(10, 0)"
        )


@contextmanager
def _alone(model: Module, head: Module) -> Iterator[None]:
    """Freeze all but the head; at the end, all is as it was."""
    modes = [(m, m._mode, m.training) for m in model.modules()]
    learn = [(p, p.requires_grad) for p in model.parameters()]
    model.freeze()
    head.unfreeze()
    try:
        yield
    finally:
        for module, mode, training in modes:
            module._mode, module.training = mode, training
        for p, on in learn:
            p.requires_grad_(on)
