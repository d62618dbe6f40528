"""Normalization: against PyTorch to the second order, edges, errors."""

import numpy as np
import pytest

from minidl import Tensor, grad, nn, no_grad, ops
from minidl.errors import GraphError, RangeError, ShapeError

pytestmark = pytest.mark.quick

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
SEEDS = range(20)


def leaf(x):
    return Tensor(x, requires_grad=True)


def same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(getattr(a, "data", a), b.detach().numpy(), **CLOSE)


def compare(torch, f, g, arrays, rng):
    """f (ours) and g (torch's): value, gradients, and gradients of these."""
    xs, ts = (
        [leaf(a) for a in arrays],
        [torch.tensor(a, requires_grad=True) for a in arrays],
    )
    y, t = f(*xs), g(*ts)
    same([y], [t])
    u = rng.standard_normal(y.shape)
    dx = grad(y, xs, Tensor(u), create_graph=True)
    dt = torch.autograd.grad(t, ts, torch.tensor(u), create_graph=True)
    same(dx, dt)
    same(grad(f(*xs), xs, u), dt)  # and the closure that speaks arrays
    vs = [rng.standard_normal(a.shape) for a in arrays]
    # x² beside it, so that there is a graph even where the map is linear
    second = sum((d * v + x * x).sum() for d, v, x in zip(dx, vs, xs, strict=True))
    vs = [torch.tensor(v) for v in vs]
    second_t = sum((d * v + x * x).sum() for d, v, x in zip(dt, vs, ts, strict=True))
    same(grad(second, xs), torch.autograd.grad(second_t, ts))


def load(ours, theirs, rng):
    """Give both layers the same random γ and β, and return them, in float64."""
    ours.astype("float64"), theirs.double()
    arrays = [rng.uniform(0.5, 2, p.shape) for p in theirs.parameters()]
    for p, t, a in zip(ours.parameters(), theirs.parameters(), arrays, strict=True):
        p.data[...], t.data[...] = a, t.data.new_tensor(a)
    return ours, theirs


def as_function(layer):
    """The layer as a function of x and its parameters, in order."""
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        places = [
            vars(layer) if hasattr(layer, "named_state") else layer._parameters
        ] * 2
        old = {name: places[0][name] for name in names}
        places[0].update(zip(names, parameters, strict=True))
        try:
            return layer(x)
        finally:
            places[0].update(old)

    return call


def compare_layers(torch, ours, theirs, x, rng):
    arrays = [x, *(p.detach().numpy().copy() for p in theirs.parameters())]
    compare(torch, as_function(ours), as_function(theirs), arrays, rng)


def images(rng, c=None, low=1):
    n, h, w = rng.integers(2, 5), rng.integers(low, 5), rng.integers(2, 5)
    x = rng.standard_normal((n, c or rng.integers(1, 6), h, w))
    return x * rng.uniform(0.5, 3) + rng.standard_normal()


