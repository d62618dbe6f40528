"""Where to draw the vertices of a graph: in layers, from inputs on the left to y.

Sugiyama, Tagawa & Toda 1981, in three short steps: each vertex gets a layer, each layer
an order with few crossings, each vertex a height near those of its neighbors.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

Edge = tuple[int, int]
Point = tuple[float, float]


def place(n: int, edges: list[Edge]) -> tuple[list[Point], dict[Edge, list[Point]]]:
    """Return a place (layer, height) for each of n vertices, a route for each edge.

    Vertices are numbered so that an edge (i, j) has i < j. An edge that passes layers
    by is routed through one bend in each of them.

    >>> place(3, [(0, 2), (1, 2)])[0]
    [(0.0, -0.5), (0.0, 0.5), (1.0, 0.0)]
    """
    edges = list(dict.fromkeys(edges))
    layer = _layers(n, edges)
    chains = {edge: [edge[0]] for edge in edges}
    for edge in edges:
        for between in range(layer[edge[0]] + 1, layer[edge[1]]):
            chains[edge].append(len(layer))  # a bend: a vertex that is not drawn
            layer.append(between)
        chains[edge].append(edge[1])
    before: list[list[int]] = [[] for _ in layer]
    after: list[list[int]] = [[] for _ in layer]
    for chain in chains.values():
        for i, j in pairwise(chain):
            after[i].append(j)
            before[j].append(i)
    height = _heights(layer, before, after)
    points = [(float(x), y) for x, y in zip(layer, height, strict=True)]
    return points[:n], {edge: [points[i] for i in chains[edge]] for edge in edges}


def side_by_side(edges: list[Edge], routes: dict[Edge, list[Point]], gap: float
) -> list[list[Point]]:  # fmt: skip
    """Return a route for each edge, bent apart where one is there more than once.

    >>> routes = {(0, 1): [(0.0, 0.0), (2.0, 0.0)]}
    >>> [r[1] for r in side_by_side([(0, 1), (0, 1)], routes, gap=1)]
    [(1.0, -0.5), (1.0, 0.5)]
    """
    found, seen = [], dict.fromkeys(edges, 0)
    for edge in edges:
        route, count = list(routes[edge]), edges.count(edge)
        if count > 1:
            if len(route) == 2:
                (x0, y0), (x1, y1) = route
                route.insert(1, ((x0 + x1) / 2, (y0 + y1) / 2))
            shift = (seen[edge] - (count - 1) / 2) * gap
            route[1:-1] = [(x, y + shift) for x, y in route[1:-1]]
            seen[edge] += 1
        found.append(route)
    return found


def _layers(n: int, edges: list[Edge]) -> list[int]:
    """Put each vertex a layer after its last input, each leaf one before its use."""
    layer, is_leaf = [0] * n, [True] * n
    for i, j in sorted(edges, key=lambda edge: edge[1]):
        layer[j] = max(layer[j], layer[i] + 1)
        is_leaf[j] = False
    for leaf in range(n):
        users = [layer[j] for i, j in edges if i == leaf]
        if is_leaf[leaf] and users:
            layer[leaf] = min(users) - 1
    return layer


def _heights(
    layer: list[int], before: list[list[int]], after: list[list[int]]
) -> list[float]:
    """Move vertices towards the mean of their neighbors, at least 1 apart."""
    rows = [[i for i, at in enumerate(layer) if at == x] for x in range(max(layer) + 1)]
    height = [0.0] * len(layer)
    for row in rows:
        for place, i in enumerate(row):
            height[i] = place - (len(row) - 1) / 2
    for row, sides in _sweeps(rows, before, after):
        wish = dict.fromkeys(row, 0.0)
        for i in row:
            near = [height[j] for side in sides for j in side[i]] or [height[i]]
            wish[i] = sum(near) / len(near)
        row.sort(key=lambda i: wish[i])
        for i, y in zip(row, _apart([wish[i] for i in row]), strict=True):
            height[i] = y
    return height


def _sweeps(
    rows: list[list[int]], before: list[list[int]], after: list[list[int]]
) -> Iterator[tuple[list[int], list[list[list[int]]]]]:
    """Go through the layers forth and back, at last looking both ways."""
    for _ in range(6):
        yield from ((row, [before]) for row in rows[1:])
        yield from ((row, [after]) for row in rows[-2::-1])
    for _ in range(6):
        yield from ((row, [before, after]) for row in rows)


def _apart(wishes: list[float]) -> list[float]:
    """Push ordered heights at least 1 apart, around the mean that they had.

    >>> _apart([0.0, 0.0])
    [-0.5, 0.5]
    """
    heights = wishes[:1]
    for wish in wishes[1:]:
        heights.append(max(wish, heights[-1] + 1))
    shift = (sum(wishes) - sum(heights)) / len(wishes)
    return [y + shift for y in heights]
