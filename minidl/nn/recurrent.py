"""Recurrent layers: cells run over time, one above the other, in one or two directions.

Throughout:  x input (N, T, D)    y output (N, T, H), 2H with two directions
             h, c states (L, N, H), for L = num_layers × directions, as in PyTorch
             lengths (N,): how many of the T times of each sequence are tokens
Of a cell    x input (N, D)    h, c states (N, H)    k gates, side by side in
             weight_x (D, kH), weight_h (H, kH), bias (kH,)
One example needs no batch: x (T, D), of a cell (D,); then nothing else has an N either.

Every layer here returns `y, state`: y is the last layer's h at every time, state the h
(of an LSTM, h and c) of every layer after its last token. So all shapes of the lecture
are the same call: one to many, `layer(x[:, None], state)` again and again; many to one,
`state[-1]`; many to many, y, or the state as the start of another layer.

Truncated backpropagation through time: hand the state on, but cut its past off,
`y, state = layer(chunk, detach_state(state))`.

Weights start gate by gate: those of x as Xavier's uniform, those of h orthogonal, so
that a signal keeps its length from step to step (Saxe, McClelland & Ganguli 2014).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minidl import backend, ops
from minidl.backend import Array, Seed
from minidl.engine.tensor import Tensor, TensorLike, values
from minidl.errors import RangeError, ShapeError
from minidl.nn import init
from minidl.nn.dropout import Dropout
from minidl.nn.interchange import Layout, State
from minidl.nn.layer import takes_one
from minidl.nn.module import Module, Parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "detach_state"]

States = tuple[Any, ...]
THEIRS = re.compile(r"((?:weight|bias)_[ih]h)_l(\d+)(_reverse)?")

# How PyTorch lays the same weights out


class Gates(Layout):
    """PyTorch's names, transposed; gates in another order; a second bias.

    order   for each of our gates its place among PyTorch's

    A cell that has a `bias_h` keeps the second bias; else the two are added up.
    """

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__(
            {"weight_x": "weight_ih", "weight_h": "weight_hh", "bias": "bias_ih"},
            ("weight_x", "weight_h"),
        )
        self.names["bias_h"] = "bias_hh"
        self.order = order

    def read(self, state: State, module: Module) -> State:
        """Return our arrays from PyTorch's."""
        state = {name: self._ordered(array) for name, array in state.items()}
        a, b = (state.get(name) for name in ("bias_ih", "bias_hh"))
        second = getattr(module, "bias_h", None) is not None
        if not second and a is not None and b is not None and a.shape == b.shape:
            state["bias_ih"] = a + b
            del state["bias_hh"]
        return super().read(state, module)

    def write(self, state: State, module: Module) -> State:
        """Return PyTorch's arrays from ours; its second bias is 0 if we have none."""
        state = super().write(state, module)
        state = {name: self._ordered(array) for name, array in state.items()}
        if "bias_ih" in state and "bias_hh" not in state:
            state["bias_hh"] = np.zeros_like(state["bias_ih"])
        return state

    def _ordered(self, array: Array) -> Any:
        """Swap the gates, which are blocks of rows; the order is its own inverse."""
        if array.shape[0] % len(self.order):
            return array
        blocks = np.split(array, len(self.order))
        return np.concatenate([blocks[i] for i in self.order])


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


# Cells: one step


class Cell(Module):
    """What the three cells have in common."""

    gates: ClassVar[int]
    n_states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        second_bias: bool = False,
        rng: Seed = None,
    ) -> None:
        for what, n in (("input_size", input_size), ("hidden_size", hidden_size)):
            if n < 1:
                raise RangeError(f"{type(self).__name__}: {what} is {n}; it is ≥ 1")
        rng, gates = backend.generator(rng), range(self.gates)
        self.input_size, self.hidden_size = input_size, hidden_size
        d, h = input_size, hidden_size
        of_x = [init.xavier_uniform((d, h), rng=rng) for _ in gates]
        of_h = [init.orthogonal((h, h), rng=rng) for _ in gates]
        self.weight_x = Parameter(np.concatenate(of_x, axis=1))
        self.weight_h = Parameter(np.concatenate(of_h, axis=1))
        self.bias = Parameter(init.zeros(self.gates * h)) if bias else None
        self.bias_h: Parameter | None = None
        if bias and second_bias:
            self.bias_h = Parameter(init.zeros(self.gates * h))

    def _biases(self) -> Any:
        """Return the sum of both biases where there are two."""
        if self.bias is None or self.bias_h is None:
            return self.bias
        return self.bias + self.bias_h

    def sequence(
        self,
        x: Tensor,
        states: States,
        mask: TensorLike | None = None,
        reverse: bool = False,
    ) -> States:
        """Run over time: x (N, T, D) -> y (N, T, H), and the states after."""
        raise NotImplementedError


