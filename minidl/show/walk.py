"""Backward over a graph that stands, one node after the other, and what each one sends.

Two orders: by age, as the engine goes, and as a recursion would go, at once with what
has arrived so far. Neither writes into `.grad`, nor frees the graph.

    g     ∂L/∂y of a node's output        totals   {(node or leaf, which output): ∂L/∂·}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.engine.backward import gradients_of
from minidl.engine.modes import no_grad
from minidl.engine.op import Node
from minidl.engine.tensor import Edge, Tensor, TensorLike, values
from minidl.ops.indexing import Scatter
from minidl.ops.shape import sum_to
from minidl.show.style import numbers

Totals = dict[Edge, Any]
JACOBIAN = 64  # numbers: a larger one is not shown
VISITS = 120  # of the recursion


@dataclass(frozen=True)
class Arrival:
    """What one edge carries: before + sent = after at the maker of that input."""

    which: int
    edge: Edge
    sent: Array
    before: Array
    after: Array


@dataclass(frozen=True)
class Visit:
    """One node on the way: the gradients of its outputs, and what it sends on."""

    node: Node
    gs: list[Any]
    arrivals: list[Arrival]
    totals: Totals


def by_age(y: Tensor, nodes: Iterable[Node]) -> list[Visit]:
    """Visit the youngest node first, so that all that use it have been visited."""
    totals: Totals = {_root(y): namespace(y.data).ones_like(y.data)}
    order = sorted(nodes, key=lambda node: node.tick, reverse=True)
    return [visit(node, totals) for node in order]


def as_recursion(y: Tensor) -> list[Visit] | None:
    """Go on from each input at once, with what has been added up there so far.

    Returns None where that takes more than 120 visits. The stack stands in the place
    of the function that calls itself.
    """
    totals: Totals = {_root(y): namespace(y.data).ones_like(y.data)}
    visits: list[Visit] = []
    stack: list[Iterator[Node | None]] = [iter([y.node])]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            continue
        if len(visits) == VISITS:
            return None
        visits.append(Visit(node, _arrived(node, totals), [], {}))
        stack.append(_one_by_one(node, visits[-1], totals))
    return visits


def _one_by_one(node: Node, at: Visit, totals: Totals) -> Iterator[Node | None]:
    """Send to one input after the other, and yield the node there, if it is one."""
    for arrival in visit(node, dict(totals)).arrivals:
        edge = arrival.edge
        before = totals.get(edge)
        totals[edge] = arrival.sent if before is None else before + arrival.sent
        now = Arrival(arrival.which, edge, arrival.sent, before, totals[edge])
        at.arrivals.append(now)
        at.totals.update(totals)
        if isinstance(edge[0], Node):
            yield edge[0]


def visit(node: Node, totals: Totals) -> Visit:
    """Send what has arrived at a node on to its inputs, and add it up there."""
    gs, arrivals = _arrived(node, totals), []
    for i, (edge, gx) in enumerate(zip(node.edges, ways(node, gs), strict=True)):
        if edge is not None:
            before = totals.get(edge)
            totals[edge] = gx if before is None else before + gx
            arrivals.append(Arrival(i, edge, gx, before, totals[edge]))
    return Visit(node, gs, arrivals, dict(totals))


def ways(node: Node, gs: list[Any]) -> list[Any]:
    """Return the gradient of each input, in the shape of that input."""
    found = gradients_of(node, gs, node.edges, False)
    return [
        gx if edge is None else _fitted(gx, shape_of(edge))
        for gx, edge in zip(found, node.edges, strict=True)
    ]


def jacobian(node: Node, which: int, g: Any) -> Any:
    """Return ∂y_i/∂x_j of a node with one small output, or None; rows are y.

    g   an array of the output's kind
    """
    edge = node.edges[which]
    if edge is None or len(node.shapes) != 1:
        return None
    n, m = int(np.prod(node.shapes[0])), int(np.prod(shape_of(edge)))
    if n * m > JACOBIAN or not n * m:
        return None
    rows = [
        numbers(ways(node, [row.reshape(g.shape)])[which]).reshape(-1)
        for row in namespace(g).eye(n, dtype=g.dtype)
    ]
    return np.stack(rows)


def values_of(y: Tensor, nodes: Iterable[Node]) -> dict[Edge, Any]:
    """Return the value of each output, as far as it can be computed again.

    Linear operations keep no inputs: their values come from those who used them, or
    from what they were computed from; a constant beside it may be lost.
    """
    known: dict[Edge, Any] = {_root(y): y.data}
    for node in sorted(nodes, key=lambda node: node.tick):
        inputs = node.inputs
        for edge, x in zip(node.edges, inputs or [None] * len(node.edges), strict=True):
            if edge is not None and isinstance(edge[0], Tensor):
                known[edge] = edge[0].data
            elif edge is not None and x is not None:
                known.setdefault(edge, values(x))
        if inputs is None:
            found = [None if edge is None else known.get(edge) for edge in node.edges]
        else:
            found = [values(x) for x in inputs]
        if (node, 0) not in known and (inputs is not None or _whole(found)):
            with no_grad():
                made = node.op(*found, **node.settings)
            made = made if isinstance(made, tuple) else (made,)
            known |= {(node, i): v for i, v in enumerate(made[: len(node.shapes)])}
    return known


def _whole(found: list[Any]) -> bool:
    return all(x is not None for x in found)


def shape_of(edge: Edge) -> tuple[int, ...]:
    """Return the shape of what an edge leads to."""
    maker, i = edge
    return maker.shapes[i] if isinstance(maker, Node) else maker.shape


def _root(y: Tensor) -> Edge:
    assert y.edge is not None
    return y.edge


def _arrived(node: Node, totals: Totals) -> list[Any]:
    return [totals.get((node, i)) for i in range(len(node.shapes))]


def _fitted(g: TensorLike, shape: tuple[int, ...]) -> Any:
    """Return a gradient in the shape of its input, as the engine makes it."""
    g = g.dense() if isinstance(g, Scatter) else g
    return g if g.shape == shape else sum_to(g, shape=shape)
