"""Backpropagation, step by step: the values forward, then the gradients back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from minidl.engine.modes import Watcher
from minidl.engine.op import Node
from minidl.engine.tensor import Tensor
from minidl.errors import GraphError
from minidl.show import style
from minidl.show.graph import Drawing, sketch_of
from minidl.show.markup import short
from minidl.show.page import Page
from minidl.show.steps_page import steps_page
from minidl.show.walk import Visit, by_age, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minidl.show.picture import Picture


class _Recorder(Watcher):
    """Watches the engine, to see constants that a linear operation does not keep."""

    def __init__(self) -> None:
        self.inputs: dict[Node, Any] = {}

    def recorded(self, node: Node, arrays: Sequence[Any]) -> None:
        self.inputs[node] = arrays


@overload
def backward_steps(
    f: Tensor, inputs: Mapping[str, Tensor] | None = None, *,
    path: str | Path | None = None,
) -> Page: ...  # fmt: skip
@overload
def backward_steps(
    f: Callable[..., Any], inputs: Mapping[str, Any], *, columns: int | None = None,
    path: str | Path | None = None,
) -> Figure: ...  # fmt: skip


def backward_steps(
    f: Any, inputs: Mapping[str, Any] | None = None, *, columns: int | None = None,
    path: str | Path | None = None,
) -> Any:  # fmt: skip
    """Show backward node by node: a page to step through, or a picture of all steps.

    backward_steps(loss)          the page of a loss before its backward: what arrives
        at each node, the local derivative, what is sent and added up, why this order.
        inputs names leaves: dict(model.named_parameters()). Nothing is freed, and no
        `.grad` is written. A notebook shows it; path= or `.save(path)` writes it
    backward_steps(f, {"x": 2})   the picture of f(x=2.0), in float64, one panel for
        each step. Blue are the values, red the gradients ∂y/∂· as far as they are known

    Raises GraphError if there is no graph, or its result is not one number.
    """
    if isinstance(f, Tensor) or not callable(f):
        _is_loss(f, "the loss")
        made = steps_page(f, inputs)
        if path is not None:
            made.save(path)
        return made
    return _panels_of(f, inputs or {}, columns, path)


def _is_loss(y: Any, what: str) -> None:
    if not isinstance(y, Tensor) or y.size != 1:
        raise GraphError(
            f"backward_steps: {what} must be a Tensor that holds one number, such as "
            "a loss; add .sum() to make one"
        )


def _panels_of(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    columns: int | None,
    path: str | Path | None,
) -> Figure:
    leaves = {
        name: Tensor(np.array(x, dtype=np.float64), requires_grad=True)
        for name, x in inputs.items()
    }
    with _Recorder() as seen:
        y = f(**leaves)
    _is_loss(y, "what f returns")
    sketch, numbers = sketch_of(y, leaves, limit=24, inputs=seen.inputs)
    nodes = [thing for thing in numbers if isinstance(thing, Node)]
    for node in nodes:  # for `values_of`: here all inputs are known
        node.inputs = seen.inputs[node]
    visits = by_age(y, nodes)
    found = {e[0]: v for e, v in values_of(y, nodes).items() if e[1] == 0}
    above = {numbers[k]: short(v) for k, v in found.items() if k in numbers}
    with style.sheet():
        drawing = Drawing(sketch, step=0.62, row=0.8)
        drawing.ink = style.VERMILION
        fig, panels = _panels(drawing, 1 + len(visits), columns)
        drawing.draw(panels[0], above=above)
        panels[0].set_title("Forward: values, in blue")
        for i, visit in enumerate(visits, start=1):
            below = {numbers[e[0]]: short(g) for e, g in _until(visits, i).items()}
            drawing.draw(panels[i], above=above, below=below, lit=numbers[visit.node])
            title = f"{i}. Back through {visit.node.name}"
            panels[i].set_title(title + ": gradients, in red" * (i == 1))
        return fig.finish(path)


def _until(visits: list[Visit], i: int) -> dict[Any, Any]:
    """Return the gradients that are known after i visits, of first outputs."""
    return {edge: g for edge, g in visits[i - 1].totals.items() if edge[1] == 0}


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
