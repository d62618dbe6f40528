"""Backward: from ∂L/∂y to the gradients of the leaves, the youngest node first.

Operations left behind nodes with maps from ∂L/∂y to ∂L/∂x; here the maps are called.

    g     the gradient of an output        an edge     (node or leaf, which output)

A node is younger than all that it depends on: walking by age meets it after all that
use it, when its gradient is complete. A loop, and no recursion.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import namespace
from minidl.engine import messages
from minidl.engine.inputs import Narrow
from minidl.engine.modes import enable_grad, mode, watchers
from minidl.engine.op import FIRST, Node, Rule, as_array, wrap
from minidl.engine.tensor import Edge, Tensor, TensorLike, edge_of, values
from minidl.engine.versions import versions
from minidl.errors import ShapeError
from minidl.ops.indexing import Scatter
from minidl.ops.shape import sum_to

by_tick = operator.attrgetter("tick")


def backward(
    y: Tensor, gradient: TensorLike | None = None, retain_graph: bool = False
) -> None:
    """Add ∂y/∂leaf into `leaf.grad` for every leaf that requires a gradient."""
    sums = pull([y], [_seed(y, gradient)], retain=retain_graph)
    for leaf, g in [(leaf, sums.total(leaf)) for leaf in sums.arrived]:
        if mode.reached is not None:
            mode.reached.setdefault(leaf, leaf.grad)
        if leaf.grad is None:
            leaf.grad = g
        else:
            if mode.careful:
                messages.look_for_zero_grad(leaf)
            leaf.grad += g


def grad(
    ys: Tensor | Sequence[Tensor],
    xs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Return Σ ∂ys/∂x for each x: plain arrays, or Tensors to differentiate again.

    ys, xs        a Tensor or several; xs may be leaves or computed on the way
    grad_outputs  ∂L/∂y for each y, where ys are no scalars
    create_graph  return Tensors whose graph can be differentiated, to any order
    allow_unused  give None for an x that no y depends on, in place of a GraphError

    >>> x = Tensor(2.0, requires_grad=True)
    >>> (dx,) = grad(x * x * x, x, create_graph=True)
    >>> grad(dx, x)
    (array(12., dtype=float32),)
    """
    ys, xs = _listed(ys), _listed(xs)
    gs = [None] * len(ys) if grad_outputs is None else _listed(grad_outputs)
    if len(gs) != len(ys):
        raise ShapeError(f"grad_outputs has {len(gs)} gradients for {len(ys)} outputs")
    if not all(x.requires_grad for x in xs):
        raise messages.no_gradient_wanted()
    seeds = [_seed(y, g) for y, g in zip(ys, gs, strict=True)]
    if not create_graph:
        sums = pull(ys, seeds, xs, retain=retain_graph)
    else:
        seeds = [g if isinstance(g, Tensor) else Tensor(g, copy=False) for g in seeds]
        with enable_grad():
            sums = pull(ys, seeds, xs, create=True, retain=True)
    found = tuple([sums.total(x) for x in xs])
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise messages.unused(i)
    return found


def _listed(x: TensorLike) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _seed(y: TensorLike, g: TensorLike) -> Any:
    """Return ∂L/∂y to start from: 1 for the loss itself."""
    if not (isinstance(y, Tensor) and y.requires_grad) or (g is None and y.size != 1):
        raise messages.no_start(y)
    if g is None:
        return namespace(y.data).ones_like(y.data)
    data = values(g) if hasattr(g, "dtype") else np.asarray(g, dtype=y.dtype)
    if data.shape != y.shape or data.dtype != y.dtype:
        raise messages.wrong_start(y, data)
    return g if isinstance(g, Tensor) else data


