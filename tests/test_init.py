"""Initializers: their statistics over 10⁵ draws, their formulas, and what they are for.

The formulas are checked against numbers computed by hand from the papers, and against
torch.nn.init; the point of it all, a signal that survives thirty layers, at the end.
"""

import math

import numpy as np
import pytest

import minidl as md
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.nn import init

pytestmark = pytest.mark.quick

N_IN, N_OUT = 250, 400  # 10⁵ weights

# initializer, settings, the standard deviation that the paper says
SPREADS = [
    (init.small_random, {}, 0.01),
    (init.small_random, {"scale": 0.1}, 0.1),
    (init.normal, {}, 1.0),
    (init.uniform, {}, 1 / math.sqrt(12)),
    (init.xavier_uniform, {}, math.sqrt(2 / (N_IN + N_OUT))),
    (init.xavier_normal, {}, math.sqrt(2 / (N_IN + N_OUT))),
    (init.xavier_normal, {"gain": 5 / 3}, 5 / 3 * math.sqrt(2 / (N_IN + N_OUT))),
    (init.xavier_uniform, {"gain": 2.0}, 2 * math.sqrt(2 / (N_IN + N_OUT))),
    (init.kaiming_normal, {}, math.sqrt(2 / N_IN)),
    (init.kaiming_uniform, {}, math.sqrt(2 / N_IN)),
    (init.kaiming_normal, {"mode": "fan_out"}, math.sqrt(2 / N_OUT)),
    (init.kaiming_uniform, {"mode": "fan_out"}, math.sqrt(2 / N_OUT)),
    (init.kaiming_normal, {"nonlinearity": "linear"}, math.sqrt(1 / N_IN)),
    (
        init.kaiming_normal,
        {"nonlinearity": "leaky_relu", "slope": 0.5},
        math.sqrt(2 / (1.25 * N_IN)),
    ),
    (init.lecun_normal, {}, math.sqrt(1 / N_IN)),
]
IDS = [f"{f.__name__}-{settings}" for f, settings, _ in SPREADS]


@pytest.mark.parametrize(("function", "settings", "std"), SPREADS, ids=IDS)
def test_statistics(function, settings, std):
    w = function((N_IN, N_OUT), **settings, rng=0).astype(np.float64)
    mean = 0.5 if function is init.uniform else 0.0
    n = w.size
    assert abs(w.mean() - mean) < 4 * std / math.sqrt(n)
    # The spread of an estimated σ: σ √((κ − 1) / 4n), κ = 3 normal, 1.8 uniform.
    kurtosis = 1.8 if "uniform" in function.__name__ else 3.0
    assert abs(w.std() / std - 1) < 4 * math.sqrt((kurtosis - 1) / (4 * n))
    measured = ((w - mean) ** 4).mean() / w.var() ** 2
    assert measured == pytest.approx(kurtosis, abs=0.07)  # the shape of the law
    if kurtosis == 1.8:
        bound = abs(w - mean).max()
        assert 0.999 * math.sqrt(3) * std < bound <= math.sqrt(3) * std * (1 + 1e-6)


def test_normal_and_uniform_take_their_settings():
    w = init.normal(100_000, 3.0, 0.5, rng=0)
    assert w.mean() == pytest.approx(3, abs=0.01)
    assert w.std() == pytest.approx(0.5, abs=0.01)
    u = init.uniform(100_000, -2.0, 6.0, rng=0)
    assert -2 <= u.min() < -1.99
    assert 5.99 < u.max() <= 6


def test_constants():
    assert init.zeros((2, 3)).tolist() == [[0.0] * 3] * 2
    assert init.ones(2).tolist() == [1.0, 1.0]
    assert init.constant((1, 2), 0.25).tolist() == [[0.25, 0.25]]


@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (5, 5), (6, 2, 2, 2), (4, 3, 3)])
def test_orthogonal(shape):
    w = init.orthogonal(shape, gain=2.0, rng=0).astype(np.float64)
    assert w.shape == shape
    w = w.reshape(shape[0], -1)
    small = w.T @ w if w.shape[0] > w.shape[1] else w @ w.T
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_orthogonal_is_uniform_among_rotations():
    # Without the signs of R, the diagonal of Q would be skewed; its mean must be 0.
    qs = np.array([init.orthogonal((3, 3), rng=i) for i in range(2000)])
    assert abs(qs.mean(axis=0)).max() < 4 / math.sqrt(3 * 2000)


