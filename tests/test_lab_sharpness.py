"""Sharpness and landscapes: against the whole Hessian, and everything left as it was."""

import math

import numpy as np
import pytest

import minidl as md
from minidl import backend, nn, ops, optim, show
from minidl.data import DataLoader, TensorDataset, blobs, moons
from minidl.errors import DTypeError, NonFiniteError, RangeError, ShapeError
from minidl.lab import Hessian, landscape, sharpness
from minidl.lab.hessian import stream
from minidl.lab.landscape import direction
from minidl.lab.sharpness import hutchinson, power_iteration
from minidl.models import MLP
from minidl.train import Trainer
from tests.pictures import nothing_stays_open, saved, titles  # noqa: F401  a fixture


def points(n=60, seed=0):
    return moons(n, rng=seed).x.astype("float64"), moons(n, rng=seed).y


def mlp(activation=nn.Tanh, seed=0):
    return MLP([2, 6, 2], activation, rng=seed).astype("float64")


def trained(model, data=None, steps=60):
    x, y = data or points()
    rule = optim.SGD(model.parameters(), lr=0.3)
    for _ in range(steps):
        ops.cross_entropy(model(md.Tensor(x)), y).backward()
        rule.step()
        rule.zero_grad()
    return model


def by_differences(model, data, h=1e-5):
    """Every column as a difference of gradients: no second derivative anywhere."""
    x, y = data
    columns = []

    def gradient():
        model.zero_grad()
        ops.cross_entropy(model(md.Tensor(x)), y).backward()
        return np.concatenate([p.grad.reshape(-1) for p in model.parameters()])

    for p in model.parameters():
        flat = p.data.reshape(-1)
        for i in range(p.size):
            old, sides = flat[i], []
            for sign in (1, -1):
                flat[i] = old + sign * h
                p.touch()
                sides.append(gradient())
            flat[i] = old
            p.touch()
            columns.append((sides[0] - sides[1]) / (2 * h))
    model.zero_grad()
    return np.stack(columns, axis=1)


# ------------------------------------------------------------------ the Hessian itself


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_the_products_are_those_of_the_matrix(activation):
    model, data = trained(mlp(activation)), points()
    h = Hessian(model, ops.cross_entropy, data)
    full = h.full()
    assert full.shape == h.shape == (32, 32)
    assert np.allclose(full, full.T, atol=1e-12)
    assert np.allclose(full, by_differences(model, data), atol=1e-7)
    v = np.random.default_rng(0).normal(size=32)
    assert np.allclose(h @ v, full @ v, atol=1e-12)


def test_value_and_gradient_are_means_over_unequal_batches():
    x, y = points(50)
    model = mlp()
    loss = ops.cross_entropy(model(md.Tensor(x)), y)
    loss.backward()
    g = np.concatenate([p.grad.reshape(-1) for p in model.parameters()])
    batches = [(x[:7], y[:7]), (x[7:], y[7:])]
    for data in ((x, y), batches, TensorDataset(x, y, dtype=None)):
        h = Hessian(model, ops.cross_entropy, data)
        assert math.isclose(h.value(), loss.item(), rel_tol=1e-12)
        assert np.allclose(h.gradient(), g, atol=1e-14)
    whole = Hessian(model, ops.cross_entropy, (x, y)).full()
    assert np.allclose(Hessian(model, ops.cross_entropy, batches).full(), whole)


def test_frozen_weights_are_none_of_it():
    model = mlp()
    whole = Hessian(model, ops.cross_entropy, points()).full()
    model.layers[1].freeze()
    part = Hessian(model, ops.cross_entropy, points()).full()
    assert np.allclose(part, whole[18:, 18:], atol=1e-14)


def test_a_straight_line_has_no_curvature_and_an_unused_weight_none():
    class Unused(nn.Module):
        def __init__(self):
            self.used = nn.Parameter(np.ones(2))
            self.unused = nn.Parameter(np.ones(3))

        def forward(self, x):
            return (x * self.used).sum(axis=1)

    x, y = np.ones((4, 2)), np.zeros(4)
    found = sharpness(Unused(), lambda s, y: s.mean(), (x, y))
    assert (found.eigenvalue, found.trace, found.converged) == (0, 0, True)
    square = sharpness(Unused(), lambda s, y: (s * s).mean(), (x, y))
    assert math.isclose(square.eigenvalue, 4, rel_tol=1e-5)