class RNNCell(Cell):
    """h′ = tanh(x Wx + h Wh + b).    x (N, D), h (N, H) -> h′ (N, H).

    Without h, it is 0. nonlinearity: "tanh" or "relu".    Elman 1990.
    """

    gates = 1
    torch_layout: ClassVar[Layout] = Gates((0,))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        second_bias: bool = False,
        rng: Seed = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise RangeError(f'nonlinearity is "tanh" or "relu", not {nonlinearity!r}')
        super().__init__(
            input_size, hidden_size, bias, second_bias=second_bias, rng=rng
        )
        self.nonlinearity = nonlinearity

    @takes_one(1)
    def forward(self, x: Tensor, h: TensorLike | None = None) -> Tensor:
        """Return h′."""
        weights = self.weight_x, self.weight_h, self._biases()
        y: Tensor = ops.rnn_cell(x, h, *weights, nonlinearity=self.nonlinearity)
        return y

    def sequence(
        self,
        x: Tensor,
        states: States,
        mask: TensorLike | None = None,
        reverse: bool = False,
    ) -> States:
        """Run over time: x (N, T, D) -> y (N, T, H), h."""
        weights = self.weight_x, self.weight_h, self._biases()
        kind = self.nonlinearity
        y: States = ops.rnn(
            x, states[0], *weights, mask, reverse=reverse, nonlinearity=kind
        )
        return y


class LSTMCell(Cell):
    """i, f, o = σ(…), g = tanh(…);  c′ = f c + i g,  h′ = o tanh c′.

    x (N, D), (h, c) each (N, H) -> (h′, c′). Without states, they are 0.    Hochreiter
    & Schmidhuber 1997. The bias of f starts at `forget_bias`: with 1 the cell begins by
    remembering (Gers et al. 2000; Jozefowicz et al. 2015).
    """

    gates, n_states = 4, 2
    torch_layout: ClassVar[Layout] = Gates((0, 1, 3, 2))  # i, f, g, o there

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        forget_bias: float = 1.0,
        *,
        second_bias: bool = False,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, bias, second_bias=second_bias, rng=rng
        )
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = forget_bias

    @takes_one(1)
    def forward(self, x: Tensor, states: States = (None, None)) -> States:
        """Return (h′, c′)."""
        weights = self.weight_x, self.weight_h, self._biases()
        h, c = states
        y: States = ops.lstm_cell(x, h, c, *weights)
        return y

    def sequence(
        self,
        x: Tensor,
        states: States,
        mask: TensorLike | None = None,
        reverse: bool = False,
    ) -> States:
        """Run over time: x (N, T, D) -> y (N, T, H), h, c."""
        weights = self.weight_x, self.weight_h, self._biases()
        h, c = states
        y: States = ops.lstm(x, h, c, *weights, mask, reverse=reverse)
        return y


class GRUCell(Cell):
    """r, z = σ(…), n = tanh(aₙ + r uₙ);  h′ = (1 − z) n + z h.    Cho et al. 2014.

    x (N, D), h (N, H) -> h′ (N, H). Without h, it is 0. `bias_h` is added to h Wh, and
    its third for n is multiplied by r: see ops.gru_cell.
    """

    gates = 3
    torch_layout: ClassVar[Layout] = Gates((0, 1, 2))

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Seed = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, second_bias=True, rng=rng)

    @takes_one(1)
    def forward(self, x: Tensor, h: TensorLike | None = None) -> Tensor:
        """Return h′."""
        weights = self.weight_x, self.weight_h, self.bias, self.bias_h
        y: Tensor = ops.gru_cell(x, h, *weights)
        return y

    def sequence(
        self,
        x: Tensor,
        states: States,
        mask: TensorLike | None = None,
        reverse: bool = False,
    ) -> States:
        """Run over time: x (N, T, D) -> y (N, T, H), h."""
        weights = self.weight_x, self.weight_h, self.bias, self.bias_h
        y: States = ops.gru(x, states[0], *weights, mask, reverse=reverse)
        return y


# Layers: cells over time


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
        self, x: Tensor, state: Any = None, lengths: TensorLike | None = None
    ) -> tuple[Tensor, Any]:
        """Return y and the state after.

        lengths  leaves out what is beyond: y is 0 there, the state is that of the last
                 token, and the way back begins with the last token
        """
        if x.ndim == 2 and lengths is None:  # one sequence, without a batch
            y, state = self.forward(x[None], _each(state, lambda s: s[:, None]))
            return y[0], _each(state, lambda s: s[:, 0])
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

    def multiply_adds(self, inputs: tuple[Any, ...], output: Tensor) -> int:
        """Return what the products cost: both weights of every cell, at every time."""
        times = inputs[0].size // self.cells[0].input_size
        return int(times * sum(c.weight_x.size + c.weight_h.size for c in self.cells))

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

    def _check(self, x: Tensor, lengths: TensorLike) -> None:
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
    second_bias    a bias beside h Wh as well, as PyTorch has it: for weights that come
                   from there and are trained on, since Adam moves each of the two

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


def _each(state: Any, f: Callable[[Any], Any]) -> Any:
    """Return f of the state, or of each part of it."""
    if state is None:
        return None
    return tuple(f(s) for s in state) if isinstance(state, (tuple, list)) else f(state)


def detach_state(state: Any) -> Any:
    """Return the same state without its past: no gradient goes back beyond it."""
    if isinstance(state, (tuple, list)):
        return tuple(detach_state(s) for s in state)
    return ops.detach(state)


def _mask(x: Tensor, lengths: TensorLike) -> Array:
    """Return which times of x are tokens, where x is; None if all are."""
    mask = ops.length_mask(values(lengths), x.shape[1])
    if type(mask) is np.ndarray and mask.all():  # not so for one that is traced
        return None
    return backend.to_device(mask, x.device)
