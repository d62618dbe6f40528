"""Recurrent layers: cells run over time, one above the other, in one or two directions.

Throughout:  x input (N, T, D)    y output (N, T, H), 2H with two directions
             h, c states (L, N, H), for L = num_layers × directions, as in PyTorch
             lengths (N,): how many of the T times of each sequence are tokens

Every layer here returns `y, state`: y is the last layer's h at every time, state the h
(of an LSTM, h and c) of every layer after its last token. So all shapes of the lecture
are the same call: one to many, `layer(x[:, None], state)` again and again; many to one,
`state[-1]`; many to many, y, or the state as the start of another layer.

Truncated backpropagation through time: hand the state on, but cut its past off,
`y, state = layer(chunk, detach_state(state))`.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from minidl import backend, ops
from minidl.backend import Array, Seed
from minidl.engine.tensor import Tensor, values
from minidl.errors import RangeError, ShapeError
from minidl.nn.cells import Cell, GRUCell, LSTMCell, RNNCell
from minidl.nn.dropout import Dropout
from minidl.nn.interchange import Layout, State
from minidl.nn.module import Module

THEIRS = re.compile(r"((?:weight|bias)_[ih]h)_l(\d+)(_reverse)?")


class Stacked(Layout):
    """PyTorch names cells by suffixes: weight_ih_l1_reverse is cells.3.weight_ih."""

    def read(self, state: State, module: Any) -> State:
        """Return the same arrays under our names."""
        ours = {}
        for name, array in state.items():
            if found := THEIRS.fullmatch(name):
                what, layer, backwards = found.groups()
                i = int(layer) * module.directions + bool(backwards)
                name = f"cells.{i}.{what}"
            ours[name] = array
        return super().read(ours, module)

    def write(self, state: State, module: Any) -> State:
        """Return the same arrays under PyTorch's names."""
        theirs = {}
        for name, array in super().write(state, module).items():
            if name.startswith("cells."):
                _, i, what = name.split(".")
                layer, backwards = divmod(int(i), module.directions)
                name = f"{what}_l{layer}" + "_reverse" * backwards
            theirs[name] = array
        return theirs