def test_fan():
    assert init.fan((784, 10)) == (784, 10)  # Linear is (in, out)
    assert init.fan((16, 3, 5, 5)) == (75, 400)
    assert init.fan((8, 4, 3)) == (12, 24)


def test_gains_and_fans_are_those_of_pytorch(torch):
    names = ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
    for name in names:
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    theirs = torch.nn.init.calculate_gain("leaky_relu", 0.3)
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(theirs)
    fan = torch.nn.init._calculate_fan_in_and_fan_out
    for shape in [(16, 3, 5, 5), (8, 4, 3)]:
        assert init.fan(shape) == fan(torch.empty(shape))
    assert init.fan((784, 10)) == fan(torch.empty(10, 784))  # its Linear, transposed


BOTH = [
    ("xavier_uniform", {}, {}),
    ("xavier_normal", {"gain": 1.5}, {"gain": 1.5}),
    ("kaiming_uniform", {}, {"nonlinearity": "relu"}),
    ("kaiming_normal", {"mode": "fan_out"}, {"mode": "fan_out"}),
    (
        "kaiming_normal",
        {"nonlinearity": "leaky_relu", "slope": 0.2},
        {"nonlinearity": "leaky_relu", "a": 0.2},
    ),
]


@pytest.mark.parametrize(("name", "ours", "theirs"), BOTH)
@pytest.mark.parametrize("shape", [(N_IN, N_OUT), (80, 50, 5, 5)])
def test_spread_is_that_of_pytorch(torch, name, ours, theirs, shape):
    torch.manual_seed(0)
    there = torch.empty(shape[::-1] if len(shape) == 2 else shape)
    getattr(torch.nn.init, name + "_")(there, **theirs)
    here = getattr(init, name)(shape, **ours, rng=0)
    assert here.std() == pytest.approx(float(there.std()), rel=0.02)


ALL = [init.zeros, init.ones, init.constant, init.normal, init.uniform,
       init.small_random, init.xavier_uniform, init.xavier_normal, init.kaiming_uniform,
       init.kaiming_normal, init.lecun_normal, init.orthogonal, init.head, init.torch]  # fmt: skip


@pytest.mark.parametrize("function", ALL)
def test_every_initializer_fits_a_layer(function):
    wide = function((6, 4), rng=3)
    assert wide.shape == (6, 4)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, function((6, 4), rng=3))
    layer = md.nn.Linear(6, 4, init=function, rng=3)
    assert layer.weight.dtype == np.float32
    md.default_dtype("float64")
    double = function((6, 4), rng=3)
    assert double.dtype == np.float64
    np.testing.assert_array_equal(wide, double.astype(np.float32))  # the same draw


@pytest.mark.parametrize("function", ALL)
def test_a_name_is_the_function_and_a_tensor_is_filled_in_place(function):
    by_name = md.nn.Linear(6, 4, init=function.__name__, rng=3)
    drawn = function((6, 4), rng=3)
    np.testing.assert_array_equal(by_name.weight.data, drawn)
    weight, array = by_name.weight, by_name.weight.data
    y = (weight * weight).sum()
    assert function(weight, rng=4) is weight
    assert weight.data is array
    np.testing.assert_array_equal(array, function((6, 4), rng=4))
    with pytest.raises(md.errors.GraphError):  # the value that y kept is gone
        y.backward()
    double = md.Tensor(np.full((6, 4), 7.0))
    assert function(double, rng=4).dtype == np.float64


