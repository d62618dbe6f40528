"""Dropout and noise: frequencies, keys, modes, second order, errors."""

import copy
import pickle

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, grad, nn, ops
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.ops.dropout import random_bits

KEY = np.array([11, 3], np.uint64)


def key(seed, call=0):
    return np.array([seed, call], np.uint64)


def leaf(x):
    return Tensor(x, requires_grad=True)


# ------------------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.5, 0.8, 0.999])
def test_frequency_and_mean(p):
    n = 400_000
    y = ops.dropout(np.ones(n, np.float32), KEY, p=p)
    dropped = np.mean(y == 0)
    assert abs(dropped - p) < 5 * np.sqrt(p * (1 - p) / n) + 2**-17
    assert abs(y.mean() - 1) < 5 * np.sqrt(p / (1 - p) / n)
    assert len(np.unique(y)) == 2


@pytest.mark.parametrize("p", [0.1, 1 / 3, 0.5, 0.9])
def test_the_scale_is_that_of_the_exact_probability(p):
    kept = round((1 - p) * 65536)
    y = ops.dropout(np.ones(1000), KEY, p=p)
    assert y.max() == 65536 / kept
    assert abs(y.max() * (1 - p) - 1) < 2**-17 / (1 - p)


@pytest.mark.parametrize("n", [8, 4096])
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_what_is_dropped_is_zero_whatever_it_was(n, p):
    """Infinity times a mask of zeros would be no number; nor do gradients bring one."""
    x = leaf(np.full(n, np.inf))
    y = ops.dropout(x, KEY, p=p)
    y.backward(np.full(n, -np.inf))
    for found in (y.data, x.grad):
        assert set(np.abs(found)) == {0, np.inf} - ({np.inf} if p == 1 else set())


def test_an_element_is_kept_if_its_bits_are_below_the_threshold():
    bits = random_bits(KEY, 100)
    t = int(bits[7])  # so that element 7 is just dropped
    y = ops.dropout(np.ones(100), KEY, p=1 - t / 65536)
    np.testing.assert_array_equal(y > 0, bits < t)


def test_elements_are_independent_of_their_neighbors():
    y = ops.dropout(np.ones((500, 512)), KEY, p=0.5) - 1  # −1 or 1
    for lag in (1, 2, 3, 4, 16, 512):
        flat = y.ravel()
        assert abs(np.mean(flat[lag:] * flat[:-lag])) < 5 / np.sqrt(flat.size)
    other = ops.dropout(np.ones((500, 512)), key(11, 4), p=0.5) - 1
    assert abs(np.mean(y * other)) < 5 / np.sqrt(y.size)


def test_a_short_mask_is_the_beginning_of_a_long_one():
    long = ops.dropout(np.ones(1000), KEY, p=0.3)
    for n in (0, 1, 3, 5, 63, 64, 65, 999):
        np.testing.assert_array_equal(ops.dropout(np.ones(n), KEY, p=0.3), long[:n])


def test_the_layout_of_x_does_not_matter(rng):
    x = rng.standard_normal((6, 8))
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x[::-1][::-1]):
        np.testing.assert_array_equal(
            ops.dropout(same, KEY, p=0.4), ops.dropout(x, KEY, p=0.4)
        )


def test_a_number_may_be_dropped_too():
    ys = {float(ops.dropout(np.ones(()), key(0, i), p=0.5)) for i in range(20)}
    assert ys == {0.0, 2.0}


def test_no_noise_is_no_noise(rng):
    x = rng.standard_normal(5)
    np.testing.assert_array_equal(ops.gaussian_noise(x, KEY, std=0.0), x)
    np.testing.assert_array_equal(nn.GaussianNoise(0.0)(x).data, x)


def test_noise_has_its_mean_and_deviation():
    y = ops.gaussian_noise(np.zeros(200_000), KEY, std=0.3)
    assert abs(y.mean()) < 5 * 0.3 / np.sqrt(y.size)
    assert abs(y.std() / 0.3 - 1) < 0.01
    assert abs(np.mean(np.abs(y) < 0.3) - 0.6827) < 0.01


# ------------------------------------------------------------------------------ gradients


