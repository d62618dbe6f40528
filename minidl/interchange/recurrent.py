"""Rows of the table for recurrent operations: ONNX has nodes for whole sequences.

There time comes first, (T, N, D), weights are (1, gates · H, D), the gates stand in
another order, and lengths take the place of a mask. A cell is a sequence of one time.

Throughout:  x input (N, T, D)    wx (D, K), wh (H, K) weights    b, bh (K,) biases
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.interchange.graph import Graph, Operand
from minidl.interchange.rows import Settings, Xs, row

ORDERS = {"RNN": (0,), "LSTM": (0, 2, 1, 3), "GRU": (1, 0, 2)}  # i o f g; z r n


def weight(g: Graph, w: Any, order: Sequence[int]) -> Operand:
    """Return a weight (D, K) as (1, K, D), the gates in ONNX's order."""
    turned = g.transpose(g.constant(w), (1, 0))
    y: Operand = g("Unsqueeze", in_order(g, turned, order), [0])
    return y


def in_order(g: Graph, x: Operand, order: Sequence[int]) -> Operand:
    """Return the blocks of the first axis in another order."""
    size = x.shape[0] // len(order)
    places = [i * size + j for i in order for j in range(size)]
    y: Operand = x if len(order) == 1 else g("Gather", x, places, axis=0)
    return y


def biases(g: Graph, bs: Sequence[Any], order: Sequence[int], zeros: Any) -> Any:
    """Return both biases side by side, (1, 2K); 0 for one that is missing."""
    if all(b is None for b in bs):
        return None
    pair = (g.constant(zeros if b is None else b) for b in (*bs, None)[:2])
    both = g("Concat", *(in_order(g, b, order) for b in pair), axis=0)
    return g("Unsqueeze", both, [0])


def run(
    g: Graph, kind: str, xs: Sequence[Any], settings: dict[str, Any], cell: bool
) -> list[Any]:
    """Add the node; return y (N, T, H) and the states after, (N, H).

    xs  x, states, wx, wh, biases, mask
    """
    x, states, wx, wh, bs, mask = xs
    order, wh = ORDERS[kind], g.constant(wh)
    zeros = np.zeros(wh.shape[1], wh.dtype)
    x = g("Unsqueeze", x, [0]) if cell else g.transpose(g.constant(x), (1, 0, 2))
    lengths = None
    if mask is not None:  # true at the first times of each sequence: their number
        count = g.reduce("ReduceSum", g.like(g.constant(mask), np.int32), [1], False)
        lengths = count
    given = [None if s is None else g("Unsqueeze", g.constant(s), [0]) for s in states]
    y, *after = g(
        kind,
        x,
        weight(g, wx, order),
        weight(g, wh, order),
        biases(g, bs, order, zeros),
        lengths,
        *given,
        n=1 + len(states),
        hidden_size=wh.shape[0],
        **settings,
    )
    y = g("Squeeze", y, [1])._replace(shape=(1, 1, 1))
    y = y if cell else g.transpose(y, (1, 0, 2))
    return [y, *(g("Squeeze", s, [0]) for s in after)]


def direction(s: Settings) -> dict[str, str]:
    """Return which way it reads."""
    return {"direction": "reverse" if s.get("reverse") else "forward"}


@row("rnn", "rnn_cell")
def rnn(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """h′ = tanh(x wx + h wh + b)."""
    x, h, wx, wh, b, *mask = xs
    cell = s["name"] == "rnn_cell"
    name = {"tanh": "Tanh", "relu": "Relu"}[s.get("nonlinearity", "tanh")]
    how = {"activations": [name], **direction(s)}
    given = (x, [h], wx, wh, [b], mask[0] if mask else None)
    after = run(g, "RNN", given, how, cell)
    return after[1] if cell else after


@row("lstm", "lstm_cell")
def lstm(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Long short-term memory."""
    x, h, c, wx, wh, b, *mask = xs
    cell = s["name"] == "lstm_cell"
    if (h is None) != (c is None):  # there both or none
        raise ValueError("to_onnx: give the LSTM h and c, or neither")
    given = (x, [h, c], wx, wh, [b], mask[0] if mask else None)
    after = run(g, "LSTM", given, direction(s), cell)
    return after[1:] if cell else after


@row("gru", "gru_cell")
def gru(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """The gated recurrent unit, with r after the product."""
    x, h, wx, wh, b, bh, *mask = xs
    cell = s["name"] == "gru_cell"
    how = {"linear_before_reset": 1, **direction(s)}
    given = (x, [h], wx, wh, [b, bh], mask[0] if mask else None)
    after = run(g, "GRU", given, how, cell)
    return after[1] if cell else after