class Recurrent(Module):
    """What RNN, LSTM and GRU have in common; see RNN."""

    torch_layout: ClassVar[Layout] = Stacked()
    cell: ClassVar[type[Cell]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        rng: Seed = None,
        **settings: Any,
    ) -> None:
        if num_layers < 1:
            raise RangeError(f"num_layers is {num_layers}; it takes at least one")
        rng = backend.generator(rng)
        self.num_layers, self.directions = num_layers, 1 + bidirectional
        self.cells = []
        for layer in range(num_layers):
            n_in = hidden_size * self.directions if layer else input_size
            for _ in range(self.directions):
                cell = self.cell(n_in, hidden_size, bias, **settings, rng=rng)
                self.cells.append(cell)
        self.dropout = Dropout(dropout, rng=rng) if dropout and num_layers > 1 else None

    def forward(
        self, x: Tensor, state: Any = None, lengths: Any = None
    ) -> tuple[Tensor, Any]:
        """Return y and the state after.

        lengths  leaves out what is beyond: y is 0 there, the state is that of the last
                 token, and the way back begins with the last token
        """
        self._check(x, lengths)
        mask = None if lengths is None else _mask(x, lengths)
        before, after = self._cut(state), []
        for i in range(0, len(self.cells), self.directions):
            if i and self.dropout is not None:
                x = self.dropout(x)
            ys = []
            for backwards in range(self.directions):
                cell, given = self.cells[i + backwards], before[i + backwards]
                y, *states = cell.sequence(x, given, mask, bool(backwards))
                ys.append(y)
                after.append(states)
            x = ys[0] if len(ys) == 1 else ops.concatenate(ys, axis=-1)
        stacked = tuple(ops.stack(each) for each in zip(*after, strict=True))
        return x, stacked if self.cell.n_states > 1 else stacked[0]

    def multiply_adds(self, inputs: tuple[Any, ...], output: Any) -> int:
        """Return what the products cost: both weights of every cell, at every time."""
        n, length = inputs[0].shape[:2]
        weights = (c.weight_x.size + c.weight_h.size for c in self.cells)
        return int(n * length * sum(weights))

    def _cut(self, state: Any) -> list[tuple[Any, ...]]:
        """Return the states of each cell: of (L, N, H), or of a tuple of such."""
        count, n = len(self.cells), self.cell.n_states
        if state is None:
            return [(None,) * n] * count
        several = tuple(state) if n > 1 else (state,)
        if len(several) != n or any(s.ndim != 3 or len(s) != count for s in several):
            each = f"({count}, N, {self.cells[0].hidden_size})"
            wanted = f"a tuple (h, c), each {each}" if n > 1 else each
            shapes = [tuple(s.shape) for s in several]
            raise ShapeError(
                f"{type(self).__name__}: the state should be {wanted}, for "
                f"{self.num_layers} layers × {self.directions} directions; it is "
                f"{shapes if len(shapes) > 1 else shapes[0]}"
            )
        return list(zip(*(ops.unstack(s) for s in several), strict=True))

    def _check(self, x: Tensor, lengths: Any) -> None:
        name, d = type(self).__name__, self.cells[0].input_size
        if x.ndim != 3 or x.shape[2] != d:
            raise ShapeError(
                f"{name} was made for x (N, T, {d}), and got {tuple(x.shape)}; x[None] "
                "makes one sequence a batch, x[:, None] one time a sequence"
            )
        if not x.shape[1]:
            raise ShapeError(
                f"{name}: x {tuple(x.shape)} has sequences of length 0: there is "
                "nothing to read; leave them out of the batch"
            )
        if lengths is not None and len(lengths) != x.shape[0]:
            raise ShapeError(
                f"{name}: {len(lengths)} lengths for a batch of {x.shape[0]} sequences"
            )


class RNN(Recurrent):
    """h_t = tanh(x_t Wx + h_{t−1} Wh + b), over time.    Elman 1990.

    x (N, T, D) -> y (N, T, H) and the last h (L, N, H).

    num_layers     each reads the y of the one below
    bidirectional  in every layer a second cell reads from the end to the beginning; y
                   holds both, side by side (Schuster & Paliwal 1997)
    dropout        probability to drop between layers
    nonlinearity   "tanh" or "relu"

    >>> y, h = RNN(3, 5, num_layers=2, rng=0)(Tensor([[[1.0, 0.0, 2.0]] * 4]))
    >>> y.shape, h.shape
    ((1, 4, 5), (2, 1, 5))
    """

    cell = RNNCell


class LSTM(Recurrent):
    """Long short-term memory over time: LSTMCell.    Hochreiter & Schmidhuber 1997.

    x (N, T, D) -> y (N, T, H) and the last (h, c), each (L, N, H). The settings are
    those of RNN, and forget_bias, where the bias of the forget gate starts: 1.
    """

    cell = LSTMCell


class GRU(Recurrent):
    """The gated recurrent unit over time: GRUCell.    Cho et al. 2014.

    x (N, T, D) -> y (N, T, H) and the last h (L, N, H). The settings are those of RNN.
    """

    cell = GRUCell


def detach_state(state: Any) -> Any:
    """Return the same state without its past: no gradient goes back beyond it."""
    if isinstance(state, (tuple, list)):
        return tuple(detach_state(s) for s in state)
    return ops.detach(state)


def _mask(x: Tensor, lengths: Any) -> Array:
    """Return which times of x are tokens, where x is; None if all are."""
    mask = ops.length_mask(values(lengths), x.shape[1])
    if backend.device_of(mask) == "cpu" and mask.all():
        return None
    return backend.to_device(mask, x.device)
