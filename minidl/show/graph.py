"""The graph that a computation left behind: leaves, operations, what feeds what.

`backward` walks it from right to left; `show.backward_steps` draws that walk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl.engine.op import Node
from minidl.engine.tensor import Tensor
from minidl.errors import GraphError, RangeError
from minidl.show import style
from minidl.show.layout import Edge, Point, place, side_by_side
from minidl.show.markup import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYMBOLS = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "matmul": "@",
    "power": "^", "negative": "neg",
}  # fmt: skip
LETTER = 0.082  # inches, the width of one


@dataclass
class Sketch:
    """A graph to draw: vertices in an order in which inputs come before their users."""

    labels: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)  # "leaf", "op" or "constant"
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def add(self, label: str, kind: str, shape: tuple[int, ...] = ()) -> int:
        """Add a vertex and return its number."""
        self.labels.append(label)
        self.kinds.append(kind)
        self.shapes.append(shape)
        return len(self.labels) - 1


def graph(
    y: Tensor,
    names: Mapping[str, Tensor] | None = None,
    *,
    title: str | None = None,
    limit: int = 60,
    path: str | Path | None = None,
) -> Figure:
    """Draw the graph of y: what was computed from what, with the shape of every result.

    names  {name: leaf}, such as dict(model.named_parameters()); others show their shape
    Draw it before `backward`, which frees it: there are no gradients yet, and it says
    so. After `backward(retain_graph=True)` each leaf shows its own. Raises GraphError
    where there is no graph.
    """
    sketch, numbers = sketch_of(y, names, limit)
    grads = {i: f"∂ {short(x.grad)}" for x, i in numbers.items()
             if isinstance(x, Tensor) and x.grad is not None}  # fmt: skip
    with style.sheet():
        picture = Drawing(sketch)
        fig, axes = style.figure(width=picture.width, height=picture.height + 0.35)
        shapes = {i: str(shape) for i, shape in enumerate(sketch.shapes) if shape}
        picture.draw(axes[0, 0], above=grads, below=shapes)
        if not grads:
            axes[0, 0].set_xlabel("no gradients yet: y.backward() computes them")
        count = sketch.kinds.count("op")
        axes[0, 0].set_title(title or f"{count} operation{'s' * (count != 1)}")
        return fig.finish(path)


def sketch_of(
    y: Tensor,
    names: Mapping[str, Tensor] | None = None,
    limit: int = 60,
    inputs: Mapping[Node, Any] | None = None,
) -> tuple[Sketch, dict[Any, int]]:
    """Return the graph of y, and the number of each node and leaf in it.

    inputs  of each node, if somebody saw them: a linear op does not keep its own
    """
    if not isinstance(y, Tensor) or y.node is None:
        raise GraphError(
            "graph: this value was not computed from a Tensor with requires_grad=True, "
            "or not recorded (no_grad, detach); there is no graph to draw"
        )
    called = {leaf: name for name, leaf in (names or {}).items()}
    sketch, numbers = Sketch(), {}
    for thing in inputs_first(y.node, limit):
        if isinstance(thing, Tensor):
            label = called.get(thing, "x" if thing.shape == () else "leaf")
            numbers[thing] = sketch.add(label, "leaf", thing.shape)
            continue
        fed = [numbers[edge[0]] for edge in thing.edges if edge is not None]
        fed += [
            sketch.add(text, "constant") for text in _constants(thing, inputs or {})
        ]
        shape = thing.shapes[0] if len(thing.shapes) == 1 else ()
        label = SYMBOLS.get(thing.name, thing.name)
        numbers[thing] = sketch.add(label, "op", shape)
        sketch.edges += [(i, numbers[thing]) for i in fed]
    return sketch, numbers


def inputs_first(node: Node, limit: int) -> list[Any]:
    """Return all that a node depends on, and itself: leaves and nodes, oldest first."""
    found: dict[Any, None] = {node: None}
    todo = [node]
    while todo:
        if not todo[-1].edges:
            raise GraphError(
                "graph: backward has freed it; draw it before, or say retain_graph=True"
            )
        for edge in todo.pop().edges:
            maker = edge and edge[0]
            if maker is not None and maker not in found:
                found[maker] = None
                todo += [maker] if isinstance(maker, Node) else []
    if len(found) > limit:
        raise RangeError(
            f"graph: more than {limit} vertices can hardly be read; draw a part of the "
            "computation, a smaller network, or say limit="
        )
    leaves = [thing for thing in found if isinstance(thing, Tensor)]
    nodes = [thing for thing in found if isinstance(thing, Node)]
    return leaves[::-1] + sorted(nodes, key=lambda node: node.tick)


def _constants(node: Node, seen: Mapping[Node, Any]) -> list[str]:
    """Return the plain numbers among a node's inputs, as far as it has kept them."""
    inputs = seen.get(node, node.inputs)
    if inputs is None:  # a linear op keeps none; that there was one can be seen
        lacking = node.name in ("add", "subtract") and any(
            edge is None for edge in node.edges
        )
        return ["const"] if lacking else []
    return [f"{x:.4g}" for x in inputs if isinstance(x, (int, float))]


