"""One step of a recurrent network, as a layer; nn/recurrent.py runs it over sequences.

Throughout:  x input (N, D)    h, c states (N, H)    k gates, side by side in
             weight_x (D, kH), weight_h (H, kH), bias (kH,)

Weights start gate by gate: those of x as Xavier's uniform, those of h orthogonal, so
that a signal keeps its length from step to step (Saxe, McClelland & Ganguli 2014).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minidl import backend, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.errors import RangeError
from minidl.nn import init
from minidl.nn.interchange import Layout, State
from minidl.nn.module import Module, Parameter

States = tuple[Any, ...]


class Gates(Layout):
    """PyTorch's names, transposed; gates in another order; a second bias.

    order   for each of our gates its place among PyTorch's
    second  whether we keep the second bias, too; else the two are added up
    """

    def __init__(self, order: tuple[int, ...], second: bool = False) -> None:
        super().__init__(
            {"weight_x": "weight_ih", "weight_h": "weight_hh", "bias": "bias_ih"},
            ("weight_x", "weight_h"),
        )
        self.order, self.second = order, second
        if second:
            self.names["bias_h"] = "bias_hh"

    def read(self, state: State, module: Any) -> State:
        """Return our arrays from PyTorch's."""
        state = {name: self._ordered(array) for name, array in state.items()}
        a, b = (state.get(name) for name in ("bias_ih", "bias_hh"))
        if not self.second and a is not None and b is not None and a.shape == b.shape:
            state["bias_ih"] = a + b
            del state["bias_hh"]
        return super().read(state, module)

    def write(self, state: State, module: Any) -> State:
        """Return PyTorch's arrays from ours; its second bias is 0 if we have none."""
        state = super().write(state, module)
        state = {name: self._ordered(array) for name, array in state.items()}
        if "bias_ih" in state and not self.second:
            state["bias_hh"] = np.zeros_like(state["bias_ih"])
        return state

    def _ordered(self, array: Any) -> Any:
        """Swap the gates, which are blocks of rows; the order is its own inverse."""
        if array.shape[0] % len(self.order):
            return array
        blocks = np.split(array, len(self.order))
        return np.concatenate([blocks[i] for i in self.order])


class Cell(Module):
    """What the three cells have in common."""

    gates: ClassVar[int]
    n_states: ClassVar[int] = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Seed = None
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

    def sequence(
        self, x: Tensor, states: States, mask: Any = None, reverse: bool = False
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
        rng: Seed = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise RangeError(f'nonlinearity is "tanh" or "relu", not {nonlinearity!r}')
        super().__init__(input_size, hidden_size, bias, rng=rng)
        self.nonlinearity = nonlinearity

    def forward(self, x: Tensor, h: Any = None) -> Tensor:
        """Return h′."""
        weights = self.weight_x, self.weight_h, self.bias
        y: Tensor = ops.rnn_cell(x, h, *weights, nonlinearity=self.nonlinearity)
        return y

    def sequence(
        self, x: Tensor, states: States, mask: Any = None, reverse: bool = False
    ) -> States:
        """Run over time: x (N, T, D) -> y (N, T, H), h."""
        weights = self.weight_x, self.weight_h, self.bias
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
        rng: Seed = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, rng=rng)
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = forget_bias

    def forward(self, x: Tensor, states: Any = (None, None)) -> States:
        """Return (h′, c′)."""
        weights = self.weight_x, self.weight_h, self.bias
        h, c = states
        y: States = ops.lstm_cell(x, h, c, *weights)
        return y

    def sequence(
        self, x: Tensor, states: States, mask: Any = None, reverse: bool = False
    ) -> States:
        """Run over time: x (N, T, D) -> y (N, T, H), h, c."""
        weights = self.weight_x, self.weight_h, self.bias
        h, c = states
        y: States = ops.lstm(x, h, c, *weights, mask, reverse=reverse)
        return y


class GRUCell(Cell):
    """r, z = σ(…), n = tanh(aₙ + r uₙ);  h′ = (1 − z) n + z h.    Cho et al. 2014.

    x (N, D), h (N, H) -> h′ (N, H). Without h, it is 0. `bias_h` is added to h Wh, and
    its third for n is multiplied by r: see ops.gru_cell.
    """

    gates = 3
    torch_layout: ClassVar[Layout] = Gates((0, 1, 2), second=True)

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Seed = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, rng=rng)
        self.bias_h = Parameter(init.zeros(3 * hidden_size)) if bias else None

    def forward(self, x: Tensor, h: Any = None) -> Tensor:
        """Return h′."""
        weights = self.weight_x, self.weight_h, self.bias, self.bias_h
        y: Tensor = ops.gru_cell(x, h, *weights)
        return y

    def sequence(
        self, x: Tensor, states: States, mask: Any = None, reverse: bool = False
    ) -> States:
        """Run over time: x (N, T, D) -> y (N, T, H), h."""
        weights = self.weight_x, self.weight_h, self.bias, self.bias_h
        y: States = ops.gru(x, states[0], *weights, mask, reverse=reverse)
        return y
