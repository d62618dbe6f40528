"""The page of a backward: the graph, and for each step what is sent where, and why.

Each step is text and numbers in HTML; the script shows one at a time, and lights it in
the graph. Without a script the page holds all steps, one below the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from minidl.engine.op import Node
from minidl.engine.tensor import Edge, Tensor, TensorLike
from minidl.show import page
from minidl.show.formulas import formula
from minidl.show.graph import Drawing, Sketch, sketch_of
from minidl.show.markup import array, short
from minidl.show.style import numbers
from minidl.show.walk import (
    VISITS,
    Arrival,
    Visit,
    as_recursion,
    by_age,
    jacobian,
    shape_of,
    values_of,
)

INCH = 96.0  # pixels
LIMIT = 150  # vertices
ORDERS = ("by age, as backward goes", "as a recursion")


class _Graph:
    """A loss, its graph with numbered vertices and edges, and its values."""

    def __init__(self, y: Tensor, names: Mapping[str, Tensor] | None) -> None:
        self.y = y
        self.sketch, self.number = sketch_of(y, names, LIMIT)
        self.nodes = [thing for thing in self.number if isinstance(thing, Node)]
        self.values = values_of(y, self.nodes)
        self.users: dict[Any, list[Node]] = {thing: [] for thing in self.number}
        for node in self.nodes:
            for edge in node.edges:
                if edge is not None:
                    self.users[edge[0]].append(node)
        self.first: dict[int, int] = {}  # of the edges into each vertex
        for k, (_, to) in enumerate(self.sketch.edges):
            self.first.setdefault(to, k)
        self.age = {node: k for k, node in enumerate(self.nodes, 1)}

    def name(self, thing: object) -> str:
        """What a vertex is called in sentences; ages tell equal operations apart."""
        label = self.sketch.labels[self.number[thing]]
        return f"{label} ({self.age[thing]})" if thing in self.age else label

    def edge(self, node: Node, which: int) -> int:
        """Return the number of the drawn edge that feeds input `which` of a node."""
        before = sum(edge is not None for edge in node.edges[:which])
        return self.first[self.number[node]] + before


def steps_page(y: Tensor, names: Mapping[str, Tensor] | None = None) -> page.Page:
    """Return the page of y's backward; names call its leaves by names."""
    graph = _Graph(y, names)
    right, recursion = by_age(y, graph.nodes), as_recursion(y)
    lists, orders = [_steps(graph, right, recursive=False)], [ORDERS[0]]
    if recursion is not None and len(recursion) > len(right):
        lists.append(_steps(graph, recursion, recursive=True))
        orders = [*ORDERS]
    title = f"Backward, step by step: {_counted(len(right), 'operation')}"
    parts = [
        f"<p>{escape(INTRODUCTION)}</p>",
        drawn(graph.sketch, _values(graph)),
        page.controls(orders),
        *(page.steps(items) for items in lists),
        page.section("Why this order, and no recursion", _why(graph, right, recursion)),
    ]
    return page.Page(title, parts, "steps")


INTRODUCTION = (
    "Above a vertex stands its value; below it, after ∂, the gradient ∂L/∂· as far as "
    "it is known. A node sends to each input the local derivative times what arrived; "
    "where branches meet, what arrives is added up. Step with the slider, the buttons, "
    "or the keys ← → Home End."
)


def _values(graph: _Graph) -> dict[int, str]:
    return {
        graph.number[edge[0]]: short(numbers(value))
        for edge, value in graph.values.items()
        if edge[1] == 0 and edge[0] in graph.number
    }


# --- the steps


