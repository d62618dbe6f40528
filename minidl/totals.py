"""The gradients that have arrived so far, and who owns their memory."""

from __future__ import annotations

from typing import Any

from minidl.autograd import Output, as_array
from minidl.backend import Array, namespace
from minidl.errors import DTypeError
from minidl.tensor import Tensor, values


class Scatter:
    """A gradient that is zero but at x[index]: returned by the backward of indexing.

    The engine adds it into a buffer of its own, so that T steps of a loop over x[:, t]
    cost O(T), not O(T²).
    """

    __slots__ = ("g", "index", "shape")

    def __init__(self, index: Any, g: Any, shape: tuple[int, ...]) -> None:
        self.index, self.g, self.shape = index, g, shape

    def dense(self) -> Any:
        """The gradient with its zeros; a Tensor if g is one."""
        return ops.scatter(self.g, index=self.index, shape=self.shape)

    def add_to(self, total: Array) -> None:
        """Add g to total[index]; where an index repeats, all its shares count."""
        ops.add_at(total, self.index, self.g)


class Totals:
    """The sum of the gradients that have arrived at each receiver.

    A receiver is a node, one of several outputs of a node, or a leaf.
    """

    def __init__(self) -> None:
        self.sums: dict[Any, Any] = {}
        self.owned: set[Any] = set()  # receivers whose sum is memory of ours
        self.outputs: dict[Any, list[Output]] = {}  # those that got something, by node

    def add(self, to: Any, g: Any, new: bool = False) -> None:
        """Add g to what has arrived; `new`: its memory is nobody else's."""
        old = self.sums.get(to)
        if old is None:
            self.sums[to] = g
            if new:
                self.owned.add(to)
            if type(to) is Output:
                self.outputs.setdefault(to.node, []).append(to)
        else:
            self.sums[to] = self._added(to, old, g)
            self.owned.add(to)

    def _added(self, to: Any, old: Any, g: Any) -> Any:
        """Return old + g: a new array or Tensor, or old itself where it is ours."""
        ours = to in self.owned
        if type(old) is Scatter:
            old, ours = old.dense(), True
        # region a1.3: what was used twice gets both gradients, in memory of its own
        if isinstance(old, Tensor) or not ours:
            return old + (g.dense() if type(g) is Scatter else g)
        if type(g) is Scatter:
            g.add_to(old)
        else:
            old += g
        return old
        # endregion

    def take(self, node: Any, goals: set[Any], create: bool) -> Any:
        """Return what arrived at a node, None if nothing did; it stays for a goal.

        A node with several outputs gets a list; an output that nobody used gets zeros
        that take no memory.
        """
        if node.outputs is None:
            if goals and node in goals:
                g = self.sums.get(node)
            else:
                g = self.sums.pop(node, None)
            return g.dense() if type(g) is Scatter else g
        arrived = self.outputs.pop(node, None)
        if arrived is None:
            return None
        gs: list[Any] = [None] * len(node.outputs)
        for output in arrived:
            g = self.sums[output] if output in goals else self.sums.pop(output)
            gs[output.index] = g.dense() if type(g) is Scatter else g
        like = values(next(g for g in gs if g is not None))
        for i, (shape, dtype) in enumerate(node.outputs):
            if gs[i] is None:
                xp = namespace(like)
                zeros = xp.broadcast_to(xp.zeros((), dtype), shape)
                gs[i] = Tensor(zeros, copy=False) if create else zeros
        return gs

    def of(self, x: Tensor) -> Any:
        """Return what arrived at x: memory of its own, a Tensor, or None."""
        to = receiver(x)
        g = self.sums.get(to)
        if type(g) is Scatter:
            g = g.dense()
        elif g is not None and not isinstance(g, Tensor) and to not in self.owned:
            g = g.copy()
        if g is not None and g.dtype != x.dtype:
            raise DTypeError(
                f"a gradient of {g.dtype} arrived at a Tensor of {x.dtype}: some "
                "operation on the way changed the dtype"
            )
        return as_array(g)


def receiver(x: Tensor) -> Any:
    """Return where the gradient of x goes: to what made it, or to x, a leaf."""
    return x if x.source is None else x.source


def fresh(gx: Any, g: Any, gradients: Any = ()) -> bool:
    """Whether gx is new memory that goes to one place only, so that it may be kept."""
    if gx is g or getattr(gx, "base", gx) is not None:
        return False
    places = 0
    for other in gradients:
        places += other is gx
    return places <= 1


# The knot: adding up gradients is an operation.
from minidl import ops  # noqa: E402