def pull(  # noqa: C901  the hot loop, which calls as little as it can
    ys: list[Tensor],
    gs: list[Any],
    xs: list[Tensor] | None = None,
    *,
    retain: bool,
    create: bool = False,
) -> Sums:
    """Walk from ys to the leaves, or only as far as xs; return what arrived there."""
    sums, order = Sums(gs), _ancestors(ys)
    goals = {edge_of(x) for x in xs or ()}
    path = None if xs is None else _path(order, goals)
    for y, g in zip(ys, gs, strict=True):
        sums.add(*edge_of(y), g)
    told, add = create or bool(watchers), sums.add
    try:
        while order:  # the youngest node stands last
            node = order.pop()
            arrived = sums.arrived.pop(node, None)
            if arrived is None:
                continue
            back = node.back
            ends: list[Any] = node
            if path is not None:
                ends = _towards(goals, path, node)
                if any(to is node for to, _ in goals):
                    sums.arrived[node] = [*arrived]
                done = all(to is node for to, _ in goals)
                lost = all(to is None for to in ends)
                if lost and (done or node.back is not None):
                    continue
            slow = told or versions.last > node.tick
            # the common cases, in few steps: gradients_of would do the same
            if type(back) is Rule and node.which is FIRST and not slow:
                g, inputs = arrived[0], node.inputs
                for way, to in zip(back.ways, ends):  # noqa: B905
                    if to is not None:
                        add(to, 0, way(g, inputs), node)
            elif type(back) is tuple and len(arrived) == 1 and not slow:
                for way, to, i in zip(back, ends, node.which):  # noqa: B905  as counted
                    if to is not None:
                        add(to, i, way(*arrived) if way else None, node)
            else:
                gradients = gradients_of(node, arrived, ends, create)
                for gx, to, i in zip(gradients, ends, node.which):  # noqa: B905
                    if to is not None:
                        add(to, i, gx, node)
            if not retain:
                node.back, node.inputs = None, None
                node.clear()
    except Exception as error:
        raise messages.way_back_failed(node, error) from error
    return sums


def _ancestors(ys: list[Tensor]) -> list[Node]:
    """Every node that ys depend on, the oldest first."""
    # region a1.4: each node once, however many ways lead to it, in the order of age
    waiting = [y.node for y in ys if y.node is not None]
    found = set(waiting)
    order = []
    while waiting:
        node = waiting.pop()
        order.append(node)
        for to in node:
            if type(to) is Node and to not in found:
                found.add(to)
                waiting.append(to)
    order.sort(key=by_tick)
    # endregion
    return order


def _path(order: list[Node], goals: set[Edge]) -> set[Any]:
    """The nodes between ys and the goals: those from which a goal can be reached.

    A node that was freed has lost its edges: it may be one of them, and is an error.
    """
    path: set[Any] = set()
    for node in order:  # the oldest first, so that what it depends on is decided
        ends = _towards(goals, path, node)
        if node.back is None or any(to is not None for to in ends):
            path.add(node)
    return path


def _towards(goals: set[Edge], path: set[Any], node: Node) -> list[Any]:
    """Return where a node's gradients go, with None for what leads to no goal."""
    pairs = zip(node, node.which, strict=False)
    return [to if to in path or (to, i) in goals else None for to, i in pairs]


def gradients_of(
    node: Node, gs: list[Any], ends: Sequence[Any], create: bool
) -> Sequence[Any]:
    """Ask a node for the gradients of its inputs, one for each of its ends."""
    again = create and node.inputs is not None
    _check_saved(node, again)
    back: Any
    back, width = node.back if type(node.back) is Narrow else (node.back, None)
    if watchers:
        watchers[-1].before(node)
    gs = [g if g is not None else _zeros(node, i, gs, create) for i, g in enumerate(gs)]
    if again:  # once more, on Tensors: the closure it returns now speaks Tensor
        back = node.op.body(*_as_tensors(node), **node.settings)[1]
    wanted = [to is not None for to in ends]
    if type(back) is Rule:
        rules = zip(back.ways, wanted, strict=True)
        found = tuple([f(*gs, node.inputs) if want else None for f, want in rules])
    elif type(back) is tuple:
        pairs = zip(back, wanted, strict=True)
        found = tuple([way(*gs) if want and way else None for way, want in pairs])
    else:
        found = back(*gs, wanted) if back.__code__.co_argcount > len(gs) else back(*gs)
        found = found if type(found) is tuple else (found,)
        if len(found) != len(ends):
            raise messages.wrong_count(node.op, len(found), len(ends))
    if width is not None:
        fits = [getattr(g, "dtype", width) == width for g in found]
        pairs = zip(found, fits, strict=True)
        found = tuple([g if fit else g.astype(width) for g, fit in pairs])
    if watchers:
        watchers[-1].after(node, gs, found)
    return found