def _steps(
    graph: _Graph, visits: Sequence[Visit], *, recursive: bool
) -> list[tuple[str, str, str]]:
    root = (graph.y.node, 0)
    start = f"<p>The loss is {array(graph.y.data)} There are no gradients yet.</p>"
    title = "As a recursion: the values" if recursive else "Forward: the values"
    items = [(title, start, "data-grads='{}'")]
    known: dict[Edge, Any] = {root: np.ones_like(graph.y.data)}
    seen: list[Node] = []
    done: list[int] = []
    for k, visit in enumerate(visits, 1):
        node = visit.node
        known |= {a.edge: a.after for a in visit.arrivals}
        grads = {
            graph.number[e[0]]: short(numbers(g)) for e, g in known.items() if not e[1]
        }
        edges = [graph.edge(node, a.which) for a in visit.arrivals]
        more = (
            f'data-node="{graph.number[node]}" data-edges="{_joined(edges)}" '
            f'data-done="{_joined(done)}" data-grads="{escape(json.dumps(grads))}"'
        )
        title = f"{k}. Back through {graph.name(node)}"
        if graph.sketch.labels[graph.number[node]] != node.name:
            title += f": {node.name}"
        body = _arrived(graph, visit, seen, recursive=recursive)
        body += "".join(_sent(graph, node, a, visit.gs[0]) for a in visit.arrivals)
        items.append((title, body, more))
        seen.append(node)
        done += edges
    rows = "".join(
        f'<div class="row"><span>∂L/∂{escape(graph.name(leaf))} =</span>'
        f"{array(known[leaf, 0])}</div>"
        for leaf in graph.number
        if isinstance(leaf, Tensor) and (leaf, 0) in known
    )
    more = (
        f'data-done="{_joined(done)}" data-grads="{escape(json.dumps(grads))}"'
        if visits
        else ""
    )
    ending = (
        "What the recursion leaves" if recursive else "Done: the leaves keep theirs"
    )
    return [*items, (ending, rows, more)]


def _arrived(
    graph: _Graph, visit: Visit, seen: Sequence[Node], *, recursive: bool
) -> str:
    """What arrived at a node, and why it is its turn."""
    node = visit.node
    gs = [g for g in visit.gs if g is not None]
    shown = "".join(array(g) for g in gs)
    body = f'<div class="row"><span>upstream, g = ∂L/∂y:</span>{shown}</div>'
    users = graph.users[node]
    if recursive:
        times = seen.count(node)
        why = (
            f"It has been here {_counted(times, 'time')} before: what was sent then is "
            "sent again, with what came since."
            if times
            else "It goes on at once, whether or not all has arrived."
        )
    elif not users:
        why = "It is the loss itself: ∂L/∂L = 1."
    else:
        who = ", ".join(dict.fromkeys(graph.name(user) for user in users))
        why = (
            f"Its turn, because it is the youngest that waits: all that use it ({who}) "
            "have been visited, so its gradient is complete."
        )
    return f'{body}<p class="quiet">{escape(why)}</p>'


def _sent(graph: _Graph, node: Node, a: Arrival, g: TensorLike) -> str:
    """What one edge carries: local derivative × upstream = sent, and the sum there."""
    said = formula(node.name, a.which)
    words = f"∂L/∂{graph.name(a.edge[0])}" + (f" gets {said}" if said else " gets")
    line = _product(node, a, g)
    if a.before is None:
        count = len(graph.users[a.edge[0]])
        added = f"the first of {count} to arrive" if count > 1 else "all that arrives"
        total = f'<p class="quiet">{added}</p>'
    else:
        total = (
            f'<div class="row"><span>added up:</span>{array(a.before)}<span>+</span>'
            f"{array(a.sent)}<span>=</span>{array(a.after)}</div>"
        )
    return f'<div class="sent"><h3>{escape(words)}</h3>{line}{total}</div>'


def _product(node: Node, a: Arrival, g: TensorLike) -> str:
    """The local derivative × g = what is sent: as numbers, or as a matrix."""
    matrix = jacobian(node, a.which, g)
    sent = array(a.sent)
    if matrix is None:
        return f'<div class="row"><span>sent:</span>{sent}</div>'
    shape = shape_of(a.edge)
    local = "local derivative"
    if node.shapes[0] == shape and not np.any(matrix - np.diag(np.diagonal(matrix))):
        shown = np.diagonal(matrix).reshape(shape)
        local, upstream = local + " of each element" * (matrix.size > 1), array(g)
    else:
        shown, upstream = matrix, ""
        local += f", ∂y/∂x: {matrix.shape[0]} rows of y, {matrix.shape[1]} columns of x"
    return (
        f'<div class="row"><span>{local}</span>{array(shown)}<span>× upstream</span>'
        f"{upstream}<span>=</span>{sent}</div>"
    )


# --- why


