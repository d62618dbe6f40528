"""Fast bodies one by one: python -m benchmarks.kernels [ROW …] [--rounds N] [--record]

A row is an op on arrays of one size, forward and backward, in one process on one core.
It is run in turns by the engine as it is, by the engine without this op's fast bodies,
and by PyTorch eager if that is installed; shown are ratios of the median CPU times.
Below 1 the fast body takes less time. To measure another op, add a row. The row "adam"
is a step of the network of mlp.py, with and without the faster ways of optimizers.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before anything imports NumPy

import numpy as np  # noqa: E402

from benchmarks import mlp  # noqa: E402
from benchmarks.run import RECORD, remember  # noqa: E402
from minidl import Tensor, grad, ops  # noqa: E402
from minidl.optim.optimizer import FAST  # noqa: E402

Call = Callable[[], Any]


class Case(NamedTuple):
    """An op, its inputs' shapes (None: left out), settings, and PyTorch's twin.

    Without fast bodies is to be without those of the ops inside, too.
    """

    op: Any
    shapes: tuple[tuple[int, ...] | None, ...]
    settings: dict[str, Any]
    torch: Callable[[Any, list[Any]], Call] | None = None
    inside: tuple[Any, ...] = ()


def function(path: str, **settings: Any) -> Callable[[Any, list[Any]], Call]:
    """Return PyTorch's function of one array by its name in torch.nn.functional."""

    def make(torch: Any, xs: list[Any]) -> Call:
        f = getattr(torch.nn.functional, path, None) or getattr(torch, path)
        return lambda: f(xs[0], **settings)

    return make


def recurrent(kind: str) -> Callable[[Any, list[Any]], Call]:
    """Return PyTorch's layer of this kind, in the size of the row."""

    def make(torch: Any, xs: list[Any]) -> Call:
        layer = getattr(torch.nn, kind)(xs[0].shape[2], 256, batch_first=True)
        return lambda: layer(xs[0])[0]

    return make


def sequence(gates: int, states: int, biases: int) -> tuple[Any, ...]:
    """Return the shapes of x, no states, both weights and biases: N 32, T 64, H 256."""
    n, t, d, h = 32, 64, 256, 256
    weights = (d, gates * h), (h, gates * h), *[(gates * h,)] * biases
    return ((n, t, d), *[None] * states, *weights)


WIDE = ((2048, 512),)
ROWS: dict[str, Case | None] = {
    "erf": Case(ops.erf, WIDE, {}, function("erf")),
    "gelu": Case(ops.gelu, WIDE, {}, function("gelu"), (ops.erf,)),
    "gelu_tanh": Case(
        ops.gelu, WIDE, {"approximate": "tanh"}, function("gelu", approximate="tanh")
    ),
    "elu": Case(ops.elu, WIDE, {}, function("elu")),
    "rnn": Case(ops.rnn, sequence(1, 1, 1), {}, recurrent("RNN")),
    "gru": Case(ops.gru, sequence(3, 1, 2), {}, recurrent("GRU")),
    "lstm": Case(ops.lstm, sequence(4, 2, 1), {}, recurrent("LSTM")),
    "adam": None,
}


def ours(row: Case | None) -> Call:
    """Return a step of the engine, forward and backward."""
    if row is None:
        return mlp.minidl()
    draw = np.random.default_rng(0)
    xs = [
        None if s is None else draw.standard_normal(s, np.float32) for s in row.shapes
    ]
    xs = [x if x is None or i == 0 else x / 16 for i, x in enumerate(xs)]
    leaves = [x if x is None else Tensor(x, requires_grad=True) for x in xs]
    tracked = [x for x in leaves if x is not None]

    def step() -> Any:
        y = row.op(*leaves, **row.settings)
        y = y[0] if isinstance(y, tuple) else y
        if not gs:
            gs.append(draw.standard_normal(y.shape, np.float32))
        return grad(y, tracked, gs[0])

    gs: list[Any] = []
    return step


def theirs(row: Case | None) -> Call | None:
    """Return a step of PyTorch, or None where that is missing."""
    if importlib.util.find_spec("torch") is None:
        return None
    if row is None:
        return mlp.torch()
    if row.torch is None:
        return None
    import torch

    torch.set_num_threads(1)
    x = torch.randn(*(row.shapes[0] or ()), requires_grad=True)
    forward = row.torch(torch, [x])
    g = torch.randn_like(forward())

    def step() -> Any:
        x.grad = None
        forward().backward(g)

    return step


@contextmanager
def plain(row: Case | None) -> Iterator[None]:
    """Take the fast bodies away, or the faster ways of optimizers."""
    tables = [op.fasts for op in (row.op, *row.inside)] if row else [FAST]
    kept = [dict(table) for table in tables]
    try:
        for table in tables:
            table.clear()
        yield
    finally:
        for table, entries in zip(tables, kept, strict=True):
            table.update(entries)


def compare(row: Case | None, rounds: int) -> dict[str, float]:
    """Return the median seconds of each, taken in turns."""
    step, other = ours(row), theirs(row)
    times: dict[str, list[float]] = {"fast": [], "plain": [], "torch": []}
    for i in range(rounds + 2):  # the first two warm up
        times["fast"].append(seconds(step))
        with plain(row):
            times["plain"].append(seconds(step))
        if other is not None:
            times["torch"].append(seconds(other))
        if i == 1:
            for several in times.values():
                several.clear()
    return {name: statistics.median(t) for name, t in times.items() if t}


def seconds(step: Call) -> float:
    """Return how long one step keeps the core busy: others' turns do not count."""
    start = time.process_time()
    step()
    return time.process_time() - start


def main() -> None:
    """Print a line for each row; add one to the history if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), metavar="ROW")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--record", action="store_true", help=RECORD)
    asked = parser.parse_args()
    for name in asked.rows:
        if name not in ROWS:
            parser.error(f"no row is called {name!r}; there are {', '.join(ROWS)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"{'op':<16}{'fast, ms':>10}{'/ plain':>10}{'/ PyTorch':>11}")
    ratios: dict[str, dict[str, float]] = {}
    for name in asked.rows:
        t = compare(ROWS[name], asked.rounds)
        line = f"{name:<16}{1e3 * t['fast']:>10.2f}{t['fast'] / t['plain']:>10.2f}"
        print(line + (f"{t['fast'] / t['torch']:>11.2f}" if "torch" in t else ""))
        ratios[name] = {other: t["fast"] / t[other] for other in t if other != "fast"}
    if asked.record:
        remember(kernels=ratios)


if __name__ == "__main__":
    main()