@pytest.mark.parametrize("share", [(), (2, 3), (-1,), (0,)])
def test_the_gradient_is_dropped_where_x_was(share, rng):
    x, g = (
        rng.standard_normal((2, 3, 4, 5, 2))[..., 0],
        rng.standard_normal((3, 4, 5, 2)),
    )
    x = leaf(rng.standard_normal((3, 4, 5, 2)))
    y = ops.dropout(x, KEY, p=0.4, share=share)
    factor = y.data / x.data
    assert 0 < np.mean(factor == 0) < 1
    np.testing.assert_allclose(grad(y, x, g, retain_graph=True)[0], g * factor)
    u = leaf(g)
    (dx,) = grad(y, x, u, create_graph=True)
    v = rng.standard_normal(g.shape)
    np.testing.assert_allclose(grad(dx, u, v)[0], v * factor)


def test_dropout_keeps_one_byte_for_each_number(rng):
    x = leaf(rng.standard_normal((64, 64)).astype(np.float32))
    y = ops.dropout(x, KEY, p=0.5)
    cells = [c.cell_contents for c in y.node.back.back[0].__closure__]
    arrays = [a for a in cells if hasattr(a, "nbytes")]
    assert sum(a.nbytes for a in arrays) == x.size
    assert y.node.inputs is None


# ------------------------------------------------------------------------------- settings


def test_p_0_is_the_identity_and_p_1_is_nothing(torch, rng):
    x = rng.standard_normal((3, 4))
    for p in (0.0, 1.0):
        ours, theirs = nn.Dropout(p), torch.nn.Dropout(p)
        a, b = leaf(x), torch.tensor(x, requires_grad=True)
        y, t = ours(a), theirs(b)
        np.testing.assert_array_equal(y.data, t.detach().numpy())
        y.sum().backward(), t.sum().backward()
        np.testing.assert_array_equal(a.grad, b.grad.numpy())


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_op_at_the_ends_returns_memory_of_its_own(p):
    x = np.ones(5)
    y = ops.dropout(x, KEY, p=p)
    assert not np.shares_memory(x, y)
    np.testing.assert_array_equal(y, x * (1 - p))


@pytest.mark.parametrize("shape", [(4, 6, 5, 5), (4, 6, 3)])
def test_whole_channels_are_dropped(shape):
    y = nn.Dropout2d(0.5)(np.ones(shape, np.float32)).data.reshape(4, 6, -1)
    assert set(np.unique(y)) == {0, 2}
    assert (y == y[:, :, :1]).all()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Dropout(0.5, rng=0), nn.Dropout2d(0.5, rng=0), nn.GaussianNoise(0.5, rng=0),
        nn.WeightNoise(nn.BatchNorm2d(3).eval(), 0.5, rng=0),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_a_layer_disturbs_training_and_not_evaluation(layer, rng):
    layer = copy.deepcopy(layer)
    x = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    layer.eval()
    still, calls = layer(x).data, layer.key.data.copy()
    np.testing.assert_allclose(still, x, rtol=1e-4)
    np.testing.assert_array_equal(layer.key.data, calls)
    layer.train()
    first, second = layer(x).data, layer(x).data
    assert (first != second).any()
    assert (first != still).any()
    assert first.dtype == np.float32
    assert layer.key.data[1] > calls[1]
    assert layer.key.data[0] == calls[0]


# ----------------------------------------------------------------------------------- keys


def test_the_state_brings_the_same_noise_again():
    x = np.ones((4, 50), np.float32)
    layer = nn.Dropout(0.5)
    layer(x)
    state = layer.state_dict()
    assert list(state) == ["key"]
    expected = layer(x).data
    other = nn.Dropout(0.5)
    assert (other(x).data != expected).any()
    other.load_state_dict(state)
    np.testing.assert_array_equal(other(x).data, expected)
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(again(x).data, layer(x).data)


def test_one_seed_fixes_all_layers_and_no_two_are_alike():
    def draw():
        md.seed(5)
        x = np.ones((4, 50), np.float32)
        return [nn.Dropout(0.5)(x).data for _ in range(2)]

    (a, b), (c, d) = draw(), draw()
    assert (a != b).any()
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    one, two = nn.Dropout(rng=3), nn.Dropout(rng=3)
    np.testing.assert_array_equal(one.key.data, two.key.data)


def test_a_call_between_forward_and_backward_harms_nothing():
    layer = nn.Dropout(0.5)
    x = leaf(np.ones(100))
    y = layer(x)
    layer(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)


def test_astype_leaves_the_key_alone():
    layer = nn.Dropout(0.5)
    before = layer.key.data.copy()
    layer.astype("float64")
    assert layer.key.dtype == np.uint64
    np.testing.assert_array_equal(layer.key.data, before)