# ---------------------------------------------------------------- layers and PyTorch's


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dims", ["1d", "1d sequence", "2d"])
def test_batch_norm_is_that_of_torch(torch, seed, dims):
    rng = np.random.default_rng(seed)
    draws = [images(rng) for _ in range(3)]
    c = draws[0].shape[1]
    draws = [draws[0], *(images(rng, c) for _ in range(3))]
    if dims != "2d":
        draws = [x[:, :, 0] if dims == "1d sequence" else x[:, :, 0, 0] for x in draws]
    settings = {
        "eps": float(rng.choice([1e-5, 1e-2])),
        "momentum": [0.1, 0.3, None, 0.0, 1.0][seed % 5],
        "affine": bool(seed % 3),
        "track_running_stats": bool(seed % 4),
    }
    name = "BatchNorm2d" if dims == "2d" else "BatchNorm1d"
    ours, theirs = load(
        getattr(nn, name)(c, **settings), getattr(torch.nn, name)(c, **settings), rng
    )
    for x in draws[:3]:
        compare_layers(torch, ours, theirs, x, rng)
        if theirs.running_mean is not None:
            theirs.running_mean.copy_(torch.tensor(ours.running_mean.data))
            theirs.running_var.copy_(torch.tensor(ours.running_var.data))
            theirs.num_batches_tracked.copy_(
                torch.tensor(ours.num_batches_tracked.data)
            )
    ours.eval(), theirs.eval()
    compare_layers(torch, ours, theirs, draws[3], rng)
    if ours.running_mean is not None:
        compare_layers(torch, ours, theirs, draws[3][:1], rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_running_statistics_are_those_of_torch(torch, seed):
    rng = np.random.default_rng(seed)
    momentum = [0.1, None, 0.7][seed % 3]
    ours, theirs = load(
        nn.BatchNorm2d(3, momentum=momentum),
        torch.nn.BatchNorm2d(3, momentum=momentum),
        rng,
    )
    for _ in range(5):
        x = images(rng, 3)
        same([ours(Tensor(x))], [theirs(torch.tensor(x))])
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(array, state[name].numpy(), **CLOSE)
    ours.reset_running_stats(), theirs.reset_running_stats()
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(array, state[name].numpy(), **CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_layer_norm_is_that_of_torch(torch, seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 5, rng.integers(1, 5)))
    last = tuple(int(n) for n in shape[-rng.integers(1, len(shape) + 1) :])
    eps, affine, bias = float(rng.choice([1e-5, 0.1])), bool(seed % 4), bool(seed % 3)
    ours = nn.LayerNorm(last, eps=eps, affine=affine, bias=bias)
    theirs = torch.nn.LayerNorm(last, eps=eps, elementwise_affine=affine, bias=bias)
    x = rng.standard_normal(shape) * 2 + 1
    compare_layers(torch, *load(ours, theirs, rng), x, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_rms_norm_is_that_of_torch(torch, seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 5, rng.integers(1, 5)))
    last = tuple(int(n) for n in shape[-rng.integers(1, len(shape) + 1) :])
    eps, affine = float(rng.choice([1e-5, 0.1])), bool(seed % 4)
    ours = nn.RMSNorm(last, eps=eps, affine=affine)
    theirs = torch.nn.RMSNorm(last, eps=eps, elementwise_affine=affine)
    compare_layers(torch, *load(ours, theirs, rng), rng.standard_normal(shape), rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_group_norm_is_that_of_torch(torch, seed):
    rng = np.random.default_rng(seed)
    groups, each = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    x = images(rng, groups * each)
    x = x if seed % 3 else x[:, :, 0]
    settings = {"eps": float(rng.choice([1e-5, 0.1])), "affine": bool(seed % 4)}
    ours = nn.GroupNorm(groups, groups * each, **settings)
    theirs = torch.nn.GroupNorm(groups, groups * each, **settings)
    compare_layers(torch, *load(ours, theirs, rng), x, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_instance_norm_is_that_of_torch(torch, seed):
    rng = np.random.default_rng(seed)
    x = images(rng)
    settings = {"eps": float(rng.choice([1e-5, 0.1])), "affine": bool(seed % 2)}
    ours = nn.InstanceNorm2d(x.shape[1], **settings)
    theirs = torch.nn.InstanceNorm2d(x.shape[1], **settings)
    compare_layers(torch, *load(ours, theirs, rng), x, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_normalize_and_cosine_are_those_of_torch(torch, seed):
    rng = np.random.default_rng(seed)
    functional = torch.nn.functional
    a, b = rng.standard_normal((2, 3, 4, 2))
    axis = int(rng.integers(-3, 3))
    compare(
        torch,
        lambda x: ops.normalize(x, axis=axis),
        lambda x: functional.normalize(x, dim=axis),
        [a],
        rng,
    )
    compare(
        torch,
        lambda x, y: ops.cosine_similarity(x, y, axis=axis),
        lambda x, y: functional.cosine_similarity(x, y, dim=axis),
        [a, b],
        rng,
    )


# ------------------------------------------------------------------------------- edges


def test_batch_norm_returns_its_statistics(rng):
    x = rng.standard_normal((4, 3, 2, 2))
    for given in (x, leaf(x)):
        _, mean, var = ops.batch_norm(given)
        assert type(mean) is np.ndarray
        np.testing.assert_allclose(mean, x.mean(axis=(0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(var, x.var(axis=(0, 2, 3)), rtol=1e-12)


def test_a_zero_vector_has_a_direction_of_zero_and_a_gradient():
    x = leaf(np.array([[0.0, 0.0], [3.0, 4.0]]))
    y = ops.normalize(x)
    np.testing.assert_allclose(y.data, [[0, 0], [0.6, 0.8]])
    (dx,) = grad(y, x, np.ones((2, 2)), create_graph=True)
    np.testing.assert_allclose(dx.data, [[1e12, 1e12], [0.032, -0.024]])
    assert np.isfinite(grad(dx.sum(), x)[0]).all()


def test_a_single_feature_gives_beta_and_no_example_nothing():
    np.testing.assert_array_equal(nn.LayerNorm(1)(zeros(3, 1)).data, zeros(3, 1))
    assert nn.LayerNorm(4)(zeros(0, 4)).shape == (0, 4)


def test_a_constant_channel_gives_beta(rng):
    x = leaf(np.full((4, 2), 7.0))
    y = ops.batch_norm(x, np.ones(2), np.array([1.0, 2.0]))[0]
    np.testing.assert_array_equal(y.data, np.tile([1.0, 2.0], (4, 1)))
    assert np.isfinite(grad(y, x, rng.standard_normal((4, 2)))[0]).all()


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (1, 3, 2), (1, 3, 1, 2)])
def test_two_values_per_channel_are_enough(shape, rng):
    layer = nn.BatchNorm2d(3) if len(shape) == 4 else nn.BatchNorm1d(3)
    layer(rng.standard_normal(shape).astype(np.float32))
    assert layer.num_batches_tracked.item() == 1


def test_evaluation_does_not_count_and_does_not_need_a_batch(rng):
    layer = nn.BatchNorm1d(3).eval()
    x = rng.standard_normal((1, 3)).astype(np.float32)
    np.testing.assert_allclose(layer(x).data, x / np.sqrt(1 + 1e-5), rtol=1e-6)
    assert layer.num_batches_tracked.item() == 0


def test_statistics_are_counted_under_no_grad_too(rng):
    layer = nn.BatchNorm1d(3)
    with no_grad():
        layer(rng.standard_normal((5, 3)).astype(np.float32) + 10)
    assert (layer.running_mean.data > 0.5).all()


def test_statistics_keep_their_memory_and_tell_of_the_write(rng):
    layer = nn.BatchNorm1d(3)
    mean = layer.running_mean.data
    x = leaf(rng.standard_normal((4, 3)).astype(np.float32))
    y = layer.eval()(x).sum()
    layer.train()(x)
    assert layer.running_mean.data is mean
    with pytest.raises(GraphError, match="batch_norm_eval"):
        grad(y, [x, layer.weight])


def test_float32_stays_float32_in_every_buffer(rng):
    for momentum in (0.1, None):
        layer = nn.BatchNorm2d(3, momentum=momentum)
        assert layer(rng.standard_normal((4, 3, 2, 2)).astype("f")).dtype == np.float32
        assert layer.running_mean.dtype == layer.running_var.dtype == np.float32
        assert layer.num_batches_tracked.dtype == np.int64


def test_batch_norm_keeps_x_but_nothing_else_of_its_size(rng):
    x = leaf(rng.standard_normal((64, 32)))
    y = ops.batch_norm(x, leaf(np.ones(32)), leaf(np.zeros(32)))[0]
    kept = [cell.cell_contents for cell in y.node.back.__closure__]
    large = [a for a in kept if getattr(a, "size", 0) >= x.size]
    assert len(large) == 1
    assert large[0] is x.data


# ------------------------------------------------------------------------------ errors


def zeros(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: nn.BatchNorm1d(3)(zeros(1, 3)), "drop_last=True"),
        (lambda: nn.BatchNorm2d(3)(zeros(1, 3, 1, 1)), "batch of two or more"),
        (lambda: nn.BatchNorm1d(3)(zeros(4, 5)), r"takes \(N, 3\) or \(N, 3, T\)"),
        (lambda: nn.BatchNorm1d(3)(zeros(4, 3, 2, 2)), "BatchNorm2d takes images"),
        (lambda: nn.BatchNorm2d(3)(zeros(4, 3)), "BatchNorm1d takes vectors"),
        (lambda: nn.BatchNorm2d(3)(zeros(3)), "makes one example a batch"),
        (lambda: ops.batch_norm(zeros(3)), "makes one example a batch"),
        (lambda: ops.batch_norm(zeros(0, 3)), "not empty"),
        (lambda: ops.batch_norm(zeros(4, 3), zeros(4)), r"should be \(3,\)"),
        (lambda: ops.batch_norm_eval(zeros(4, 3), zeros(3), zeros(2)), r"be \(3,\)"),
        (lambda: nn.LayerNorm(4)(zeros(3, 5)), r"end with \(4,\)"),
        (lambda: nn.LayerNorm((2, 4), affine=False)(zeros(3, 4)), r"end with \(2, 4\)"),
        (lambda: nn.RMSNorm(4)(zeros(3, 5)), r"end with \(4,\)"),
        (lambda: ops.layer_norm(zeros(3, 4), zeros(3)), "shape of these axes"),
        (lambda: ops.layer_norm(zeros(3, 4), n_axes=3), "last 3 axes"),
        (lambda: ops.layer_norm(zeros(3, 0)), "not empty"),
        (lambda: ops.rms_norm(zeros(3, 4), zeros(3)), "shape of these axes"),
        (lambda: nn.GroupNorm(2, 3), "must divide"),
        (lambda: nn.GroupNorm(2, 4)(zeros(3, 6, 2, 2)), "made for 4 channels"),
        (lambda: ops.group_norm(zeros(3, 4), num_groups=3), "must divide"),
        (lambda: ops.group_norm(zeros(3, 4), num_groups=4), "take fewer groups"),
        (lambda: ops.instance_norm(zeros(3, 4)), "no positions"),
        (lambda: ops.instance_norm(zeros(3, 4, 1, 1)), "1 value per group"),
        (lambda: nn.InstanceNorm2d(4)(zeros(3, 4)), "made for 4 channels"),
        (lambda: nn.BatchNorm1d(3, momentum=1.5), "weight of the new"),
    ],
)
def test_errors_explain_themselves(call, says):
    with pytest.raises((ShapeError, RangeError), match=says):
        call()
