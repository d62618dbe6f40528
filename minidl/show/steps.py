"""Backpropagation, step by step: the values forward, then the gradients back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import ops
from minidl.engine.modes import watchers
from minidl.engine.op import Node
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import GraphError
from minidl.ops.indexing import Scatter
from minidl.show import style
from minidl.show.graph import Drawing, sketch_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minidl.show.picture import Picture


class _Recorder:
    """Watches the engine: what each node computed, and what its backward received."""

    def __init__(self) -> None:
        self.value: Any = None
        self.inputs: dict[Node, Any] = {}
        self.values: dict[Node, Any] = {}
        self.steps: list[tuple[Node, list[Any], Any, Any]] = []

    def __enter__(self) -> _Recorder:
        watchers.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        watchers.remove(self)

    def computed(self, op: Any, arrays: Sequence[Any], made: tuple[Any, ...]) -> None:
        self.value = made[0]

    def recorded(self, node: Node, arrays: Sequence[Any]) -> None:
        self.values[node], self.inputs[node] = self.value, arrays

    def before(self, node: Node) -> None:
        pass

    def after(self, node: Node, gs: Any, gradients: Any) -> None:
        self.steps.append((node, list(node.edges), gs, gradients))


def backward_steps(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    *,
    columns: int | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw one panel for f(**inputs) going forward, and one for each step of backward.

    f       computes a scalar Tensor from Tensors
    inputs  {name: number or array}, in float64 here; the names are f's parameters

    Blue are the values, red the gradients ∂y/∂· as far as they are known; a node that
    feeds several others adds up what comes back from them.
    """
    leaves = {
        name: Tensor(np.array(x, dtype=np.float64), requires_grad=True)
        for name, x in inputs.items()
    }
    with _Recorder() as seen:
        y = f(**leaves)
        if not isinstance(y, Tensor) or y.size != 1:
            raise GraphError(
                "backward_steps: f must return a Tensor that holds one number, such as "
                "a loss; add .sum() to make one"
            )
        sketch, numbers = sketch_of(y, leaves, limit=24, inputs=seen.inputs)
        y.backward()
    above = {numbers[k]: _short(v) for k, v in seen.values.items() if k in numbers}
    used = [leaf for leaf in leaves.values() if leaf in numbers]
    above |= {numbers[leaf]: _short(leaf.data) for leaf in used}
    with style.sheet():
        drawing = Drawing(sketch, step=0.62, row=0.8)
        drawing.ink = style.VERMILION
        fig, panels = _panels(drawing, 1 + len(seen.steps), columns)
        drawing.draw(panels[0], above=above)
        panels[0].set_title("Forward: values, in blue")
        totals: dict[int, Any] = {}
        for i, step in enumerate(seen.steps, start=1):
            node = step[0]
            _add(totals, numbers, step)
            below = {k: _short(v) for k, v in totals.items()}
            drawing.draw(panels[i], above=above, below=below, lit=numbers[node])
            title = f"{i}. Back through {node.name}" + ": gradients, in red" * (i == 1)
            panels[i].set_title(title)
        return fig.finish(path)


def _panels(
    drawing: Drawing, count: int, columns: int | None
) -> tuple[Picture, list[Axes]]:
    """Return a figure with `count` places for a drawing, the others left empty."""
    columns = min(count, columns or (1 if drawing.width > 4.6 else 2))
    rows = -(-count // columns)
    width, height = drawing.width + 0.25, drawing.height + 0.42
    fig, axes = style.figure(rows, columns, width=columns * width, height=rows * height)
    for ax in axes.flat[count:]:
        ax.remove()
    return fig, list(axes.flat[:count])


def _add(totals: dict[int, Any], numbers: dict[Any, int], step: Any) -> None:
    """Add what one step of backward sent to the inputs of its node."""
    node, edges, gs, gradients = step
    totals[numbers[node]] = gs[0] if len(gs) == 1 else gs
    for edge, gx in zip(edges, gradients, strict=True):
        if edge is not None:
            maker, i = edge
            shape = maker.shapes[i] if isinstance(maker, Node) else maker.shape
            at = numbers[maker]
            totals[at] = totals.get(at, 0) + _fitted(gx, shape)


def _fitted(g: TensorLike, shape: tuple[int, ...]) -> Any:
    """Return a gradient in the shape of its input, as the engine makes it."""
    g = g.dense() if isinstance(g, Scatter) else g
    return g if g.shape == shape else ops.sum_to(g, shape=shape)


def _short(x: TensorLike) -> str:
    """Write a number in a few letters, an array as its shape."""
    x = np.asarray(x)
    return f"{x.item():.3g}".replace("-", "−") if x.size == 1 else str(x.shape)
