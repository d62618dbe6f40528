"""The walk: from ∂L/∂y to the gradients of the leaves, youngest node first.

A node is younger than all that it depends on, so that walking by age meets every node
after all those that use it: its gradient is then complete. No recursion: a chain of a
million operations is a loop of a million rounds.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from minidl.autograd import Node, Output
from minidl.errors import GraphError
from minidl.modes import watchers
from minidl.tensor import Tensor
from minidl.totals import Totals, fresh, receiver
from minidl.writes import writes

by_tick = operator.attrgetter("tick")


def pull(
    ys: list[Tensor],
    gs: list[Any],
    xs: list[Tensor] | None = None,
    *,
    create: bool = False,
    retain: bool = False,
) -> Totals:
    """Walk from ys to the leaves, or only as far as xs; return what arrived there."""
    totals = Totals()
    for y, g in zip(ys, gs, strict=True):
        totals.add(receiver(y), g)
    order = _ancestors(ys)
    goals = {receiver(x) for x in xs or ()}
    path = None if xs is None else _path(order, goals)
    while order:  # the youngest node stands last
        node = order.pop()
        g = totals.take(node, goals, create)
        if g is None or (path is not None and node not in path):
            continue
        edges = node.edges
        if path is not None:
            edges = [e if e in goals or _node(e) in path else None for e in edges]
        if type(node.back) is tuple and not (create or writes.last > node.tick):
            _pull_plain(node, g, edges, totals)
        else:
            _pull_any(node, g, edges, totals, create)
        if not retain:
            node.back = node.inputs = None
            node.edges = ()
    return totals


def _pull_any(
    node: Node, g: Any, edges: Sequence[Any], totals: Totals, create: bool
) -> None:
    """Send the gradients of a node's inputs on their ways, whatever its kind."""
    gradients = _gradients(node, g, edges, create)
    for gx, to in zip(gradients, edges, strict=True):
        if to is not None:
            new = not create and fresh(gx, g, gradients)
            totals.add(to, _fit(node, gx, to), new)


def _pull_plain(node: Node, g: Any, edges: Sequence[Any], totals: Totals) -> None:
    """The same for one map per input, on arrays: the common case, in few steps."""
    if node.outputs is not None or watchers:
        return _pull_any(node, g, edges, totals, create=False)
    sums = totals.sums
    for way, to in zip(node.back, edges, strict=True):
        if to is not None:
            gx = way(g) if way else None
            first = type(to) is Node and to not in sums
            if first and gx is not None and gx.shape == to.shape:
                sums[to] = gx
            else:
                totals.add(to, _fit(node, gx, to), fresh(gx, g))
    return None


def _node(receiver: Any) -> Any:
    return receiver.node if type(receiver) is Output else receiver


def _ancestors(ys: list[Tensor]) -> list[Node]:
    """Every node that ys depend on, the oldest first."""
    # region a1.4: each node once, however many ways lead to it, in the order of age
    waiting = [y.node for y in ys if y.node is not None]
    found = set(waiting)
    order = []
    while waiting:
        node = waiting.pop()
        order.append(node)
        for to in node.edges:
            if type(to) is Output:
                to = to.node
            if type(to) is Node and to not in found:
                found.add(to)
                waiting.append(to)
    order.sort(key=by_tick)
    # endregion
    return order


def _path(order: list[Node], goals: set[Any]) -> set[Node]:
    """The nodes between ys and the goals: those from which a goal can be reached."""
    path: set[Node] = set()
    for node in order:  # the oldest first, so that what it depends on is decided
        if any(e in goals or _node(e) in path for e in node.edges):
            path.add(node)
    return path


def _gradients(
    node: Node, g: Any, edges: Sequence[Any], create: bool
) -> tuple[Any, ...]:
    """Ask a node for the gradients of its inputs, one for each edge."""
    back = node.back
    if back is None:
        raise GraphError(
            f"backward came to {node.name} a second time, and its graph was freed by "
            "the first; say retain_graph=True the first time, or compute y again"
        )
    again = create and node.inputs is not None
    if writes.last > node.tick and writes.since(
        node.tick, node.inputs if again else back
    ):
        raise GraphError(
            f"{node.name} saved an array for its backward that was written in place "
            "since (by x[...] = v, an optimizer's step, or x += v under no_grad); call "
            "backward before writing, or write into a copy"
        )
    if watchers:
        watchers[-1].before(node)
    if again:  # once more, on Tensors: the closure it returns now speaks Tensor
        back = node.op.body(*node.inputs, **node.settings)[1]
    gs = g if node.outputs is not None else (g,)
    if type(back) is tuple:
        pairs = zip(back, edges, strict=True)
        out = tuple(way(*gs) if to is not None and way else None for way, to in pairs)
    else:
        if back.__code__.co_argcount > len(gs):  # backward(g, wanted)
            gs = (*gs, [to is not None for to in edges])
        out = back(*gs)
        out = out if type(out) is tuple else (out,)
    if watchers:
        watchers[-1].after(node, g, out)
    return out


def _fit(node: Node, gx: Any, to: Any) -> Any:
    """Return gx, summed to the input's shape if the op broadcasts; else it is wrong."""
    if gx is None:
        raise GraphError(
            f"{node.name} has no gradient for an input that requires one (labels, "
            "masks and indices have none); detach() that input"
        )
    if gx.shape == to.shape:
        return gx
    if node.op.broadcasts:
        return ops.sum_to(gx, shape=to.shape)
    raise GraphError(
        f"{node.name} returned a gradient of shape {gx.shape} for an input of shape "
        f"{to.shape}; they must be equal: was a .sum(axis=0) forgotten in its backward?"
    )


# The knot: un-broadcasting is an operation.
from minidl import ops  # noqa: E402