# ------------------------------------------------------------------ eigenvalue and trace


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("steps", [0, 60])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_eigenvalue_agrees_with_the_full_hessian(activation, steps, seed):
    model = trained(mlp(activation, seed), steps=steps)
    truth = np.linalg.eigvalsh(Hessian(model, ops.cross_entropy, points()).full())
    found = sharpness(
        model, ops.cross_entropy, points(), steps=2000, tolerance=1e-5, draws=50
    )
    assert found.converged
    assert math.isclose(found.eigenvalue, truth[-1], rel_tol=1e-6)
    assert abs(found.trace - truth.sum()) < 4 * found.trace_error
    h = Hessian(model, ops.cross_entropy, points())
    v = found.vector
    assert np.linalg.norm(h @ v - found.eigenvalue * v) <= 1e-5 * found.eigenvalue


class Quadratic(nn.Module):
    """L = ½ θᵀ diag(d) θ, whose Hessian is known."""

    def __init__(self, d):
        self.d, self.weight = np.array(d, float), nn.Parameter(np.ones(len(d)))

    def forward(self, x):
        return 0.5 * (self.weight * self.weight * md.Tensor(self.d)).sum()


def quadratic(d, **how):
    data = [(np.zeros(1), np.zeros(1))]
    return sharpness(Quadratic(d), lambda s, y: s, data, **how)


@pytest.mark.parametrize(
    "d", [[3.0, 1.0], [-9.0, 2.0, 1.0], [-9.0, -8.0, 0.5], [-4.0, -1.0], [0.0, 0.0]]
)
def test_the_largest_eigenvalue_is_found_among_negative_ones(d):
    found = quadratic(d, tolerance=1e-6, steps=2000)
    assert found.converged
    assert math.isclose(found.eigenvalue, max(d), rel_tol=1e-6, abs_tol=1e-9)
    assert math.isclose(found.trace, sum(d), rel_tol=1e-9)
    assert found.trace_error < 1e-6  # of a diagonal matrix each draw is exact


def test_it_says_when_it_has_not_converged():
    found = quadratic([3.0, 2.9, 1.0], steps=3)
    assert not found.converged
    assert found.steps == 3
    assert "not settled after 3 steps" in found.text
    assert not quadratic([-3.0, 2.9, 1.0], steps=30).converged  # still the negative one
    assert not quadratic([3.0, -3.0], steps=300).converged
    assert "not settled" not in quadratic([3.0, 1.0]).text


def test_the_residual_bounds_the_error():
    h = Hessian(Quadratic([5.0, 4.0, 1.0]), lambda s, y: s, [(np.zeros(1),) * 2])
    for steps in (1, 3, 10, 30):
        λ, _, residual, _ = power_iteration(h, np.ones(3), steps, 1e-9)
        assert min(abs(λ - d) for d in (5, 4, 1)) <= residual * abs(λ) + 1e-12


def test_the_error_of_the_trace_is_what_it_says():
    h = Hessian(mlp(), ops.cross_entropy, points())
    truth = np.trace(h.full())
    runs = [hutchinson(h, np.random.default_rng(i), 8) for i in range(25)]
    scores = [(trace - truth) / error for trace, error in runs]
    assert abs(np.mean(scores)) < 0.6
    assert 0.7 < np.std(scores) < 1.6


def test_no_draws_no_trace():
    assert math.isnan(quadratic([2.0, 1.0], draws=0).trace)
    one = quadratic([2.0, 1.0], draws=1)
    assert one.trace == 3
    assert math.isnan(one.trace_error)


def test_a_rescaled_net_computes_the_same_and_is_sharper():
    model = trained(mlp(nn.ReLU))
    slices = landscape(model, ops.cross_entropy, points(), points=7)
    before = sharpness(model, ops.cross_entropy, points())
    with md.no_grad():
        model.layers[1].weight *= 10
        model.layers[1].bias *= 10
        model.layers[3].weight /= 10
    after = sharpness(model, ops.cross_entropy, points())
    assert math.isclose(after.loss, before.loss, rel_tol=1e-9)
    assert after.eigenvalue > 10 * before.eigenvalue
    # but slices whose directions are as long as the filters stay what they were
    same = landscape(model, ops.cross_entropy, points(), points=7)
    assert np.allclose(same.losses, slices.losses, rtol=1e-9)


# ---------------------------------------------------------------------- all is as it was