class Drawing:
    """A sketch with its vertices placed, in inches, ready to be drawn once or often."""

    def __init__(self, sketch: Sketch, step: float = 0.55, row: float = 0.62) -> None:
        self.sketch = sketch
        self.ink = style.GRAY  # of what is written below
        points, routes = place(len(sketch.labels), sketch.edges)
        self.halves = [
            0.17 if len(s) == 1 else 0.11 + LETTER / 2 * len(s) for s in sketch.labels
        ]
        depth = int(max(x for x, _ in points)) + 1
        widest = [0.0] * depth
        for (x, _), half in zip(points, self.halves, strict=True):
            widest[int(x)] = max(widest[int(x)], half)
        across = [widest[0]]
        for left, right in pairwise(widest):
            across.append(across[-1] + left + step + right)
        low = min(y for _, y in points)
        move = {p: (across[int(p[0])], (p[1] - low) * row) for p in points}
        for route in routes.values():
            for p in route:
                move.setdefault(p, (across[int(p[0])], (p[1] - low) * row))
        self.points = [move[p] for p in points]
        moved = {e: [move[p] for p in route] for e, route in routes.items()}
        self.routes = side_by_side(sketch.edges, moved, 0.4 * row)
        for edge, route in zip(sketch.edges, self.routes, strict=True):
            route[0] = (route[0][0] + self.halves[edge[0]], route[0][1])
            route[-1] = (route[-1][0] - self.halves[edge[1]] - 0.02, route[-1][1])
        heights = [y for _, y in chain(move.values(), *self.routes)]
        self.bottom, self.top = min(heights) - 0.45, max(heights) + 0.45
        self.width = across[-1] + widest[-1] + 0.2
        self.height = self.top - self.bottom

    def draw(
        self,
        ax: Axes,
        above: Mapping[int, str] | None = None,
        below: Mapping[int, str] | None = None,
        lit: int | None = None,
    ) -> None:
        """Draw all vertices and edges, with words above and below some vertices."""
        style.bare(ax)
        ax.set(xlim=(-0.1, self.width - 0.1), ylim=(self.bottom, self.top), aspect=1)
        for edge, route in zip(self.sketch.edges, self.routes, strict=True):
            passes = edge[1] == lit and self.sketch.kinds[edge[0]] != "constant"
            self._arrow(ax, route, style.VERMILION if passes else style.GRAY)
        for i in range(len(self.points)):
            self._vertex(ax, i, i == lit)
        for words, dy, color in ((above, 0.2, style.BLUE), (below, -0.2, self.ink)):
            for i, text in (words or {}).items():
                x, y = self.points[i]
                at = "bottom" if dy > 0 else "top"
                ax.text(x, y + dy, text, color=color, size=8.5, ha="center", va=at)

    def _vertex(self, ax: Axes, i: int, lit: bool) -> None:
        from matplotlib.patches import FancyBboxPatch

        (x, y), half, kind = self.points[i], self.halves[i], self.sketch.kinds[i]
        gray = kind == "constant"
        ax.text(x, y, self.sketch.labels[i], ha="center", va="center_baseline", size=10,
                color=style.GRAY if gray else style.INK, zorder=3)  # fmt: skip
        if gray:
            return
        fill = "#FFE3A8" if lit else "#D9EBF7" if kind == "leaf" else "white"
        edge = style.BLUE if kind == "leaf" else style.INK
        round_ = 0.02 if kind == "leaf" else 0.169
        ax.add_patch(
            FancyBboxPatch(
                (x - half, y - 0.17), 2 * half, 0.34, facecolor=fill, edgecolor=edge,
                boxstyle=f"round,pad=0,rounding_size={round_}", linewidth=1.1, zorder=2,
            )
        )  # fmt: skip

    def _arrow(self, ax: Axes, route: list[Point], color: str) -> None:
        """Draw an edge, from the rim of one vertex to that of the next, in a curve."""
        from matplotlib.patches import FancyArrowPatch
        from matplotlib.path import Path as Curve

        points, codes = [route[0]], [Curve.MOVETO]
        for (x0, y0), (x1, y1) in pairwise(route):
            half = (x1 - x0) / 2
            points += [(x0 + half, y0), (x1 - half, y1), (x1, y1)]
            codes += [Curve.CURVE4] * 3
        ax.add_patch(
            FancyArrowPatch(
                path=Curve(points, codes), arrowstyle="-|>", mutation_scale=9,
                color=color, linewidth=1.0, zorder=1,
            )
        )  # fmt: skip
