"""minidl.check: impure backwards, blind spots, kinks and edges, widths, NumPy, PyTorch."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minidl as md
from minidl import check, nn, ops
from minidl.engine.op import op
from minidl.errors import GraphError

RNG = np.random.default_rng(12)
X = RNG.standard_normal((3, 4))


def checked(f, inputs, **options):
    return check.gradcheck(f, inputs, raise_exception=False, **options)


def square(back):
    """x² with a backward that gets g and x."""
    return op(lambda x: (x * x, (lambda g: back(g, x),)))


# ----------------------------------------------------------------- what is not pure


class Kept:
    """What a careless backward keeps between calls."""

    def __init__(self):
        self.total, self.x = 0.0, None

    def add(self, g, x):
        self.total = self.total + 2 * g * x
        return self.total

    def first(self, g, x):
        self.x = x if self.x is None else self.x
        return 2 * g * self.x


def overwrite_g(g, x):
    g *= 2 * x
    return g


def overwrite_x(g, x):
    x *= 2
    return g * x


def mask_anew(g, x):
    return 2 * g * x * (np.random.default_rng().random(x.shape) < 0.5)


def own_size(g, x):
    return (2 * g * x)[:-1]


@pytest.mark.parametrize(
    ("back", "says"),
    [
        (Kept().add, "adds up across calls"),
        (overwrite_g, "writes into g.*not g \\*= mask"),
        (overwrite_x, "writes into its input x"),
        (mask_anew, "random mask drawn anew"),
        (lambda g, x: np.nonexistent, "backward fails: AttributeError"),
        (lambda g, x: None, "is None: the backward has no gradient"),
        (own_size, r"has shape \(2, 4\), and x has \(3, 4\)"),
    ],
)
def test_a_backward_that_is_no_function_is_named(back, says):
    wrong = square(back)
    said = str(check.explain(wrong, [X]))
    assert re.search(says, said, re.DOTALL), said


@pytest.mark.parametrize("back", [Kept().add, overwrite_g, overwrite_x])
def test_gradcheck_sees_what_numbers_do_not_show(back):
    report = checked(lambda x: square(back)(x * 1.0) + x, [X])
    assert not report.ok
    assert "backward" in report.text or "second call" in report.text


def test_a_value_kept_from_an_earlier_call_shows_at_other_inputs():
    kept = Kept()
    assert "earlier call" in str(check.explain(square(kept.first), [X]))
    assert "earlier call" in checked(square(Kept().first), [X]).text


def test_what_all_calls_share_is_named():
    latest = {}

    def forward(x):
        latest["x"] = x
        return x * x, None

    found = check.explain((forward, lambda g, cache: 2 * g * latest["x"]), [X])
    assert "values of the latest forward" in str(found)


# ---------------------------------------------------------------------- blind spots


def test_a_cotangent_of_ones_would_see_nothing():
    wrong = square(lambda g, x: 2 * x * g.mean())
    assert not checked(wrong, [X]).ok
    assert "right for a g of ones" in str(check.explain(wrong, [X]))


def one_of_many(g, x):
    d = 2 * g * x
    d[57, 31] *= 1.01
    return d


def test_one_wrong_element_of_ten_thousand_is_found():
    x = 1 + RNG.random((100, 100))
    report = checked(square(one_of_many), [x])
    assert report.worst.at == (57, 31)
    right = checked(lambda x: x * x, [x])
    assert right.ok
    assert 0 < right.findings[0].missed < 1e-3
    assert "is missed with probability" in right.text


def test_border_pixels_alone_are_found_and_drawn():
    def inner(g, x):
        return np.pad((2 * g * x)[1:-1, 1:-1], 1)

    report = checked(square(inner), [RNG.standard_normal((5, 6))], mode="full")
    assert report.worst.wrong_at.sum() == 18
    assert report.picture.splitlines()[1:] == [
        "  ######", "  #····#", "  #····#", "  #····#", "  ######",
    ]  # fmt: skip
    assert "wrong" in report.table
    said = check.explain(square(inner), [RNG.standard_normal((5, 6))]).sentences[0]
    assert "border" in said


def test_a_picture_is_a_png(tmp_path):
    report = checked(square(lambda g, x: 3 * g * x), [X], mode="full")
    assert report.save_picture(tmp_path / "wrong.png")
    assert (tmp_path / "wrong.png").read_bytes().startswith(b"\x89PNG")
    assert not checked(lambda x: x * x, [X], mode="full").save_picture(tmp_path / "no")


def test_a_function_that_draws_is_refused():
    with pytest.raises(GraphError, match="another value"):
        check.gradcheck(lambda x: x * np.random.default_rng().random(), [X])


# ------------------------------------------------------------------- kinks and edges

TIED = np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 3.0]])


@pytest.mark.parametrize("mode", ["fast", "full"])
@pytest.mark.parametrize(
    ("f", "x", "left_out"),
    [
        (ops.log, np.array([1e-9, 1.0]), 0),
        (ops.sqrt, np.array([0.0, 1.0, 2.0]), 1),
        (ops.relu, np.maximum(RNG.standard_normal((6, 7)), 0), None),
        (lambda x: ops.max(x, axis=1), TIED, 4),
        (lambda x: x * x, np.zeros(3), 0),
        (lambda x: ops.clip(x, low=-1.0, high=1.0), np.array([-1.0, 0.5, 1.0]), 2),
        (lambda x: (x * 1e4).sin() * 1e-4, X, 0),
    ],
)
def test_right_gradients_at_kinks_and_edges_pass(f, x, left_out, mode):
    report = checked(f, [x], mode=mode)
    assert report.ok, report.text
    expected = (x == 0).sum() if left_out is None else left_out
    assert report.findings[0].kinks == expected
    assert not expected or "left out" in report.text
    assert check.explain(f, [x]).sentences == []


def test_shares_of_a_tie_add_up_to_g():
    everyone = op(lambda x: (x.max(axis=1), (lambda g: g[:, None] * (x == x.max(axis=1, keepdims=True)),)))  # fmt: skip
    report = checked(everyone, [TIED])
    assert "wrong at a tie" in report.text


# ---------------------------------------------------------------------------- widths


def narrow(scale=1.0):
    def forward(x):
        y = np.exp(x.astype("float32"))
        return y, y

    return forward, lambda g, y: g * y * np.float32(scale)


def test_float32_is_checked_in_float32():
    report = checked(narrow(), [X])
    assert report.ok
    assert report.error > 1e-9
    assert not checked(narrow(1.02), [X]).ok
    weights = md.Tensor(RNG.standard_normal((4, 2)).astype("float32"))
    assert checked(lambda x: ops.tanh(x @ weights), [X.astype("float32")]).ok
    assert "2" in str(check.explain(narrow(2.0), [X]))


# ----------------------------------------------------------- NumPy, PyTorch, layers


def step_forward(x, h, c, w):
    z = np.concatenate([x, h], axis=1) @ w
    i, o = np.tanh(z[:, :2]), np.tanh(z[:, 2:])
    new = c + i
    return o * new, new, (x, h, w, i, o, new)


def step_backward(dh, dc, cache):
    x, h, w, i, o, new = cache
    dc = dc + dh * o
    dz = np.concatenate([dc * (1 - i * i), dh * new * (1 - o * o)], axis=1)
    into = dz @ w.T
    return into[:, :3], into[:, 3:], dc, np.concatenate([x, h], axis=1).T @ dz


def test_pairs_with_several_outputs():
    shapes = (2, 3), (2, 2), (2, 2), (5, 4)
    report = checked((step_forward, step_backward), [RNG.standard_normal(s) for s in shapes])  # fmt: skip
    assert report.ok
    assert [f.name for f in report.findings] == ["x", "h", "c", "w"]
    assert report.title == "step"


def hinge(x, y):
    margins = np.maximum(0, x - x[np.arange(len(x)), y][:, None] + 1)
    margins[np.arange(len(x)), y] = 0
    d = (margins > 0).astype(float)
    d[np.arange(len(x)), y] -= d.sum(axis=1)
    return margins.sum() / len(x), d / len(x)


def test_a_loss_that_returns_its_gradient():
    inputs = [RNG.standard_normal((4, 3)), np.array([0, 2, 1, 1])]
    assert checked((hinge, None), inputs).ok
    doubled = lambda x, y: (hinge(x, y)[0], 2 * hinge(x, y)[1])  # noqa: E731
    assert "2 times too large" in str(check.explain((doubled, None), inputs))


def test_settings_in_dictionaries_are_left_alone():
    def forward(x, options):
        options["calls"] = options.get("calls", 0) + 1
        return x * options["scale"], options["scale"]

    options = {"scale": 3.0}
    assert checked((forward, lambda g, scale: g * scale), [X, options]).ok
    assert options == {"scale": 3.0}


def test_gradients_by_name():
    pair = (lambda x, w: (x @ w, (x, w))), (lambda g, c: {"dw": c[0].T @ g})
    report = checked(pair, [X, RNG.standard_normal((4, 2))])
    assert [f.name for f in report.findings] == ["w"]


def test_functions_and_modules_of_pytorch():
    torch = pytest.importorskip("torch")

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0] ** 2

    x = torch.tensor(X, dtype=torch.float32)
    assert checked(torch.tanh, [x]).ok
    net = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.3))  # fmt: skip
    report = checked(net, [x])
    assert report.ok
    assert "0.weight" in [f.name for f in report.findings]
    assert not checked(Cube.apply, [x]).ok
    assert "3 times too small" in str(check.explain(Cube.apply, [x]))
    with pytest.raises(GraphError, match="first order only"):
        check.gradgradcheck(torch.tanh, [x])


def test_a_layer_has_one_report():
    report = check.check_layer(nn.LSTMCell(3, 4), (2, 3))
    assert report.ok
    assert len({f.part for f in report.findings}) == 4
    assert "in evaluation, second derivative" in report.table
    frozen = nn.BatchNorm1d(4)
    check.gradcheck(frozen, [X])
    np.testing.assert_array_equal(frozen.running_mean.data, 0)


def test_explain_says_the_same_on_every_device(device):
    wrong = square(lambda g, x: 2 * g * x / len(x))
    there = check.explain(wrong, [md.Tensor(X).to(device)])
    assert str(there) == str(check.explain(wrong, [X]))
    flat = op(lambda x, b: (x + b, (lambda g: g, lambda g: g)))
    b = np.ones(4)
    there = check.explain(flat, [md.Tensor(X).to(device), md.Tensor(b).to(device)])
    assert str(there) == str(check.explain(flat, [X, b]))