# --------------------------------------------------------------------------- weight noise


def test_weight_noise_has_the_gradient_at_the_noisy_weights(rng):
    x = rng.standard_normal((5, 3)).astype(np.float32)
    inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    noisy = nn.WeightNoise(inner, std=0.5)
    before = [p.data.copy() for p in inner.parameters()]
    start = noisy.key.data.copy()
    noisy(x).sum().backward()
    got = [p.grad for p in inner.parameters()]
    assert [name for name, _ in noisy.named_parameters()] == [
        f"module.{name}" for name, _ in inner.named_parameters()
    ]
    for p, old in zip(inner.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.data, old)
    twin = copy.deepcopy(inner)
    for i, p in enumerate(twin.parameters()):
        p.grad = None
        p.data[...] = ops.gaussian_noise(p.data, start + key(0, i), std=0.5)
    twin(x).sum().backward()
    for g, p in zip(got, twin.parameters(), strict=True):
        np.testing.assert_allclose(g, p.grad, rtol=1e-5)


def test_a_shared_weight_gets_one_noise(rng):
    a = nn.Linear(3, 3, bias=False)
    b = nn.Linear(3, 3, bias=False)
    b.weight = a.weight
    noisy = nn.WeightNoise(nn.Sequential(a, b), std=0.5)
    start = noisy.key.data.copy()
    y = noisy(np.eye(3, dtype=np.float32)).data
    w = ops.gaussian_noise(a.weight.data, start, std=0.5)
    np.testing.assert_allclose(y, w @ w, rtol=1e-5)


class Odd(nn.Module):
    """Weights wherever a module may have them, and a forward that takes a note."""

    def __init__(self):
        self.listed = [nn.Parameter(np.ones(2, np.float32)), "a word"]
        self.inner = {"one": (nn.Linear(2, 2, rng=0),), "none": {}}
        self.log, self.last = [], None

    def forward(self, x):
        self.log.append("called")
        self.last = x * self.listed[0]
        return self.inner["one"][0](self.last)


def test_what_is_called_is_a_copy_and_the_model_stays_as_it_is():
    model, seen = Odd(), []
    linear, weight = model.inner["one"][0], model.listed[0]
    linear.register_forward_hook(lambda m, xs, y: seen.append((m, m.weight)))
    noisy = nn.WeightNoise(model, 0.1, rng=0)
    x = np.ones((3, 2), np.float32)
    first, second = noisy(x), noisy(x)
    assert (first.data != second.data).any()
    first.sum().backward()
    assert weight.grad is not None
    assert linear.weight.grad is not None
    assert [m for m, _ in seen] == [linear, linear], "hooks are told of the model's own"
    assert all(w is linear.weight for _, w in seen)
    assert model.log == ["called", "called"]
    assert model.last.shape == (3, 2), "what forward assigns is the model's"
    assert model.listed[0] is weight
    with pytest.raises(ShapeError):
        noisy(np.ones((2, 5), np.float32))
    assert model.inner["one"][0] is linear
    np.testing.assert_array_equal(noisy.eval()(x).data, model.eval()(x).data)


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: nn.Dropout(1.5), RangeError, r"p is 1.5.* in \[0, 1\]"),
        (lambda: nn.Dropout(float("nan")), RangeError, "p is nan"),
        (lambda: ops.dropout(np.ones(3), KEY, p=-0.1), RangeError, "p is -0.1"),
        (lambda: ops.dropout(np.ones(3), KEY[:1], p=0.5), ShapeError, "two uint64"),
        (lambda: ops.dropout(np.ones(3), [1, 2], p=0.5), DTypeError, "these are int64"),
        (lambda: ops.dropout(np.ones(3), KEY, p=0.5, share=(1,)), ShapeError, "share"),
        (lambda: nn.Dropout2d()(np.ones((2, 3))), ShapeError, "try Dropout"),
        (lambda: nn.GaussianNoise(-1.0), RangeError, "std is -1.0"),
        (lambda: ops.gaussian_noise(np.ones(3), KEY, std=-1.0), RangeError, "-1.0"),
        (lambda: nn.WeightNoise(nn.Tanh(), -1.0), RangeError, "std is -1.0"),
    ],
)
def test_errors_explain_themselves(call, error, says):
    with pytest.raises(error, match=says):
        call()