LAYERS = {
    "Linear": (30, 50),
    "Conv1d": (6, 8, 3),
    "Conv2d": (4, 8, (3, 5)),
    "ConvTranspose2d": (6, 4, 3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_torch_draws_weight_and_bias_as_pytorch(torch, name):
    ours = [getattr(md.nn, name)(*LAYERS[name], init="torch", rng=i) for i in range(60)]
    torch.manual_seed(0)
    theirs = [getattr(torch.nn, name)(*LAYERS[name]) for _ in range(60)]
    for what in ("weight", "bias"):
        a = np.concatenate([getattr(layer, what).data.ravel() for layer in ours])
        b = np.concatenate(
            [getattr(layer, what).detach().numpy().ravel() for layer in theirs]
        )
        assert abs(a).max() == pytest.approx(abs(b).max(), rel=0.03)
        assert a.std() == pytest.approx(b.std(), rel=0.08)
        assert abs(a.mean()) < 0.1 * a.std()


def test_every_layer_takes_a_name():
    for layer in (
        md.nn.Linear(3, 2, init="zeros"),
        md.nn.Conv2d(3, 2, 1, init="zeros"),
        md.nn.Conv1d(3, 2, 1, init="zeros"),
        md.nn.ConvTranspose2d(3, 2, 1, init="zeros"),
        md.nn.Maxout(3, 2, init="zeros"),
        md.nn.Embedding(3, 2, init="zeros"),
    ):
        assert not layer.weight.data.any()


def test_the_seed_decides():
    md.seed(5)
    first = [md.nn.Linear(3, 4).weight.data for _ in range(2)]
    md.seed(5)
    again = [md.nn.Linear(3, 4).weight.data for _ in range(2)]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(*first)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: init.fan(3), ShapeError, "init.zeros"),
        (lambda: init.xavier_normal((5,)), ShapeError, "two axes"),
        (lambda: init.orthogonal(4), ShapeError, "two axes"),
        (lambda: init.calculate_gain("swish"), RangeError, "leaky_relu"),
        (lambda: init.kaiming_normal((2, 3), mode="fan"), RangeError, "fan_out"),
        (lambda: init.normal(3, std=-1.0), RangeError, "std"),
        (lambda: md.nn.Linear(2, 3, init="he"), RangeError, "kaiming_normal"),
        (lambda: md.nn.Conv2d(2, 3, 1, init="fan"), RangeError, "unknown"),
        (lambda: md.nn.Embedding(2, 3, init=0.1), DTypeError, "kaiming_normal"),
        (lambda: init.uniform(3, 1.0, 0.0), RangeError, "swap"),
    ],
)
def test_errors(call, error, says):
    with pytest.raises(error, match=says):
        call()


# ------------------------------------------------------- what it is for: a deep network


def signal(activation, initializer, layers=30, width=256):
    """The spread of the activations and of ∂L/∂x after 30 layers, relative to x and g."""
    rng = np.random.default_rng(0)
    x = md.Tensor(rng.standard_normal((128, width)), requires_grad=True)
    y = x
    for _ in range(layers):
        w = initializer((width, width), rng=rng).astype(np.float64)
        y = activation(y @ md.Tensor(w))
    y.backward(rng.standard_normal(y.shape))
    return float(np.sqrt((y.data**2).mean())), float(np.sqrt((x.grad**2).mean()))


def test_he_keeps_a_relu_net_alive():
    forward, backward = signal(md.ops.relu, init.kaiming_normal)
    assert 0.5 < forward < 2
    assert 0.5 < backward < 2
    forward, backward = signal(md.ops.relu, init.kaiming_uniform)
    assert 0.5 < forward < 2
    assert 0.5 < backward < 2


def test_xavier_keeps_a_tanh_net_alive_and_starves_a_relu_net():
    forward, backward = signal(md.ops.tanh, init.xavier_normal)
    assert 0.1 < forward < 0.5  # tanh saturates a little: slow decay, no collapse
    assert backward > 0.02
    forward, _ = signal(md.ops.relu, init.xavier_normal)
    assert forward < 1e-3  # each ReLU halves the variance: 2⁻³⁰, of which the root


def test_small_random_dies_in_a_deep_net():
    for activation in (md.ops.tanh, md.ops.relu):
        forward, backward = signal(activation, init.small_random)
        assert forward < 1e-10
        assert backward < 1e-10


def test_orthogonal_layers_keep_lengths_exactly():
    forward, backward = signal(lambda y: y, init.orthogonal)
    assert forward == pytest.approx(1, abs=0.02)
    assert backward == pytest.approx(1, abs=0.02)


def test_a_function_of_ones_own_gets_the_default_dtype_and_must_return_the_shape():
    def float64(shape, rng):
        return np.ones(shape)

    layer = md.nn.Linear(3, 2, init=float64)
    assert layer.weight.dtype == np.float32
    assert layer(md.Tensor(np.ones((1, 3), np.float32))).dtype == np.float32
    with pytest.raises(
        ShapeError, match=r"init=<lambda> returned \(2, 3\) for a weight"
    ):
        md.nn.Linear(3, 2, init=lambda shape, rng: np.ones(shape).T)