def noisy_net():
    return nn.Sequential(
        nn.Linear(2, 8, rng=0), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5, rng=0),
        nn.Linear(8, 2, rng=1),
    )  # fmt: skip


@pytest.mark.parametrize("tool", [sharpness, landscape])
@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(tool, training):
    model, data = noisy_net(), moons(100, rng=0)
    rule = optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(data, 20, shuffle=True, seed=0)
    Trainer(model, rule, ops.cross_entropy, progress=False).fit(loader)
    ops.cross_entropy(model(data.x), data.y).backward()  # gradients that wait
    pending = ops.cross_entropy(model(data.x), data.y)  # and a graph
    model.train(training)
    model[1].training = not training

    def state():
        arrays = {n: a.tobytes() for n, a in model.state_dict().items()}
        grads = [p.grad.tobytes() for p in model.parameters()]
        return arrays, grads, [m.training for m in model.modules()]

    before = state()
    md.seed(5)
    expected = backend.generator().normal()
    md.seed(5)
    first = tool(model, ops.cross_entropy, data)
    assert state() == before
    assert backend.generator().normal() == expected
    pending.backward()
    assert repr(tool(model, ops.cross_entropy, data)) == repr(first)  # same again


def test_it_is_measured_in_eval_mode_with_the_running_statistics():
    model, data = noisy_net(), moons(100, rng=0)
    model.train()
    training = sharpness(model, ops.cross_entropy, data)
    assert repr(sharpness(model.eval(), ops.cross_entropy, data)) == repr(training)


def test_a_loader_that_draws_anew_is_drawn_from_once():
    draws = np.random.default_rng(0)

    class Noisy:
        def __iter__(self):
            for x, y in DataLoader(blobs(40, classes=2, rng=0), 20):
                yield x.data + draws.normal(size=x.shape).astype("float32"), y

    found = sharpness(MLP([2, 6, 2], rng=0), ops.cross_entropy, Noisy())
    assert found.converged


def test_a_loader_stays_where_it_is():
    loader = DataLoader(moons(40, rng=0), 20, shuffle=True, seed=0)
    before = loader.state_dict()
    first = sharpness(MLP([2, 6, 2], rng=0), ops.cross_entropy, loader)
    assert loader.state_dict() == before
    assert repr(sharpness(MLP([2, 6, 2], rng=0), ops.cross_entropy, loader)) == repr(
        first
    )


def test_no_grad_around_it_does_no_harm():
    with md.no_grad():
        inside = sharpness(mlp(), ops.cross_entropy, points())
    assert repr(inside) == repr(sharpness(mlp(), ops.cross_entropy, points()))


@pytest.mark.parametrize("tool", [sharpness, landscape])
def test_on_every_device_the_same(tool, device):
    here = MLP([2, 6, 2], rng=0)
    there = MLP([2, 6, 2], rng=0).to(device)
    data = moons(50, rng=0)
    a, b = (tool(model, ops.cross_entropy, data) for model in (here, there))
    if tool is landscape:
        assert np.allclose(a.losses, b.losses, rtol=1e-4)
    else:
        assert math.isclose(a.eigenvalue, b.eigenvalue, rel_tol=1e-3)
        assert math.isclose(a.trace, b.trace, rel_tol=1e-3)


# ---------------------------------------------------------------------------- landscapes


def test_a_slice_of_a_quadratic_is_a_parabola():
    model = nn.Linear(3, 1, bias=False, rng=0).astype("float64")
    x = np.random.default_rng(0).normal(size=(20, 3))
    found = landscape(model, ops.mse_loss, (x, np.zeros((20, 1))), points=5)
    assert np.allclose(np.diff(found.losses, 3), 0, atol=1e-12)
    assert found.center == found.losses[2]


@pytest.mark.parametrize("seed", range(3))
def test_the_direction_is_not_that_of_the_weights_drawn_with_the_same_seed(seed):
    model = nn.Linear(50, 1, bias=False, rng=seed)
    (d,) = direction(model, stream(seed)).values()
    w = model.weight.data
    assert abs((d * w).sum() / (w * w).sum()) < 0.5