def _why(
    graph: _Graph, right: Sequence[Visit], recursion: Sequence[Visit] | None
) -> list[str]:
    """Say what the order is for, with this graph's own numbers."""
    order = (
        "An operation is younger than what it was computed from. Backward visits the "
        "youngest first, so a node is visited once, after all that use it, when what "
        f"arrived is complete: {_counted(len(right), 'visit')} for "
        f"{_counted(len(right), 'operation')}."
    )
    if recursion is None:
        return [order, (
            "A recursion that goes from each node to its inputs at once would follow "
            f"every path: more than {VISITS} visits here. Each further operation whose "
            "two inputs are one value doubles them."
        )]  # fmt: skip
    if len(recursion) == len(right):
        return [order, (
            "A recursion from each node to its inputs would do the same here, because "
            "no operation is used twice. Try a = …; b = a + a; c = b + b."
        )]  # fmt: skip
    visits = (
        "A recursion that goes from each node to its inputs at once, with what has "
        f"arrived there so far, makes {len(recursion)} visits."
    )
    good, bad = _at_leaves(right), _at_leaves(recursion)
    wrong = [leaf for leaf, g in good.items() if not np.array_equal(bad[leaf], g)]
    lines = [
        f"{graph.name(leaf)}.grad would be {_brief(bad[leaf])}; right is "
        f"{_brief(good[leaf])}."
        for leaf in wrong
    ]
    cause = (
        "It visits a node again for each further gradient that arrives, and sends what "
        "it had sent before once more."
    )
    alone = "A recursion that sends on only what is new is right, with as many visits."
    return [order, visits, cause, *lines, alone]


def _at_leaves(visits: Sequence[Visit]) -> dict[Any, Any]:
    return {
        a.edge[0]: a.after
        for visit in visits
        for a in visit.arrivals
        if isinstance(a.edge[0], Tensor)
    }


def _brief(g: TensorLike) -> str:
    g = numbers(g)
    return short(g) if g.size == 1 else f"{g.shape} that add up to {short(g.sum())}"


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'s' * (n != 1)}"


def _joined(parts: Sequence[int]) -> str:
    return " ".join(map(str, parts))


# --- the graph


def drawn(sketch: Sketch, values: Mapping[int, str]) -> str:
    """Return a sketch as SVG: v3 is the id of vertex 3, e3 that of edge 3."""
    drawing = Drawing(sketch, step=0.5, row=0.85)
    left, top = 0.1, drawing.top

    def at(x: float, y: float) -> str:
        return f"{(x + left) * INCH:.1f} {(top - y) * INCH:.1f}"

    paths = []
    for k, route in enumerate(drawing.routes):
        route[-1] = (route[-1][0] - 0.05, route[-1][1])
        line = f"M{at(*route[0])}"
        for (x0, y0), (x1, y1) in pairwise(route):
            half = (x1 - x0) / 2
            line += f" C{at(x0 + half, y0)} {at(x1 - half, y1)} {at(x1, y1)}"
        paths.append(f'<path id="e{k}" d="{line}" marker-end="url(#tip)"/>')
    vertices = [
        _vertex(drawing, i, values.get(i, ""), at) for i in range(len(sketch.labels))
    ]
    width, height = (drawing.width + 0.1) * INCH, drawing.height * INCH
    label = (
        f"graph of {_counted(sketch.kinds.count('op'), 'operation')}, from the inputs "
    )
    return (
        f'<div class="graph" tabindex="0" role="group" aria-label="the graph">'
        f'<svg width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{label}on the left to the loss on the right">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
        'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        + "".join(paths) + "".join(vertices) + "</svg></div>"
    )  # fmt: skip


def _vertex(drawing: Drawing, i: int, value: str, at: Any) -> str:
    (x, y), half = drawing.points[i], drawing.halves[i]
    kind = drawing.sketch.kinds[i]
    px, py = map(float, at(x, y).split())
    wide = 2 * half * INCH
    box = (
        f'<rect class="box" x="{px - wide / 2:.1f}" y="{py - 16:.1f}" '
        f'width="{wide:.1f}" height="32" rx="{2 if kind == "leaf" else 15}"/>'
    )
    label = escape(drawing.sketch.labels[i])
    return (
        f'<g id="v{i}" class="{kind}">{box if kind != "constant" else ""}'
        f'<text x="{px:.1f}" y="{py + 4.5:.1f}">{label}</text>'
        f'<text class="value" x="{px:.1f}" y="{py - 21:.1f}">{escape(value)}</text>'
        f'<text class="grad" x="{px:.1f}" y="{py + 31:.1f}"></text></g>'
    )