def _as_tensors(node: Node) -> list[Any]:
    """Return the inputs as they were: floats as Tensors, tracked by what made them."""
    xs = []
    for x, to, i in zip(node.inputs, node, node.which, strict=False):
        if type(to) is Node:
            x = wrap(x)
            x.node, x.output, x.requires_grad = to, i, True
        elif to is not None:
            x = to
        elif getattr(getattr(x, "dtype", None), "kind", "") == "f":
            x = wrap(x)
        xs.append(x)
    return xs


def _check_saved(node: Node, again: bool) -> None:
    """Raise GraphError if what a node saved for its backward is gone or changed."""
    if node.back is None:
        raise messages.freed(node)
    saved = node.inputs if again or type(node.back) is Rule else node.back
    if versions.last > node.tick and versions.since(node.tick, saved):
        raise messages.overwritten(node)


def _zeros(node: Node, i: int, gs: list[Any], create: bool) -> Any:
    """Return the gradient of an output that nobody used: zeros that take no memory."""
    like = values(next(g for g in gs if g is not None))
    xp = namespace(like)
    zeros = xp.broadcast_to(xp.zeros((), like.dtype), node.shapes[i])
    return Tensor(zeros, copy=False) if create else zeros


class Sums:
    """For each node or leaf, the sums of the gradients that arrived at its outputs."""

    def __init__(self, seeds: list[Any]) -> None:
        self.arrived: dict[Any, list[Any]] = {}
        self.ours: set[Edge] = set()  # where the sum is memory that nobody else knows
        self.given = {id(g) for g in seeds}  # arrays that belong to somebody

    def add(self, to: Any, i: int, g: TensorLike, node: Any = None) -> None:
        """Add what a node sends to what has arrived at output i of `to`, or a leaf."""
        shapes = to.shapes if type(to) is Node else (to.data.shape,)
        if g is None or g.shape != shapes[i]:
            if g is None or not node.op.broadcasts:
                raise messages.misfit(node, g, shapes[i])
            g = sum_to(g, shape=shapes[i])
        if (sums := self.arrived.get(to)) is None:
            if len(shapes) == 1 and type(g) is not Scatter:  # nearly always
                self.arrived[to] = [g]
                return
            sums = self.arrived[to] = [None] * len(shapes)
        if (old := sums[i]) is not None:
            g = _added(old, g, (to, i) in self.ours)
            self.ours.add((to, i))
        elif type(g) is Scatter:
            g = g.dense()
            self.ours.add((to, i))
        sums[i] = g

    def total(self, x: Tensor) -> Any:
        """Return what arrived at x: memory of its own, a Tensor, or None."""
        to, i = edge_of(x)
        g = as_array(self.arrived[to][i]) if to in self.arrived else None
        if g is not None and g.dtype != x.dtype:
            raise messages.changed_dtype(x, g)
        if g is not None and not isinstance(g, Tensor):
            if g.base is not None or id(g) in self.given:
                g = g.copy()
            self.given.add(id(g))
        return g


def _added(old: TensorLike, g: TensorLike, ours: bool) -> Any:
    """Return old + g: a new array or Tensor, or old itself where its memory is ours."""
    # region a1.3: what was used twice gets both gradients, in memory of its own
    if isinstance(old, Tensor) or not ours:
        return old + (g.dense() if type(g) is Scatter else g)
    if type(g) is Scatter:
        g.add_to(old)
    else:
        old += g
    return old
    # endregion