def test_filters_of_a_direction_are_as_long_as_those_of_the_weights():
    model = nn.Sequential(
        nn.Embedding(5, 3, rng=0), nn.Linear(3, 4, rng=0), nn.Conv2d(2, 3, 2, rng=0)
    )
    found = direction(model, np.random.default_rng(0))
    axes = {0: 1, 1: 0, 2: (1, 2, 3)}
    for i, axis in axes.items():
        w = model[i].weight
        lengths = [np.sqrt((a * a).sum(axis=axis)) for a in (found[id(w)], w.data)]
        assert np.allclose(*lengths, rtol=1e-5)
    assert len(found) == 3  # no bias moves


def test_the_middle_of_two_directions_is_the_model():
    model = trained(mlp())
    found = landscape(model, ops.cross_entropy, points(), points=5, directions=2)
    x, y = points()
    loss = ops.cross_entropy(model(md.Tensor(x)), y).item()
    assert found.losses.shape == (5, 5)
    assert math.isclose(found.center, loss, rel_tol=1e-12)
    line = landscape(model, ops.cross_entropy, points(), points=5)
    assert np.allclose(found.losses[2], line.losses)  # the first direction goes across


def test_tied_weights_move_together():
    class Tied(nn.Module):
        def __init__(self):
            self.first = nn.Linear(3, 3, bias=False, rng=0)
            self.second = self.first

        def forward(self, x):
            return self.second(self.first(x))

    x = np.ones((2, 3), "float32")
    found = landscape(Tied(), ops.mse_loss, (x, np.zeros((2, 3), "float32")), points=5)
    assert np.isfinite(found.losses).all()


def test_pictures(tmp_path):
    nets = [mlp(), trained(mlp())]
    lines = [landscape(n, ops.cross_entropy, points(), points=5) for n in nets]
    maps = [landscape(n, ops.cross_entropy, points(), points=5, directions=2)
            for n in nets]  # fmt: skip
    fig = show.landscape(lines, names=["new", "trained"], path=tmp_path / "1.png")
    assert [t.get_text() for t in fig.axes[0].get_legend().get_texts()] == [
        "new",
        "trained",
    ]
    fig = show.landscape(maps, path=tmp_path / "2.png")
    assert [t.split(":")[0] for t in titles(fig)] == ["model 1", "model 2"]
    maps[0].losses[0, 0] = np.inf
    maps[0].plot(path=tmp_path / "3.png")
    for n in (1, 2, 3):
        saved(tmp_path / f"{n}.png")


# ---------------------------------------------------------------------------- errors


def exploded():
    model = mlp()
    model.layers[1].weight.data[...] = np.nan
    return model


ERRORS = [
    (lambda: sharpness(mlp(), ops.cross_entropy, points(), steps=0), RangeError, "steps"),
    (lambda: sharpness(mlp(), ops.cross_entropy, points(), draws=-1), RangeError, "draws"),
    (lambda: sharpness(mlp(), ops.cross_entropy, points(), tolerance=0.0), RangeError,
     "tolerance"),
    (lambda: sharpness(mlp(), ops.cross_entropy, []), RangeError, "no batch"),
    (lambda: sharpness(lambda x: x, ops.cross_entropy, points()), DTypeError,
     r"nn\.Module"),
    (lambda: sharpness(mlp().freeze(), ops.cross_entropy, points()), RangeError,
     "unfreeze"),
    (lambda: sharpness(mlp(), lambda s, y: s, points()), ShapeError, "one number"),
    (lambda: sharpness(exploded(), ops.cross_entropy, points()), NonFiniteError,
     "rate too high"),
    (lambda: Hessian(mlp(), ops.cross_entropy, points()) @ np.ones(3), ShapeError,
     "32 weights"),
    (lambda: Hessian(MLP([784, 100, 10]), ops.cross_entropy, points()).full(),
     RangeError, "lab.sharpness"),
    (lambda: landscape(mlp(), ops.cross_entropy, points(), points=4), RangeError,
     "try 5"),
    (lambda: landscape(mlp(), ops.cross_entropy, points(), directions=3), RangeError,
     "1 or 2"),
    (lambda: landscape(mlp(), ops.cross_entropy, points(), span=0.0), RangeError, "span"),
    (lambda: show.landscape(mlp()), DTypeError, r"lab\.landscape"),
    (lambda: show.landscape([]), DTypeError, r"lab\.landscape"),
    (lambda: show.landscape([landscape(mlp(), ops.cross_entropy, points(), points=3,
                                       directions=d) for d in (1, 2)]),
     ShapeError, "draw them apart"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), ERRORS)
def test_errors_say_what_to_write(call, error, says):
    with pytest.raises(error, match=says):
        call()
