"""The graph drawn, backward step by step, and the race of the optimizers."""

import math

import numpy as np
import pytest

import minidl as md
from minidl import show
from minidl.errors import GraphError, RangeError
from minidl.show.layout import place
from minidl.show.race import main
from minidl.show.surfaces import SURFACES, descend
from tests.pictures import (
    fails,
    nothing_stays_open,  # noqa: F401  a fixture that every test here uses
    saved,
    titles,
    words,
)

# ------------------------------------------------------------------------------- graph


def expression():
    x, w = md.Tensor(3.0, requires_grad=True), md.Tensor(-2.0, requires_grad=True)
    return x, w, md.ops.exp(x * w) + 2 * x


def test_graph(tmp_path):
    x, w, y = expression()
    fig = show.graph(y, {"x": x, "w": w}, path=tmp_path / "g.png")
    saved(tmp_path / "g.png")
    assert titles(fig) == ["4 operations"]
    labels = sorted(text.get_text() for text in fig.axes[0].texts)
    assert labels == sorted(["x", "w", "×", "exp", "×", "2", "+"])
    arrows = [p for p in fig.axes[0].patches if type(p).__name__ == "FancyArrowPatch"]
    assert len(arrows) == 7
    assert x.grad is None


def test_graph_writes_shapes():
    w = md.Tensor(np.ones((3, 4)), requires_grad=True)
    assert {"W", "(3, 4)", "sum", "+"} <= words(show.graph((w + w).sum(), {"W": w}))


def test_no_graph():
    x, _, y = expression()
    fails(GraphError, "no graph", show.graph, x)
    fails(GraphError, "no graph", show.graph, y.detach())
    for _ in range(70):
        y = y + 1
    fails(RangeError, "60 vertices", show.graph, y)
    y.backward()
    fails(GraphError, "freed", show.graph, y)


def test_layout_puts_users_right_of_inputs_and_nothing_on_top_of_each_other():
    edges = [(0, 2), (1, 2), (1, 4), (2, 3), (3, 4), (0, 4), (0, 2)]
    points, routes = place(5, edges)
    assert len(set(points)) == 5
    assert all(points[i][0] < points[j][0] for i, j in edges)
    assert routes[1, 4][0] == points[1]
    assert len(routes[0, 4]) == 4  # it bends round the two layers between
    for here in points:
        same = [
            abs(here[1] - p[1]) for p in points if p[0] == here[0] and p is not here
        ]
        assert all(distance >= 0.999 for distance in same)


def test_backward_steps(tmp_path):
    fig = show.backward_steps(lambda x, w: md.ops.exp(x * w) + 2 * x, {"x": 0.5, "w": -2.0},
                              path=tmp_path / "s.png")  # fmt: skip
    saved(tmp_path / "s.png")
    assert titles(fig) == [
        "Forward: values, in blue",
        "1. Back through add: gradients, in red",
        "2. Back through multiply",
        "3. Back through exp",
        "4. Back through multiply",
    ]
    first = [text.get_text() for text in fig.axes[0].texts]
    last = [text.get_text() for text in fig.axes[4].texts]
    assert {"0.5", "−2", "−1", "1", "1.37", "0.368"} <= set(first)
    gradient = f"{2 - 2 * math.exp(-1):.3g}"  # of x: both ways added up
    assert gradient in last
    assert gradient not in first
    assert f"{0.5 * math.exp(-1):.3g}" in last  # of w


def test_backward_steps_with_arrays_sums_what_was_broadcast():
    f = lambda q, x: (q * x)[1:].sum()  # noqa: E731
    fig = show.backward_steps(f, {"q": 0.5, "x": [1.0, 2.0, 3.0]})
    last = [text.get_text() for text in fig.axes[-1].texts]
    assert "5" in last  # ∂/∂q = 2 + 3
    assert last.count("(3,)") == 4  # values and gradients of x and of the product
    fails(GraphError, "one number", show.backward_steps, lambda x: x, {"x": [1.0, 2.0]})


# -------------------------------------------------------------------------------- race


@pytest.mark.parametrize("name", SURFACES)
def test_the_minima_are_where_they_are_said_to_be(name, rng):
    surface = SURFACES[name]
    for minimum in surface.minima:
        p = md.Tensor(np.array(minimum, dtype=float), requires_grad=True)
        y = surface.f(p[0], p[1])
        assert y.item() == pytest.approx(surface.floor, abs=1e-12)
        y.backward()
        np.testing.assert_allclose(p.grad, 0, atol=1e-12)
        around = np.array(minimum)[:, None] + rng.normal(0, 0.1, (2, 50))
        assert (surface.f(*around) > surface.floor).all()
    west, east, south, north = surface.window
    for x, y in (surface.start, *surface.minima[:1]):
        assert west < x < east
        assert south < y < north


def test_descend_follows_the_exact_gradient():
    points, heights = descend(SURFACES["ravine"], lambda p: md.optim.SGD(p, lr=0.5), 3)
    x, y = -8.0 * 0.95 ** np.arange(4), np.array([2.0, 0, 0, 0])
    np.testing.assert_allclose(points, np.stack([x, y], axis=1), atol=1e-15)
    np.testing.assert_allclose(heights, x * x / 20 + y * y)


def test_descend_ends_where_it_diverges():
    points, _ = descend(SURFACES["beale"], lambda p: md.optim.SGD(p, lr=1.0), 50)
    assert len(points) < 5
    assert np.abs(points).max() < 1e3


def test_the_noise_is_the_same_for_all_and_by_seed():
    runs = [descend(SURFACES["noisy bowl"], lambda p: md.optim.SGD(p, lr=0.1), 20, seed)
            for seed in (0, 0, 1)]  # fmt: skip
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert not np.allclose(runs[0][0], runs[2][0])


def test_optimizer_race(tmp_path):
    rules = {
        "slow": lambda p: md.optim.SGD(p, lr=0.01),
        "Adam": lambda p: md.optim.Adam(p, lr=0.1),
    }
    fig = show.optimizer_race(rules, ["ravine", "rosenbrock"], steps=20, net_steps=20,
                              path=tmp_path / "r.png")  # fmt: skip
    saved(tmp_path / "r.png")
    assert titles(fig) == ["Ravine", "Rosenbrock", "A net on digits"]
    assert [text.get_text() for text in fig.legends[0].texts] == ["slow", "Adam"]
    ravine, _, accuracy, heights, _, losses = fig.axes
    trajectory = ravine.lines[0].get_xydata()
    np.testing.assert_array_equal(
        trajectory, descend(SURFACES["ravine"], rules["slow"], 20)[0]
    )
    assert len(heights.lines) == len(losses.lines) == len(accuracy.lines) == 2
    assert len(losses.lines[0].get_ydata()) == 20
    assert (
        accuracy.lines[0].get_ydata()[0] == accuracy.lines[1].get_ydata()[0]
    )  # one start
    fails(RangeError, "moon", show.optimizer_race, rules, ["moon"])


def test_the_race_by_one_command(tmp_path, capsys):
    out = tmp_path / "race.png"
    main(["--out", str(out), "--steps", "5", "--net-steps", "0"])
    saved(out)
    assert capsys.readouterr().out.strip() == str(out)


@pytest.mark.slow
def test_everybody_finds_the_way(tmp_path):
    fig = show.optimizer_race(path=tmp_path / "race.png")
    assert titles(fig)[:3] == ["Ravine", "Saddle", "Beale"]
    accuracy = fig.axes[8]
    assert accuracy.get_ylabel() == "test accuracy"
    assert all(line.get_ydata()[-1] > 0.85 for line in accuracy.lines)
